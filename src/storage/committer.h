// The one writer: merges waiting batches into one synced write (group commit) and stamps stream records.
//
//   caller:    plan -> submit(batch)                         under the caller's latch; never waits for a sync
//   committer: take the whole queue -> stamp -> one Store::write(kSynced) -> complete in order -> wake
//
// Queue order is commit order: whoever submits first is durable first, and a later batch is never durable without the
// earlier ones. A failed write fails its whole group and everything after it (the store is then read-only until
// restart). A full disk fails nothing that was submitted, since services have it in memory already: it waits for room,
// in order, while its answers say that the outcome is unknown, and new writes are refused at the door (refusal()). The
// stamp counter and the committer's time are stored with every group that logs and with the first one after a start,
// when the counter is set to max(stored + 1, machine microseconds).
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "base/result.h"
#include "base/strong_id.h"
#include "base/time.h"
#include "storage/store.h"

namespace millrace::storage {

// Order of submission; 0 = nothing to wait for.
using CommitNumber = std::uint64_t;

// What became of a batch. Delivered once, on the committer's thread: take no lock that is held while submitting, do not
// block.
struct Committed {
  CommitNumber number = 0;
  const Error* error = nullptr;  // nullptr: durable (or written, under Durability::kOperatingSystem)
  Stamp first_stamp = 0;         // of the batch's log records, consecutive
  Time time{};                   // the commit time put into them
  Stamp next_stamp = 0;          // after this batch; what put_stamped() wrote
};

// The way to commit; what services hold a reference to. Thread-safe.
class Commits {
 public:
  virtual ~Commits() = default;
  // Queues `batch`; `done` (may be empty) is called after the sync or the failure. Never blocks on disk.
  virtual CommitNumber submit(WriteBatch batch, std::function<void(const Committed&)> done = {}) = 0;
  // Calls `done(nullptr)` once everything up to `number` is durable (at once, on this thread, if it is already), or
  // `done(&error)` if that failed.
  virtual void when_durable(CommitNumber number, std::function<void(const Error*)> done) = 0;
  virtual CommitNumber durable() const = 0;
  // After a failed sync, for answers of services that have made their memory what the store holds: how often any has.
  // An answer that was begun when this was `settlements` and has to wait for `after`, which was refused, does not show
  // it if is_settled(after, settlements).
  virtual std::uint64_t settlements() const { return 0; }
  virtual bool is_settled(CommitNumber /*after*/, std::uint64_t /*settlements*/) const { return false; }
  // As when_durable(), for answers: when the disk has no room they are told so at once (kStorageFull), although the
  // commit still waits and may succeed later.
  virtual void when_answerable(CommitNumber number, std::function<void(const Error*)> done) {
    when_durable(number, std::move(done));
  }
  // Why a write that is begun now would not be acknowledged; nullopt: it would be. Asked before anything is done for a
  // request. Deletions are taken a little longer than others, as they make room. Cheap while all is well.
  enum class Purpose : std::uint8_t { kAdds, kFrees };
  virtual std::optional<Error> refusal(Purpose /*purpose*/) const { return std::nullopt; }
  // For work that pauses while writes are refused: calls `resume` once, later, from the committer's thread, when
  // refusal(purpose) has ended; never after a failed sync. What submits nothing while refused need not ask again.
  virtual void when_accepting(Purpose /*purpose*/, std::function<void()> /*resume*/) {}
  // For what follows a refusal: calls `work` on the committer's thread after the callbacks of all batches of the group
  // at hand, before those of when_durable(). What it returns is settled from then on (0: nothing). REQUIRES: called
  // from a callback of submit() that was given an error. `work` may take locks that are held while submitting, and read
  // the disk.
  virtual void defer(std::function<CommitNumber()> /*work*/) {}
  // Registers who is told, on the committer's thread after each successful group, which shards received records.
  virtual void on_logged(std::function<void(std::span<const std::uint64_t> shards)> observer) = 0;
  // Nothing committed so far has a stamp >= this, everything committed later will have, also after a restart with a
  // clock that was set back: the stored head says so. At least 1.
  virtual Stamp next_stamp() const = 0;
};

}  // namespace millrace::storage
