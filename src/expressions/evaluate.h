// What expressions mean, over items. Pure, thread-safe.
#pragma once

#include "base/result.h"
#include "expressions/ast.h"
#include "model/attribute_value.h"

namespace millrace::expressions {

// nullptr: the item has nothing there.
const model::AttributeValue* find(const model::Item& item, const Path& path);

// A condition over a missing item is evaluated over an empty one.
bool matches(const Condition& condition, const model::Item& item);

// The item after the update. All operands are read from `item` as it was. Errors: kValidationException with AWS's texts
// (missing attribute, wrong data type, invalid document path, number overflow). Limits of the whole item and the key
// are the caller's to check.
Result<model::Item> apply(const Update& update, const model::Item& item);

// Only what the paths select; elements of lists move together, in their order.
model::Item project(const model::Item& item, const Projection& projection);

}  // namespace millrace::expressions
