// The committer of the server: one thread that turns whatever waits into one synced write (write-path.md "One
// committer"). See storage/committer.h for what callers may rely on.
//
// A group is everything that waits, up to kGroupBytesMax; there is no delay: a lone writer waits for one sync, many
// writers share one. Thread-safe. A failed write makes the committer read-only until restart: the whole group and
// everything after it get the same error, whose text says so; whether the failed group is on disk is unknown until
// then. While the store has no room, the group at hand is tried again every kRoomCheck.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "platform/clock.h"
#include "storage/committer.h"
#include "storage/stamping.h"
#include "telemetry/metrics.h"

namespace millrace::storage {

inline constexpr Milliseconds kRoomCheck{200};
inline constexpr std::size_t kGroupBytesMax = std::size_t{1} << 20;

enum class Durability {
  kSynced,           // a commit is acknowledged after its sync
  kOperatingSystem,  // after it was handed to the operating system: a power cut may lose the last seconds
};

class Committer final : public Commits {
 public:
  struct Options {
    Durability durability = Durability::kSynced;
    // Where to count groups, batches, bytes and sync times; may be nullptr.
    telemetry::Registry* registry = nullptr;
    // Held up by every batch until its callbacks have returned, so that nobody takes a server for idle whose work is
    // not on disk yet. May be nullptr; outlives the committer.
    platform::BusyCounter* busy = nullptr;
    // Called on the committer's thread after each successful group with the head that is now durable; an error stops
    // the committer like a failed write.
    std::function<Result<void>(const Head&)> after_write;
    // Whether the store's log takes so many bytes in space that it has set aside, so that what was begun can be
    // finished on a disk without any room. Asked on the committer's thread. May be empty: it does not.
    std::function<bool(std::size_t bytes)> log_takes;
  };

  // Opens the log's head and starts the thread. `store` and `clock` outlive the committer. Errors: of load_head().
  static Result<std::unique_ptr<Committer>> start(Store& store, const platform::Clock& clock, Options options);
  static Result<std::unique_ptr<Committer>> start(Store& store, const platform::Clock& clock) {
    return start(store, clock, Options());
  }
  ~Committer() override;  // stop()

  // Commits what was submitted before, then ends the thread. Later batches fail with kUnavailable, on the thread that
  // submits them. Idempotent.
  void stop();

  CommitNumber submit(WriteBatch batch, std::function<void(const Committed&)> done = {}) override;
  void when_durable(CommitNumber number, std::function<void(const Error*)> done) override;
  void when_answerable(CommitNumber number, std::function<void(const Error*)> done) override;
  std::optional<Error> refusal(Purpose purpose) const override;
  void when_accepting(Purpose purpose, std::function<void()> resume) override;
  void defer(std::function<CommitNumber()> work) override { deferred_.push_back(std::move(work)); }
  CommitNumber durable() const override { return durable_.load(std::memory_order_acquire); }
  std::uint64_t settlements() const override { return settlements_.load(std::memory_order_acquire); }
  bool is_settled(CommitNumber after, std::uint64_t settlements) const override;
  void on_logged(std::function<void(std::span<const std::uint64_t> shards)> observer) override;
  Stamp next_stamp() const override { return next_stamp_.load(std::memory_order_acquire); }

  // Stops writing until restart, as a failed write does: for a sync that failed beside the store (of an object's file
  // or its directory). What is being written at this moment is finished. Thread-safe.
  void fail(const Error& cause);
  // The error that stopped writing until restart; nullopt while there is none. Thread-safe.
  std::optional<Error> failure() const;

 private:
  struct Waiting {
    CommitNumber number;
    WriteBatch batch;
    std::function<void(const Committed&)> done;
    platform::Busy busy = {};
  };
  using Waiter = std::function<void(const Error*)>;
  using Observers = std::vector<std::function<void(std::span<const std::uint64_t>)>>;
  struct Instruments;

  Committer(Store& store, const platform::Clock& clock, Options options, Stamper stamper);
  void run();
  std::vector<Waiting> next_group();
  Result<Stamper::Group> write(std::vector<Waiting>& waiting);
  Result<void> write_group(const Stamper::Group& group);
  bool wait_for_room(const Error& full);
  void resume_paused();
  void settle();
  void set_room(Room::Level level);
  void complete(const std::vector<Waiting>& waiting, const Stamper::Group& group);
  Error fail_all(const Error& cause);
  void refuse(const std::vector<Waiting>& waiting, const Error& error);
  static std::vector<Waiter> take(std::multimap<CommitNumber, Waiter>& from, CommitNumber up_to);
  std::vector<Waiter> take_waiters(CommitNumber up_to);

  // Constant after construction.
  Store& store_;
  const platform::Clock& clock_;
  const Options options_;
  std::unique_ptr<Instruments> instruments_;

  // Touched by the committer's thread only.
  Stamper stamper_;
  std::vector<std::function<CommitNumber()>> deferred_;

  // Synchronises itself.
  std::atomic<CommitNumber> durable_{0};
  std::atomic<std::uint64_t> settlements_{0};
  std::atomic<Stamp> next_stamp_{0};
  std::atomic<bool> healthy_{true};  // false: refusal() has to look closer

  // Guarded by mutex_.
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Waiting> queue_;
  CommitNumber last_number_ = 0;
  std::multimap<CommitNumber, Waiter> waiters_;
  std::multimap<CommitNumber, Waiter> answers_;
  std::vector<std::pair<Purpose, std::function<void()>>> paused_;
  std::map<CommitNumber, std::uint64_t> settled_;  // and since which settlement
  std::shared_ptr<const Observers> observers_ = std::make_shared<Observers>();
  std::shared_ptr<const Error> failure_;
  std::string reason_;                 // of a failed store, for writes that begin now: nothing about them is unknown
  std::shared_ptr<const Error> full_;  // while the group at hand waits for room
  bool stopping_ = false;

  std::thread thread_;
  std::once_flag joined_;
};

}  // namespace millrace::storage
