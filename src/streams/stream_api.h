// DynamoDB Streams as AWS shows it (spec section 4): listing, describing with paging, iterators, records. Stateless
// functions over Streams; `api/dynamodb` only decodes and encodes around them. Thread-safe.
//
// An iterator is text:  <StreamArn> "|1|" base64( version=1 be64(shard) be64(after) be64(issued, ms) be32(crc32) )
// where the checksum covers the ARN and the bytes before it. It names the position after which to read (0: whatever is
// oldest) and is valid for 15 minutes of now().
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "streams/streams.h"

namespace millrace::streams {

inline constexpr Milliseconds kIteratorLife = std::chrono::minutes(15);  // AWS
inline constexpr std::size_t kListMax = 100;                             // AWS: streams of a page, shards of a page

// --- Iterators ---
struct ShardIterator {
  std::string arn;
  ShardNumber shard;
  Stamp after = 0;
  Time issued{};
};
std::string encode_iterator(const ShardIterator& iterator);
// nullopt: not one of ours.
std::optional<ShardIterator> decode_iterator(std::string_view text);

// True for "arn:aws:dynamodb:<region>:<account>:table/<name>/stream/<label>".
bool is_stream_arn(std::string_view arn);

// --- ListStreams ---
struct ListRequest {
  Scope scope;
  std::string_view table_name;           // "": all
  std::string_view exclusive_start_arn;  // "": from the first. Need not exist any more
  std::size_t limit = kListMax;
};
struct ListPage {
  std::vector<Stream> streams;
  std::string last_evaluated_arn;  // "" when no more follow
};
// Errors: kValidation for a malformed ARN.
Result<ListPage> list_streams(const Streams& streams, const ListRequest& request);

// --- DescribeStream ---
struct DescribeRequest {
  Scope scope;
  std::string_view arn;
  std::string_view exclusive_start_shard;       // "": from the first. Need not exist
  std::optional<std::string_view> children_of;  // ShardFilter CHILD_SHARDS
  std::size_t limit = kListMax;
};
struct Description {
  Stream stream;                     // with the shards of this page, by shard id
  std::string last_evaluated_shard;  // "" when no more follow
};
// Errors: kValidation for a malformed ARN, kResourceNotFound.
Result<Description> describe_stream(const Streams& streams, const DescribeRequest& request);

// --- GetShardIterator ---
enum class IteratorType { kTrimHorizon, kLatest, kAtSequenceNumber, kAfterSequenceNumber };
struct IteratorRequest {
  Scope scope;
  std::string_view arn;
  std::string_view shard_id;
  IteratorType type = IteratorType::kTrimHorizon;
  std::optional<std::string_view> sequence_number;
};
// Errors: kValidation (malformed ARN; sequence number missing, not allowed, malformed, or not of this shard),
// kResourceNotFound, kTrimmedDataAccess.
Result<std::string> get_shard_iterator(const Streams& streams, const IteratorRequest& request, Time now);

// --- GetRecords ---
struct RecordsPage {
  Stream stream;
  std::vector<LogRecord> records;
  std::string next_iterator;  // "" once a closed shard has been read to its end
};
// `limit` 1..kPageRecords. Errors: kValidation for a malformed iterator, kExpiredIterator, kTrimmedDataAccess,
// kResourceNotFound. May read the disk.
Result<RecordsPage> get_records(Streams& streams, const Scope& scope, std::string_view iterator, std::size_t limit,
                                Time now);

}  // namespace millrace::streams
