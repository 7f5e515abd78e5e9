#include "api/dynamodb/internal/legacy.h"

#include <algorithm>
#include <set>

#include "api/dynamodb/internal/answer.h"

namespace millrace::api_dynamodb {
namespace {

using codec::Json;
using expressions::Condition;
using expressions::Operand;
using expressions::Path;
using expressions::UpdateAction;
using model::AttributeValue;
using model::Type;
using ConditionKind = Condition::Kind;

Error invalid_value(const std::string& message) {
  return invalid("One or more parameter values were invalid: " + message);
}

struct Comparison {
  std::string_view name;
  ConditionKind kind;
  std::size_t least;  // number of values
  std::size_t most;
  std::string_view types;  // of its values, each between blanks; "" = any
  bool indexable;          // may stand in KeyConditions
  bool negated = false;
};
constexpr std::string_view kOrdered = " S N B ";
constexpr Comparison kComparisons[] = {{"EQ", ConditionKind::kEqual, 1, 1, "", true},
                                       {"NE", ConditionKind::kNotEqual, 1, 1, "", false},
                                       {"IN", ConditionKind::kIn, 1, 100, kOrdered, false},
                                       {"LE", ConditionKind::kLessOrEqual, 1, 1, kOrdered, true},
                                       {"LT", ConditionKind::kLess, 1, 1, kOrdered, true},
                                       {"GE", ConditionKind::kGreaterOrEqual, 1, 1, kOrdered, true},
                                       {"GT", ConditionKind::kGreater, 1, 1, kOrdered, true},
                                       {"BETWEEN", ConditionKind::kBetween, 2, 2, kOrdered, true},
                                       {"NOT_NULL", ConditionKind::kAttributeExists, 0, 0, "", false},
                                       {"NULL", ConditionKind::kAttributeNotExists, 0, 0, "", false},
                                       {"CONTAINS", ConditionKind::kContains, 1, 1, kOrdered, false},
                                       {"NOT_CONTAINS", ConditionKind::kContains, 1, 1, kOrdered, false, true},
                                       {"BEGINS_WITH", ConditionKind::kBeginsWith, 1, 1, " S B ", true}};

const Comparison& comparison_of(std::string_view name) {
  const auto* const it =
      std::find_if(std::begin(kComparisons), std::end(kComparisons), [&](const auto& one) { return one.name == name; });
  return it == std::end(kComparisons) ? kComparisons[0] : *it;  // the validator knows no others
}

Path path_to(const std::string& attribute) {
  Path path;
  path.steps.emplace_back(attribute);
  return path;
}

Operand operand_of(const std::string& attribute) {
  Operand operand;
  operand.path = path_to(attribute);
  return operand;
}

Operand operand_of(const AttributeValue* value) {
  Operand operand;
  operand.kind = Operand::Kind::kValue;
  operand.value = value;
  return operand;
}

Condition negation_of(Condition condition) {
  Condition out;
  out.kind = ConditionKind::kNot;
  out.children.push_back(std::move(condition));
  return out;
}

Result<void> check_values(const Comparison& comparison, const std::vector<AttributeValue>& values) {
  if (values.size() < comparison.least || values.size() > comparison.most) {
    return invalid_value("Invalid number of argument(s) for the " + std::string(comparison.name) +
                         " ComparisonOperator");
  }
  for (const AttributeValue& value : values) {
    const std::string type(model::type_name(value.type()));
    if (!comparison.types.empty() && comparison.types.find(" " + type + " ") == std::string_view::npos) {
      return invalid_value("ComparisonOperator " + std::string(comparison.name) + " is not valid for " + type +
                           " AttributeValue type");
    }
    if (value.type() != values.front().type()) {
      return invalid_value("AttributeValues inside AttributeValueList must all be of the same type");
    }
  }
  const bool swapped = comparison.kind == ConditionKind::kBetween && model::compare(values[0], values[1]) > 0;
  if (swapped) {
    return invalid_value(
        "The BETWEEN condition was provided a range where the lower bound is greater than the upper bound");
  }
  return {};
}

class Translator {
 public:
  explicit Translator(Parsed& parsed) : parsed_(parsed) {}

