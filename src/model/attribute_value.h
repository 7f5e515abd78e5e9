// Attribute values and items as values of C++.
//
// `Item` is a flat map sorted by attribute name (also the M of a value). `AttributeValue` is one of DynamoDB's ten
// types. Sets are kept sorted and without duplicates, so `==` is DynamoDB's equality. Neither checks limits when built
// by hand; `model/json.h` and `model/limits.h` do. Thread-safety: none, like any value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "model/number.h"

namespace millrace::model {

// The order is that of AttributeValue's variant and of the stored form: never change it.
enum class Type : std::uint8_t {
  kNull,
  kBool,
  kString,
  kNumber,
  kBinary,
  kMap,
  kList,
  kStringSet,
  kNumberSet,
  kBinarySet
};

std::string_view type_name(Type type);  // "S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS"

class AttributeValue;
struct Attribute;

class Item {
 public:
  using Attributes = std::vector<Attribute>;
  using const_iterator = Attributes::const_iterator;

  Item();
  Item(std::initializer_list<Attribute> attributes);  // any order; a repeated name keeps the last
  Item(const Item& other);
  Item(Item&& other) noexcept;
  Item& operator=(const Item& other);
  Item& operator=(Item&& other) noexcept;
  ~Item();

  // nullptr: no such attribute.
  const AttributeValue* find(std::string_view name) const;
  AttributeValue* find(std::string_view name);
  bool contains(std::string_view name) const { return find(name) != nullptr; }
  AttributeValue& set(std::string_view name, AttributeValue value);  // inserts or replaces
  bool erase(std::string_view name);                                 // false: there was none
  // Appends an attribute whose name is greater than all present (readers of sorted input). REQUIRES: that order.
  AttributeValue& append(std::string name, AttributeValue value);
  // Sorts attributes that were pushed in any order. Returns false when a name occurs twice (the last one is kept).
  static bool from_unsorted(Attributes attributes, Item& out);

  bool empty() const;
  std::size_t size() const;  // number of attributes
  const_iterator begin() const;
  const_iterator end() const;
  Attributes& attributes() { return attributes_; }
  const Attributes& attributes() const { return attributes_; }
  friend bool operator==(const Item& a, const Item& b);

 private:
  Attributes attributes_;
};

struct Null {
  friend bool operator==(const Null&, const Null&) = default;
};
struct Binary {
  std::string bytes;
  friend bool operator==(const Binary&, const Binary&) = default;
};
struct StringSet {
  std::vector<std::string> values;  // sorted, unique
  friend bool operator==(const StringSet&, const StringSet&) = default;
};
struct NumberSet {
  std::vector<Number> values;  // sorted, unique
  friend bool operator==(const NumberSet&, const NumberSet&) = default;
};
struct BinarySet {
  std::vector<std::string> values;  // sorted, unique
  friend bool operator==(const BinarySet&, const BinarySet&) = default;
};
using List = std::vector<AttributeValue>;

class AttributeValue {
 public:
  using Variant = std::variant<Null, bool, std::string, Number, Binary, Item, List, StringSet, NumberSet, BinarySet>;

  AttributeValue() = default;  // NULL
  explicit AttributeValue(Variant value) : value_(std::move(value)) {}
  static AttributeValue null() { return AttributeValue(); }
  static AttributeValue boolean(bool value) { return AttributeValue(Variant(value)); }
  static AttributeValue string(std::string value) { return AttributeValue(Variant(std::move(value))); }
  static AttributeValue number(Number value) { return AttributeValue(Variant(value)); }
  static AttributeValue binary(std::string bytes) { return AttributeValue(Variant(Binary{std::move(bytes)})); }
  static AttributeValue map(Item value) { return AttributeValue(Variant(std::move(value))); }
  static AttributeValue list(List value) { return AttributeValue(Variant(std::move(value))); }
  // Sort and drop duplicates.
  static AttributeValue string_set(std::vector<std::string> values);
  static AttributeValue number_set(std::vector<Number> values);
  static AttributeValue binary_set(std::vector<std::string> values);

  Type type() const { return static_cast<Type>(value_.index()); }
  bool is(Type type) const { return this->type() == type; }
  // nullptr: of another type. `T` is one of Variant's alternatives.
  template <typename T>
  const T* get_if() const {
    return std::get_if<T>(&value_);
  }
  template <typename T>
  T* get_if() {
    return std::get_if<T>(&value_);
  }
  // REQUIRES: that type.
  template <typename T>
  const T& get() const {
    return std::get<T>(value_);
  }
  template <typename T>
  T& get() {
    return std::get<T>(value_);
  }
  const Variant& variant() const { return value_; }

  friend bool operator==(const AttributeValue&, const AttributeValue&) = default;

 private:
  Variant value_;
};

struct Attribute {
  std::string name;
  AttributeValue value;
  friend bool operator==(const Attribute&, const Attribute&) = default;
};

// Defined where Attribute is complete, which clang insists on.
inline Item::Item() = default;
inline Item::Item(const Item& other) = default;
inline Item::Item(Item&& other) noexcept = default;
inline Item& Item::operator=(const Item& other) = default;
inline Item& Item::operator=(Item&& other) noexcept = default;
inline Item::~Item() = default;
inline bool Item::empty() const { return attributes_.empty(); }
inline std::size_t Item::size() const { return attributes_.size(); }
inline Item::const_iterator Item::begin() const { return attributes_.begin(); }
inline Item::const_iterator Item::end() const { return attributes_.end(); }
inline bool operator==(const Item& a, const Item& b) { return a.attributes_ == b.attributes_; }

// Order of two values of the same type S, N or B (bytes as unsigned): what conditions and sort keys compare.
// REQUIRES: same type, one of those three.
std::strong_ordering compare(const AttributeValue& a, const AttributeValue& b);

}  // namespace millrace::model
