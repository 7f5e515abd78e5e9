// The durable log of changes: which streams and shards there are, reading them, being woken by them, trimming them.
//
//   writer (tables):  batch.log(*streams.shard_for(stream, hash), encode_change(...))    in the batch of the item
//   itself reader:           subscribe -> woken after a commit -> read(shard, after) -> process -> read(shard,
//   page.read_to)
//
// Enabling, disabling and resharding take part in the caller's WriteBatch, so that they commit together with the
// table's own change. They change memory at once (the next write finds its shard) and REQUIRE that the caller submits
// the batch, and that no write to the table is between shard_for() and submit() meanwhile: the caller's table latch
// does both.
//
// Records live `retention` by the movable clock; a reader never sees an older one, whatever is still on disk. A
// disabled stream, and a closed shard, vanish with their data. All sequence positions are stamps: store-wide, rising,
// the same number in a mapping's position, an iterator and a SequenceNumber.
//
// Thread-safe. `load` it once; `store`, `commits`, `scheduler` and `random` outlive it. Callbacks of the committer that
// come after its end are ignored. Catalogue keys (all in kCatalogue):
//   streams/floor              be64(stamps below are trimmed, by bytes_max)
//   streams/next               be64(next id of streams and shards)
//   streams/stream/be64(id)    JSON {"v":1,...}
//   streams/shard/be64(number) JSON {"v":1,...}
//   streams/start/be64(number) be64(first possible stamp)
//   streams/end/be64(number)   be64(milliseconds of closing) be64(last possible stamp + 1)
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "platform/clock.h"
#include "platform/random.h"
#include "storage/committer.h"
#include "storage/store.h"
#include "streams/reshape.h"
#include "streams/types.h"

namespace millrace::streams {

inline constexpr Milliseconds kRetentionDefault = std::chrono::hours(24);
inline constexpr Milliseconds kRetentionMin = std::chrono::hours(1);
inline constexpr Milliseconds kRetentionMax = std::chrono::hours(24 * 365);
inline constexpr int kShardsMax = 256;             // of a new stream
inline constexpr std::size_t kPageRecords = 1000;  // AWS: of one GetRecords
inline constexpr std::size_t kPageBytes = std::size_t{1} << 20;

// Longer than a reader goes between two reads of a shard: its iterator would expire.
inline constexpr Milliseconds kMergeHold = std::chrono::minutes(15);

struct StreamsOptions {
  Milliseconds retention = kRetentionDefault;  // unless a stream has its own
  // Of the log of all streams on disk, about, before compression: beyond it whole buckets go, oldest first, read or
  // not. 0: no bound.
  std::uint64_t bytes_max = 0;
  // How much the store's kLog holds, about, from a key on. Called on pool threads. Needed with bytes_max.
  std::function<std::uint64_t(std::string_view from)> log_bytes;
  ReshapePolicy reshaping;
};

struct OpenRequest {
  Scope scope;
  std::string table_name;
  std::string table_id;
  model::ViewType view = model::ViewType::kNewAndOldImages;
  model::KeySchema key_schema;
  int shard_count = 1;  // 1..kShardsMax, equal hash ranges
};

struct Opened {
  StreamId id;
  std::string arn;
  std::string label;
};

struct LogRecord {
  Stamp stamp = 0;
  Time committed{};
  std::string value;  // an encoded model::ChangeRecord
};

struct ReadLimits {
  std::size_t records = kPageRecords;
  std::size_t bytes = kPageBytes;  // of values; the first record is always taken
};

struct Page {
  std::vector<LogRecord> records;  // in stamp order
  Stamp read_to = 0;               // go on with read(shard, read_to): all up to here has been seen
  bool more = false;               // a limit ended the page: reading on may give records at once
  bool end_of_shard = false;       // closed and read to its end: go on with its children
  bool trimmed = false;            // records after the given position were trimmed before they were read (after a
                                   // restart: or may have been, for positions before it)
};

// What happened to a stream, told after the commit.
struct Wake {
  StreamId stream;
  std::span<const ShardNumber> shards;  // that received records
  bool lineage = false;                 // shards were opened or closed
};

class Subscription;

class Streams {
 public:
  // Reads the catalogue and starts trimming. Errors: of the store; a damaged record is named.
  static Result<std::unique_ptr<Streams>> load(storage::Store& store, storage::Commits& commits,
                                               platform::Scheduler& scheduler, platform::Random& random,
                                               StreamsOptions options = {});
  ~Streams();

