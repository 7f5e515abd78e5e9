// stacks.
#include <cmath>

#include "app/internal/admin_endpoints.h"
#include "platform/control_loop.h"
#include "stacks/stacks.h"

namespace millrace::app {
namespace {

using codec::Json;

std::string stack_time(const Json& stack, std::string_view member) {
  const Json* value = stack.find(member);
  return value == nullptr ? "-" : format_iso_s(from_unix_ms(std::llround(value->as_double() * 1000)));
}

// What of each resource has no effect, by logical id.
Result<std::map<std::string, std::string>> stack_effects(stacks::Stacks& stacks, const wire::Caller& caller,
                                                         const Json& name) {
  MR_ASSIGN_OR_RETURN(const Json found, stacks.not_in_effect(caller, name));
  std::map<std::string, std::string> texts;
  for (const Json& one : found.find("NotInEffect")->as_array()) {
    std::string& text = texts[std::string(one.string_or("LogicalResourceId", ""))];
    text = one.string_or("Reason", "");
    const Json* properties = one.find("Properties");
    if (properties == nullptr) continue;
    for (const Json& property : properties->as_array()) text += (text.empty() ? "" : ", ") + property.as_string();
  }
  return texts;
}

Result<Json> stack_list(stacks::Stacks& stacks, const wire::Caller& caller) {
  MR_ASSIGN_OR_RETURN(const Json found, stacks.describe(caller, Json::object()));
  Json out = Json::array();
  for (const Json& stack : found.find("Stacks")->as_array()) {
    const Json name = Json::object({{"StackName", stack.string_or("StackId", "")}});
    MR_ASSIGN_OR_RETURN(const Json resources, stacks.list_resources(caller, name));
    MR_ASSIGN_OR_RETURN(const auto texts, stack_effects(stacks, caller, name));
    Json one =
        Json::object({{"name", stack.string_or("StackName", "")}, {"status", stack.string_or("StackStatus", "")}});
    one.set("resources", resources.find("StackResourceSummaries")->as_array().size());
    one.set("not_in_effect", texts.size()).set("created", stack_time(stack, "CreationTime"));
    one.set("updated", stack_time(stack, "LastUpdatedTime"));
    out.push(one.set("reason", stack.string_or("StackStatusReason", "-")));
  }
  return Json::object({{"stacks", std::move(out)}});
}

// [{"name", "value", ...}] of parameters, outputs or tags.
Json stack_pairs(const Json& stack, std::string_view member, std::string_view key, std::string_view value,
                 std::string_view more_from, std::string_view more_to) {
  Json out = Json::array();
  const Json* given = stack.find(member);
  if (given == nullptr || !given->is_array()) return out;
  for (const Json& each : given->as_array()) {
    Json one = Json::object({{"name", each.string_or(key, "")}, {"value", each.string_or(value, "")}});
    if (const Json* more = each.find(more_from)) one.set(more_to, *more);
    out.push(std::move(one));
  }
  return out;
}

Result<Json> stack_details(stacks::Stacks& stacks, const wire::Caller& caller, const std::string& name) {
  const Json input = Json::object({{"StackName", name}});
  MR_ASSIGN_OR_RETURN(const Json found, stacks.describe(caller, input));
  const Json& stack = found.find("Stacks")->as_array().front();
  MR_ASSIGN_OR_RETURN(const Json resources, stacks.list_resources(caller, input));
  MR_ASSIGN_OR_RETURN(const auto texts, stack_effects(stacks, caller, input));
  Json out = Json::object({{"name", stack.string_or("StackName", "")}, {"status", stack.string_or("StackStatus", "")}});
  if (const Json* reason = stack.find("StackStatusReason")) out.set("reason", *reason);
  if (const Json* description = stack.find("Description")) out.set("description", *description);
  out.set("created", stack_time(stack, "CreationTime")).set("updated", stack_time(stack, "LastUpdatedTime"));
  out.set("termination_protection", stack.bool_or("EnableTerminationProtection", false));
  out.set("id", stack.string_or("StackId", ""));
  out.set("parameters",
          stack_pairs(stack, "Parameters", "ParameterKey", "ParameterValue", "ResolvedValue", "resolved"));
  out.set("outputs", stack_pairs(stack, "Outputs", "OutputKey", "OutputValue", "ExportName", "export"));
  out.set("tags", stack_pairs(stack, "Tags", "Key", "Value", "", ""));
  Json list = Json::array();
  for (const Json& each : resources.find("StackResourceSummaries")->as_array()) {
    const std::string id(each.string_or("LogicalResourceId", ""));
    Json one = Json::object({{"resource", id}, {"type", each.string_or("ResourceType", "")}});
    one.set("status", each.string_or("ResourceStatus", "")).set("id", each.string_or("PhysicalResourceId", "-"));
    if (const Json* reason = each.find("ResourceStatusReason")) one.set("reason", *reason);
    const auto text = texts.find(id);
    list.push(one.set("not_in_effect", text == texts.end() ? std::string("-") : text->second));
  }
  return out.set("resources", std::move(list));
}

}  // namespace

void admin_stacks(Parts& parts, const AdminRequest& request, AdminReply reply) {
  if (request.method != "GET") return reply(Error(kBadRequest, "stacks are only read here: use CloudFormation"));
  wire::Caller caller;
  caller.scope = request.scope;
  if (request.path.size() == 1) return reply(stack_list(*parts.stacks, caller));
  auto shown = stack_details(*parts.stacks, caller, request.path[1]);
  if (!shown.ok()) return reply(Error(kNoSuchEndpoint, shown.error().message()));
  reply(std::move(shown));
}

}  // namespace millrace::app
