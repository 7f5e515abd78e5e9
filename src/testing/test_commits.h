// A committer without a thread: commits at once inside submit(), or, after hold(), when the test calls commit_one() or
// commit_all(). Stamps, counters and failures are those of the real one (storage/stamping.h).
//
// In immediate mode callbacks run inside submit(), which the real committer never does: `done` then must not take a
// lock that the submitter holds. Services that lock around submit() are tested with Mode::kHeld or with a scheduler
// (Mode::kPosted: each submit posts one commit to it). Thread-safe as far as its store and scheduler are.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "platform/clock.h"
#include "storage/committer.h"
#include "storage/stamping.h"

namespace millrace::testing {

class TestCommits final : public storage::Commits {
 public:
  enum class Mode { kImmediate, kHeld, kPosted };

  // Commits immediately. REQUIRES: the store can be read. `store` and `clock` outlive this.
  TestCommits(storage::Store& store, const platform::Clock& clock);
  // Commits as a posted function of `scheduler`, one batch each, in order.
  TestCommits(storage::Store& store, platform::Scheduler& scheduler);

  storage::CommitNumber submit(storage::WriteBatch batch,
                               std::function<void(const storage::Committed&)> done = {}) override;
  void when_durable(storage::CommitNumber number, std::function<void(const Error*)> done) override;
  storage::CommitNumber durable() const override;
  std::uint64_t settlements() const override;
  bool is_settled(storage::CommitNumber after, std::uint64_t settlements) const override;
  void on_logged(std::function<void(std::span<const std::uint64_t> shards)> observer) override;
  storage::Stamp next_stamp() const override;
  std::optional<Error> refusal(Purpose purpose) const override;
  // Told by tell_accepting().
  void when_accepting(Purpose purpose, std::function<void()> resume) override;
  void defer(std::function<storage::CommitNumber()> work) override;
  void tell_accepting();
  // Runs what was deferred: for tests without a scheduler, whose submitters hold their locks. With one, it is posted.
  void run_deferred();

  // From now on nothing is committed until the test says so.
  void hold();
  // Commits what waits, then everything at once again (or posted).
  void release();
  bool commit_one();  // the oldest waiting batch; false when none waits
  std::size_t commit_all();
  std::size_t waiting() const;

 private:
  struct Waiting {
    storage::CommitNumber number;
    storage::WriteBatch batch;
    std::function<void(const storage::Committed&)> done;
  };
  void fire_waiters(const Error* error);

  storage::Store& store_;
  platform::Scheduler* scheduler_ = nullptr;
  std::shared_ptr<char> alive_ = std::make_shared<char>();  // what is posted may outlive this, as after a kill

  mutable std::mutex mutex_;
  Mode mode_;
  storage::Stamper stamper_;
  std::deque<Waiting> queue_;
  storage::CommitNumber last_number_ = 0;
  storage::CommitNumber durable_ = 0;
  std::uint64_t settlements_ = 0;
  std::map<storage::CommitNumber, std::uint64_t> settled_;
  std::optional<Error> failure_;
  std::multimap<storage::CommitNumber, std::function<void(const Error*)>> waiters_;
  std::vector<std::function<void(std::span<const std::uint64_t>)>> observers_;
  std::vector<std::pair<Purpose, std::function<void()>>> paused_;
  std::vector<std::function<storage::CommitNumber()>> deferred_;
};

}  // namespace millrace::testing
