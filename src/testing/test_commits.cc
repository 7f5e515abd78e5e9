#include "testing/test_commits.h"

#include <utility>

#include "storage/no_blocking.h"

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
  const storage::Blocking elsewhere;  // the real one has a thread of its own
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
  if (failure && scheduler_ != nullptr) {
    scheduler_->post([this, alive = std::weak_ptr(alive_)] {
      if (!alive.expired()) run_deferred();
    });
  }
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
  return stamper_.visible_stamp();
}

std::optional<Error> TestCommits::refusal(Purpose purpose) const {
  {
    const std::lock_guard lock(mutex_);
    if (failure_) return Error(storage::kStorageFailed, "Nothing of this write was done. " + failure_->message());
  }
  const storage::Room::Level level = store_.room().level;
  using Level = storage::Room::Level;
  if (level == Level::kPlenty || (level == Level::kReserve && purpose == Purpose::kFrees)) return std::nullopt;
  return Error(kUnavailable, "The disk is full. Nothing of this write was done");
}

void TestCommits::when_accepting(Purpose purpose, std::function<void()> resume) {
  const std::lock_guard lock(mutex_);
  if (!failure_) paused_.emplace_back(purpose, std::move(resume));
}

void TestCommits::tell_accepting() {
  std::vector<std::pair<Purpose, std::function<void()>>> paused;
  {
    const std::lock_guard lock(mutex_);
    paused.swap(paused_);
  }
  for (auto& [purpose, resume] : paused) {
    if (refusal(purpose)) {
      when_accepting(purpose, std::move(resume));
    } else {
      resume();
    }
  }
}

void TestCommits::defer(std::function<CommitNumber()> work) {
  const std::lock_guard lock(mutex_);
  deferred_.push_back(std::move(work));
}

void TestCommits::run_deferred() {
  std::vector<std::function<CommitNumber()>> deferred;
  {
    const std::lock_guard lock(mutex_);
    deferred.swap(deferred_);
  }
  if (deferred.empty()) return;
  const storage::Blocking elsewhere;
  std::vector<CommitNumber> numbers;
  for (const auto& work : deferred) numbers.push_back(work());
  const std::lock_guard lock(mutex_);
  ++settlements_;
  for (const CommitNumber number : numbers) settled_.try_emplace(number, settlements_);
}

std::uint64_t TestCommits::settlements() const {
  const std::lock_guard lock(mutex_);
  return settlements_;
}

bool TestCommits::is_settled(CommitNumber after, std::uint64_t settlements) const {
  const std::lock_guard lock(mutex_);
  const auto found = settled_.find(after);
  return found != settled_.end() && found->second <= settlements;
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
