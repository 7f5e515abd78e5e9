#include "storage/group_committer.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "platform/thread_name.h"
#include "telemetry/log.h"

namespace millrace::storage {

namespace {

constexpr std::size_t kLogSlack = std::size_t{64} << 10;

// Whether what was begun can still be written. A quarter of the reserve is left to flushes, so that nothing is begun
// below it, yet what has been begun may use most of it: services have it in memory, and nobody is shown their memory
// before it is on the disk. What is left then is for the log not to fail in the middle of a record, which is for good.
bool can_finish(const Room& room, std::size_t bytes) {
  constexpr std::uint64_t kLogBytesLeft = std::uint64_t{4} << 20;
  if (room.level != Room::Level::kNone) return true;
  return room.free_bytes > std::min(kLogBytesLeft, room.reserve_bytes / 8) + 2 * std::uint64_t{bytes};
}

Error stopped_error() { return {kUnavailable, "The server is stopping"}; }

Error unknown_while_full(const std::string& why) {
  return {kStorageFull, "The disk is full (" + why +
                            "). The outcome of this write is unknown: it will be done when there is room again, unless "
                            "the server is stopped before"};
}
}  // namespace

struct Committer::Instruments {
  explicit Instruments(telemetry::Registry& registry)
      : groups(registry.counter("millrace_commit_groups_total", {}, "Groups of batches written to the store.")),
        batches(registry.counter("millrace_commit_batches_total", {}, "Batches committed.")),
        bytes(registry.counter("millrace_commit_bytes_total", {}, "Bytes of keys and values committed.")),
        failures(registry.counter("millrace_commit_failures_total", {}, "Batches that were refused or failed.")),
        write_ms(registry.histogram("millrace_commit_write_ms", {}, "Time of one write to the store, sync included.")),
        writable(registry.gauge("millrace_storage_writable", {},
                                "1: writes are taken; 0: refused, as the disk is full or the store has failed.")) {
    writable.set(1);
  }
  telemetry::Counter& groups;
  telemetry::Counter& batches;
  telemetry::Counter& bytes;
  telemetry::Counter& failures;
  telemetry::Histogram& write_ms;
  telemetry::Gauge& writable;
};

Result<std::unique_ptr<Committer>> Committer::start(Store& store, const platform::Clock& clock, Options options) {
  MR_ASSIGN_OR_RETURN(Stamper stamper, Stamper::open(store, clock));
  return std::unique_ptr<Committer>(new Committer(store, clock, std::move(options), std::move(stamper)));
}

Committer::Committer(Store& store, const platform::Clock& clock, Options options, Stamper stamper)
    : store_(store),
      clock_(clock),
      options_(std::move(options)),
      instruments_(options_.registry == nullptr ? nullptr : std::make_unique<Instruments>(*options_.registry)),
      stamper_(std::move(stamper)),
      next_stamp_(stamper_.visible_stamp()),
      thread_([this] { run(); }) {}

Committer::~Committer() { stop(); }

void Committer::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  std::call_once(joined_, [this] { thread_.join(); });
}

CommitNumber Committer::submit(WriteBatch batch, std::function<void(const Committed&)> done) {
  CommitNumber number = 0;
  {
    const std::lock_guard lock(mutex_);
    number = ++last_number_;
    if (!stopping_) {
      queue_.push_back({number, std::move(batch), std::move(done)});
      if (options_.busy != nullptr) queue_.back().busy = platform::Busy(*options_.busy);
      if (queue_.size() == 1) wake_.notify_one();
      return number;
    }
  }
  const Error error = stopped_error();
  const Committed refused{number, &error};
  batch.notify(refused);
  if (done) done(refused);
  return number;
}

