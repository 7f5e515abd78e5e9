#include "api/events/operations.h"
#include "events/errors.h"
#include "telemetry/log.h"
#include "wire/generated/events_views.h"

namespace millrace::api_events {
namespace targets {

// What cannot be delivered to is refused; what is not there yet may come.
Result<void> check_arn(const Resources& all, const std::string& rule, const std::string& arn) {
  const auto checked = all.delivery.check(arn);
  if (checked.ok()) return {};
  if (!checked.error().is(delivery::kNoSuchTarget)) return Error(events::kValidation, checked.error().message());
  telemetry::log_warning("events", "the target " + arn + " of rule " + rule + " does not exist");
  return {};
}

Document failures_of(const std::vector<std::string>& ids, std::string_view code, std::string_view message) {
  Document entries = Document::array();
  for (const auto& id : ids) {
    entries.push(Document::object({{"TargetId", id}, {"ErrorCode", code}, {"ErrorMessage", message}}));
  }
  return Document::object({{"FailedEntryCount", std::uint64_t{ids.size()}}, {"FailedEntries", std::move(entries)}});
}

}  // namespace targets

Result<Reply> put_targets(const Resources& all, const RequestContext& context, const Document& input) {
  MR_RETURN_IF_ERROR(check_bus(context, input));
  const std::string name(input.string_or("Rule", ""));
  std::vector<events::Target> given;
  for (const Document& shown : input.find("Targets")->as_array()) {
    MR_ASSIGN_OR_RETURN(auto target, events::target_of(shown));
    MR_RETURN_IF_ERROR(targets::check_arn(all, name, target.arn));
    if (!target.dead_letter_arn.empty()) MR_RETURN_IF_ERROR(targets::check_arn(all, name, target.dead_letter_arn));
    given.push_back(std::move(target));
  }
  MR_RETURN_IF_ERROR(all.events.put_targets(context.caller.scope, name, std::move(given)));
  return reply(all, targets::failures_of({}, "", ""));
}

Result<Reply> remove_targets(const Resources& all, const RequestContext& context, const Document& input) {
  const wire::events::RemoveTargetsRequest request(input);
  MR_RETURN_IF_ERROR(check_bus(context, input));
  std::vector<std::string> ids;
  for (auto id : request.ids()) ids.emplace_back(id);
  MR_ASSIGN_OR_RETURN(const auto unknown, all.events.remove_targets(context.caller.scope, request.rule(), ids));
  return reply(all, targets::failures_of(unknown, "ResourceNotFoundException",
                                         "The target does not exist on rule " + std::string(request.rule()) + "."));
}

Result<Reply> list_targets_by_rule(const Resources& all, const RequestContext& context, const Document& input) {
  MR_RETURN_IF_ERROR(check_bus(context, input));
  const std::string_view name = input.string_or("Rule", "");
  const auto rule = all.events.find(context.caller.scope, name);
  if (!rule) return events::no_rule(name);
  Document output = Document::object();
  Document list = Document::array();
  for (const auto& target : page_of(rule->targets, input, output, [](const auto& one) { return one.id; })) {
    list.push(target.shown);
  }
  output.set("Targets", std::move(list));
  return reply(all, std::move(output));
}

Result<Reply> list_rule_names_by_target(const Resources& all, const RequestContext& context, const Document& input) {
  MR_RETURN_IF_ERROR(check_bus(context, input));
  const std::string_view arn = input.string_or("TargetArn", "");
  std::vector<std::string> names;
  for (const auto& rule : all.events.list(context.caller.scope)) {
    const auto found = std::ranges::find(rule.targets, arn, &events::Target::arn);
    if (found != rule.targets.end()) names.push_back(rule.name);
  }
  Document output = Document::object();
  Document list = Document::array();
  for (auto& name : page_of(std::move(names), input, output, [](const std::string& one) { return one; })) {
    list.push(std::move(name));
  }
  output.set("RuleNames", std::move(list));
  return reply(all, std::move(output));
}

}  // namespace millrace::api_events
