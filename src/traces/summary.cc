#include "traces/summary.h"

#include <algorithm>
#include <map>
#include <set>

namespace millrace::traces {
namespace {

Json service_id(const Node& node, std::string_view account) {
  Json out = Json::object({{"Name", node.name}, {"Names", Json::array({node.name})}, {"AccountId", account}});
  return out.set_if(!node.type.empty(), "Type", node.type);
}

void put_text(Json& out, std::string_view member, const Json* value) {
  if (value != nullptr && value->is_string()) out.set(member, *value);
}

std::string type_of(const Json& json) {
  if (const auto origin = json.string_or("origin", ""); !origin.empty()) return std::string(origin);
  const auto space = json.string_or("namespace", "");
  return space == "aws" ? "AWS::" + std::string(json.string_or("name", "")) : std::string(space);
}

}  // namespace

const Json* member_at(const Json& json, std::initializer_list<std::string_view> path) {
  const Json* at = &json;
  for (const auto name : path) {
    at = at->find(name);
    if (at == nullptr) return nullptr;
  }
  return at;
}

Flags flags_of(const Json& segment) {
  return {segment.bool_or("fault", false), segment.bool_or("error", false), segment.bool_or("throttle", false),
          segment.bool_or("in_progress", false)};
}

Picture::Picture(std::string id, std::vector<Json> segments) : id_(std::move(id)), segments_(std::move(segments)) {
  std::map<std::string, int, std::less<>> owner;  // node in which a segment or subsegment lies
  std::set<std::string, std::less<>> parents;     // that sent segments below them
  for (const auto& segment : segments_) parents.emplace(segment.string_or("parent_id", ""));
  for (const auto& segment : segments_) {
    const int own = static_cast<int>(nodes_.size());
    nodes_.push_back({&segment, -1, std::string(segment.string_or("name", "")), type_of(segment),
                      segment.bool_or("inferred", false)});
    for_each(segment, [&](const Json& each, int depth) {
      const auto each_id = each.string_or("id", "");
      owner.try_emplace(std::string(each_id), own);
      const auto space = each.string_or("namespace", "");
      if (depth == 0 || (space != "aws" && space != "remote") || parents.contains(each_id)) return;
      nodes_.push_back({&each, own, std::string(each.string_or("name", "")), type_of(each), true});
    });
    partial_ = partial_ || flags_of(segment).in_progress;
  }
  for (auto& node : nodes_) {
    if (node.caller >= 0) continue;
    const auto found = owner.find(node.json->string_or("parent_id", ""));
    if (found != owner.end() && nodes_[static_cast<std::size_t>(found->second)].json != node.json)
      node.caller = found->second;
  }
  const auto root = std::ranges::find(nodes_, -1, &Node::caller);
  root_ = root == nodes_.end() ? 0 : static_cast<std::size_t>(root - nodes_.begin());
  if (nodes_.empty()) return;
  start_ = number_or(*nodes_[root_].json, "start_time", 0);
  end_ = start_;
  for (const auto& segment : segments_) end_ = std::max(end_, number_or(segment, "end_time", 0));
}

double Picture::response_time() const {
  const Json& json = *root().json;
  return std::max(0.0, number_or(json, "end_time", start_) - number_or(json, "start_time", start_));
}

Json Picture::summary(std::string_view account) const {
  const Flags flags = flags_of(*root().json);
  Json out = Json::object({{"Id", id_},
                           {"StartTime", start_},
                           {"Duration", duration()},
                           {"ResponseTime", response_time()},
                           {"HasFault", flags.fault},
                           {"HasError", flags.error},
                           {"HasThrottle", flags.throttle},
                           {"IsPartial", partial_}});
  Json http = Json::object();
  put_text(http, "HttpURL", member_at(*root().json, {"http", "request", "url"}));
  put_text(http, "HttpMethod", member_at(*root().json, {"http", "request", "method"}));
  put_text(http, "UserAgent", member_at(*root().json, {"http", "request", "user_agent"}));
  put_text(http, "ClientIp", member_at(*root().json, {"http", "request", "client_ip"}));
  const Json* status = member_at(*root().json, {"http", "response", "status"});
  if (status != nullptr && status->is_number()) http.set("HttpStatus", status->as_int());
  out.set("Http", std::move(http));
  Json annotations = Json::object();
  Json users = Json::array();
  Json services = Json::array();
  Json resources = Json::array();
  std::set<std::pair<std::string, std::string>> seen;
  std::set<std::string> seen_resources;
  for (const auto& node : nodes_) {
    if (seen.emplace(node.name, node.type).second) services.push(service_id(node, account));
    const auto resource = node.json->string_or("resource_arn", "");
    if (!resource.empty() && seen_resources.emplace(resource).second) resources.push(Json::object({{"ARN", resource}}));
  }
  for (const auto& segment : segments_) {
    const Node node{&segment, -1, std::string(segment.string_or("name", "")), type_of(segment)};
    const Json by = Json::array({service_id(node, account)});
    for_each(segment, [&](const Json& each, int) {
      if (const auto user = each.string_or("user", ""); !user.empty())
        users.push(Json::object({{"UserName", user}, {"ServiceIds", by}}));
      const Json* list = each.find("annotations");
      if (list == nullptr || !list->is_object()) return;
      for (const auto& [name, value] : list->as_object()) {
        const char* kind = value.is_bool() ? "BooleanValue" : value.is_number() ? "NumberValue" : "StringValue";
        if (!value.is_bool() && !value.is_number() && !value.is_string()) continue;
        if (annotations.find(name) == nullptr) annotations.set(name, Json::array());
        annotations.find(name)->push(
            Json::object({{"AnnotationValue", Json::object({{kind, value}})}, {"ServiceIds", by}}));
      }
    });
  }
  out.set("Annotations", std::move(annotations)).set("Users", std::move(users)).set("ServiceIds", std::move(services));
  out.set("ResourceARNs", std::move(resources)).set("EntryPoint", service_id(root(), account));
  return out.set("Revision", static_cast<std::int64_t>(segments_.size()));
}

}  // namespace millrace::traces
