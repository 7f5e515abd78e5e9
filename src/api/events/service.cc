#include "api/events/service.h"

#include "api/events/operations.h"
#include "events/errors.h"
#include "wire/generated/events.h"
#include "wire/refusals.h"

namespace millrace::api_events {

Reply reply(const Resources& all, Document output) {
  Reply answer;
  answer.output = std::move(output);
  answer.after = all.events.last_commit();
  return answer;
}

Result<void> check_bus(const RequestContext& context, std::string_view name) {
  const Scope& scope = context.caller.scope;
  if (name.empty() || name == events::kDefaultBus ||
      name == "arn:aws:events:" + scope.region + ":" + scope.account + ":event-bus/default") {
    return {};
  }
  return Error(events::kResourceNotFound, "Event bus " + std::string(name) + " does not exist.");
}

std::unique_ptr<wire::Service> make_events_service(const Resources& resources) {
  auto service = std::make_unique<wire::Service>(wire::events::kModel);
  using Operation = Result<Reply> (*)(const Resources&, const RequestContext&, const Document&);
  const auto serve = [&](std::string_view name, Operation operation) {
    service->on(name, [resources, operation](const RequestContext& context, const Document& input) {
      return operation(resources, context, input);
    });
  };
  serve("PutRule", put_rule);
  serve("DescribeRule", describe_rule);
  serve("ListRules", list_rules);
  serve("DeleteRule", delete_rule);
  serve("EnableRule", enable_rule);
  serve("DisableRule", disable_rule);
  serve("TagResource", tag_resource);
  serve("UntagResource", untag_resource);
  serve("ListTagsForResource", list_tags);
  serve("PutTargets", put_targets);
  serve("RemoveTargets", remove_targets);
  serve("ListTargetsByRule", list_targets_by_rule);
  serve("ListRuleNamesByTarget", list_rule_names_by_target);
  serve("PutEvents", put_events);
  serve("TestEventPattern", test_event_pattern);
  wire::hold_refusals(*service, [resources] { return resources.events.last_commit(); });
  return service;
}

}  // namespace millrace::api_events
