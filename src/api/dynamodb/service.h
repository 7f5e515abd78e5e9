// Amazon DynamoDB on the wire. What is served and refused: README.md of this folder.
#pragma once

#include <memory>

#include "tables/tables.h"
#include "wire/service.h"

namespace millrace::api_dynamodb {

// Both must outlive the result. Handlers are thread-safe and never wait for a sync; what is not in memory they read on
// the scheduler's pool (wire::Service::reads_disk). Pages of Query and Scan that read more than kPageBytesHere are read
// there, too, one at a time: other requests of the connection's I/O thread do not wait for them, and the pool has room
// for others. A Scan without Limit of a table larger than that goes there at once.
inline constexpr std::size_t kPageBytesHere = 128 * 1024;
std::unique_ptr<wire::Service> make_dynamodb_service(tables::Tables& tables, platform::Scheduler& scheduler);

}  // namespace millrace::api_dynamodb