void Committer::when_durable(CommitNumber number, std::function<void(const Error*)> done) {
  std::shared_ptr<const Error> failure;
  {
    const std::lock_guard lock(mutex_);
    if (number > durable()) {
      if (failure_ == nullptr) {
        waiters_.emplace(number, std::move(done));
        return;
      }
      failure = failure_;  // nothing above durable() will ever be durable
    }
  }
  done(failure.get());
}

void Committer::when_answerable(CommitNumber number, std::function<void(const Error*)> done) {
  std::shared_ptr<const Error> failure;
  {
    const std::lock_guard lock(mutex_);
    if (number > durable()) {
      failure = failure_ != nullptr ? failure_ : full_;
      if (failure == nullptr) {
        answers_.emplace(number, std::move(done));
        return;
      }
    }
  }
  done(failure.get());
}

std::optional<Error> Committer::refusal(Purpose purpose) const {
  if (healthy_.load(std::memory_order_relaxed)) return std::nullopt;
  {
    const std::lock_guard lock(mutex_);
    if (failure_ != nullptr) {
      return Error(kStorageFailed,
                   "Nothing of this write was done. " + (reason_.empty() ? failure_->message() : reason_));
    }
  }
  const Room room = store_.room();
  const bool enough =
      room.level == Room::Level::kPlenty || (room.level == Room::Level::kReserve && purpose == Purpose::kFrees);
  std::shared_ptr<const Error> full;
  {
    const std::lock_guard lock(mutex_);
    full = full_;
  }
  if (enough && full == nullptr) return std::nullopt;
  return Error(kUnavailable, "The disk is full: " + room_text(room) +
                                 ". Nothing of this write was done; writes are taken again when there is room");
}

void Committer::when_accepting(Purpose purpose, std::function<void()> resume) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || failure_ != nullptr) return;  // they will not be
    paused_.emplace_back(purpose, std::move(resume));
  }
  wake_.notify_one();
}

// Tells work that waits for room that there is some.
void Committer::resume_paused() {
  {
    const std::lock_guard lock(mutex_);
    if (paused_.empty()) return;
  }
  const bool adds = !refusal(Purpose::kAdds);
  const bool frees = adds || !refusal(Purpose::kFrees);
  std::vector<std::pair<Purpose, std::function<void()>>> taken;
  {
    const std::lock_guard lock(mutex_);
    const auto waits = std::stable_partition(paused_.begin(), paused_.end(), [&](const auto& each) {
      return each.first == Purpose::kAdds ? !adds : !frees;
    });
    taken.assign(std::make_move_iterator(waits), std::make_move_iterator(paused_.end()));
    paused_.erase(waits, paused_.end());
  }
  for (const auto& [purpose, resume] : taken) resume();
}

void Committer::on_logged(std::function<void(std::span<const std::uint64_t> shards)> observer) {
  const std::lock_guard lock(mutex_);
  auto observers = std::make_shared<Observers>(*observers_);
  observers->push_back(std::move(observer));
  observers_ = std::move(observers);
}

std::optional<Error> Committer::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_ == nullptr ? std::nullopt : std::optional(*failure_);
}

void Committer::run() {
  platform::name_this_thread("mr:committer");
  for (;;) {
    resume_paused();
    std::vector<Waiting> group = next_group();
    if (group.empty()) {
      const std::lock_guard lock(mutex_);
      if (stopping_ && queue_.empty()) break;
      continue;
    }
    if (const auto failed = failure()) {
      refuse(group, *failed);
      continue;
    }
    Result<Stamper::Group> written = write(group);
    if (written.ok()) {
      complete(group, *written);
    } else {
      refuse(group, fail_all(written.error()));
    }
  }
  // stop(): what waits for a commit that was refused will never see it.
  std::vector<Waiter> waiters;
  std::shared_ptr<const Error> error;
  {
    const std::lock_guard lock(mutex_);
    if (failure_ == nullptr) failure_ = std::make_shared<Error>(stopped_error());
    error = failure_;
    waiters = take_waiters(last_number_);
  }
  for (const Waiter& waiter : waiters) waiter(error.get());
}

