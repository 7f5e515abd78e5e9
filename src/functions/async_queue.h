// The queue of asynchronous invocations: durable, retried, settled into destinations.
//
// Keys in Family::kQueue (parts as in codec/key.h; `f` is text account, text region, text name, text qualifier):
//   "async/e/" f be64(number)   the event: one line of JSON, '\n', the payload
//   "async/x/" f be64(number)   an event whose bytes cannot be decoded: it was accepted, so it is kept, but does not
//   run "async/s/" f be64(number)   its state once it has failed: JSON {"v":1,"n":invocations,"next":ms,"error":..},
//   '\n',
//                               the last response
//
// Numbers rise over every restart: storage/numbers.h, mark "async/numbers".
//
// Every function has a lane of its own for each qualifier it was invoked with, so none waits for another, and an alias
// has its own settings and destinations; which version it means is told anew by every attempt. Of a lane only the
// numbers and times of the next kAsyncWindow events are in memory; the rest is read when those are through. An event
// runs after it is durable; it is erased in the same batch that stages what its destinations get. After a restart
// whatever was in flight runs again.
//
// Rules (AWS): a function error uses up an attempt, the next try is a minute later, then two; throttling and failures
// of the server back off from 1 s to 5 min without using one; both end with the event's age. All by the movable clock.
//
// Thread-safe. Events run on the scheduler's thread, which reads only what is in memory (storage/no_blocking.h); the
// rest is read on the pool, without the mutex. Lock order: never calls the runner with its mutex held.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "delivery/delivery.h"
#include "functions/configuration.h"
#include "functions/observer.h"
#include "platform/clock.h"
#include "storage/numbers.h"
#include "storage/service_commits.h"
#include "storage/store.h"
#include "telemetry/metrics.h"

namespace millrace::functions {

struct Event {
  FunctionReference function;
  std::string request_id;
  std::string payload;
  std::string client_context;
  std::string trace_id;
  Time received{};
  int attempt = 1;  // not stored: the queue counts
};

// What a run came to.
struct EventAnswer {
  enum class Kind {
    kSucceeded,
    kFailed,    // the function's error: `payload` is its document
    kDeferred,  // throttled, or the server could not run it: try later
    kGone,      // there is no such function any more: the event is dropped
    kDamaged,   // not of a runner: the stored event cannot be decoded
  };
  Kind kind = Kind::kSucceeded;
  std::string payload;
  std::string executed_version = kLatest;
};

struct EventPolicy {
  int retries_max = 2;
  Seconds age_max{21600};
  int in_flight_max = 1;  // 0: reserved concurrency 0, events go straight to the failure destination
  std::string on_success;
  std::string on_failure;
  std::string dead_letter_arn;
};

// Implemented by the registry. Thread-safe.
class EventRunner {
 public:
  virtual ~EventRunner() = default;
  // nullopt: no such function, version or alias.
  virtual std::optional<EventPolicy> policy_of(const FunctionReference& function) = 0;
  // `done` exactly once, from any thread.
  virtual void run(const Event& event, std::function<void(EventAnswer)> done) = 0;
  // Never called with the queue's mutex held.
  virtual void measure(Measurement measurement) = 0;
};

class AsyncQueue {
 public:
  AsyncQueue(storage::Store& store, storage::Commits& commits, platform::Scheduler& scheduler,
             delivery::Delivery& delivery, telemetry::Registry& registry, EventRunner& runner);
  ~AsyncQueue();

  // Finds the lanes and wakes them. Once, after the registry is loaded.
  Result<void> load();
  // The event runs once the returned commit is durable.
  storage::CommitNumber enqueue(const Event& event);
  // The same, into a batch of somebody else; to be called when that is durable.
  delivery::AfterCommit stage(const Event& event, storage::WriteBatch& batch);
  // The function was deleted, with all its qualifiers: its events are dropped. Events that run finish without effect.
  void drop(const FunctionName& function, storage::WriteBatch& batch);
  // Settings of the function have changed: look again.
  void wake(const FunctionName& function);

  struct LaneStatus {
    FunctionReference function;
    std::size_t waiting = 0;  // known ones; `more` are on disk
    bool more = false;
    int running = 0;
    Time next_try = kNever;
    int throttled = 0;  // of the waiting ones
    int failed = 0;     // of the waiting ones: between tries
  };
  // What the answer to enqueue() has to wait for.
  storage::CommitNumber last_commit() const { return commits_.last(); }
  // Lanes that hold something.
  std::vector<LaneStatus> status() const;

 private:
  struct Entry;
  struct Lane;
  struct Scanned;
  struct Load;
  struct Settlement;
  struct Told;
  // What a look at a lane leads to, done without the mutex.
  struct Work {
    std::vector<Settlement> settlements;
    std::vector<std::pair<std::uint64_t, int>> starts;  // number, attempt
  };

  void accepted(const FunctionReference& function, std::uint64_t number, Time received);
  void pump_all();
  void pump(const FunctionReference& function);
  void finished(const FunctionReference& function, std::uint64_t number, EventAnswer answer);
  void load_more(const FunctionReference& function, Lane& lane);
  Result<Scanned> scan(const FunctionReference& function, std::uint64_t after, std::size_t max) const;
  void loaded(const FunctionReference& function, const std::shared_ptr<Load>& load, const Result<Scanned>& scanned);
  void take_over(const FunctionReference& function, Lane& lane, const Load& load, const Result<Scanned>& scanned);
  void collect(const FunctionReference& function, Lane& lane, const EventPolicy& policy, Work& work);
  void arm(const FunctionReference& function, Lane& lane, const EventPolicy& policy);
  std::optional<Settlement> learn(const FunctionReference& function, Lane& lane, std::uint64_t number,
                                  const EventPolicy& policy, EventAnswer answer);
  static Settlement remove(const FunctionReference& function, Lane& lane, std::uint64_t number,
                           const EventPolicy& policy, std::string_view condition);
  void settle(Settlement settlement);
  Result<Told> look_up(const Settlement& settlement) const;
  void conclude(Settlement settlement, Result<Told> told);
  void set_aside(const Settlement& settlement, std::string_view bytes, storage::WriteBatch& batch);
  void stage_results(const Event& event, const Settlement& settlement, storage::WriteBatch& batch,
                     std::vector<delivery::AfterCommit>& after, std::vector<Metric>& counts);
  Result<std::optional<Event>> read(const FunctionReference& function, std::uint64_t number) const;
  void begin(const FunctionReference& function, std::uint64_t number, int attempt);
  void run(const FunctionReference& function, std::uint64_t number, int attempt, Result<std::optional<Event>> found);
  void count(Metric metric, const FunctionReference& function);  // REQUIRES: mutex_ is not held

  storage::Store& store_;
  storage::ServiceCommits commits_;
  platform::Scheduler& scheduler_;
  delivery::Delivery& delivery_;
  telemetry::Registry& registry_;
  EventRunner& runner_;

  mutable std::mutex mutex_;  // guards below
  std::map<FunctionReference, std::unique_ptr<Lane>> lanes_;
  storage::Numbers numbers_{storage::Series::kAsyncEvents};
};

}  // namespace millrace::functions
