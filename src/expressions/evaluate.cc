#include "expressions/evaluate.h"

#include <algorithm>
#include <map>
#include <optional>

#include "base/assert.h"

namespace millrace::expressions {
namespace {

using model::AttributeValue;
using model::Item;
using model::List;
using model::Number;
using model::Type;
using Kind = Condition::Kind;

const AttributeValue* step_into(const AttributeValue* value, const PathStep& step) {
  if (const auto* name = std::get_if<std::string>(&step)) {
    const Item* map = value->get_if<Item>();
    return map == nullptr ? nullptr : map->find(*name);
  }
  const List* list = value->get_if<List>();
  const std::size_t index = std::get<std::uint32_t>(step);
  return list == nullptr || index >= list->size() ? nullptr : &(*list)[index];
}

// AWS: length of strings and binaries, number of elements of sets, lists and maps; nothing for other types.
std::optional<std::size_t> size_function(const AttributeValue& value) {
  switch (value.type()) {
    case Type::kString: {
      // Characters, not bytes: continuation bytes of UTF-8 do not count.
      const std::string& text = value.get<std::string>();
      return static_cast<std::size_t>(
          std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
    }
    case Type::kBinary:
      return value.get<model::Binary>().bytes.size();
    case Type::kMap:
      return value.get<Item>().size();
    case Type::kList:
      return value.get<List>().size();
    case Type::kStringSet:
      return value.get<model::StringSet>().values.size();
    case Type::kNumberSet:
      return value.get<model::NumberSet>().values.size();
    case Type::kBinarySet:
      return value.get<model::BinarySet>().values.size();
    default:
      return std::nullopt;
  }
}

// An operand's value in an item: borrowed, computed, or nothing.
class Value {
 public:
  Value(const Operand& operand, const Item& item) {
    switch (operand.kind) {
      case Operand::Kind::kPath:
        at_ = find(item, operand.path);
        return;
      case Operand::Kind::kValue:
        at_ = operand.value;
        return;
      default:
        MR_ASSERT(operand.kind == Operand::Kind::kSize);
        const Value argument(operand.arguments[0], item);
        const std::optional<std::size_t> size = argument ? size_function(*argument) : std::nullopt;
        if (!size) return;
        computed_ = AttributeValue::number(static_cast<std::int64_t>(*size));
        at_ = &*computed_;
    }
  }
  Value(const Value&) = delete;
  Value& operator=(const Value&) = delete;
  explicit operator bool() const { return at_ != nullptr; }
  const AttributeValue& operator*() const { return *at_; }
  const AttributeValue* operator->() const { return at_; }

 private:
  std::optional<AttributeValue> computed_;
  const AttributeValue* at_ = nullptr;
};

bool has_order(Type type) { return type == Type::kString || type == Type::kNumber || type == Type::kBinary; }

std::optional<std::strong_ordering> order(const Value& a, const Value& b) {
  if (!a || !b || a->type() != b->type() || !has_order(a->type())) return std::nullopt;
  return model::compare(*a, *b);
}

bool compare_matches(Kind kind, const Value& left, const Value& right) {
  if (kind == Kind::kEqual) return left && right && *left == *right;
  if (kind == Kind::kNotEqual) return !left || !right || *left != *right;  // AWS: a missing attribute differs
  const std::optional<std::strong_ordering> ordering = order(left, right);
  if (!ordering) return false;
  switch (kind) {
    case Kind::kLess:
      return *ordering < 0;
    case Kind::kLessOrEqual:
      return *ordering <= 0;
    case Kind::kGreater:
      return *ordering > 0;
    default:
      return *ordering >= 0;
  }
}

bool begins_with(const AttributeValue& value, const AttributeValue& prefix) {
  if (value.type() != prefix.type()) return false;
  if (const auto* text = value.get_if<std::string>()) return text->starts_with(prefix.get<std::string>());
  if (const auto* binary = value.get_if<model::Binary>()) {
    return binary->bytes.starts_with(prefix.get<model::Binary>().bytes);
  }
  return false;
}

template <typename T>
bool has(const std::vector<T>& sorted, const T& wanted) {
  return std::binary_search(sorted.begin(), sorted.end(), wanted);
}

bool contains(const AttributeValue& whole, const AttributeValue& part) {
  switch (whole.type()) {
    case Type::kString:
      return part.is(Type::kString) && whole.get<std::string>().find(part.get<std::string>()) != std::string::npos;
    case Type::kBinary:
      return part.is(Type::kBinary) &&
             whole.get<model::Binary>().bytes.find(part.get<model::Binary>().bytes) != std::string::npos;
    case Type::kStringSet:
      return part.is(Type::kString) && has(whole.get<model::StringSet>().values, part.get<std::string>());
    case Type::kNumberSet:
      return part.is(Type::kNumber) && has(whole.get<model::NumberSet>().values, part.get<Number>());
    case Type::kBinarySet:
      return part.is(Type::kBinary) && has(whole.get<model::BinarySet>().values, part.get<model::Binary>().bytes);
    case Type::kList: {
      const List& list = whole.get<List>();
      return std::find(list.begin(), list.end(), part) != list.end();
    }
    default:
      return false;
  }
}

bool in_matches(const std::vector<Operand>& operands, const Item& item) {
  const Value wanted(operands[0], item);
  if (!wanted) return false;
  return std::any_of(operands.begin() + 1, operands.end(), [&](const Operand& operand) {
    const Value candidate(operand, item);
    return candidate && *candidate == *wanted;
  });
}

bool between_matches(const std::vector<Operand>& operands, const Item& item) {
  const Value value(operands[0], item);
  const Value low(operands[1], item);
  const Value high(operands[2], item);
  const auto to_low = order(value, low);
  const auto to_high = order(value, high);
  return to_low && to_high && *to_low >= 0 && *to_high <= 0;
}

bool function_matches(Kind kind, const Value& first, const Value& second) {
  if (!first || !second) return false;
  if (kind == Kind::kBeginsWith) return begins_with(*first, *second);
  if (kind == Kind::kContains) return contains(*first, *second);
  return second->is(Type::kString) && model::type_name(first->type()) == second->get<std::string>();
}

// --- projection -------------------------------------------------------------------------------------------------

// The paths as a tree: what to keep below each step.
struct Selection {
  bool whole = false;
  std::map<std::string, Selection, std::less<>> members;
  std::map<std::uint32_t, Selection> elements;
};

void select(Selection& root, const Path& path) {
  Selection* at = &root;
  for (const PathStep& step : path.steps) {
    if (const auto* name = std::get_if<std::string>(&step)) {
      at = &at->members[*name];
    } else {
      at = &at->elements[std::get<std::uint32_t>(step)];
    }
  }
  at->whole = true;
}

Item project_map(const Item& item, const Selection& selection);

std::optional<AttributeValue> project_value(const AttributeValue& value, const Selection& selection) {
  if (selection.whole) return value;
  if (const Item* map = value.get_if<Item>(); map != nullptr && !selection.members.empty()) {
    Item kept = project_map(*map, selection);
    if (kept.empty()) return std::nullopt;
    return AttributeValue::map(std::move(kept));
  }
  if (const List* list = value.get_if<List>(); list != nullptr && !selection.elements.empty()) {
    List kept;
    for (const auto& [index, below] : selection.elements) {
      if (index >= list->size()) break;
      if (auto element = project_value((*list)[index], below)) kept.push_back(*std::move(element));
    }
    if (kept.empty()) return std::nullopt;
    return AttributeValue::list(std::move(kept));
  }
  return std::nullopt;
}

Item project_map(const Item& item, const Selection& selection) {
  Item kept;
  for (const auto& [name, below] : selection.members) {
    const AttributeValue* value = item.find(name);
    if (value == nullptr) continue;
    if (auto projected = project_value(*value, below)) kept.append(name, *std::move(projected));
  }
  return kept;
}

}  // namespace

const AttributeValue* find(const Item& item, const Path& path) {
  const AttributeValue* value = item.find(path.root());
  for (std::size_t i = 1; value != nullptr && i < path.steps.size(); ++i) value = step_into(value, path.steps[i]);
  return value;
}

bool matches(const Condition& condition, const Item& item) {
  const auto& operands = condition.operands;
  switch (condition.kind) {
    case Kind::kAnd:
      return matches(condition.children[0], item) && matches(condition.children[1], item);
    case Kind::kOr:
      return matches(condition.children[0], item) || matches(condition.children[1], item);
    case Kind::kNot:
      return !matches(condition.children[0], item);
    case Kind::kBetween:
      return between_matches(operands, item);
    case Kind::kIn:
      return in_matches(operands, item);
    case Kind::kAttributeExists:
      return static_cast<bool>(Value(operands[0], item));
    case Kind::kAttributeNotExists:
      return !Value(operands[0], item);
    case Kind::kAttributeType:
    case Kind::kBeginsWith:
    case Kind::kContains:
      return function_matches(condition.kind, Value(operands[0], item), Value(operands[1], item));
    default:
      return compare_matches(condition.kind, Value(operands[0], item), Value(operands[1], item));
  }
}

Item project(const Item& item, const Projection& projection) {
  Selection root;
  for (const Path& path : projection) select(root, path);
  return project_map(item, root);
}

}  // namespace millrace::expressions
