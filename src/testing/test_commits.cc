#include "testing/test_commits.h"

#include <utility>

namespace millrace::testing {

using storage::CommitNumber;
using storage::Committed;

TestCommits::TestCommits(storage::Store& store, const platform::Clock& clock)
    : store_(store), mode_(Mode::kImmediate), stamper_(storage::Stamper::open(store, clock).value()) {}

TestCommits::TestCommits(storage::Store& store, platform::Scheduler& scheduler)
    : store_(store),
      scheduler_(&scheduler),
      mode_(Mode::kPosted),
      stamper_(storage::Stamper::open(store, scheduler).value()) {}

CommitNumber TestCommits::submit(storage::WriteBatch batch, std::function<void(const Committed&)> done) {
  CommitNumber number = 0;
  Mode mode;
  {
    const std::lock_guard lock(mutex_);
    number = ++last_number_;
    mode = mode_;
    queue_.push_back({number, std::move(batch), std::move(done)});
  }
  if (mode == Mode::kImmediate) commit_all();
  if (mode == Mode::kPosted) {
    scheduler_->post([this, alive = std::weak_ptr(alive_)] {
      if (!alive.expired()) commit_one();
    });
  }
  return number;
}

bool TestCommits::commit_one() {
  Waiting one;
  std::optional<storage::Stamper::Group> group;
  std::optional<Error> failure;
  std::vector<std::function<void(std::span<const std::uint64_t>)>> observers;
  {
    const std::lock_guard lock(mutex_);
    if (queue_.empty()) return false;
    one = std::move(queue_.front());
    queue_.pop_front();
    if (!failure_) {
      storage::WriteBatch* batch = &one.batch;
      auto merged = stamper_.merge({&batch, 1});
      if (merged.ok()) {
        const auto written = store_.write(merged->batch, storage::Store::Sync::kSynced);
        if (!written.ok()) failure_ = written.error();
      } else {
        failure_ = merged.error();
      }
      if (!failure_) {
        stamper_.accept(*merged);
        durable_ = one.number;
        group = std::move(*merged);
      }
    }
    failure = failure_;
    observers = observers_;
  }
  const Committed committed = failure ? Committed{one.number, &*failure} : group->outcome(0, one.number);
  one.batch.notify(committed);
  if (one.done) one.done(committed);
  fire_waiters(failure ? &*failure : nullptr);
  if (group && !group->shards.empty()) {
    for (const auto& observer : observers) observer(group->shards);
  }
  return true;
}

void TestCommits::fire_waiters(const Error* error) {
  std::vector<std::function<void(const Error*)>> ready;
  {
    const std::lock_guard lock(mutex_);
    const auto end = error == nullptr ? waiters_.upper_bound(durable_) : waiters_.end();
    for (auto it = waiters_.begin(); it != end; ++it) ready.push_back(std::move(it->second));
    waiters_.erase(waiters_.begin(), end);
  }
  for (const auto& waiter : ready) waiter(error);
}

void TestCommits::when_durable(CommitNumber number, std::function<void(const Error*)> done) {
  std::optional<Error> failure;
  {
    const std::lock_guard lock(mutex_);
    if (number > durable_) {
      if (!failure_) {
        waiters_.emplace(number, std::move(done));
        return;
      }
      failure = failure_;
    }
  }
  done(failure ? &*failure : nullptr);
}

CommitNumber TestCommits::durable() const {
  const std::lock_guard lock(mutex_);
  return durable_;
}

void TestCommits::on_logged(std::function<void(std::span<const std::uint64_t> shards)> observer) {
  const std::lock_guard lock(mutex_);
  observers_.push_back(std::move(observer));
}

storage::Stamp TestCommits::next_stamp() const {
  const std::lock_guard lock(mutex_);
  return stamper_.head().next_stamp;
}

void TestCommits::hold() {
  const std::lock_guard lock(mutex_);
  mode_ = Mode::kHeld;
}

void TestCommits::release() {
  {
    const std::lock_guard lock(mutex_);
    mode_ = scheduler_ == nullptr ? Mode::kImmediate : Mode::kPosted;
  }
  commit_all();
}

std::size_t TestCommits::commit_all() {
  std::size_t count = 0;
  while (commit_one()) ++count;
  return count;
}

std::size_t TestCommits::waiting() const {
  const std::lock_guard lock(mutex_);
  return queue_.size();
}

}  // namespace millrace::testing
