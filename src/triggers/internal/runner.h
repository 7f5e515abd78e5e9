// One mapping at work: its shards and lanes, and the effects of their steps. Lives behind the engine's mutex; every
// function is called with that held, on the control thread (status: on any).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "platform/clock.h"
#include "platform/random.h"
#include "telemetry/metrics.h"
#include "triggers/documents.h"
#include "triggers/internal/interventions.h"
#include "triggers/internal/ledger.h"
#include "triggers/internal/read_job.h"
#include "triggers/internal/shard.h"
#include "triggers/lane.h"
#include "triggers/mapping.h"
#include "triggers/pattern.h"
#include "triggers/ports.h"
#include "triggers/status.h"

namespace millrace::triggers::internal {

class Runner;

// What a runner acts through.
struct Host {
  platform::Scheduler& scheduler;
  platform::Random& random;
  telemetry::Registry& registry;
  EventSource& source;
  Invoker& invoker;
  Settlement& settlement;
  std::shared_ptr<PoolGate> gate;
  // False while nothing can be written: what begins a batch is put off, until resume().
  std::function<bool()> may_write;
  // Makes a function for the control thread that takes the mutex and calls `work` with runner `id`, if it still exists.
  std::function<std::function<void()>(std::uint64_t id, std::function<void(Runner&)> work)> guarded;
  std::uint64_t last_token = 0;
};

// The batch that a lane cannot get rid of: its records are those of (after, last]; none: the final invocation of
// `tumbling`.
struct FailingBatch {
  ShardInfo shard;
  unsigned lane = 0;
  unsigned lanes = 1;
  SequenceNumber after = 0;
  SequenceNumber last = 0;
  Tries tries;
  bool is_running = false;  // an invocation with it
  std::vector<LanePositions> previous;
  std::optional<Tumbling> tumbling;
};

class Runner {
 public:
  Runner(Host& host, std::uint64_t id, Mapping mapping, std::map<std::uint64_t, SavedShard> saved, SavedTotals totals);
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  void start();
  void resume();  // there is room on the disk again
  // Puts other settings into force. What is in flight is finished under the old ones.
  void configure(Mapping mapping);
  Status status() const;  // without backlogs, which may need the disk
  const std::string& last_result() const { return last_result_; }

  // For interventions: begins nothing any more, whatever the settings say, and posts `quiet` once nothing is in flight.
  // From then on positions() is what would be found after a restart. let_go() goes on.
  void hold(std::function<void()> quiet);
  void let_go();
  bool is_held() const { return held_; }
  // What positions() says is being changed on disk for a successor: from now on this one moves and saves none.
  void retire() { retired_ = true; }
  Positions positions() const;
  Ledger& ledger() { return ledger_; }
  void save_ledger();
  // Of all lanes, the one that was tried most often; nullopt: none is failing.
  std::optional<FailingBatch> failing_batch() const;
  // A read of those of its records that would be delivered.
  std::shared_ptr<ReadJob> reader_of(const FailingBatch& batch) const;

 private:
  struct LaneRun {
    std::uint64_t token = 0;  // tells this lane from one that stood at its place before
    unsigned index = 0;
    Lane lane;
    platform::Timer timer;
    Time timer_at = kNever;
    platform::Busy busy;  // while an invocation runs
    Time working_since = kNever;
    Time read_at = kNever;     // when the first of the records that are in no batch yet was read
    Time batch_read = kNever;  // the same of the batch in hand
    Time formed = kNever;      // when that was tried first
    std::string request_id;
    std::optional<ResponseContext> response;  // of the batch in hand
    Time blocked_since = kNever;
    std::optional<Deadline> notified_at;
    SequenceNumber counted_to = 0;  // by the counters of what was polled
    SequenceNumber lost_after = 0;  // where records were found to be missing
    SequenceNumber invoked_to = 0;  // what starts here or before has been sent before: a retry
    bool is_retry = false;          // of the invocation that runs
    bool was_throttled = false;     // the last attempt
    bool reports = false;           // ReportBatchItemFailures as it stood when the running invocation began
    std::string last_error;
    Time last_error_at = kNever;
  };
  struct ShardRun {
    ShardInfo info;
    std::vector<std::unique_ptr<LaneRun>> lanes;  // empty: not started, or finished
    std::vector<LanePositions> previous;
    bool finished = false;
    bool rearranging = false;  // the factor has changed: waits until nothing is in flight
  };
  // Collects wake-ups, so that a burst of commits is one posted function. Thread-safe.
  struct WakeBox;
  struct Meters;

  void subscribe();
  void woken();
  void refresh();
  void begin(ShardRun& shard);
  void begin_children();
  SavedShard saved_form(const ShardRun& shard) const;
  void set_lanes(ShardRun& shard, const SavedShard& saved);
  Settings settings_of(const ShardRun& shard) const;

  void feed(ShardRun& shard, LaneRun& lane, Input input);
  void feed_all(ShardRun& shard, const Input& input);
  void perform(ShardRun& shard, LaneRun& lane, Effects effects);
  void finish_step(ShardRun& shard);
  void set_timer(ShardRun& shard, LaneRun& lane, Time until);
  void start_read(ShardRun& shard, LaneRun& lane, const ReadMore& wanted);
  // Whether `work` is done at resume(), and not now.
  bool put_off(const ShardRun& shard, const LaneRun& lane, std::function<void(ShardRun&, LaneRun&)> work);
  void arrived(ShardRun& shard, LaneRun& lane, ReadJob& job);
  void note_vanished(const ShardRun& shard);
  void note_lost(const ShardRun& shard, LaneRun& lane, const ReadJob& job);
  void read_failed(const Error& error);
  void invoke(ShardRun& shard, LaneRun& lane);
  void returned(ShardRun& shard, LaneRun& lane, InvokeResult result);
  void count_answer(LaneRun& lane, const InvokeResult& result, std::size_t done);
  HistoryEntry entry_of(const ShardRun& shard, const LaneRun& lane) const;
  void note_attempt(const ShardRun& shard, const LaneRun& lane, const InvokeResult& result, std::size_t done);
  void note_failure(LaneRun& lane, const ShardRun& shard, std::string text);
  Effects discard(ShardRun& shard, LaneRun& lane, Reason reason);
  FailureDocument document_of(const ShardRun& shard, const LaneRun& lane, Reason reason) const;
  Result<void> save(const ShardRun& shard, const Letter& letter = {});
  // Calls `work` with the lane if it is still the one with that token.
  std::function<void()> for_lane(std::uint64_t shard, const LaneRun& lane,
                                 std::function<void(ShardRun&, LaneRun&)> work);
  LaneStatus status_of(const ShardRun& shard, const LaneRun& lane) const;
  bool is_blocked() const;
  void tell_if_quiet();
  std::vector<SequenceNumber> skipped_in(std::uint64_t shard) const;

  Host& host_;
  const std::uint64_t id_;
  Mapping mapping_;
  std::shared_ptr<const Filters> filters_;
  Milliseconds retention_{std::chrono::hours(24)};
  std::map<std::uint64_t, SavedShard> saved_;  // read at start, moved into shards_ as they are listed
  std::map<std::uint64_t, ShardRun> shards_;
  std::shared_ptr<WakeBox> wake_;
  Subscription subscription_;
  platform::Timer read_again_;
  std::vector<std::function<void()>> put_off_;
  std::string last_result_ = "No records processed";
  Ledger ledger_;
  Totals& totals_ = ledger_.totals();
  std::shared_ptr<Meters> meters_;
  bool held_ = false;
  bool retired_ = false;
  std::function<void()> quiet_;
};

}  // namespace millrace::triggers::internal
