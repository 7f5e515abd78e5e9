#include "platform/control_loop.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "platform/internal/worker_pool.h"
#include "platform/thread_name.h"

namespace millrace::platform {
namespace {

constexpr std::int64_t kNotFrozen = std::numeric_limits<std::int64_t>::min();
// The machine's clock can be set while a timer is waited for, so no wait is longer than this.
constexpr Milliseconds kLongestWait{5000};

Time system_time() { return std::chrono::floor<Milliseconds>(std::chrono::system_clock::now()); }
Deadline steady_time() { return std::chrono::steady_clock::now(); }

}  // namespace

class ControlLoop::Core : public std::enable_shared_from_this<ControlLoop::Core> {
 public:
  explicit Core(const ControlLoopOptions& options)
      : step_limit_(options.advance_step_limit), offset_(options.offset.count()) {
    busy_.on_idle([this] { became_idle(); });
    pool_.emplace(options.workers, options.offload_queue_max);
  }

  void start() {
    MR_ASSERT(!thread_.joinable());
    thread_ = std::thread([this] {
      name_this_thread("mr:control");
      loop();
    });
  }
  void stop();

  Time now() const;
  void post(std::function<void()> work);
  Timer at(Time when, std::function<void()> work);
  void offload(std::function<void()> work, std::function<void()> done);
  Result<Time> move(std::optional<Milliseconds> by, Time to, std::function<void(const Advanced&)> done);
  void when_idle(std::function<void(bool)> f, Deadline limit);
  Milliseconds offset() const { return Milliseconds(offset_.load()); }
  BusyCounter& busy() { return busy_; }

 private:
  using Lock = std::unique_lock<std::mutex>;
  using TimerKey = std::pair<Time, std::uint64_t>;
  struct Posted {
    Busy busy;  // released last: what the work captured is gone by then
    std::function<void()> work;
  };
  struct Move {
    Time target;
    std::optional<Milliseconds> by;  // counts from the begin
    std::function<void(const Advanced&)> done;
    std::int64_t timers_run = 0;
    bool started = false;
    std::uint64_t idle_count = 0;  // of the last step's begin
    Deadline give_up;
  };
  struct Waiter {
    std::function<void(bool)> f;
    Deadline limit;
    std::uint64_t idle_count;
  };

  void loop();
  bool run_posted(Lock& lock);
  bool run_due_timer(Lock& lock);
  bool continue_move(Lock& lock);
  void begin_move(Move& move);
  void finish_move(Lock& lock, bool complete);
  void fire_first_timer(Lock& lock);
  bool tell_waiters(Lock& lock);
  void sleep(Lock& lock);
  void wake(Lock& lock);
  void became_idle();
  bool idle_since(std::uint64_t idle_count) const { return busy_.count() == 0 || idle_count_.load() != idle_count; }
  void cancel(const TimerKey& key);

  const Milliseconds step_limit_;
  BusyCounter busy_;
  std::thread thread_;
  std::optional<internal::WorkerPool> pool_;

  // Time. `last_` makes now() rise whatever the rest does.
  mutable std::atomic<std::int64_t> last_{std::numeric_limits<std::int64_t>::min()};
  std::atomic<std::int64_t> offset_;
  std::atomic<std::int64_t> frozen_{kNotFrozen};  // the time of the present step of a move

  // How often busy_ fell to zero. A step is over when that happened after its begin: later work is not of this step.
  std::atomic<std::uint64_t> idle_count_{0};
  std::atomic<bool> idle_wanted_{false};  // the loop wants to be woken when busy_ falls to zero

