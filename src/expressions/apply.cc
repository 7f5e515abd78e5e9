#include <algorithm>
#include <optional>

#include "base/assert.h"
#include "expressions/evaluate.h"
#include "model/errors.h"

namespace millrace::expressions {
namespace {

using model::AttributeValue;
using model::Item;
using model::kValidationException;
using model::List;
using model::Number;
using model::Type;
using Kind = UpdateAction::Kind;

Error missing_attribute() {
  return Error(kValidationException, "The provided expression refers to an attribute that does not exist in the item");
}
Error wrong_type() {
  return Error(kValidationException, "An operand in the update expression has an incorrect data type");
}
Error invalid_path() {
  return Error(kValidationException, "The document path provided in the update expression is invalid for update");
}

// --- operands -----------------------------------------------------------------------------------------------------

Result<AttributeValue> evaluate(const Operand& operand, const Item& item);

Result<AttributeValue> arithmetic(const Operand& operand, const Item& item) {
  MR_ASSIGN_OR_RETURN(const AttributeValue left, evaluate(operand.arguments[0], item));
  MR_ASSIGN_OR_RETURN(const AttributeValue right, evaluate(operand.arguments[1], item));
  if (!left.is(Type::kNumber) || !right.is(Type::kNumber)) return wrong_type();
  const Number& a = left.get<Number>();
  const Number& b = right.get<Number>();
  MR_ASSIGN_OR_RETURN(const Number result, operand.kind == Operand::Kind::kPlus ? add(a, b) : subtract(a, b));
  return AttributeValue::number(result);
}

Result<AttributeValue> list_append(const Operand& operand, const Item& item) {
  MR_ASSIGN_OR_RETURN(AttributeValue left, evaluate(operand.arguments[0], item));
  MR_ASSIGN_OR_RETURN(AttributeValue right, evaluate(operand.arguments[1], item));
  if (!left.is(Type::kList) || !right.is(Type::kList)) return wrong_type();
  List& list = left.get<List>();
  for (AttributeValue& element : right.get<List>()) list.push_back(std::move(element));
  return left;
}

Result<AttributeValue> evaluate(const Operand& operand, const Item& item) {
  switch (operand.kind) {
    case Operand::Kind::kValue:
      return *operand.value;
    case Operand::Kind::kPath: {
      const AttributeValue* value = find(item, operand.path);
      if (value == nullptr) return missing_attribute();
      return *value;
    }
    case Operand::Kind::kIfNotExists: {
      const AttributeValue* value = find(item, operand.arguments[0].path);
      if (value != nullptr) return *value;
      return evaluate(operand.arguments[1], item);
    }
    case Operand::Kind::kListAppend:
      return list_append(operand, item);
    default:
      return arithmetic(operand, item);
  }
}

// --- places -------------------------------------------------------------------------------------------------------

AttributeValue* find_mutable(Item& item, const Path& path, std::size_t steps) {
  AttributeValue* value = item.find(path.root());
  for (std::size_t i = 1; value != nullptr && i < steps; ++i) {
    if (const auto* name = std::get_if<std::string>(&path.steps[i])) {
      Item* map = value->get_if<Item>();
      value = map == nullptr ? nullptr : map->find(*name);
    } else {
      List* list = value->get_if<List>();
      const std::size_t index = std::get<std::uint32_t>(path.steps[i]);
      value = list == nullptr || index >= list->size() ? nullptr : &(*list)[index];
    }
  }
  return value;
}

// Puts a value at a path whose parent must exist. AWS: an index beyond the end of a list appends.
Result<void> put(Item& item, const Path& path, AttributeValue value) {
  if (path.steps.size() == 1) {
    item.set(path.root(), std::move(value));
    return {};
  }
  AttributeValue* parent = find_mutable(item, path, path.steps.size() - 1);
  if (parent == nullptr) return invalid_path();
  if (const auto* name = std::get_if<std::string>(&path.steps.back())) {
    Item* map = parent->get_if<Item>();
    if (map == nullptr) return invalid_path();
    map->set(*name, std::move(value));
    return {};
  }
  List* list = parent->get_if<List>();
  if (list == nullptr) return invalid_path();
  const std::size_t index = std::get<std::uint32_t>(path.steps.back());
  if (index < list->size()) {
    (*list)[index] = std::move(value);
  } else {
    list->push_back(std::move(value));
  }
  return {};
}

// Whether a REMOVE of `path` takes something away; an error when its parent is missing or of another type.
Result<bool> removes(const Item& item, const Path& path) {
  if (path.steps.size() == 1) return item.contains(path.root());
  Path parent;
  parent.steps.assign(path.steps.begin(), path.steps.end() - 1);
  const AttributeValue* value = find(item, parent);
  const bool named = std::holds_alternative<std::string>(path.steps.back());
  if (value == nullptr || !value->is(named ? Type::kMap : Type::kList)) return invalid_path();
  return find(item, path) != nullptr;
}

void remove(Item& item, const Path& path) {
  if (path.steps.size() == 1) {
    item.erase(path.root());
    return;
  }
  AttributeValue* parent = find_mutable(item, path, path.steps.size() - 1);
  if (const auto* name = std::get_if<std::string>(&path.steps.back())) {
    parent->get<Item>().erase(*name);
  } else {
    List& list = parent->get<List>();
    list.erase(list.begin() + std::get<std::uint32_t>(path.steps.back()));
  }
}

// --- ADD and DELETE -------------------------------------------------------------------------------------------------

template <typename Set>
AttributeValue united(const Set& a, const Set& b) {
  Set out;
  std::set_union(a.values.begin(), a.values.end(), b.values.begin(), b.values.end(), std::back_inserter(out.values));
  return AttributeValue(AttributeValue::Variant(std::move(out)));
}

template <typename Set>
std::optional<AttributeValue> without(const Set& a, const Set& b) {
  Set out;
  std::set_difference(a.values.begin(), a.values.end(), b.values.begin(), b.values.end(),
                      std::back_inserter(out.values));
  if (out.values.empty()) return std::nullopt;
  return AttributeValue(AttributeValue::Variant(std::move(out)));
}

Result<AttributeValue> added(const AttributeValue* present, const AttributeValue& operand) {
  if (present == nullptr) return operand;
  if (present->type() != operand.type()) return wrong_type();
  switch (operand.type()) {
    case Type::kNumber: {
      MR_ASSIGN_OR_RETURN(const Number sum, add(present->get<Number>(), operand.get<Number>()));
      return AttributeValue::number(sum);
    }
    case Type::kStringSet:
      return united(present->get<model::StringSet>(), operand.get<model::StringSet>());
    case Type::kNumberSet:
      return united(present->get<model::NumberSet>(), operand.get<model::NumberSet>());
    case Type::kBinarySet:
      return united(present->get<model::BinarySet>(), operand.get<model::BinarySet>());
    default:
      return wrong_type();
  }
}

// nullopt: nothing is left of the set.
Result<std::optional<AttributeValue>> subtracted(const AttributeValue& present, const AttributeValue& operand) {
  if (present.type() != operand.type()) return wrong_type();
  switch (operand.type()) {
    case Type::kStringSet:
      return without(present.get<model::StringSet>(), operand.get<model::StringSet>());
    case Type::kNumberSet:
      return without(present.get<model::NumberSet>(), operand.get<model::NumberSet>());
    case Type::kBinarySet:
      return without(present.get<model::BinarySet>(), operand.get<model::BinarySet>());
    default:
      return wrong_type();
  }
}

// --- the whole update -----------------------------------------------------------------------------------------------

struct Assignment {
  const Path* path;
  AttributeValue value;
};

// What an update does to one item: computed from the item as it was, then applied.
struct Effects {
  std::vector<Assignment> assignments;
  std::vector<const Path*> removals;
};

Result<void> plan_delete(const UpdateAction& action, const Item& item, Effects& effects) {
  const AttributeValue* present = find(item, action.path);
  if (present == nullptr) {
    // A missing attribute has nothing to take away; a missing parent is an error.
    MR_ASSIGN_OR_RETURN([[maybe_unused]] const bool ignored, removes(item, action.path));
    return {};
  }
  MR_ASSIGN_OR_RETURN(std::optional<AttributeValue> rest, subtracted(*present, *action.operand.value));
  if (rest) {
    effects.assignments.push_back({&action.path, *std::move(rest)});
  } else {
    effects.removals.push_back(&action.path);
  }
  return {};
}

Result<void> plan(const UpdateAction& action, const Item& item, Effects& effects) {
  switch (action.kind) {
    case Kind::kSet: {
      MR_ASSIGN_OR_RETURN(AttributeValue value, evaluate(action.operand, item));
      effects.assignments.push_back({&action.path, std::move(value)});
      return {};
    }
    case Kind::kRemove: {
      MR_ASSIGN_OR_RETURN(const bool something, removes(item, action.path));
      if (something) effects.removals.push_back(&action.path);
      return {};
    }
    case Kind::kAdd: {
      MR_ASSIGN_OR_RETURN(AttributeValue value, added(find(item, action.path), *action.operand.value));
      effects.assignments.push_back({&action.path, std::move(value)});
      return {};
    }
    case Kind::kDelete:
      return plan_delete(action, item, effects);
  }
  return {};
}

}  // namespace

Result<Item> apply(const Update& update, const Item& item) {
  Effects effects;
  for (const UpdateAction& action : update.actions) MR_RETURN_IF_ERROR(plan(action, item, effects));
  // Elements appended to one list arrive in the order of their indexes; removed ones go from the back, so that the
  // indexes still mean what they meant in the item as it was.
  const auto before = [](const Path& a, const Path& b) { return a.steps < b.steps; };
  std::stable_sort(effects.assignments.begin(), effects.assignments.end(),
                   [&](const Assignment& a, const Assignment& b) { return before(*a.path, *b.path); });
  std::sort(effects.removals.begin(), effects.removals.end(),
            [&](const Path* a, const Path* b) { return before(*b, *a); });
  Result<Item> out = item;
  for (Assignment& assignment : effects.assignments) {
    MR_RETURN_IF_ERROR(put(*out, *assignment.path, std::move(assignment.value)));
  }
  for (const Path* path : effects.removals) remove(*out, *path);
  return out;
}

}  // namespace millrace::expressions
