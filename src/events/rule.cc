#include "events/rule.h"

#include <algorithm>

#include "events/errors.h"

namespace millrace::events {
namespace {

using codec::Json;

Error invalid_rule(std::string text) { return Error(kValidation, std::move(text)); }

std::optional<std::string> text_of(const Json& json, std::string_view name) {
  if (json.find(name) == nullptr) return std::nullopt;
  return std::string(json.string_or(name, ""));
}

}  // namespace

Result<Target> target_of(const Json& shown) {
  constexpr std::string_view kServed[] = {
      "Id", "Arn", "RoleArn", "Input", "InputPath", "InputTransformer", "DeadLetterConfig", "RetryPolicy"};
  Target target;
  target.id = shown.string_or("Id", "");
  target.arn = shown.string_or("Arn", "");
  for (const auto& [name, value] : shown.as_object()) {
    if (std::ranges::find(kServed, name) == std::end(kServed)) {
      return invalid_rule("The parameter " + name + " of target " + target.id + " is not supported by this server.");
    }
  }
  target.input.constant = text_of(shown, "Input");
  target.input.path = text_of(shown, "InputPath");
  if (const Json* given = shown.find("InputTransformer")) {
    Transformer transformer;
    transformer.input_template = given->string_or("InputTemplate", "");
    if (const Json* paths = given->find("InputPathsMap"); paths != nullptr && paths->is_object()) {
      for (const auto& [name, path] : paths->as_object()) {
        transformer.paths[name] = path.is_string() ? path.as_string() : "";
      }
    }
    target.input.transformer = std::move(transformer);
  }
  MR_RETURN_IF_ERROR(check_input(target.input, target.id));
  if (const Json* config = shown.find("DeadLetterConfig")) target.dead_letter_arn = config->string_or("Arn", "");
  target.shown = shown;
  return target;
}

std::string Rule::arn() const { return "arn:aws:events:" + scope.region + ":" + scope.account + ":rule/" + name; }

Result<void> derive(Rule& rule) {
  rule.schedule.reset();
  rule.pattern.reset();
  if (!rule.schedule_text.empty()) {
    MR_ASSIGN_OR_RETURN(rule.schedule, parse_schedule(rule.schedule_text));
  }
  if (!rule.pattern_text.empty()) {
    auto pattern = patterns::Pattern::compile(rule.pattern_text);
    if (!pattern.ok()) return Error(kInvalidEventPattern, "Event pattern is not valid. Reason: " + rule.pattern_text);
    rule.pattern = *std::move(pattern);
  }
  if (!rule.schedule && !rule.pattern) {
    return invalid_rule("Parameter(s) EventPattern or ScheduleExpression must be specified.");
  }
  return {};
}

Json to_json(const Rule& rule) {
  Json tags = Json::object();
  for (const auto& [key, value] : rule.tags) tags.set(key, value);
  Json targets = Json::array();
  for (const auto& target : rule.targets) targets.push(target.shown);
  Json json = Json::object({{"v", 1},
                            {"account", rule.scope.account},
                            {"region", rule.scope.region},
                            {"name", rule.name},
                            {"description", rule.description},
                            {"role", rule.role_arn},
                            {"schedule", rule.schedule_text},
                            {"pattern", rule.pattern_text},
                            {"enabled", rule.enabled},
                            {"tags", std::move(tags)},
                            {"targets", std::move(targets)},
                            {"anchor", to_unix_ms(rule.anchor)}});
  if (rule.next != kNever) json.set("next", to_unix_ms(rule.next));
  return json;
}

Result<Rule> rule_from_json(const Json& json) {
  Rule rule;
  rule.scope = {std::string(json.string_or("account", "")), std::string(json.string_or("region", ""))};
  rule.name = json.string_or("name", "");
  rule.description = json.string_or("description", "");
  rule.role_arn = json.string_or("role", "");
  rule.schedule_text = json.string_or("schedule", "");
  rule.pattern_text = json.string_or("pattern", "");
  rule.enabled = json.bool_or("enabled", true);
  rule.anchor = from_unix_ms(json.int_or("anchor", 0));
  if (json.find("next") != nullptr) rule.next = from_unix_ms(json.int_or("next", 0));
  if (const Json* tags = json.find("tags"); tags != nullptr && tags->is_object()) {
    for (const auto& [key, value] : tags->as_object()) rule.tags[key] = value.is_string() ? value.as_string() : "";
  }
  if (const Json* targets = json.find("targets"); targets != nullptr && targets->is_array()) {
    for (const Json& each : targets->as_array()) {
      MR_ASSIGN_OR_RETURN(auto target, target_of(each));
      rule.targets.push_back(std::move(target));
    }
  }
  MR_RETURN_IF_ERROR(derive(rule));
  return rule;
}

Json scheduled_event(const Rule& rule, const std::string& id, Time due) {
  return Json::object({{"version", "0"},
                       {"id", id},
                       {"detail-type", "Scheduled Event"},
                       {"source", "aws.events"},
                       {"account", rule.scope.account},
                       {"time", format_iso_s(due)},
                       {"region", rule.scope.region},
                       {"resources", Json::array({rule.arn()})},
                       {"detail", Json::object()}});
}

}  // namespace millrace::events
