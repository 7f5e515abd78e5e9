#include "functions/attachments.h"

#include <algorithm>
#include <utility>

#include "functions/errors.h"

namespace millrace::functions {
namespace {

using codec::Json;

std::string text_of(const Json& json, std::string_view name) { return std::string(json.string_or(name, "")); }

Json list_json(const std::vector<std::string>& list) {
  Json json = Json::array();
  for (const auto& element : list) json.push(element);
  return json;
}

std::vector<std::string> list_from(const Json& json, std::string_view name) {
  std::vector<std::string> list;
  if (const Json* found = json.find(name); found != nullptr && found->is_array()) {
    for (const auto& element : found->as_array()) list.push_back(element.is_string() ? element.as_string() : "");
  }
  return list;
}

Json alias_json(const Alias& alias) {
  Json json =
      Json::object({{"version", alias.version}, {"description", alias.description}, {"revision", alias.revision}});
  if (!alias.second_version.empty()) json.set("second", alias.second_version).set("weight", alias.second_weight);
  return json;
}

Alias alias_from(const std::string& name, const Json& json) {
  const Json* weight = json.find("weight");
  return {.name = name,
          .version = text_of(json, "version"),
          .description = text_of(json, "description"),
          .revision = text_of(json, "revision"),
          .second_version = text_of(json, "second"),
          .second_weight = weight != nullptr && weight->is_number() ? weight->as_double() : 0};
}

Json event_invoke_json(const EventInvokeConfig& config) {
  return Json::object()
      .set("modified", to_unix_ms(config.last_modified))
      .set("on_success", config.on_success)
      .set("on_failure", config.on_failure)
      .set_if(config.retries_max.has_value(), "retries", config.retries_max.value_or(0))
      .set_if(config.age_seconds_max.has_value(), "age", config.age_seconds_max.value_or(0));
}

EventInvokeConfig event_invoke_from(const std::string&, const Json& json) {
  EventInvokeConfig config;
  config.last_modified = from_unix_ms(json.int_or("modified", 0));
  config.on_success = text_of(json, "on_success");
  config.on_failure = text_of(json, "on_failure");
  if (json.find("retries") != nullptr) config.retries_max = static_cast<int>(json.int_or("retries", 0));
  if (json.find("age") != nullptr) config.age_seconds_max = static_cast<int>(json.int_or("age", 0));
  return config;
}

Json policy_json(const Policy& policy) {
  return Json::object({{"revision", policy.revision}, {"statements", Json(policy.statements)}});
}

Policy policy_from(const std::string&, const Json& json) {
  Policy policy{.revision = text_of(json, "revision"), .statements = {}};
  if (const Json* statements = json.find("statements"); statements != nullptr && statements->is_array()) {
    policy.statements = statements->as_array();
  }
  return policy;
}

Json url_json(const FunctionUrl& url) {
  Json json = Json::object({{"id", url.id},
                            {"auth", url.auth_type},
                            {"created", to_unix_ms(url.created)},
                            {"modified", to_unix_ms(url.last_modified)}});
  if (url.cors) {
    Json cors = Json::object({{"credentials", url.cors->allow_credentials},
                              {"headers", list_json(url.cors->allow_headers)},
                              {"methods", list_json(url.cors->allow_methods)},
                              {"origins", list_json(url.cors->allow_origins)},
                              {"expose", list_json(url.cors->expose_headers)}});
    if (url.cors->max_age_seconds) cors.set("age", *url.cors->max_age_seconds);
    json.set("cors", std::move(cors));
  }
  return json;
}

FunctionUrl url_from(const std::string&, const Json& json) {
  FunctionUrl url{.id = text_of(json, "id"),
                  .auth_type = text_of(json, "auth"),
                  .cors = std::nullopt,
                  .created = from_unix_ms(json.int_or("created", 0)),
                  .last_modified = from_unix_ms(json.int_or("modified", 0))};
  if (const Json* cors = json.find("cors")) {
    url.cors = Cors{.allow_credentials = cors->bool_or("credentials", false),
                    .allow_headers = list_from(*cors, "headers"),
                    .allow_methods = list_from(*cors, "methods"),
                    .allow_origins = list_from(*cors, "origins"),
                    .expose_headers = list_from(*cors, "expose"),
                    .max_age_seconds = std::nullopt};
    if (cors->find("age") != nullptr) url.cors->max_age_seconds = static_cast<int>(cors->int_or("age", 0));
  }
  return url;
}

template <typename T>
Json map_of(const std::map<std::string, T>& map, Json (*render)(const T&)) {
  Json json = Json::object();
  for (const auto& [key, value] : map) json.set(key, render(value));
  return json;
}

template <typename T>
std::map<std::string, T> map_from(const Json& json, std::string_view name, T (*read)(const std::string&, const Json&)) {
  std::map<std::string, T> map;
  if (const Json* found = json.find(name); found != nullptr && found->is_object()) {
    for (const auto& [key, value] : found->as_object()) map.emplace(key, read(key, value));
  }
  return map;
}

Json principal_of(const std::string& principal) {
  const bool digits = principal.size() == 12 &&
                      std::all_of(principal.begin(), principal.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (principal == "*") return principal;
  if (digits) return Json::object({{"AWS", "arn:aws:iam::" + principal + ":root"}});
  if (principal.find(".amazon") != std::string::npos) return Json::object({{"Service", principal}});
  return Json::object({{"AWS", principal}});
}

}  // namespace

const std::string& pick_version(const Alias& alias, std::uint64_t random) {
  constexpr double kRange = 18446744073709551616.0;  // 2^64
  const bool second = !alias.second_version.empty() && static_cast<double>(random) / kRange < alias.second_weight;
  return second ? alias.second_version : alias.version;
}

const Json* Policy::find(std::string_view sid) const {
  for (const auto& statement : statements) {
    if (statement.string_or("Sid", "") == sid) return &statement;
  }
  return nullptr;
}

std::string Policy::document() const {
  return Json::object({{"Version", "2012-10-17"}, {"Id", "default"}, {"Statement", Json(statements)}}).dump();
}

Json statement_of(const Permission& permission, const std::string& resource) {
  Json statement = Json::object({{"Sid", permission.sid},
                                 {"Effect", "Allow"},
                                 {"Principal", principal_of(permission.principal)},
                                 {"Action", permission.action},
                                 {"Resource", resource}});
  Json equals = Json::object();
  equals.set_if(!permission.url_auth_type.empty(), "lambda:FunctionUrlAuthType", permission.url_auth_type)
      .set_if(!permission.source_account.empty(), "AWS:SourceAccount", permission.source_account)
      .set_if(!permission.event_source_token.empty(), "lambda:EventSourceToken", permission.event_source_token)
      .set_if(!permission.organization.empty(), "aws:PrincipalOrgID", permission.organization);
  Json condition = Json::object();
  condition.set_if(!equals.as_object().empty(), "StringEquals", equals);
  if (!permission.source_arn.empty()) {
    condition.set("ArnLike", Json::object({{"AWS:SourceArn", permission.source_arn}}));
  }
  if (permission.via_url) condition.set("Bool", Json::object({{"lambda:InvokedViaFunctionUrl", "true"}}));
  return statement.set_if(!condition.as_object().empty(), "Condition", condition);
}

void Attachments::forget(const std::string& qualifier) {
  aliases.erase(qualifier);
  event_invokes.erase(qualifier);
  policies.erase(qualifier);
  urls.erase(qualifier);
}

Json to_json(const Attachments& attachments) {
  return Json::object({{"last_version", attachments.last_version},
                       {"last_description", attachments.last_description},
                       {"aliases", map_of(attachments.aliases, alias_json)},
                       {"event_invokes", map_of(attachments.event_invokes, event_invoke_json)},
                       {"policies", map_of(attachments.policies, policy_json)},
                       {"urls", map_of(attachments.urls, url_json)}});
}

Attachments attachments_from_json(const Json& json) {
  return {.last_version = static_cast<int>(json.int_or("last_version", 0)),
          .last_description = text_of(json, "last_description"),
          .aliases = map_from(json, "aliases", alias_from),
          .event_invokes = map_from(json, "event_invokes", event_invoke_from),
          .policies = map_from(json, "policies", policy_from),
          .urls = map_from(json, "urls", url_from)};
}

Error statement_exists(const std::string& sid) {
  return Error(kResourceConflict, "The statement id (" + sid +
                                      ") provided already exists. Please provide a new statement id, or remove the "
                                      "existing statement.");
}

Result<void> remove_statement(Policy& policy, const std::string& sid) {
  if (std::erase_if(policy.statements, [&](const auto& each) { return each.string_or("Sid", "") == sid; }) == 0)
    return Error(kResourceNotFound, "Statement " + sid + " is not found in resource policy.");
  return {};
}

}  // namespace millrace::functions