  // --- Shape; see above for `batch`. ---
  // Adds a stream with open shards. The label is now(), moved on by milliseconds until the ARN is new.
  Opened open(const OpenRequest& request, storage::WriteBatch& batch);
  // Closes all shards; the stream is disabled and stays readable for its retention. Nothing if it is not enabled.
  void close(StreamId stream, storage::WriteBatch& batch);
  // Rolls, splits or merges shards, all or nothing. Errors: kResourceNotFound when the stream is not enabled or a shard
  // is not open in it; kValidation when a range cannot be halved or two shards are not neighbours.
  Result<void> reshape(StreamId stream, const Reshape& change, storage::WriteBatch& batch);
  // Who changes shards when the policy says so: calls reshape() while no write of the table is between shard_for() and
  // submit(), and submits. Called on pool threads, one at a time. Until it is set, nothing changes by itself.
  void set_reshaper(std::function<void(const Stream&, const Reshape&)> reshaper);
  // How long a stream's records can be read. nullopt: as long as the server's. What has been dropped stays dropped.
  // Error: kResourceNotFound, kValidation outside [kRetentionMin, kRetentionMax].
  Result<void> set_retention(StreamId stream, std::optional<Milliseconds> retention, storage::WriteBatch& batch);
  // Error: kResourceNotFound, kValidation for a chance outside of [0, 1] ([0, 0.9] of duplicates) or a negative time.
  Result<void> set_chaos(StreamId stream, const Chaos& chaos);
  bool happens(double chance) const;  // with this chance
  // The shard for WriteBatch::log; nullopt when the stream is not enabled.
  std::optional<std::uint64_t> shard_for(StreamId stream, std::uint64_t key_hash) const;

  // --- Looking. Answers include changes whose commit is under way: what leaves the process is as_committed(). ---
  std::optional<Stream> find(StreamId stream) const;
  std::optional<Stream> find(std::string_view arn) const;
  // Of a scope, in ARN order; of one table name if that is not empty.
  std::vector<Stream> list(const Scope& scope, std::string_view table_name = {}) const;

  // --- Reading: only what is durable. ---
  // Records of a shard with stamps > `after`, oldest first; `after` = 0: from the oldest there is, whatever that is
  // (TRIM_HORIZON). Cost: nothing at the tail (memory knows); else one seek, plus at most two per bucket of 32,768
  // store-wide records in between, plus one sequential step per record. May answer an empty page with `more` after
  // skipping many buckets. Errors: kResourceNotFound when there is no such shard (any more), or of the store. May read
  // the disk: not on the control thread.
  Result<Page> read(ShardNumber shard, Stamp after, ReadLimits limits = {}) const;
  // Number of records after `after`, counted up to `max`. Cost as read().
  Result<std::size_t> backlog(ShardNumber shard, Stamp after, std::size_t max) const;
  // For readers of AWS's API, which names one parent of a shard that was merged from two: whether they get nothing yet
  // from the start of this shard, because the other parent has not been read to its end by anybody since the server
  // started. No longer than kMergeHold after the merge.
  bool waits_for_parent(ShardNumber shard, Stamp after) const;
  void note_read_to_end(ShardNumber shard);
  // Everything committed so far has a stamp <= head(): the position LATEST.
  Stamp head() const;
  Milliseconds retention_of(const Stream& stream) const;
  Time now() const;  // of the scheduler: what retention and iterators are measured with

  // Calls `wake` after each commit that concerns the stream, on the committer's thread, until the subscription ends. It
  // must be cheap (post to the scheduler), and must not subscribe or end a subscription itself.
  [[nodiscard]] Subscription subscribe(StreamId stream, std::function<void(const Wake&)> wake);

 private:
  class Engine;
  explicit Streams(std::shared_ptr<Engine> engine);
  // Shared with callbacks of the committer and the scheduler, which hold it weakly.
  std::shared_ptr<Engine> engine_;
};

// Ends with the object; `wake` does not run afterwards. May outlive the Streams.
class Subscription {
 public:
  Subscription() = default;
  explicit Subscription(std::function<void()> end) : end_(std::move(end)) {}
  Subscription(Subscription&& other) noexcept : end_(std::exchange(other.end_, nullptr)) {}
  Subscription& operator=(Subscription&& other) noexcept {
    if (this != &other) {
      end();
      end_ = std::exchange(other.end_, nullptr);
    }
    return *this;
  }
  ~Subscription() { end(); }
  void end() {
    if (end_) std::exchange(end_, nullptr)();
  }

 private:
  std::function<void()> end_;
};

}  // namespace millrace::streams
