// Amazon DynamoDB on the wire. What is served and refused: README.md of this folder.
#pragma once

#include <memory>

#include "tables/tables.h"
#include "wire/service.h"

namespace millrace::api_dynamodb {

// Both must outlive the result. Handlers are thread-safe, never wait for a sync, and may read the disk. Pages of Query
// and Scan that read more than kPageBytesHere are read on the scheduler's pool, one at a time: other requests of the
// connection's I/O thread do not wait for them, and the pool has room for others.
inline constexpr std::size_t kPageBytesHere = 128 * 1024;
std::unique_ptr<wire::Service> make_dynamodb_service(tables::Tables& tables, platform::Scheduler& scheduler);

}  // namespace millrace::api_dynamodb