// Empty: it is to stop, or what is paused should be looked at.
std::vector<Committer::Waiting> Committer::next_group() {
  std::unique_lock lock(mutex_);
  const auto is_due = [this] { return stopping_ || !queue_.empty(); };
  wake_.wait(lock, [&] { return is_due() || !paused_.empty(); });
  if (!paused_.empty()) wake_.wait_for(lock, kRoomCheck, is_due);
  std::vector<Waiting> group;
  std::size_t bytes = 0;
  while (!queue_.empty()) {
    bytes += queue_.front().batch.bytes();
    if (!group.empty() && bytes > kGroupBytesMax) break;
    group.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return group;
}

Result<Stamper::Group> Committer::write(std::vector<Waiting>& waiting) {
  std::vector<WriteBatch*> batches;
  batches.reserve(waiting.size());
  for (Waiting& one : waiting) batches.push_back(&one.batch);
  MR_ASSIGN_OR_RETURN(Stamper::Group group, stamper_.merge(batches));
  if (!group.batch.empty()) {
    for (;;) {
      const Result<void> written = write_group(group);
      if (written.ok()) break;
      if (!written.error().is(kStorageFull) || !wait_for_room(written.error())) return written.error();
    }
  }
  stamper_.accept(group);
  return group;
}

Result<void> Committer::write_group(const Stamper::Group& group) {
  const Room room = store_.room();
  const std::size_t bytes = group.batch.bytes();
  const bool fits = can_finish(room, bytes) || (options_.log_takes && options_.log_takes(2 * bytes + kLogSlack));
  if (!fits) return Error(kStorageFull, room_text(room));
  const Deadline started = clock_.monotonic_now();
  const bool synced = options_.durability == Durability::kSynced;
  MR_RETURN_IF_ERROR(store_.write(group.batch, synced ? Store::Sync::kSynced : Store::Sync::kUnsynced));
  if (options_.after_write) MR_RETURN_IF_ERROR(options_.after_write(group.head));
  if (instruments_ != nullptr) {
    instruments_->write_ms.record(std::chrono::duration<double, std::milli>(clock_.monotonic_now() - started).count());
  }
  if (!healthy_.load()) {
    const std::lock_guard lock(mutex_);
    full_ = nullptr;
  }
  set_room(room.level);
  return {};
}

// Tells refusal() and people what has changed.
void Committer::set_room(Room::Level level) {
  const bool plenty = level == Room::Level::kPlenty;
  {
    const std::lock_guard lock(mutex_);
    if (failure_ != nullptr) return;
  }
  if (healthy_.exchange(plenty) == plenty) return;
  if (instruments_ != nullptr) instruments_->writable.set(plenty ? 1 : 0);
  if (plenty) {
    telemetry::log_info("storage", "there is room on the disk again: writes are taken");
  } else {
    telemetry::log_error(
        "storage", "the disk is full: " + room_text(store_.room()) + ". Writes are refused until there is room again");
  }
}

// Waits until writing may be tried again; false: the committer is to stop.
bool Committer::wait_for_room(const Error& full) {
  const auto error = std::make_shared<Error>(unknown_while_full(full.message()));
  std::vector<Waiter> answers;
  {
    const std::lock_guard lock(mutex_);
    full_ = error;
    answers = take(answers_, last_number_);
  }
  set_room(Room::Level::kNone);
  for (const Waiter& answer : answers) answer(error.get());
  std::unique_lock lock(mutex_);
  return !wake_.wait_for(lock, kRoomCheck, [this] { return stopping_; });
}

void Committer::complete(const std::vector<Waiting>& waiting, const Stamper::Group& group) {
  // From here on every stamp below next_stamp() is visible to readers.
  next_stamp_.store(stamper_.visible_stamp(), std::memory_order_release);
  if (instruments_ != nullptr) {
    instruments_->groups.add();
    instruments_->batches.add(waiting.size());
    instruments_->bytes.add(group.batch.bytes());
  }
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    const Committed committed = group.outcome(i, waiting[i].number);
    waiting[i].batch.notify(committed);
    if (waiting[i].done) waiting[i].done(committed);
  }
  std::shared_ptr<const Observers> observers;
  {
    const std::lock_guard lock(mutex_);
    observers = observers_;
  }
  if (!group.shards.empty())
    for (const auto& observer : *observers) observer(group.shards);
  // Answers come last: whoever has one and then asks whether everything is idle finds the mappings already woken.
  std::vector<Waiter> waiters;
  {
    const std::lock_guard lock(mutex_);
    durable_.store(waiting.back().number, std::memory_order_release);
    waiters = take_waiters(waiting.back().number);
  }
  for (const Waiter& waiter : waiters) waiter(nullptr);
}

