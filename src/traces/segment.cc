#include "traces/segment.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "traces/header.h"

namespace millrace::traces {
namespace {

constexpr int kDepthMax = 100;  // of subsegments within each other

// AWS: letters and digits of any script, white space, and _ . : / % & # = + \\ - @
bool is_name(std::string_view name) {
  constexpr std::string_view kSigns = "_.:/%&#=+\\-@ ";
  return std::ranges::all_of(name, [&](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '\t' ||
           kSigns.find(c) != std::string_view::npos;
  });
}

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

// "" or the code of what is wrong.
std::string_view check_common(const Json& json) {
  const Json* id = json.find("id");
  if (id == nullptr) return "MissingId";
  if (!id->is_string() || !is_segment_id(id->as_string())) return "InvalidId";
  const Json* name = json.find("name");
  if (name == nullptr) return "MissingName";
  if (!name->is_string() || name->as_string().empty() || characters(name->as_string()) > kNameMax ||
      !is_name(name->as_string()))
    return "InvalidName";
  const Json* start = json.find("start_time");
  if (start == nullptr) return "MissingStartTime";
  if (!start->is_number() || !std::isfinite(start->as_double()) || start->as_double() < 0) return "InvalidStartTime";
  const Json* end = json.find("end_time");
  if (end == nullptr && !json.bool_or("in_progress", false)) return "MissingEndTime";
  if (end != nullptr && (!end->is_number() || !std::isfinite(end->as_double()) || end->as_double() < 0))
    return "InvalidEndTime";
  return "";
}

// Subsegments within a document; they need no trace id.
std::string_view check_nested(const Json& json, int depth) {
  const Json* list = json.find("subsegments");
  if (list == nullptr) return "";
  if (!list->is_array() || depth > kDepthMax) return "InvalidSubsegments";
  for (const auto& each : list->as_array()) {
    if (!each.is_object()) return "InvalidSubsegments";
    if (const auto code = check_common(each); !code.empty()) return code;
    if (const auto code = check_nested(each, depth + 1); !code.empty()) return code;
  }
  return "";
}

// Where a subsegment with some id lies: the document it is in, and the way down.
using Path = std::vector<std::size_t>;

void index(const Json& segment, std::size_t document, const Path& path,
           std::map<std::string, std::pair<std::size_t, Path>, std::less<>>& places) {
  places.try_emplace(std::string(segment.string_or("id", "")), document, path);
  const Json* list = segment.find("subsegments");
  if (list == nullptr || !list->is_array()) return;
  for (std::size_t i = 0; i < list->as_array().size(); ++i) {
    Path deeper = path;
    deeper.push_back(i);
    index(list->as_array()[i], document, deeper, places);
  }
}

void sort_by_start(Json::Array& list) {
  std::ranges::stable_sort(list, {}, [](const Json& each) {
    const bool is_caused = !each.string_or("parent_id", "").empty();  // of two at once, the cause comes first
    return std::pair(number_or(each, "start_time", 0), is_caused);
  });
}

void sort_nested(Json& segment) {
  Json* list = segment.find("subsegments");
  if (list == nullptr || !list->is_array()) return;
  sort_by_start(list->as_array());
  for (auto& each : list->as_array()) sort_nested(each);
}

// Moves a separately sent subsegment, with all those below it, into `children` of its parent.
Json with_children(std::size_t at, std::vector<Json>& documents,
                   const std::map<std::size_t, std::vector<std::pair<Path, std::size_t>>>& children) {
  Json out = std::move(documents[at]);
  const auto found = children.find(at);
  if (found == children.end()) return out;
  // Appended only after what was there, so that the paths hold.
  for (const auto& [path, child] : found->second) {
    Json* parent = &out;
    for (const std::size_t step : path) parent = &parent->find("subsegments")->as_array()[step];
    if (parent->find("subsegments") == nullptr) parent->set("subsegments", Json::array());
    parent->find("subsegments")->push(with_children(child, documents, children));
  }
  return out;
}

// `text`: the same document.
Segment segment_of(const Json& json, std::string text) {
  Segment out{.trace_id = std::string(json.string_or("trace_id", "")),
              .id = std::string(json.string_or("id", "")),
              .start = number_or(json, "start_time", 0),
              .document = std::move(text)};
  out.end = std::max(out.start, number_or(json, "end_time", 0));
  return out;
}

}  // namespace

double number_or(const Json& json, std::string_view name, double otherwise) {
  const Json* value = json.find(name);
  return value != nullptr && value->is_number() ? value->as_double() : otherwise;
}

std::string Refusal::message() const {
  return std::string(is_subsegment ? "Invalid subsegment" : "Invalid segment") + ". ErrorCode: " + code;
}

std::optional<Segment> read_segment(std::string_view document, Refusal& refusal) {
  refusal = {};
  auto json = codec::parse_json(document);
  if (!json.ok() || !json->is_object()) {
    refusal.code = "ParseError";
    return std::nullopt;
  }
  refusal.id = json->string_or("id", "");
  refusal.is_subsegment = json->string_or("type", "") == "subsegment";
  const auto refuse = [&](std::string_view code) {
    refusal.code = code;
    return std::nullopt;
  };
  if (document.size() > kSegmentBytesMax) return refuse("DocumentTooLarge");
  if (const auto code = check_common(*json); !code.empty()) return refuse(code);
  const Json* trace = json->find("trace_id");
  if (trace == nullptr) return refuse("MissingTraceId");
  const auto trace_id = trace->is_string() ? trace_id_of(trace->as_string()) : std::nullopt;
  if (!trace_id) return refuse("InvalidTraceId");
  const Json* parent = json->find("parent_id");
  if (parent != nullptr && !parent->is_null() && !(parent->is_string() && is_segment_id(parent->as_string())))
    return refuse("InvalidParentId");
  if (refusal.is_subsegment && parent == nullptr) return refuse("MissingParentId");
  if (const auto code = check_nested(*json, 0); !code.empty()) return refuse(code);
  if (*trace_id == trace->as_string()) return segment_of(*json, std::string(document));
  json->set("trace_id", *trace_id);
  return own_segment(*json);
}

Segment own_segment(const Json& document) { return segment_of(document, document.dump()); }

Segment moved(const Segment& segment, double seconds) {
  const std::function<void(Json&)> move = [&](Json& json) {
    for (const auto name : {"start_time", "end_time"})
      if (const Json* time = json.find(name); time != nullptr && time->is_number())
        json.set(name, time->as_double() + seconds);
    if (Json* list = json.find("subsegments"); list != nullptr && list->is_array())
      for (auto& each : list->as_array()) move(each);
  };
  auto json = codec::parse_json(segment.document);
  if (!json.ok()) return segment;
  move(*json);
  return own_segment(*json);
}

std::vector<Json> assemble(const std::vector<std::string>& documents) {
  std::vector<Json> parsed;
  for (const auto& text : documents) {
    auto json = codec::parse_json(text);
    if (json.ok() && json->is_object()) parsed.push_back(std::move(*json));
  }
  std::map<std::string, std::pair<std::size_t, Path>, std::less<>> places;
  for (std::size_t i = 0; i < parsed.size(); ++i) index(parsed[i], i, {}, places);
  std::vector<std::optional<std::size_t>> inside(parsed.size());
  std::map<std::size_t, std::vector<std::pair<Path, std::size_t>>> children;
  for (std::size_t i = 0; i < parsed.size(); ++i) {
    if (parsed[i].string_or("type", "") != "subsegment") continue;
    const auto place = places.find(parsed[i].string_or("parent_id", ""));
    if (place == places.end()) continue;
    // A parent that is, over some steps, below this one would make a circle.
    std::optional<std::size_t> above = place->second.first;
    while (above && *above != i) above = inside[*above];
    if (above) continue;
    inside[i] = place->second.first;
    children[place->second.first].emplace_back(place->second.second, i);
  }
  Json::Array out;
  for (std::size_t i = 0; i < parsed.size(); ++i) {
    if (!inside[i]) out.push_back(with_children(i, parsed, children));
  }
  sort_by_start(out);
  for (auto& each : out) sort_nested(each);
  return out;
}

void for_each(const Json& segment, const std::function<void(const Json& each, int depth)>& visit, int depth) {
  visit(segment, depth);
  const Json* list = segment.find("subsegments");
  if (list == nullptr || !list->is_array() || depth > kDepthMax) return;
  for (const auto& each : list->as_array()) for_each(each, visit, depth + 1);
}

}  // namespace millrace::traces
