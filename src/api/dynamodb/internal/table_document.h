// TableDescription: how tables are shown. Pure.
#pragma once

#include <string_view>

#include "codec/json.h"
#include "tables/tables.h"

namespace millrace::api_dynamodb {

// `status`: "ACTIVE", "DELETING".
codec::Json table_document(const tables::Description& description, std::string_view status);

}  // namespace millrace::api_dynamodb
