// The acting part of one mapping of a queue: performs what queue_lane.h decides. Lives on the control thread, behind
// the engine's mutex; receiving, filtering and rendering happen on the pool.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "platform/clock.h"
#include "platform/random.h"
#include "storage/committer.h"
#include "telemetry/metrics.h"
#include "triggers/internal/ledger.h"
#include "triggers/internal/read_job.h"
#include "triggers/mapping.h"
#include "triggers/pattern.h"
#include "triggers/queue_lane.h"
#include "triggers/queue_ports.h"
#include "triggers/status.h"

namespace millrace::triggers::internal {

class QueueRunner;

struct QueueHost {
  platform::Scheduler& scheduler;
  platform::Random& random;
  telemetry::Registry& registry;
  storage::Commits& commits;
  QueueSource* source;  // nullptr: there are no queues
  Invoker& invoker;
  Settlement& settlement;
  std::shared_ptr<PoolGate> gate;
  // False while nothing can be written: nothing is received, until resume().
  std::function<bool()> may_write;
  // Makes a function for the control thread that takes the mutex and calls `work` with runner `id`, if it still exists.
  std::function<std::function<void()>(std::uint64_t id, std::function<void(QueueRunner&)> work)> guarded;
};

class QueueRunner {
 public:
  QueueRunner(QueueHost& host, std::uint64_t id, Mapping mapping, SavedTotals totals);
  // Gives back what is received and in no invocation.
  ~QueueRunner();
  QueueRunner(const QueueRunner&) = delete;
  QueueRunner& operator=(const QueueRunner&) = delete;

  void start();
  void resume();  // there is room on the disk again
  void configure(Mapping mapping);
  Status status() const;  // without the queue's own counts
  const std::string& last_result() const { return last_result_; }

 private:
  struct Meters;
  struct WakeBox;
  struct Job;
  struct Run {  // of one batch
    platform::Busy busy;
    std::string request_id;
    Time since = kNever;
    Time formed = kNever;  // when it was tried first
    bool reports = false;  // ReportBatchItemFailures was set when it began
  };

  QueueSettings settings() const;
  void subscribe();
  void woken();
  void feed(QueueInput input);
  void perform(QueueEffects effects);
  void receive(std::size_t count, std::size_t bytes_max);
  void received(Job& job);
  void invoke(std::uint64_t batch);
  void returned(std::uint64_t batch, InvokeResult result);
  void count_answer(const QueueBatch& batch, const InvokeResult& result, std::size_t done);
  void note_attempt(std::uint64_t batch, const InvokeResult& result, std::size_t done, std::string error);
  void save_ledger();
  bool is_blocked() const;
  QueueStatus queue_status() const;
  LaneStatus lane_status(const QueueStatus& queue) const;

  QueueHost& host_;
  const std::uint64_t id_;
  Mapping mapping_;
  std::shared_ptr<const Filters> filters_;
  QueueLane lane_;
  std::map<std::uint64_t, Run> runs_;
  Ledger ledger_;
  Totals& totals_;
  std::shared_ptr<WakeBox> wake_;
  Subscription subscription_;
  platform::Timer timer_;
  Time timer_at_ = kNever;
  platform::Timer again_;                                       // after a receive that failed
  std::optional<std::pair<std::size_t, std::size_t>> put_off_;  // receive()'s
  std::optional<Deadline> notified_at_;
  std::string last_result_ = "No records processed";
  std::shared_ptr<Meters> meters_;
};

}  // namespace millrace::triggers::internal