void Committer::fail(const Error& cause) {
  if (!failure()) fail_all(cause);
}

// Whatever is not durable from here on gets what is returned.
Error Committer::fail_all(const Error& cause) {
  const bool full = cause.is(kStorageFull);  // and the server is stopping: there is no more time to wait for room
  const std::string what = full ? "The disk is full and the server is stopping"
                                : "The store failed and is read-only until the server is restarted";
  const auto error =
      std::make_shared<Error>(kStorageFailed, what + "; whether this write is on disk is unknown: " + cause.message());
  telemetry::log_error("storage", error->message());
  {
    const std::lock_guard lock(mutex_);
    failure_ = error;
    reason_ = what + ": " + cause.message();
    full_ = nullptr;
    paused_.clear();
  }
  healthy_.store(false);
  if (instruments_ != nullptr) instruments_->writable.set(0);
  return *error;
}

void Committer::refuse(const std::vector<Waiting>& waiting, const Error& error) {
  if (instruments_ != nullptr) instruments_->failures.add(waiting.size());
  for (const Waiting& one : waiting) {
    const Committed committed{one.number, &error};
    one.batch.notify(committed);
    if (one.done) one.done(committed);
  }
  // Before answers leave: who has one then reads what is on the disk.
  settle();
  std::vector<Waiter> waiters;
  {
    const std::lock_guard lock(mutex_);
    waiters = take_waiters(waiting.back().number);
  }
  for (const Waiter& waiter : waiters) waiter(&error);
}

void Committer::settle() {
  const auto deferred = std::exchange(deferred_, {});
  {
    const std::lock_guard lock(mutex_);
    if (deferred.empty() || stopping_) return;
  }
  std::vector<CommitNumber> numbers;
  for (const auto& work : deferred) numbers.push_back(work());
  const std::lock_guard lock(mutex_);
  const std::uint64_t next = settlements_.load() + 1;
  for (const CommitNumber number : numbers) settled_.try_emplace(number, next);
  settlements_.store(next, std::memory_order_release);
}

bool Committer::is_settled(CommitNumber after, std::uint64_t settlements) const {
  if (settlements == 0) return false;
  const std::lock_guard lock(mutex_);
  const auto found = settled_.find(after);
  return found != settled_.end() && found->second <= settlements;
}

// REQUIRES: mutex_ held.
std::vector<Committer::Waiter> Committer::take_waiters(CommitNumber up_to) {
  std::vector<Waiter> taken = take(waiters_, up_to);
  for (Waiter& answer : take(answers_, up_to)) taken.push_back(std::move(answer));
  return taken;
}

std::vector<Committer::Waiter> Committer::take(std::multimap<CommitNumber, Waiter>& from, CommitNumber up_to) {
  std::vector<Waiter> taken;
  const auto end = from.upper_bound(up_to);
  for (auto it = from.begin(); it != end; ++it) taken.push_back(std::move(it->second));
  from.erase(from.begin(), end);
  return taken;
}

}  // namespace millrace::storage
