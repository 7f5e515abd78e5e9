// Numbers that rise and are never given out twice: across restarts, whatever the machine's clock says, and in a
// restored backup. For what tells of itself by a number or is kept in its order: messages, events, chunks,
// notifications.
//
// Stored: one mark per series, be64 in kCatalogue: every number that was ever given out is below it. Numbers are
// leased: the mark is written above them by many, in the batch that holds the first number that needs it, so that a
// number is durable, hence told to anybody, only together with a mark above it; most batches write none. A start goes
// on from the mark, or from the microseconds of the machine's clock where those are more: so does a copy of the
// directory that nobody has raised, and the first start after a version that stored no marks.
//
// Not thread-safe: its owner's mutex guards it. The batches may be committed on any thread, and outlive it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/result.h"
#include "platform/clock.h"
#include "storage/store.h"

namespace millrace::storage {

// Who numbers what. All are raised by raise_numbers(), so a new series has its place in kSeries, too.
enum class Series : std::uint8_t {
  kMessages,       // SQS: queues and messages; SequenceNumber of FIFO queues
  kAsyncEvents,    // Lambda: asynchronous invocations
  kLogs,           // CloudWatch Logs: groups, streams and chunks, hence ids and positions of events
  kNotifications,  // S3: the sequencer
  kMetrics,        // CloudWatch: metrics, whose chunks of data are kept by their numbers
  kAlarmHistory,   // CloudWatch: entries of the histories of alarms
};
inline constexpr Series kSeries[] = {Series::kMessages,      Series::kAsyncEvents, Series::kLogs,
                                     Series::kNotifications, Series::kMetrics,     Series::kAlarmHistory};
std::string_view mark_key(Series series);

inline constexpr std::uint64_t kNumbersLeased = std::uint64_t{1} << 20;

class Numbers {
 public:
  explicit Numbers(Series series) : series_(series) {}

  // Before any other function. Errors: of Store::get; a mark of a wrong size is corrupt (kStorageFailed).
  Result<void> load(const Store& store, const platform::Clock& clock);
  // `number` was given out before: later ones are higher. For what a start finds in the store.
  void pass(std::uint64_t number);
  // A number for something that goes into `batch`, which gets a mark when the stored one is not known to be above it.
  // A batch may be committed after one that was made later, as long as fewer than kNumbersLeased lie between them.
  std::uint64_t take(WriteBatch& batch);
  // What take() would give.
  std::uint64_t next() const { return next_; }

 private:
  const Series series_;
  std::uint64_t next_ = 1;
  // Numbers below are known to be below the durable mark. Shared with batches; set on the committer's thread.
  std::shared_ptr<std::atomic<std::uint64_t>> covered_ = std::make_shared<std::atomic<std::uint64_t>>(0);
};

// Puts the marks of all series in a restored store ahead by as many numbers as there are microseconds in nine years
// (kRestoredGap of storage/stamping.h): more than the server that went on with the original can have given out. A mark
// that is not there is taken to be at the clock. Nobody else writes to the store. Errors: of Numbers::load(); of
// Store::write.
Result<void> raise_numbers(Store& store, const platform::Clock& clock);

}  // namespace millrace::storage
