// ExpressionAttributeNames and ExpressionAttributeValues of one request, and which of them its expressions used.
// Not thread-safe. Pointers to values stay valid until it is destroyed, also when it is moved.
#pragma once

#include <list>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/attribute_value.h"
#include "model/errors.h"

namespace millrace::expressions {

using model::kValidationException;

class Substitutions {
 public:
  // Error (AWS's text) when the placeholder is not "#" respectively ":" followed by letters, digits, '_'.
  Result<void> add_name(std::string_view placeholder, std::string name);
  Result<void> add_value(std::string_view placeholder, model::AttributeValue value);

  // Marks it as used. nullptr: not defined.
  const std::string* name(std::string_view placeholder);
  const model::AttributeValue* value(std::string_view placeholder);

  // A value without placeholder, owned here: for conditions built from the legacy parameters.
  const model::AttributeValue* own(model::AttributeValue value);

  // AWS: "Value provided in ExpressionAttributeNames unused in expressions: keys: {#a, #b}".
  Result<void> check_all_used() const;

 private:
  template <typename T>
  struct Entry {
    std::string placeholder;
    T value;
    bool used = false;
  };
  std::list<Entry<std::string>> names_;
  std::list<Entry<model::AttributeValue>> values_;
};

}  // namespace millrace::expressions
