#include "expressions/key_condition.h"

#include "model/errors.h"

namespace millrace::expressions {
namespace {

using model::kValidationException;
using Kind = Condition::Kind;
using Sort = KeyCondition::Sort;

Error invalid(std::string message) { return Error(kValidationException, std::move(message)); }

std::string_view operator_name(Kind kind) {
  switch (kind) {
    case Kind::kOr:
      return "OR";
    case Kind::kNot:
      return "NOT";
    case Kind::kNotEqual:
      return "<>";
    case Kind::kIn:
      return "IN";
    case Kind::kContains:
      return "contains";
    case Kind::kAttributeExists:
      return "attribute_exists";
    case Kind::kAttributeNotExists:
      return "attribute_not_exists";
    case Kind::kAttributeType:
      return "attribute_type";
    case Kind::kBetween:
      return "BETWEEN";
    case Kind::kBeginsWith:
      return "begins_with";
    default:
      return "";
  }
}

bool is_allowed(Kind kind) {
  switch (kind) {
    case Kind::kAnd:
    case Kind::kEqual:
    case Kind::kLess:
    case Kind::kLessOrEqual:
    case Kind::kGreater:
    case Kind::kGreaterOrEqual:
    case Kind::kBetween:
    case Kind::kBeginsWith:
      return true;
    default:
      return false;
  }
}

// One comparison of one attribute with values.
struct Part {
  const std::string* attribute = nullptr;
  Kind kind = Kind::kEqual;
  std::vector<const model::AttributeValue*> values;
};

Result<void> collect(const Condition& condition, std::vector<const Condition*>& leaves) {
  if (!is_allowed(condition.kind)) {
    return invalid("Invalid operator used in KeyConditionExpression: " + std::string(operator_name(condition.kind)));
  }
  if (condition.kind != Kind::kAnd) {
    leaves.push_back(&condition);
    return {};
  }
  for (const Condition& child : condition.children) MR_RETURN_IF_ERROR(collect(child, leaves));
  return {};
}

Kind mirrored(Kind kind) {
  switch (kind) {
    case Kind::kLess:
      return Kind::kGreater;
    case Kind::kLessOrEqual:
      return Kind::kGreaterOrEqual;
    case Kind::kGreater:
      return Kind::kLess;
    case Kind::kGreaterOrEqual:
      return Kind::kLessOrEqual;
    default:
      return kind;
  }
}

Result<Part> read_part(const Condition& leaf) {
  Part part;
  part.kind = leaf.kind;
  std::size_t path_at = 0;
  for (std::size_t i = 0; i < leaf.operands.size(); ++i) {
    const Operand& operand = leaf.operands[i];
    if (operand.kind == Operand::Kind::kSize) {
      return invalid("KeyConditionExpressions cannot contain nested operations");
    }
    if (operand.kind == Operand::Kind::kValue) {
      part.values.push_back(operand.value);
      continue;
    }
    if (operand.path.steps.size() > 1) {
      return invalid("KeyConditionExpressions cannot have conditions on nested attributes");
    }
    if (part.attribute != nullptr) {
      return invalid("Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition");
    }
    part.attribute = &operand.path.root();
    path_at = i;
  }
  if (part.attribute == nullptr) {
    return invalid("Invalid condition in KeyConditionExpression: No key attribute specified");
  }
  if (path_at != 0) {
    if (leaf.kind == Kind::kBetween || leaf.kind == Kind::kBeginsWith) {
      return invalid("Invalid condition in KeyConditionExpression: " + std::string(operator_name(leaf.kind)) +
                     " operator must have the key attribute as its first operand");
    }
    part.kind = mirrored(part.kind);
  }
  return part;
}

Sort sort_of(Kind kind) {
  switch (kind) {
    case Kind::kLess:
      return Sort::kLess;
    case Kind::kLessOrEqual:
      return Sort::kLessOrEqual;
    case Kind::kGreater:
      return Sort::kGreater;
    case Kind::kGreaterOrEqual:
      return Sort::kGreaterOrEqual;
    case Kind::kBetween:
      return Sort::kBetween;
    case Kind::kBeginsWith:
      return Sort::kBeginsWith;
    default:
      return Sort::kEqual;
  }
}

Error empty_key(const model::KeyAttribute& attribute) {
  return invalid(
      "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty "
      "string value. Key: " +
      attribute.name);
}

bool is_empty(const model::AttributeValue& value) {
  if (const auto* text = value.get_if<std::string>()) return text->empty();
  if (const auto* binary = value.get_if<model::Binary>()) return binary->bytes.empty();
  return false;
}

Result<void> check_values(const Part& part, const model::KeyAttribute& attribute) {
  for (const model::AttributeValue* value : part.values) {
    if (!model::matches(attribute.type, *value)) {
      return invalid("One or more parameter values were invalid: Condition parameter type does not match schema type");
    }
    if (is_empty(*value) && part.kind != Kind::kBeginsWith) return empty_key(attribute);
  }
  return {};
}

}  // namespace

Result<KeyCondition> to_key_condition(const Condition& condition, const model::KeySchema& schema) {
  std::vector<const Condition*> leaves;
  MR_RETURN_IF_ERROR(collect(condition, leaves));
  std::optional<Part> partition;
  std::optional<Part> sort;
  std::size_t others = 0;
  for (const Condition* leaf : leaves) {
    MR_ASSIGN_OR_RETURN(Part part, read_part(*leaf));
    const bool is_partition = *part.attribute == schema.partition.name;
    const bool is_sort = schema.sort && *part.attribute == schema.sort->name;
    if (!is_partition && !is_sort) {
      ++others;
      continue;
    }
    std::optional<Part>& slot = is_partition ? partition : sort;
    if (slot) return invalid("KeyConditionExpressions must only contain one condition per key");
    slot = std::move(part);
  }
  if (leaves.size() > 2) return invalid("Conditions can be of length 1 or 2 only");
  if (!partition) return invalid("Query condition missed key schema element: " + schema.partition.name);
  if (others > 0) {
    if (schema.sort) return invalid("Query condition missed key schema element: " + schema.sort->name);
    return invalid("Query key condition not supported");
  }
  if (partition->kind != Kind::kEqual) return invalid("Query key condition not supported");
  MR_RETURN_IF_ERROR(check_values(*partition, schema.partition));
  KeyCondition out;
  out.partition = *partition->values[0];
  if (!sort) return out;
  MR_RETURN_IF_ERROR(check_values(*sort, *schema.sort));
  out.sort = sort_of(sort->kind);
  out.low = *sort->values[0];
  if (sort->values.size() > 1) out.high = *sort->values[1];
  if (out.sort == Sort::kBeginsWith && schema.sort->type == model::KeyType::kNumber) {
    return invalid(
        "One or more parameter values were invalid: ComparisonOperator BEGINS_WITH is not valid for N "
        "AttributeValue type");
  }
  return out;
}

}  // namespace millrace::expressions
