// What one lane of one shard does next: batching, windows, retries, bisecting, record age, checkpoints.
//
// A shard is read by ParallelizationFactor lanes, each with a position of its own. `step` is the whole machine: it
// learns what happened, then decides. It is pure: no clock, thread, randomness or I/O; `now` is an argument, jitter a
// hash. The shell around it (triggers/engine.h) performs the effects and posts what became of them as inputs; tests
// run it under virtual time.
//
// The behaviour is AWS's, as recorded; `// AWS:` marks the rules. Success, partial and total failure of an invocation
// are one number: how many leading records are done.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/time.h"
#include "storage/store.h"
#include "triggers/tumbling.h"

namespace millrace::triggers {

// Position of a record in its stream; 0 is before all of them.
using SequenceNumber = storage::Stamp;

inline constexpr std::size_t kPayloadBytesMax = 6 * 1024 * 1024;  // AWS: of the whole rendered event
inline constexpr std::size_t kEnvelopeBytes = 14;                 // {"Records":[]}
inline constexpr std::size_t kWindowBytes = 1400;                 // more in a tumbling window, state not counted
inline constexpr Milliseconds kBackoffFirst{200};
inline constexpr Milliseconds kBackoffMax{60'000};           // of failures and missing functions; AWS's is unknown
inline constexpr Milliseconds kThrottledBackoffMax{10'000};  // concurrency comes back sooner than a fix
inline constexpr std::size_t kPassedUnsavedMax = 1000;       // filtered records between two saved positions

struct Record {
  SequenceNumber sequence = 0;
  Time created{};     // ApproximateCreationDateTime
  std::string event;  // rendered: one element of Records[]
};

// The options of a mapping that decide about a lane.
struct Settings {
  std::size_t batch_size = 100;
  Milliseconds window{0};
  int retries_max = -1;                        // -1: no limit
  Milliseconds age_max = Milliseconds::max();  // the smaller of MaximumRecordAgeInSeconds and the retention
  bool bisect = false;                         // BisectBatchOnFunctionError
  bool enabled = true;                         // false: finishes what is in flight, begins nothing
  std::size_t payload_bytes_max = kPayloadBytesMax;
  Milliseconds tumbling{0};   // TumblingWindowInSeconds; 0: none
  unsigned lanes = 1;         // of the shard; decides nothing, names decisions
  std::uint64_t filters = 0;  // names the filters that records have passed; 0: none
};

// What has been done about one batch so far. Saved, so that a restart does not grant new attempts.
struct Tries {
  int invocations = 0;   // that reached the function
  int failures = 0;      // that count against retries_max
  int refusals = 0;      // throttled, function missing: cost no attempt
  Time not_before{};     // end of the back-off
  Time failing_since{};  // the first failure or refusal; the epoch: none
  friend bool operator==(const Tries&, const Tries&) = default;
};

struct Batch {
  std::deque<Record> records;  // empty: the final invocation of the tumbling window
  Tries tries;
  bool is_rest = false;       // of a batch that has made progress
  std::uint64_t filters = 0;  // Settings::filters when it was formed
};

// The open tumbling window. Saved with the position, so that a state is never ahead of its records.
struct Tumbling {
  Window window;
  std::string state{kEmptyState};  // JSON text that the next invocation is given
  bool closing = false;            // its final invocation is due, or in hand
  bool early = false;              // because the state is over kStateBytesMax
  Tries tries;                     // of the final invocation while it is not in hand
  friend bool operator==(const Tumbling&, const Tumbling&) = default;
};

// A batch that was formed before a restart (or a pause): its records are read again up to `last`.
struct Planned {
  SequenceNumber last = 0;
  Tries tries;
  std::uint64_t filters = 0;  // other ones let other records pass: those have not been tried
  friend bool operator==(const Planned&, const Planned&) = default;
};

// What survives a restart.
struct SavedLane {
  SequenceNumber settled = 0;
  std::vector<Planned> planned;  // back() comes next, as in Lane::stack
  Time window_opened{};          // the epoch: no batching window is open
  std::optional<Tumbling> tumbling;
  Time tumbled_to{};
  friend bool operator==(const SavedLane&, const SavedLane&) = default;
};

// Plain data. REQUIRES (kept by `step`): records are in order of sequence through stack (from back to front) and
// unbatched; all are > settled and <= read_to. Only stack.back() may be without records: the final invocation of
// `tumbling`.
struct Lane {
  SequenceNumber settled = 0;  // all records up to here are acknowledged, filtered, discarded
  SequenceNumber read_to = 0;  // all records up to here have been read
  std::deque<Record> unbatched;
  std::size_t unbatched_bytes = 0;
  std::vector<Batch> stack;      // back() is in hand; what splitting left lies below
  std::vector<Planned> planned;  // back() is formed next
  Time window_opened{};          // of the batching window; the epoch: none is open
  bool window_restored = false;  // and it was opened before a restart
  std::optional<Tumbling> tumbling;
  Time tumbled_to{};               // end of the last tumbling window: later records are not of it
  std::size_t passed_unsaved = 0;  // records passed since the position was saved
  Time saved_at{};
  bool busy = false;     // an invocation or a discard of stack.back() is running
  bool reading = false;  // a read is running
  bool reread = false;   // its answer is out of date: ignore it
  bool at_tail = false;  // nothing more to read until Grew
  bool grew = false;     // Grew came while reading
  bool shard_ended = false;
};

// What happened.
struct Arrived {               // a read is done; the filtered records are already out
  std::deque<Record> records;  // in order
  SequenceNumber read_to = 0;  // >= the last record; further when records were filtered or belong to other lanes
  std::size_t passed = 0;      // number of records left out
  bool at_tail = false;        // there was nothing more to read
  bool shard_ended = false;    // and there never will be
};
enum class Outcome {
  kAnswered,   // the function ran: `done` leading records are done
  kThrottled,  // no concurrency left: costs no attempt
  kRefused,    // function missing, not permitted, service failed: costs no attempt
};
struct Returned {
  Outcome outcome = Outcome::kAnswered;
  std::size_t done = 0;              // of units_of(batch)
  std::optional<std::string> state;  // with a tumbling window: what returned_state found; none: nothing is done
};
struct Discarded {};  // the document is staged, or given up and counted
struct Woken {};      // time has passed, or settings have changed
struct Grew {};       // the shard has new records, or has ended
struct Forgotten {};  // drop what was read ahead: filters or lanes have changed, or the mapping is disabled
using Input = std::variant<Arrived, Returned, Discarded, Woken, Grew, Forgotten>;

// What to do next.
enum class Reason { kRetryAttemptsExhausted, kRecordAgeExceeded };
struct Wait {
  Time until = kNever;
};
struct Invoke {};  // lane.stack.back(), which stays put until Returned
struct Discard {   // the same, until Discarded
  Reason reason;
};
using Next = std::variant<Wait, Invoke, Discard>;

struct ReadMore {
  std::size_t records_max = 0;  // 0: do not read
  std::size_t bytes_max = 0;    // of rendered events; at least one record is taken
};
struct Effects {
  Next next;
  ReadMore read;
  bool save = false;  // saved(lane) has changed in a way worth a write
};

// REQUIRES: Returned and Discarded answer the last Invoke or Discard, with done <= the batch's records; Arrived answers
// the last ReadMore.
Effects step(const Settings& settings, Lane& lane, Input input, Time now);

// Nothing is left, and the shard has ended: its children may start.
bool is_finished(const Lane& lane);
// What `Returned::done` counts: the records; of a final invocation, which has none, itself.
inline std::size_t units_of(const Batch& batch) { return batch.records.empty() ? 1 : batch.records.size(); }
// True while records are in memory that are not settled.
bool has_outstanding(const Lane& lane);

SavedLane saved(const Lane& lane);
Lane restored(const SavedLane& saved);

// Delay before attempt `count` + 1 of the batch that starts at `first`. AWS: doubles from 0.2 s; the first was recorded
// as 190 to 270 ms, hence 95 % to 135 % of it, by a hash of both arguments.
Milliseconds backoff(int count, SequenceNumber first, Milliseconds limit);

}  // namespace millrace::triggers
