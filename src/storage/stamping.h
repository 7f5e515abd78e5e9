// What turns waiting batches into one: gives log records their stamps and commit time, sums counter deltas, and stores
// the head. The deterministic part of the committer, shared with the one for tests.
//
// Stored: key "store/head" in kCatalogue = be64(next stamp) be64(last commit time in milliseconds). It is written in
// every group that logs, never derived from the log: an emptied log would reset it below stored positions.
// Not thread-safe: one committer owns it.
#pragma once

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

// The stored head, or zeros when nothing was logged yet. Errors: of Store::get; a record of a wrong size is corrupt
// (kStorageFailed).
Result<Head> load_head(const Store& store);

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
    Time time{};                        // of commit
    // What its submitter and observers are told. REQUIRES: index < number of given batches.
    Committed outcome(std::size_t index, CommitNumber number) const {
      return {number, nullptr, first_stamps[index], time, next_stamps[index]};
    }
  };
  // Merges `batches` in order (they are emptied). Changes nothing in the stamper: accept() does, once written. Errors:
  // reading a counter failed, or a stored counter is malformed.
  Result<Group> merge(std::span<WriteBatch*> batches) const;
  void accept(const Group& group) { head_ = group.head; }

  const Head& head() const { return head_; }

 private:
  Stamper(const Store& store, const platform::Clock& clock, Head head) : store_(&store), clock_(&clock), head_(head) {}

  const Store* store_;
  const platform::Clock* clock_;
  Head head_;
};

}  // namespace millrace::storage
