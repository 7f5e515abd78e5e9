#include "storage/rocks/internal/flush_gate.h"

#include <chrono>
#include <thread>
#include <utility>

#include "platform/thread_name.h"

namespace millrace::storage {
namespace {

// What starts only has to take RocksDB's mutex and perhaps to sync a closed log. Should a sync never end, the error is
// not kept from anybody for longer than this.
constexpr std::chrono::seconds kStartMax{1};

// Whether it stops the database until the store asks for a recovery. After others nobody would, and nothing may wait.
bool stops(rocksdb::BackgroundErrorReason reason, const rocksdb::Status& error) {
  return !is_of_log(reason) && error.IsNoSpace() && error.severity() == rocksdb::Status::Severity::kHardError;
}

}  // namespace

struct FlushGate::Job {
  std::shared_ptr<FlushGate> gate;  // until the end of the job, when the database may be gone
  rocksdb::Env* pool;
  rocksdb::Env::Priority priority;
  void (*run)(void*);
  void (*dismiss)(void*);
  void* argument;
  void* tag;

  // Merges have threads of their own.
  bool is_flush() const { return priority == rocksdb::Env::HIGH; }

  static thread_local const Job* current;  // what this thread runs
};
thread_local const FlushGate::Job* FlushGate::Job::current = nullptr;

class FlushGate::GatedEnv final : public rocksdb::EnvWrapper {
 public:
  GatedEnv(FlushGate& gate, std::unique_ptr<rocksdb::Env> target) : EnvWrapper(std::move(target)), gate_(gate) {
    // The base class made some of its own, which call back through this one.
    file_system_ = EnvWrapper::target()->GetFileSystem();
    system_clock_ = EnvWrapper::target()->GetSystemClock();
  }

  // Only flushes and merges can be given back.
  void Schedule(void (*run)(void*), void* argument, Priority priority, void* tag, void (*dismiss)(void*)) override {
    if (dismiss == nullptr) return target()->Schedule(run, argument, priority, tag, dismiss);
    {
      const std::lock_guard lock(gate_.mutex_);
      ++gate_.unfinished_;
    }
    // Owned by the pool, or by the gate while it is held.
    auto* job = new Job{gate_.shared_from_this(), target(), priority, run, dismiss, argument, tag};
    target()->Schedule(&FlushGate::arrive, job, priority, tag, &FlushGate::dismiss);
  }

  // At the end of the database: what waits here is given back by the pool, too.
  int UnSchedule(void* tag, Priority priority) override {
    if (priority == HIGH) gate_.open(true);
    return target()->UnSchedule(tag, priority);
  }

 private:
  FlushGate& gate_;
};

bool is_of_log(rocksdb::BackgroundErrorReason reason) {
  return reason == rocksdb::BackgroundErrorReason::kWriteCallback ||
         reason == rocksdb::BackgroundErrorReason::kMemTable;
}

std::unique_ptr<rocksdb::Env> FlushGate::env(std::unique_ptr<rocksdb::Env> target) {
  return std::make_unique<GatedEnv>(*this, std::move(target));
}

rocksdb::Status FlushGate::resume(rocksdb::DB& database) {
  bool holds = false;
  {
    std::unique_lock lock(mutex_);
    // The recovery would wait for these, too. Nothing is scheduled until it is under way, and no error of before it
    // closes the gate any more.
    changed_.wait(lock, [this] { return !stopped_ || unfinished_ == held_.size(); });
    holds = !held_.empty();
    closed_ = holds;
  }
  rocksdb::Status status = holds ? resume_and_open(database) : database.Resume();
  if (status.ok()) {
    const std::lock_guard lock(mutex_);
    stopped_ = closed_;
  }
  return status;
}

// RocksDB does not tell when a recovery is under way, but refuses another at once. Of two calls one recovers, and waits
// for the flushes that are held here; they may go when the other was refused.
rocksdb::Status FlushGate::resume_and_open(rocksdb::DB& database) {
  rocksdb::Status of_second;
  std::thread second([this, &database, &of_second] {
    platform::name_this_thread("mr:resume");
    of_second = database.Resume();
    if (of_second.IsBusy()) open();
  });
  rocksdb::Status of_first = database.Resume();
  if (of_first.IsBusy()) open();
  second.join();
  if (!of_first.IsBusy() && !of_second.IsBusy()) open();  // nothing had stopped it
  return of_first.IsBusy() ? of_second : of_first;
}

// Called before RocksDB takes note of the error, without its mutex: what has passed by now still finds all well.
void FlushGate::OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* error) {
  if (!stops(reason, *error)) return;
  began(Job::current);
  std::unique_lock lock(mutex_);
  stopped_ = true;
  closed_ = !open_for_good_;
  changed_.wait_for(lock, kStartMax, [this] { return passed_.empty(); });
}

void FlushGate::OnFlushBegin(rocksdb::DB*, const rocksdb::FlushJobInfo&) { began(Job::current); }

void FlushGate::arrive(void* argument) {
  std::unique_ptr<Job> job(static_cast<Job*>(argument));
  FlushGate& gate = *job->gate;
  if (job->is_flush()) {
    const std::lock_guard lock(gate.mutex_);
    if (gate.closed_) {
      gate.held_.push_back(job.release());
      return gate.changed_.notify_all();
    }
    gate.passed_.push_back(job.get());
  }
  Job::current = job.get();
  job->run(job->argument);
  Job::current = nullptr;
  gate.ended(job.get());
}

void FlushGate::dismiss(void* argument) {
  const std::unique_ptr<Job> job(static_cast<Job*>(argument));
  job->dismiss(job->argument);
  job->gate->ended(job.get());
}

void FlushGate::open(bool for_good) {
  std::list<Job*> going;
  {
    const std::lock_guard lock(mutex_);
    open_for_good_ = open_for_good_ || for_good;
    closed_ = false;
    going.swap(held_);
  }
  for (Job* job : going) job->pool->Schedule(&arrive, job, job->priority, job->tag, &dismiss);
}

void FlushGate::began(const Job* job) {
  const std::lock_guard lock(mutex_);
  if (std::erase(passed_, job) > 0) changed_.notify_all();
}

void FlushGate::ended(const Job* job) {
  const std::lock_guard lock(mutex_);
  std::erase(passed_, job);
  --unfinished_;
  changed_.notify_all();
}

}  // namespace millrace::storage
