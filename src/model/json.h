// DynamoDB JSON: {"name": {"S": "x"}}, to and from attribute values.
//
// Two readers with one result: `read_...` from a parsed document (the generic path, author of all error texts), and
// `JsonReader` straight from request text (hot paths), which only knows success and "take the generic path". Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "codec/json.h"
#include "model/attribute_value.h"

namespace millrace::model {

// kValidationException with AWS's texts: no or several types, bad number, empty or duplicate set elements, NULL false,
// nesting deeper than kNestingMax. Binary members hold base64 text.
Result<AttributeValue> read_value(const codec::Json& json);
Result<Item> read_item(const codec::Json& json);

void append_json(std::string& out, const AttributeValue& value);
void append_json(std::string& out, const Item& item);
std::string to_json(const Item& item);
codec::Json to_document(const AttributeValue& value);
codec::Json to_document(const Item& item);

// Reads JSON text front to back, for hot paths. Every method answers false when the text is not exactly what was
// expected, or needs an error text; the caller then gives up and takes the generic path. Strings must be valid UTF-8.
class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

  bool consume(char c);  // skips white space, then takes `c` if it is next
  bool peek(char c);     // the same without taking it
  bool at_end();         // only white space is left
  bool read_string(std::string& out);
  bool read_bool(bool& out);
  bool read_int(std::int64_t& out);
  bool read_value(AttributeValue& out) { return read_value(out, 0); }
  bool read_item(Item& out) { return read_item(out, 0); }
  bool skip_value();  // any JSON value

  // Calls `member(name)` for each member of an object; the callback reads the value and answers false to give up. A
  // repeated name is the caller's to notice.
  template <typename F>
  bool read_object(F&& member) {
    if (!consume('{')) return false;
    if (consume('}')) return true;
    std::string name;
    do {
      if (!read_string(name) || !consume(':') || !member(std::string_view(name))) return false;
    } while (consume(','));
    return consume('}');
  }
  template <typename F>
  bool read_array(F&& element) {
    if (!consume('[')) return false;
    if (consume(']')) return true;
    do {
      if (!element()) return false;
    } while (consume(','));
    return consume(']');
  }

 private:
  bool read_value(AttributeValue& out, int depth);
  bool read_item(Item& out, int depth);
  bool read_typed(std::string_view type, AttributeValue& out, int depth);
  bool read_collection(std::string_view type, AttributeValue& out, int depth);
  bool read_number(Number& out);
  bool read_escape(std::string& out);
  bool skip_value(int depth);
  void skip_space();

  const char* at_;
  const char* end_;
};

}  // namespace millrace::model
