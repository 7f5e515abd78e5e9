// The commits of one service that keeps its state in memory: what its answers wait for, whether work that nobody asked
// for may change it now, and how memory becomes again what the disk has once writing has stopped.
//
// A service changes memory and submits under its mutex; when the committer then refuses the batch (a failed sync, see
// storage/committer.h), memory shows what will never be durable. So it is read from the store again, once per group of
// refusals, and reads that begin after that are served (Commits::is_settled()).
//
//   if (!commits_.may_write(Purpose::kFrees)) return;       // a timer: `resume` comes later
//   commits_.submit(std::move(batch));                      // under the mutex, with the change in memory
//   Result<void> restore() { lock; clear; load; }           // set_restore()
//
// Thread-safe. Callbacks are not called any more once this is destroyed, if the committer and the scheduler have
// stopped before.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/result.h"
#include "platform/clock.h"
#include "storage/committer.h"

namespace millrace::storage {

class ServiceCommits {
 public:
  using Purpose = Commits::Purpose;

  // `commits` outlives this. `service`: for the log.
  ServiceCommits(Commits& commits, std::string service);

  // What makes memory what the store holds, under the mutex under which the service submits. Called on the committer's
  // thread; submits nothing. Without, reads are refused once something was; when it fails, until it succeeds. Set once,
  // before the first submit().
  void set_restore(std::function<Result<void>()> restore);
  // What goes on with background work that was refused by may_write(); posted to `scheduler`, which outlives this. Set
  // once, before the first may_write().
  void set_resume(platform::Scheduler& scheduler, std::function<void()> resume);

  // As Commits::submit(), and last() from now on.
  CommitNumber submit(WriteBatch batch, std::function<void(const Committed&)> done = {});
  // For a batch that somebody else submits: as if it were submit(), but for last().
  void join(WriteBatch& batch);
  // What answers have to wait for.
  CommitNumber last() const;

  // Whether memory may be changed now for something that nobody waits for. False: leave everything as it is; `resume`
  // is posted once writes of this purpose are taken again (never after a failed sync). Cheap while all is well.
  bool may_write(Purpose purpose) { return !paused(purpose); }
  // The same, with the reason: nullopt is true.
  std::optional<Error> paused(Purpose purpose);

  // For what no answer waits for.
  Commits& commits() const { return commits_; }

 private:
  // What callbacks hold on to.
  struct State {
    std::atomic<CommitNumber> last{0};
    std::atomic<bool> lost{false};  // memory cannot be made what the store holds
    std::atomic<bool> restoring{false};
    std::array<std::atomic<bool>, 2> waiting{};  // for writes of a purpose to be taken again
    std::string service;
    std::function<Result<void>()> restore;
    platform::Scheduler* scheduler = nullptr;
    std::function<void()> resume;
  };
  static void refused(Commits& commits, const std::shared_ptr<State>& state, CommitNumber number);

  Commits& commits_;
  const std::shared_ptr<State> state_;
};

}  // namespace millrace::storage
