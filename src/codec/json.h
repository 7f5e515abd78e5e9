// JSON documents as values, parsed by simdjson and printed by our own writer.
//
// `Json` keeps the order of object members (AWS documents have one) and the exact text of numbers that do not fit int64
// or a double exactly. Meant for requests, responses and configuration; hot paths (items, stream events) write text
// directly with `JsonWriter`. Thread-safety: none, like any value.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace millrace::codec {

inline constexpr ErrorType kMalformedJson{"SerializationException", 400, ErrorKind::kClient};
inline constexpr int kJsonDepthMax = 160;  // deeper documents are refused by parse_json

class Json {
 public:
  using Array = std::vector<Json>;
  using Member = std::pair<std::string, Json>;
  using Object = std::vector<Member>;  // in document order; a duplicate name keeps the last value at the first place

  Json() = default;                                                        // null
  Json(std::nullptr_t) {}                                                  // NOLINT
  Json(bool value) : value_(value) {}                                      // NOLINT
  Json(int value) : value_(std::int64_t{value}) {}                         // NOLINT
  Json(unsigned value) : value_(std::int64_t{value}) {}                    // NOLINT
  Json(std::int64_t value) : value_(value) {}                              // NOLINT
  Json(std::uint64_t value) : value_(static_cast<std::int64_t>(value)) {}  // NOLINT
  Json(double value) : value_(value) {}                                    // NOLINT
  Json(const char* value) : value_(std::string(value)) {}                  // NOLINT
  Json(std::string_view value) : value_(std::string(value)) {}             // NOLINT
  Json(std::string value) : value_(std::move(value)) {}                    // NOLINT
  Json(Array value) : value_(std::move(value)) {}                          // NOLINT
  Json(Object value) : value_(std::move(value)) {}                         // NOLINT
  static Json object(std::initializer_list<Member> members = {}) { return Json(Object(members)); }
  static Json array(Array elements = {}) { return Json(std::move(elements)); }

  bool is_null() const { return value_.index() == 0; }
  bool is_bool() const { return value_.index() == 1; }
  bool is_int() const { return value_.index() == 2; }
  bool is_number() const { return value_.index() == 2 || value_.index() == 3; }
  bool is_string() const { return value_.index() == 4; }
  bool is_array() const { return value_.index() == 5; }
  bool is_object() const { return value_.index() == 6; }

  // REQUIRES: the matching is_...(). as_int() also takes a double, cut to the range; as_double() any number.
  bool as_bool() const { return std::get<bool>(value_); }
  std::int64_t as_int() const;
  double as_double() const;
  const std::string& as_string() const { return std::get<std::string>(value_); }
  std::string& as_string() { return std::get<std::string>(value_); }
  const Array& as_array() const { return std::get<Array>(value_); }
  Array& as_array() { return std::get<Array>(value_); }
  const Object& as_object() const { return std::get<Object>(value_); }
  Object& as_object() { return std::get<Object>(value_); }

  // The member of that name, or nullptr when this is no object or has no such member.
  const Json* find(std::string_view name) const;
  Json* find(std::string_view name);
  // The member's value or the given default when absent or of another kind.
  std::string_view string_or(std::string_view name, std::string_view otherwise) const;
  std::int64_t int_or(std::string_view name, std::int64_t otherwise) const;
  bool bool_or(std::string_view name, bool otherwise) const;

  // Sets or replaces a member. REQUIRES: is_object() or is_null() (which becomes an object). Returns *this for
  // chaining.
  Json& set(std::string_view name, Json value);
  Json& set_if(bool condition, std::string_view name, Json value) {
    return condition ? set(name, std::move(value)) : *this;
  }
  bool erase(std::string_view name);
  // Appends an element. REQUIRES: is_array() or is_null() (which becomes an array).
  Json& push(Json value);

  std::string dump() const;         // compact
  std::string dump_pretty() const;  // two spaces, for people
  void dump_to(std::string& out) const;

  friend bool operator==(const Json&, const Json&) = default;

 private:
  std::variant<std::monostate, bool, std::int64_t, double, std::string, Array, Object> value_;
};

// Parses one JSON text (UTF-8, no trailing bytes but white space). Errors: kMalformedJson with a position or reason.
// `text` needs no padding. An integer beyond int64 becomes a double.
Result<Json> parse_json(std::string_view text);

// Appends `text` as a JSON string with quotes and escapes. Invalid UTF-8 is passed through.
void append_json_string(std::string& out, std::string_view text);
// Appends the shortest text that reads back as the same double ("1.789651658E9" style is not used).
void append_json_number(std::string& out, double value);

}  // namespace millrace::codec
