// What a stream and its shards are. Plain values, copied out of `Streams`.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/scope.h"
#include "base/strong_id.h"
#include "base/time.h"
#include "model/change_record.h"
#include "model/key.h"
#include "storage/store.h"

namespace millrace::streams {

// Store-wide, never reused.
using StreamId = StrongId<struct StreamIdTag, std::uint64_t>;
using ShardNumber = StrongId<struct ShardNumberTag, std::uint64_t>;
using storage::Stamp;

inline constexpr std::uint64_t kHashMax = std::numeric_limits<std::uint64_t>::max();

struct Shard {
  ShardNumber number;
  std::string id;                     // "shardId-" + 20 digits of creation milliseconds + "-" + 8 hex (spec 4.3)
  std::optional<ShardNumber> parent;  // may have been trimmed already
  std::string parent_id;              // "" when there is none
  // After a merge: the other parent. AWS's API has room for one only, the one above.
  std::optional<ShardNumber> second_parent;
  std::string second_parent_id;
  std::uint64_t hash_from = 0;  // key hashes [hash_from, hash_to] belong here
  std::uint64_t hash_to = kHashMax;
  Stamp start = 0;           // every record has a stamp >= start
  std::optional<Stamp> end;  // closed for good: every record has a stamp <= end. Known once the closing is durable
  Time created{};
  Time closed = kNever;
  bool durable = true;  // its opening is on disk
  bool is_open() const { return closed == kNever; }
};

// Trouble for people who test consumers of AWS's API. Of this process only: off after a restart. Mappings never see it.
struct Chaos {
  double duplicates = 0;  // chance that a GetRecords is followed by the second half of its records again; 0 to 0.9
  double throttles = 0;   // chance that a GetRecords is refused as too many are
  double expired = 0;     // chance that a GetRecords finds its iterator expired
  Milliseconds delayed_children{0};  // how long after it was opened a child is not listed and cannot be read
  bool is_on() const { return duplicates > 0 || throttles > 0 || expired > 0 || delayed_children.count() > 0; }
  friend bool operator==(const Chaos&, const Chaos&) = default;
};

struct Stream {
  StreamId id;
  Scope scope;
  std::string table_name;
  std::string table_id;
  std::string label;  // UTC time of enabling, "2026-09-17T12:41:55.694"; unique per table name
  std::string arn;    // arn:aws:dynamodb:<region>:<account>:table/<table>/stream/<label>
  model::ViewType view = model::ViewType::kNewAndOldImages;
  model::KeySchema key_schema;
  Time created{};
  Time closed = kNever;
  int initial_shards = 1;
  std::optional<Milliseconds> retention;  // its own, instead of the server's
  Chaos chaos;
  std::vector<Shard> shards;  // by number, hence parents before children; closed ones until their data has aged out
  bool is_enabled() const { return closed == kNever; }
};

// The stream as the disk has it: without openings and closings whose commit is under way or has failed. nullopt: it is
// not there at all yet.
std::optional<Stream> as_committed(Stream stream);

// A change of the shards of an enabled stream. The shards it names are closed, their children are opened; records of a
// key are in the parents before they are in a child.
struct Reshape {
  enum class Kind { kRoll, kSplit, kMerge };
  Kind kind = Kind::kRoll;
  // kRoll: each gets one child of its own range; none named: all open ones. kSplit: each gets two children of half its
  // range. kMerge: two neighbours get one child of their joint range, which names
  // the second one as its parent (AWS's API has room for one).
  std::vector<ShardNumber> shards;
};

// AWS: error names of DynamoDB Streams.
inline constexpr ErrorType kResourceNotFound{"ResourceNotFoundException", 400, ErrorKind::kClient};
inline constexpr ErrorType kTrimmedDataAccess{"TrimmedDataAccessException", 400, ErrorKind::kClient};
inline constexpr ErrorType kLimitExceeded{"LimitExceededException", 400, ErrorKind::kClient};
inline constexpr ErrorType kExpiredIterator{"ExpiredIteratorException", 400, ErrorKind::kClient};
inline constexpr ErrorType kValidation{"ValidationException", 400, ErrorKind::kClient};

}  // namespace millrace::streams
