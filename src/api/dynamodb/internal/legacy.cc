#include "api/dynamodb/internal/legacy.h"

#include "api/dynamodb/internal/answer.h"

namespace millrace::api_dynamodb {

Result<void> translate_legacy(const ItemCall::Legacy& legacy, Parsed&) {
  const auto refuse = [](const codec::Json* member, std::string_view name, std::string_view instead) -> Result<void> {
    if (member == nullptr) return {};
    return invalid("The legacy parameter " + std::string(name) + " is not supported by millrace: use " +
                   std::string(instead) + " instead");
  };
  MR_RETURN_IF_ERROR(refuse(legacy.attributes_to_get, "AttributesToGet", "ProjectionExpression"));
  MR_RETURN_IF_ERROR(refuse(legacy.attribute_updates, "AttributeUpdates", "UpdateExpression"));
  MR_RETURN_IF_ERROR(refuse(legacy.scan_filter, "ScanFilter", "FilterExpression"));
  MR_RETURN_IF_ERROR(refuse(legacy.query_filter, "QueryFilter", "FilterExpression"));
  MR_RETURN_IF_ERROR(refuse(legacy.key_conditions, "KeyConditions", "KeyConditionExpression"));
  MR_RETURN_IF_ERROR(refuse(legacy.expected, "Expected", "ConditionExpression"));
  return refuse(legacy.conditional_operator, "ConditionalOperator", "an expression");
}

}  // namespace millrace::api_dynamodb
