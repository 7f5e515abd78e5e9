#include "model/attribute_value.h"

#include <algorithm>

#include "base/assert.h"

namespace millrace::model {
namespace {

auto lower_bound(auto& attributes, std::string_view name) {
  return std::lower_bound(attributes.begin(), attributes.end(), name,
                          [](const Attribute& attribute, std::string_view wanted) { return attribute.name < wanted; });
}

template <typename T>
std::vector<T> sorted_unique(std::vector<T> values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

}  // namespace

std::string_view type_name(Type type) {
  constexpr std::string_view kNames[] = {"NULL", "BOOL", "S", "N", "B", "M", "L", "SS", "NS", "BS"};
  return kNames[static_cast<std::size_t>(type)];
}

Item::Item(std::initializer_list<Attribute> attributes) { from_unsorted(Attributes(attributes), *this); }

const AttributeValue* Item::find(std::string_view name) const {
  const auto it = lower_bound(attributes_, name);
  return it != attributes_.end() && it->name == name ? &it->value : nullptr;
}

AttributeValue* Item::find(std::string_view name) {
  return const_cast<AttributeValue*>(static_cast<const Item*>(this)->find(name));
}

AttributeValue& Item::set(std::string_view name, AttributeValue value) {
  const auto it = lower_bound(attributes_, name);
  if (it != attributes_.end() && it->name == name) return it->value = std::move(value);
  return attributes_.insert(it, Attribute{std::string(name), std::move(value)})->value;
}

bool Item::erase(std::string_view name) {
  const auto it = lower_bound(attributes_, name);
  if (it == attributes_.end() || it->name != name) return false;
  attributes_.erase(it);
  return true;
}

AttributeValue& Item::append(std::string name, AttributeValue value) {
  MR_ASSERT(attributes_.empty() || attributes_.back().name < name);
  return attributes_.emplace_back(Attribute{std::move(name), std::move(value)}).value;
}

bool Item::from_unsorted(Attributes attributes, Item& out) {
  const auto less = [](const Attribute& a, const Attribute& b) { return a.name < b.name; };
  if (!std::is_sorted(attributes.begin(), attributes.end(), less)) {
    std::stable_sort(attributes.begin(), attributes.end(), less);
  }
  bool unique = true;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < attributes.size(); ++i) {
    if (i + 1 < attributes.size() && attributes[i].name == attributes[i + 1].name) {
      unique = false;
      continue;  // the last one wins
    }
    if (kept != i) attributes[kept] = std::move(attributes[i]);
    ++kept;
  }
  attributes.resize(kept);
  out.attributes_ = std::move(attributes);
  return unique;
}

AttributeValue AttributeValue::string_set(std::vector<std::string> values) {
  return AttributeValue(Variant(StringSet{sorted_unique(std::move(values))}));
}
AttributeValue AttributeValue::number_set(std::vector<Number> values) {
  return AttributeValue(Variant(NumberSet{sorted_unique(std::move(values))}));
}
AttributeValue AttributeValue::binary_set(std::vector<std::string> values) {
  return AttributeValue(Variant(BinarySet{sorted_unique(std::move(values))}));
}

std::strong_ordering compare(const AttributeValue& a, const AttributeValue& b) {
  MR_ASSERT(a.type() == b.type());
  switch (a.type()) {
    case Type::kString:
      return a.get<std::string>().compare(b.get<std::string>()) <=> 0;
    case Type::kNumber:
      return a.get<Number>() <=> b.get<Number>();
    case Type::kBinary:
      return a.get<Binary>().bytes.compare(b.get<Binary>().bytes) <=> 0;
    default:
      MR_ASSERT(!"compare() of a type without order");
      return std::strong_ordering::equal;
  }
}

}  // namespace millrace::model
