// TableDescription: how tables are shown. Pure.
#pragma once

#include <string_view>

#include "codec/json.h"
#include "tables/tables.h"

namespace millrace::api_dynamodb {

codec::Json table_document(const tables::Description& description);

}  // namespace millrace::api_dynamodb
