// Amazon DynamoDB Streams on the wire: ListStreams, DescribeStream, GetShardIterator, GetRecords.
#pragma once

#include <memory>

#include "streams/streams.h"
#include "wire/service.h"

namespace millrace::api_dynamodb {

// `streams` must outlive the result. Handlers are thread-safe; GetRecords and GetShardIterator may read the disk.
std::unique_ptr<wire::Service> make_dynamodb_streams_service(streams::Streams& streams);

}  // namespace millrace::api_dynamodb