  std::mutex mutex_;
  std::condition_variable wake_;
  // Guarded by mutex_. No Busy token is released and no closure destroyed while it is held.
  std::deque<Posted> posted_;
  std::map<TimerKey, std::function<void()>> timers_;
  std::uint64_t next_sequence_ = 0;
  std::deque<Move> moves_;
  std::vector<Waiter> waiters_;
  bool sleeping_ = false;
  bool woken_ = false;
  bool stopping_ = false;
};

Time ControlLoop::Core::now() const {
  const std::int64_t frozen = frozen_.load();
  const std::int64_t present = frozen != kNotFrozen ? frozen : to_unix_ms(system_time()) + offset_.load();
  std::int64_t last = last_.load();
  while (present > last && !last_.compare_exchange_weak(last, present)) {
  }
  return from_unix_ms(std::max(present, last));
}

void ControlLoop::Core::wake(Lock& lock) {
  woken_ = true;
  const bool notify = sleeping_;
  lock.unlock();
  if (notify) wake_.notify_one();
}

void ControlLoop::Core::became_idle() {
  idle_count_.fetch_add(1);
  if (!idle_wanted_.load()) return;
  Lock lock(mutex_);
  wake(lock);
}

void ControlLoop::Core::post(std::function<void()> work) {
  Posted posted{Busy(busy_), std::move(work)};
  Lock lock(mutex_);
  if (stopping_) {
    lock.unlock();
    return;
  }
  posted_.push_back(std::move(posted));
  wake(lock);
}

Timer ControlLoop::Core::at(Time when, std::function<void()> work) {
  Lock lock(mutex_);
  if (stopping_) {
    lock.unlock();
    return Timer();
  }
  const TimerKey key(when, next_sequence_++);
  const auto position = timers_.emplace(key, std::move(work)).first;
  if (position == timers_.begin()) wake(lock);
  return Timer([core = weak_from_this(), key] {
    if (const auto self = core.lock()) self->cancel(key);
  });
}

void ControlLoop::Core::cancel(const TimerKey& key) {
  std::function<void()> dropped;
  const std::lock_guard lock(mutex_);
  const auto it = timers_.find(key);
  if (it == timers_.end()) return;
  dropped = std::move(it->second);
  timers_.erase(it);
}

void ControlLoop::Core::offload(std::function<void()> work, std::function<void()> done) {
  // Of std::function's making: copyable, hence the shared token.
  auto token = std::make_shared<Busy>(busy_);
  pool_->run([this, work = std::move(work), done = std::move(done), token = std::move(token)]() mutable {
    std::exchange(work, nullptr)();
    post(std::move(done));
    token.reset();
  });
}

Result<Time> ControlLoop::Core::move(std::optional<Milliseconds> by, Time to,
                                     std::function<void(const Advanced&)> done) {
  Lock lock(mutex_);
  const Time from = moves_.empty() ? now() : moves_.back().target;
  if (by && (*by < Milliseconds(0) || *by > kAdvanceMax)) {
    return Error(kInvalidArgument, "time can be advanced by 0 to 36525 days, not by " + format_duration(*by));
  }
  const Time target = by ? from + *by : to;
  if (target < from) {
    return Error(kInvalidArgument,
                 "time never falls: it is " + format_iso_ms(from) + ", later than the time asked for");
  }
  if (target - from > kAdvanceMax) {
    return Error(kInvalidArgument, "time cannot be moved by more than 36525 days at once");
  }
  moves_.push_back(Move{.target = target, .by = by, .done = std::move(done)});
  wake(lock);
  return target;
}

void ControlLoop::Core::when_idle(std::function<void(bool)> f, Deadline limit) {
  Lock lock(mutex_);
  idle_wanted_.store(true);
  waiters_.push_back(Waiter{std::move(f), limit, idle_count_.load()});
  wake(lock);
}

void ControlLoop::Core::loop() {
  Lock lock(mutex_);
  while (!stopping_) {
    woken_ = false;
    if (run_posted(lock)) continue;
    if (moves_.empty() ? run_due_timer(lock) : continue_move(lock)) continue;
    if (tell_waiters(lock)) continue;
    sleep(lock);
  }
}

bool ControlLoop::Core::run_posted(Lock& lock) {
  if (posted_.empty()) return false;
  std::deque<Posted> batch;
  batch.swap(posted_);
  lock.unlock();
  while (!batch.empty()) {
    const Posted one = std::move(batch.front());
    batch.pop_front();
    one.work();
  }
  lock.lock();
  return true;
}

void ControlLoop::Core::fire_first_timer(Lock& lock) {
  const auto first = timers_.begin();
  auto work = std::move(first->second);
  timers_.erase(first);
  // Whoever waits for idleness waits for what this timer starts, too.
  for (auto& waiter : waiters_) waiter.idle_count = idle_count_.load();
  lock.unlock();
  {
    const Busy token(busy_);
    work();
    work = nullptr;
  }
  lock.lock();
}

bool ControlLoop::Core::run_due_timer(Lock& lock) {
  if (timers_.empty() || timers_.begin()->first.first > now()) return false;
  fire_first_timer(lock);
  return true;
}

void ControlLoop::Core::begin_move(Move& move) {
  move.started = true;
  frozen_.store(to_unix_ms(now()));
  // What is still under way, such as the read that opens a window, sees this time or an earlier one: a move by the
  // window's length reaches its end.
  if (move.by) move.target = std::max(move.target, now() + *move.by);
  move.idle_count = idle_count_.load();
  move.give_up = steady_time() + step_limit_;
  idle_wanted_.store(true);
}

// One step of the first move. False: nothing to do but wait.
bool ControlLoop::Core::continue_move(Lock& lock) {
  Move& move = moves_.front();
  if (!move.started) begin_move(move);
  if (steady_time() >= move.give_up) {
    // Also for timers that set themselves again for the same time, for ever.
    finish_move(lock, false);
    return true;
  }
  if (!idle_since(move.idle_count)) return false;
  if (timers_.empty() || timers_.begin()->first.first > move.target) {
    finish_move(lock, true);
    return true;
  }
  const std::int64_t when = to_unix_ms(timers_.begin()->first.first);
  if (when > frozen_.load()) {
    frozen_.store(when);
    move.give_up = steady_time() + step_limit_;
  }
  move.idle_count = idle_count_.load();
  ++move.timers_run;
  fire_first_timer(lock);
  return true;
}

void ControlLoop::Core::finish_move(Lock& lock, bool complete) {
  const Move move = std::move(moves_.front());
  moves_.pop_front();
  const std::int64_t reached = complete ? std::max(to_unix_ms(move.target), frozen_.load()) : frozen_.load();
  frozen_.store(reached);
  now();  // `last_` is at `reached` before time flows again
  // The offset never falls: machine time that passed meanwhile counts, unless the move was longer.
  offset_.store(std::max(offset_.load(), reached - to_unix_ms(system_time())));
  frozen_.store(kNotFrozen);
  lock.unlock();
  if (move.done) {
    move.done(Advanced{.reached = from_unix_ms(reached),
                       .complete = complete,
                       .timers_run = move.timers_run,
                       .busy = complete ? 0 : busy_.count()});
  }
  lock.lock();
}

bool ControlLoop::Core::tell_waiters(Lock& lock) {
  if (waiters_.empty()) {
    if (moves_.empty()) idle_wanted_.store(false);
    return false;
  }
  std::vector<std::pair<std::function<void(bool)>, bool>> told;
  const Deadline present = steady_time();
  for (auto it = waiters_.begin(); it != waiters_.end();) {
    const bool idle = moves_.empty() && idle_since(it->idle_count);  // a move has timers to run
    if (!idle && present < it->limit) {
      ++it;
      continue;
    }
    told.emplace_back(std::move(it->f), idle);
    it = waiters_.erase(it);
  }
  if (told.empty()) return false;
  lock.unlock();
  for (const auto& [f, idle] : told) f(idle);
  told.clear();
  lock.lock();
  return true;
}

void ControlLoop::Core::sleep(Lock& lock) {
  Deadline until = steady_time() + kLongestWait;
  if (!moves_.empty()) {
    until = std::min(until, moves_.front().give_up);
  } else if (!timers_.empty()) {
    // Compared as times first: a timer may be set for kNever.
    const Time when = timers_.begin()->first.first;
    const Time present = now();
    if (when < present + kLongestWait) until = steady_time() + std::max(when - present, Milliseconds(0));
  }
  for (const auto& waiter : waiters_) until = std::min(until, waiter.limit);
  sleeping_ = true;
  wake_.wait_until(lock, until, [&] { return woken_ || stopping_; });
  sleeping_ = false;
}

void ControlLoop::Core::stop() {
  MR_ASSERT(std::this_thread::get_id() != thread_.get_id());
  {
    Lock lock(mutex_);
    stopping_ = true;
    wake(lock);
  }
  if (thread_.joinable()) thread_.join();
  pool_->stop();
  // Destroyed without the lock: what they capture may cancel timers or release tokens.
  std::deque<Posted> posted;
  std::map<TimerKey, std::function<void()>> timers;
  std::deque<Move> moves;
  std::vector<Waiter> waiters;
  const std::lock_guard lock(mutex_);
  posted.swap(posted_);
  timers.swap(timers_);
  moves.swap(moves_);
  waiters.swap(waiters_);
  frozen_.store(kNotFrozen);
}

ControlLoop::ControlLoop(ControlLoopOptions options) : core_(std::make_shared<Core>(options)) {}
ControlLoop::~ControlLoop() { core_->stop(); }

void ControlLoop::start() { core_->start(); }
void ControlLoop::stop() { core_->stop(); }
Time ControlLoop::now() const { return core_->now(); }
Time ControlLoop::machine_now() const { return system_time(); }
Deadline ControlLoop::monotonic_now() const { return steady_time(); }
void ControlLoop::post(std::function<void()> work) { core_->post(std::move(work)); }
Timer ControlLoop::at(Time when, std::function<void()> work) { return core_->at(when, std::move(work)); }
void ControlLoop::offload(std::function<void()> work, std::function<void()> done) {
  core_->offload(std::move(work), std::move(done));
}
BusyCounter& ControlLoop::busy() { return core_->busy(); }
Result<Time> ControlLoop::advance(Milliseconds by, std::function<void(const Advanced&)> done) {
  return core_->move(by, Time(), std::move(done));
}
Result<Time> ControlLoop::set(Time to, std::function<void(const Advanced&)> done) {
  return core_->move(std::nullopt, to, std::move(done));
}
Milliseconds ControlLoop::offset() const { return core_->offset(); }
void ControlLoop::when_idle(std::function<void(bool idle)> f, Deadline limit) { core_->when_idle(std::move(f), limit); }

}  // namespace millrace::platform
