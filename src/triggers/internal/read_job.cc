#include "triggers/internal/read_job.h"

#include <algorithm>
#include <utility>

namespace millrace::triggers::internal {

bool PoolGate::enter() {
  const std::lock_guard lock(mutex_);
  if (closed_) return false;
  ++inside_;
  return true;
}

void PoolGate::leave() {
  const std::lock_guard lock(mutex_);
  if (--inside_ == 0) left_.notify_all();
}

void PoolGate::close() {
  std::unique_lock lock(mutex_);
  closed_ = true;
  left_.wait(lock, [this] { return inside_ == 0; });
}

bool ReadJob::take(Page& page) {
  for (SourceRecord& each : page.records) {
    ++polled;
    const SequenceNumber sequence = each.record.sequence;
    if (is_settled_before(previous, each.key_hash, sequence)) {
      --polled;
      ++arrived.passed;
    } else if (std::binary_search(skipped.begin(), skipped.end(), sequence)) {
      ++left_out;
      ++arrived.passed;
    } else if (!filters->pass_text(each.record.event)) {
      ++filtered;
      ++arrived.passed;
    } else {
      const std::size_t bytes = each.record.event.size() + 1;
      if (!arrived.records.empty() && bytes > request.bytes_max) {
        --polled;
        return false;
      }
      request.bytes_max -= std::min(bytes, request.bytes_max);
      arrived.records.push_back(std::move(each.record));
    }
    arrived.read_to = sequence;
    if (arrived.records.size() == request.records_max) return &each == &page.records.back();
  }
  return true;
}

void ReadJob::run() {
  if (!gate->enter()) return;
  arrived.read_to = request.after;
  const std::size_t wanted = request.records_max;
  const bool selects = !filters->empty() || !previous.empty() || !skipped.empty();
  for (std::size_t scanned = 0; scanned < kScannedRecordsMax;) {
    ReadRequest next = request;
    next.after = arrived.read_to;
    next.records_max = wanted - arrived.records.size();
    if (selects) next.records_max = std::max(next.records_max, kPageRecordsMin);
    auto page = source->read(next);
    if (!page.ok()) {
      error = page.error();
      break;
    }
    lost += page->lost;
    scanned += std::max<std::size_t>(1, page->records.size());
    const std::size_t count = page->records.size();
    if (!take(*page)) break;
    arrived.read_to = std::max(arrived.read_to, page->read_to);
    arrived.at_tail = page->at_tail;
    arrived.shard_ended = page->ended;
    if (arrived.at_tail || arrived.records.size() >= wanted) break;
    // A page that came back short of what was asked is full of large records, or the source stopped looking.
    if (count > 0 && !selects && !arrived.records.empty()) break;
  }
  gate->leave();
}

}  // namespace millrace::triggers::internal
