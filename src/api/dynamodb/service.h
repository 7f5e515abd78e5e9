// Amazon DynamoDB on the wire. What is served and refused: README.md of this folder.
#pragma once

#include <memory>

#include "tables/tables.h"
#include "wire/service.h"

namespace millrace::api_dynamodb {

// `tables` must outlive the result. Handlers are thread-safe, never wait for a sync, and may read the disk.
std::unique_ptr<wire::Service> make_dynamodb_service(tables::Tables& tables);

}  // namespace millrace::api_dynamodb
