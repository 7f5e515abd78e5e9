#include "model/limits.h"

namespace millrace::model {
namespace {

template <typename Strings>
std::size_t total_size(const Strings& values) {
  std::size_t total = 0;
  for (const std::string& value : values) total += value.size();
  return total;
}

std::size_t size_of_numbers(const NumberSet& set) {
  std::size_t total = 0;
  for (const Number& value : set.values) total += value.size();
  return total;
}

std::size_t size_of_list(const List& list) {
  std::size_t total = 3 + list.size();
  for (const AttributeValue& element : list) total += size_of(element);
  return total;
}

}  // namespace

std::size_t size_of(const AttributeValue& value) {
  switch (value.type()) {
    case Type::kNull:
    case Type::kBool:
      return 1;
    case Type::kString:
      return value.get<std::string>().size();
    case Type::kNumber:
      return value.get<Number>().size();
    case Type::kBinary:
      return value.get<Binary>().bytes.size();
    case Type::kMap:
      return 3 + value.get<Item>().size() + size_of(value.get<Item>());
    case Type::kList:
      return size_of_list(value.get<List>());
    case Type::kStringSet:
      return total_size(value.get<StringSet>().values);
    case Type::kNumberSet:
      return size_of_numbers(value.get<NumberSet>());
    case Type::kBinarySet:
      return total_size(value.get<BinarySet>().values);
  }
  return 0;
}

std::size_t size_of(const Item& item) {
  std::size_t total = 0;
  for (const Attribute& attribute : item) total += size_of_attribute(attribute.name, attribute.value);
  return total;
}

}  // namespace millrace::model
