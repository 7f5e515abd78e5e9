#include "storage/numbers.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>

#include "base/time.h"
#include "storage/log_key.h"
#include "storage/scan.h"
#include "storage/stamping.h"

namespace millrace::storage {

namespace {

// Where a series starts: its mark, or the clock where that is ahead.
Result<std::uint64_t> start_of(Series series, const Store& store, const platform::Clock& clock) {
  const auto machine = std::chrono::duration_cast<std::chrono::microseconds>(clock.machine_now().time_since_epoch());
  const auto now = static_cast<std::uint64_t>(std::max<std::int64_t>(machine.count(), 1));
  MR_ASSIGN_OR_RETURN(const std::optional<std::string> mark, store.get(Family::kCatalogue, mark_key(series)));
  if (!mark) return now;
  if (mark->size() != 8 || read_be64(*mark) > kCounterMost)
    return damaged("mark of the numbers given out", mark_key(series));
  return std::max(now, read_be64(*mark));
}

void put_mark(Series series, std::uint64_t mark, WriteBatch& batch) {
  std::string bytes;
  append_be64(bytes, mark);
  batch.put(Family::kCatalogue, mark_key(series), bytes);
}

}  // namespace

std::string_view mark_key(Series series) {
  switch (series) {
    case Series::kMessages:
      return "sqs/numbers";
    case Series::kAsyncEvents:
      return "async/numbers";
    case Series::kLogs:
      return "logs/numbers";
    case Series::kNotifications:
      return "s3/numbers";
    case Series::kMetrics:
      return "metrics/numbers";
    case Series::kAlarmHistory:
      return "alarms/numbers";
  }
  return {};
}

Result<void> Numbers::load(const Store& store, const platform::Clock& clock) {
  MR_ASSIGN_OR_RETURN(next_, start_of(series_, store, clock));
  return {};
}

void Numbers::pass(std::uint64_t number) { next_ = std::max(next_, number + 1); }

// The slack of two leases: a mark may be overwritten by a lower one of a batch that was made before.
std::uint64_t Numbers::take(WriteBatch& batch) {
  const std::uint64_t number = next_++;
  if (number < covered_->load()) return number;
  const std::uint64_t mark = (next_ / kNumbersLeased + 3) * kNumbersLeased;
  put_mark(series_, mark, batch);
  batch.on_commit([shared = covered_, covered = mark - 2 * kNumbersLeased](const Committed& committed) {
    // No other thread sets it: there is one committer.
    if (committed.error == nullptr) shared->store(std::max(shared->load(), covered));
  });
  return number;
}

Result<void> raise_numbers(Store& store, const platform::Clock& clock) {
  WriteBatch batch;
  for (const Series series : kSeries) {
    MR_ASSIGN_OR_RETURN(const std::uint64_t start, start_of(series, store, clock));
    put_mark(series, start + kRestoredGap, batch);
  }
  return store.write(batch, Store::Sync::kSynced);
}

}  // namespace millrace::storage
