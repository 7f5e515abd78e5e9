// What turns waiting batches into one: gives log records their stamps and commit time, sums counter deltas, and stores
// the head. The deterministic part of the committer, shared with the one for tests.
//
// Stored: key "store/head" in kCatalogue = be64(next stamp) be64(last commit time in milliseconds). It is written in
// every group that logs and in the first one after opening, never derived from the log: an emptied log would reset it
// below stored positions. So whatever a group stores of the counter (put_stamped) is durable together with the head,
// and visible_stamp() never shows one that a restart, after a clock that was set back, could fall below.
// Not thread-safe: one committer owns it.
#pragma once

#include <algorithm>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "platform/clock.h"
#include "storage/committer.h"
#include "storage/store.h"

namespace millrace::storage {

struct Head {
  Stamp next_stamp = 0;
  Time time{};  // of the last commit
};

// A stored counter above it is damage: neither clocks nor restores lead there, and it would begin anew.
inline constexpr std::uint64_t kCounterMost = std::uint64_t{1} << 62;

// The stored head, or zeros when nothing was logged yet. Errors: of Store::get; a record of a wrong size, or with a
// stamp above kCounterMost or a time no clock shows, is corrupt (kStorageFailed).
Result<Head> load_head(const Store& store);

// How far a restored store is put ahead of what was backed up: as many stamps as there are microseconds in nine years,
// more than the server that went on with the original can have given out.
inline constexpr Stamp kRestoredGap = Stamp{1} << 48;
// Raises the stored head of a restored store by kRestoredGap, so that no stamp that was given out after the backup is
// given out again, whatever the clock says. Nobody else writes to the store. Errors: of load_head() and Store::write.
Result<void> raise_head(Store& store);

class Stamper {
 public:
  // The state after opening a store: next stamp = max(stored + 1, microseconds of the machine's clock), so a restored
  // backup never reuses a number; time = the stored one, which now() may be behind of.
  static Result<Stamper> open(const Store& store, const platform::Clock& clock);

  // A group ready for Store::write: only put, erase and erase_range are left.
  struct Group {
    WriteBatch batch;
    std::vector<Stamp> first_stamps;    // per given batch
    std::vector<Stamp> next_stamps;     // per given batch
    std::vector<std::uint64_t> shards;  // that received records, sorted, distinct
    Head head;                          // after this group
    bool stores_head = false;           // `head` is part of the batch
    Time time{};                        // of commit
    // What its submitter and observers are told. REQUIRES: index < number of given batches.
    Committed outcome(std::size_t index, CommitNumber number) const {
      return {number, nullptr, first_stamps[index], time, next_stamps[index]};
    }
  };
  // Merges `batches` in order (they are emptied). Changes nothing in the stamper: accept() does, once written. Errors:
  // reading a counter failed, or a stored counter is malformed.
  Result<Group> merge(std::span<WriteBatch*> batches) const;
  void accept(const Group& group) {
    head_ = group.head;
    if (group.stores_head) stored_stamp_ = head_.next_stamp;
  }

  const Head& head() const { return head_; }
  // What the stored head says: no record has a stamp >= this, every later one will. At least 1.
  Stamp visible_stamp() const { return std::max<Stamp>(stored_stamp_, 1); }

 private:
  Stamper(const Store& store, const platform::Clock& clock, Head head, Stamp stored_stamp)
      : store_(&store), clock_(&clock), head_(head), stored_stamp_(stored_stamp) {}

  const Store* store_;
  const platform::Clock* clock_;
  Head head_;
  Stamp stored_stamp_;  // <= head_.next_stamp: less until the first group after opening
};

}  // namespace millrace::storage
