// Which expressions may stand together, and their trees.
#include "api/dynamodb/internal/answer.h"
#include "api/dynamodb/internal/item_call.h"
#include "api/dynamodb/internal/legacy.h"
#include "expressions/parse.h"

namespace millrace::api_dynamodb {
namespace {

using Member = std::pair<bool, std::string_view>;

std::string present_ones(std::initializer_list<Member> members) {
  std::string out;
  for (const auto& [present, name] : members) {
    if (present) out += (out.empty() ? "" : ", ") + std::string(name);
  }
  return out;
}

std::string expressions_of(const ItemCall& call) {
  return present_ones({{call.update.has_value(), "UpdateExpression"},
                       {call.projection.has_value(), "ProjectionExpression"},
                       {call.filter.has_value(), "FilterExpression"},
                       {call.key_condition.has_value(), "KeyConditionExpression"},
                       {call.condition.has_value(), "ConditionExpression"}});
}

std::string legacy_of(const ItemCall& call) {
  const ItemCall::Legacy& legacy = call.legacy;
  return present_ones({{legacy.attributes_to_get != nullptr, "AttributesToGet"},
                       {legacy.attribute_updates != nullptr, "AttributeUpdates"},
                       {legacy.scan_filter != nullptr, "ScanFilter"},
                       {legacy.query_filter != nullptr, "QueryFilter"},
                       {legacy.key_conditions != nullptr, "KeyConditions"},
                       {legacy.expected != nullptr, "Expected"},
                       {legacy.conditional_operator != nullptr, "ConditionalOperator"}});
}

bool has_values_user(const ItemCall& call) {
  return call.update || call.condition || call.key_condition || call.filter;
}

Result<void> check_combination(const ItemCall& call, std::string_view takes_values) {
  const std::string given = expressions_of(call);
  if (const std::string legacy = legacy_of(call); !given.empty() && !legacy.empty()) {
    return invalid(
        "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {" +
        legacy + "} Expression parameters: {" + given + "}");
  }
  if (call.names && given.empty()) {
    return invalid("ExpressionAttributeNames can only be specified when using expressions");
  }
  if (call.names && call.names->empty()) return invalid("ExpressionAttributeNames must not be empty");
  if (call.values && !has_values_user(call)) {
    const bool several = takes_values.find(" and ") != std::string_view::npos;
    return invalid("ExpressionAttributeValues can only be specified when using expressions: " +
                   std::string(takes_values) + (several ? " are null" : " is null"));
  }
  if (call.values && call.values->empty()) return invalid("ExpressionAttributeValues must not be empty");
  return {};
}

}  // namespace

Result<Parsed> parse_expressions(ItemCall& call, std::string_view takes_values) {
  MR_RETURN_IF_ERROR(check_combination(call, takes_values));
  Parsed parsed;
  if (call.names) {
    for (auto& [placeholder, name] : *call.names) {
      MR_RETURN_IF_ERROR(parsed.substitutions.add_name(placeholder, std::move(name)));
    }
  }
  if (call.values) {
    for (auto& [placeholder, value] : *call.values) {
      MR_RETURN_IF_ERROR(parsed.substitutions.add_value(placeholder, std::move(value)));
    }
  }
  expressions::Substitutions& with = parsed.substitutions;
  const auto condition = [&](const std::optional<std::string>& text, std::string_view member,
                             std::optional<expressions::Condition>& out) -> Result<void> {
    if (text) {
      MR_ASSIGN_OR_RETURN(out, expressions::parse_condition(*text, member, with));
    }
    return {};
  };
  if (call.update) {
    MR_ASSIGN_OR_RETURN(parsed.update, expressions::parse_update(*call.update, with));
  }
  MR_RETURN_IF_ERROR(condition(call.condition, "ConditionExpression", parsed.condition));
  MR_RETURN_IF_ERROR(condition(call.key_condition, "KeyConditionExpression", parsed.key_condition));
  MR_RETURN_IF_ERROR(condition(call.filter, "FilterExpression", parsed.filter));
  if (call.projection) {
    MR_ASSIGN_OR_RETURN(parsed.projection, expressions::parse_projection(*call.projection, with));
  }
  MR_RETURN_IF_ERROR(with.check_all_used());
  MR_RETURN_IF_ERROR(translate_legacy(call.legacy, parsed));
  return parsed;
}

}  // namespace millrace::api_dynamodb
