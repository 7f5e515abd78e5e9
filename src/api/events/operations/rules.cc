#include "api/events/operations.h"
#include "events/errors.h"
#include "wire/arn.h"
#include "wire/generated/events_views.h"

namespace millrace::api_events {
namespace rules {

Document rule_document(const events::Rule& rule) {
  Document document = Document::object({{"Name", rule.name},
                                        {"Arn", rule.arn()},
                                        {"State", rule.enabled ? "ENABLED" : "DISABLED"},
                                        {"EventBusName", events::kDefaultBus}});
  document.set_if(!rule.pattern_text.empty(), "EventPattern", rule.pattern_text);
  document.set_if(!rule.schedule_text.empty(), "ScheduleExpression", rule.schedule_text);
  document.set_if(!rule.description.empty(), "Description", rule.description);
  document.set_if(!rule.role_arn.empty(), "RoleArn", rule.role_arn);
  return document;
}

// The rule that an ARN names. Error: ResourceNotFoundException.
struct Place {
  Scope scope;
  std::string name;
};
Result<Place> place_of(std::string_view text) {
  const auto arn = wire::parse_arn(text);
  if (!arn || arn->service != "events" || !arn->resource.starts_with("rule/")) {
    return Error(events::kResourceNotFound, "Resource " + std::string(text) + " does not exist.");
  }
  return Place{{arn->account, arn->region}, arn->resource.substr(5)};
}

Result<void> check_rule_tags(const std::map<std::string, std::string, std::less<>>& tags) {
  if (tags.size() <= events::kTagsMax) return {};
  return Error(events::kLimitExceeded, "The requested resource exceeds the maximum number allowed.");
}

Result<Reply> set_enabled(const Resources& all, const RequestContext& context, const Document& input, bool enabled) {
  MR_RETURN_IF_ERROR(check_bus(context, input));
  MR_RETURN_IF_ERROR(all.events.set_enabled(context.caller.scope, input.string_or("Name", ""), enabled));
  return reply(all);
}

}  // namespace rules

Result<Reply> put_rule(const Resources& all, const RequestContext& context, const Document& input) {
  const wire::events::PutRuleRequest request(input);
  MR_RETURN_IF_ERROR(check_bus(context, input));
  const std::string_view state = request.state().value_or("ENABLED");
  if (state != "ENABLED" && state != "DISABLED") {
    return Error(events::kValidation, "The State " + std::string(state) + " is not supported by this server.");
  }
  events::Rule rule;
  rule.scope = context.caller.scope;
  rule.name = request.name();
  rule.description = request.description().value_or("");
  rule.role_arn = request.role_arn().value_or("");
  rule.schedule_text = request.schedule_expression().value_or("");
  rule.pattern_text = request.event_pattern().value_or("");
  rule.enabled = state == "ENABLED";
  for (auto tag : request.tags()) rule.tags[std::string(tag.key())] = tag.value();
  MR_RETURN_IF_ERROR(rules::check_rule_tags(rule.tags));
  MR_ASSIGN_OR_RETURN(const auto made, all.events.put(std::move(rule)));
  return reply(all, Document::object({{"RuleArn", made.arn()}}));
}

Result<Reply> describe_rule(const Resources& all, const RequestContext& context, const Document& input) {
  MR_RETURN_IF_ERROR(check_bus(context, input));
  const std::string_view name = input.string_or("Name", "");
  const auto rule = all.events.find(context.caller.scope, name);
  if (!rule) return events::no_rule(name);
  Document document = rules::rule_document(*rule);
  document.set("CreatedBy", rule->scope.account);
  return reply(all, std::move(document));
}

Result<Reply> list_rules(const Resources& all, const RequestContext& context, const Document& input) {
  MR_RETURN_IF_ERROR(check_bus(context, input));
  auto found = all.events.list(context.caller.scope);
  std::erase_if(found, [&](const auto& rule) { return !rule.name.starts_with(input.string_or("NamePrefix", "")); });
  Document output = Document::object();
  Document list = Document::array();
  for (const auto& rule : page_of(std::move(found), input, output, [](const auto& one) { return one.name; })) {
    list.push(rules::rule_document(rule));
  }
  output.set("Rules", std::move(list));
  return reply(all, std::move(output));
}

Result<Reply> delete_rule(const Resources& all, const RequestContext& context, const Document& input) {
  MR_RETURN_IF_ERROR(check_bus(context, input));
  MR_RETURN_IF_ERROR(all.events.remove(context.caller.scope, input.string_or("Name", "")));
  return reply(all);
}

Result<Reply> enable_rule(const Resources& all, const RequestContext& context, const Document& input) {
  return rules::set_enabled(all, context, input, true);
}

Result<Reply> disable_rule(const Resources& all, const RequestContext& context, const Document& input) {
  return rules::set_enabled(all, context, input, false);
}

Result<Reply> tag_resource(const Resources& all, const RequestContext&, const Document& input) {
  const wire::events::TagResourceRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto place, rules::place_of(request.resource_arn()));
  MR_RETURN_IF_ERROR(all.events.change_tags(place.scope, place.name, [&](auto& tags) {
    for (auto tag : request.tags()) tags[std::string(tag.key())] = tag.value();
    return rules::check_rule_tags(tags);
  }));
  return reply(all);
}

Result<Reply> untag_resource(const Resources& all, const RequestContext&, const Document& input) {
  const wire::events::UntagResourceRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto place, rules::place_of(request.resource_arn()));
  MR_RETURN_IF_ERROR(all.events.change_tags(place.scope, place.name, [&](auto& tags) -> Result<void> {
    for (auto key : request.tag_keys()) tags.erase(std::string(key));
    return {};
  }));
  return reply(all);
}

Result<Reply> list_tags(const Resources& all, const RequestContext&, const Document& input) {
  const wire::events::ListTagsForResourceRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto place, rules::place_of(request.resource_arn()));
  const auto rule = all.events.find(place.scope, place.name);
  if (!rule) return events::no_rule(place.name);
  Document tags = Document::array();
  for (const auto& [key, value] : rule->tags) tags.push(Document::object({{"Key", key}, {"Value", value}}));
  return reply(all, Document::object({{"Tags", std::move(tags)}}));
}

}  // namespace millrace::api_events