  Result<Condition> condition(const std::string& attribute, const Comparison& comparison, const Json* list) {
    std::vector<AttributeValue> values;
    if (list != nullptr) {
      for (const Json& element : list->as_array()) {
        MR_ASSIGN_OR_RETURN(AttributeValue value, model::read_value(element));
        values.push_back(std::move(value));
      }
    }
    MR_RETURN_IF_ERROR(check_values(comparison, values));
    Condition out;
    out.kind = comparison.kind;
    out.operands.push_back(operand_of(attribute));
    for (AttributeValue& value : values) out.operands.push_back(operand_of(own(std::move(value))));
    return comparison.negated ? negation_of(std::move(out)) : std::move(out);
  }

  Result<Condition> expected(const std::string& attribute, const Json& json);
  Result<UpdateAction> update(const std::string& attribute, const Json& json);

 private:
  const AttributeValue* own(AttributeValue value) { return parsed_.substitutions.own(std::move(value)); }

  Parsed& parsed_;
};

// One attribute of Expected: {Value, Exists} of the oldest form, or {ComparisonOperator, AttributeValueList}.
Result<Condition> Translator::expected(const std::string& attribute, const Json& json) {
  const Json* value = json.find("Value");
  const Json* exists = json.find("Exists");
  const Json* comparison = json.find("ComparisonOperator");
  const Json* list = json.find("AttributeValueList");
  const auto refuse = [&](const std::string& text) { return invalid_value(text + " for Attribute: " + attribute); };
  if (value != nullptr && list != nullptr) return refuse("Value and AttributeValueList cannot be used together");
  if (exists != nullptr && comparison != nullptr)
    return refuse("Exists and ComparisonOperator cannot be used together");
  if (comparison != nullptr) {
    if (value != nullptr) {
      const Json single = Json::array({*value});
      return condition(attribute, comparison_of(comparison->as_string()), &single);
    }
    return condition(attribute, comparison_of(comparison->as_string()), list);
  }
  if (list != nullptr) return refuse("AttributeValueList can only be used with a ComparisonOperator");
  if (exists != nullptr && !exists->as_bool()) {
    if (value != nullptr) return refuse("Value cannot be used when Exists is false");
    return condition(attribute, comparison_of("NULL"), nullptr);
  }
  if (value == nullptr) {
    return refuse(std::string("Value must be provided when Exists is ") + (exists == nullptr ? "null" : "true"));
  }
  const Json single = Json::array({*value});
  return condition(attribute, comparison_of("EQ"), &single);
}

bool is_set(Type type) { return type == Type::kStringSet || type == Type::kNumberSet || type == Type::kBinarySet; }

Result<UpdateAction> Translator::update(const std::string& attribute, const Json& json) {
  const std::string_view name = json.string_or("Action", "PUT");
  const Json* given = json.find("Value");
  UpdateAction action;
  action.path = path_to(attribute);
  if (given == nullptr) {
    if (name != "DELETE") {
      return invalid_value("Only DELETE action is allowed when no attribute value is specified");
    }
    action.kind = UpdateAction::Kind::kRemove;
    return action;
  }
  MR_ASSIGN_OR_RETURN(AttributeValue value, model::read_value(*given));
  const Type type = value.type();
  const std::string shown(model::type_name(type));
  if (name == "DELETE" && !is_set(type)) {
    return invalid_value("DELETE action with value is not supported for the type " + shown);
  }
  if (name == "ADD" && !is_set(type) && type != Type::kNumber) {
    return invalid_value("ADD action is not supported for the type " + shown);
  }
  action.kind = name == "DELETE" ? UpdateAction::Kind::kDelete
                : name == "ADD"  ? UpdateAction::Kind::kAdd
                                 : UpdateAction::Kind::kSet;
  action.operand = operand_of(own(std::move(value)));
  return action;
}

void join(std::optional<Condition>& all, Condition one, bool any) {
  if (!all) {
    all = std::move(one);
    return;
  }
  Condition both;
  both.kind = any ? ConditionKind::kOr : ConditionKind::kAnd;
  both.children.push_back(*std::move(all));
  both.children.push_back(std::move(one));
  all = std::move(both);
}

Result<void> translate_key_conditions(const Json& conditions, Translator& translator, Parsed& parsed) {
  for (const auto& [attribute, json] : conditions.as_object()) {
    const Comparison& comparison = comparison_of(json.string_or("ComparisonOperator", ""));
    if (!comparison.indexable) return invalid("Attempted conditional constraint is not an indexable operation");
    MR_ASSIGN_OR_RETURN(Condition one, translator.condition(attribute, comparison, json.find("AttributeValueList")));
    join(parsed.key_condition, std::move(one), false);
  }
  return {};
}

Result<void> translate_filter(const Json& filter, bool any, Translator& translator, Parsed& parsed) {
  for (const auto& [attribute, json] : filter.as_object()) {
    const Comparison& comparison = comparison_of(json.string_or("ComparisonOperator", ""));
    MR_ASSIGN_OR_RETURN(Condition one, translator.condition(attribute, comparison, json.find("AttributeValueList")));
    join(parsed.filter, std::move(one), any);
  }
  return {};
}

Result<void> translate_projection(const Json& names, Parsed& parsed) {
  parsed.projection.emplace();
  std::set<std::string_view> seen;
  for (const Json& name : names.as_array()) {
    if (!seen.insert(name.as_string()).second) {
      return invalid_value("Duplicate value in attribute name: " + name.as_string());
    }
    parsed.projection->push_back(path_to(name.as_string()));
  }
  return {};
}

// Whether conditions are joined by OR.
Result<bool> joined_by_or(const ItemCall::Legacy& legacy, const Json* conditions) {
  if (legacy.conditional_operator == nullptr) return false;
  if (conditions == nullptr) return invalid_value("ConditionalOperator cannot be used without Filter or Expected");
  if (conditions->as_object().size() < 2) {
    return invalid_value("ConditionalOperator can only be used when Filter or Expected has two or more elements");
  }
  return legacy.conditional_operator->as_string() == "OR";
}

}  // namespace

Result<void> translate_legacy(const ItemCall::Legacy& legacy, Parsed& parsed) {
  Translator translator(parsed);
  const Json* filter = legacy.query_filter != nullptr ? legacy.query_filter : legacy.scan_filter;
  MR_ASSIGN_OR_RETURN(const bool any, joined_by_or(legacy, filter != nullptr ? filter : legacy.expected));
  if (legacy.attributes_to_get != nullptr) {
    MR_RETURN_IF_ERROR(translate_projection(*legacy.attributes_to_get, parsed));
  }
  if (legacy.attribute_updates != nullptr) {
    parsed.update.emplace();
    for (const auto& [attribute, json] : legacy.attribute_updates->as_object()) {
      MR_ASSIGN_OR_RETURN(UpdateAction action, translator.update(attribute, json));
      parsed.update->actions.push_back(std::move(action));
    }
  }
  if (legacy.expected != nullptr) {
    for (const auto& [attribute, json] : legacy.expected->as_object()) {
      MR_ASSIGN_OR_RETURN(Condition one, translator.expected(attribute, json));
      join(parsed.condition, std::move(one), any);
    }
  }
  if (legacy.key_conditions != nullptr) {
    MR_RETURN_IF_ERROR(translate_key_conditions(*legacy.key_conditions, translator, parsed));
  }
  if (filter != nullptr) return translate_filter(*filter, any, translator, parsed);
  return {};
}

}  // namespace millrace::api_dynamodb
