// The parameters of before expressions (AttributesToGet, Expected, KeyConditions, ...), as the same trees. Pure.
#pragma once

#include "api/dynamodb/internal/item_call.h"

namespace millrace::api_dynamodb {

// Fills what the legacy parameters say into `parsed`. Errors: kValidationException.
Result<void> translate_legacy(const ItemCall::Legacy& legacy, Parsed& parsed);

}  // namespace millrace::api_dynamodb
