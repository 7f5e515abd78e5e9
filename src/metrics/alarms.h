// The alarms of this server: their catalogue, their evaluation, their history, and what they send.
//
// An alarm is evaluated at the start of the minute after data for one of its metrics arrived, then once a minute (once
// an hour for periods beyond one hour, every period for those below a minute) as long as data are in its sight; what
// can change no more is not evaluated. All by the movable clock. A change of state, its history and what local targets
// get commit together.
//
//   kCatalogue  metrics/alarms/ text(account) text(region) text(name)            JSON {"v":1,...}
//   kText       metrics/h/ text(account) text(region) text(name) be64(number)    JSON: an entry of the history
//
// Thread-safe; answers must be held until last_commit() is durable. Evaluation runs on the control thread.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "delivery/delivery.h"
#include "metrics/alarm.h"
#include "metrics/store.h"
#include "platform/clock.h"
#include "storage/numbers.h"
#include "storage/service_commits.h"
#include "storage/store.h"

namespace millrace::metrics {

inline constexpr std::size_t kAlarmsMax = 5000;     // AWS: of a region
inline constexpr std::size_t kHistoryMax = 1000;    // entries of an alarm
inline constexpr Seconds kHistoryKept{30 * 86400};  // AWS

struct AlarmHistory {
  std::uint64_t number = 0;
  std::string alarm;
  Time at{};
  std::string type;  // "ConfigurationUpdate", "StateUpdate", "Action"
  std::string summary;
  std::string data;  // JSON
};

// Reads `definition` into the derived members. Errors: kValidationError, kInvalidParameterCombination.
Result<void> derive(Alarm& alarm, std::vector<Query> queries);

class Alarms {
 public:
  struct Resources {
    storage::Store& store;
    storage::Commits& commits;
    platform::Scheduler& scheduler;
    delivery::Delivery& delivery;
    Store& metrics;
  };
  // Reads the queries of a saved alarm's definition.
  using ReadQueries = std::function<Result<std::vector<Query>>(const Scope&, const codec::Json& definition)>;

  explicit Alarms(const Resources& resources);
  Alarms(const Alarms&) = delete;
  Alarms& operator=(const Alarms&) = delete;
  // Before anything else.
  Result<void> load(ReadQueries read_queries);
  // Evaluates every alarm at the next minute. Once, when the scheduler runs.
  void start();
  storage::CommitNumber last_commit() const { return commits_.last(); }

  // A new alarm, or a new definition for one, whose state and tags stay. REQUIRES: derive() was ok. Error:
  // kLimitExceeded.
  Result<void> put(Alarm alarm);
  // Names without an alarm are passed over (AWS).
  void remove(const Scope& scope, const std::vector<std::string>& names);
  std::optional<Alarm> find(const Scope& scope, std::string_view name) const;
  std::vector<Alarm> list(const Scope& scope) const;  // by name
  std::vector<Alarm> list_all() const;
  // kResourceNotFound. The next evaluation decides again.
  Result<void> set_state(const Scope& scope, std::string_view name, AlarmState state, const std::string& reason,
                         const std::string& data);
  void enable_actions(const Scope& scope, const std::vector<std::string>& names, bool enabled);
  // kResourceNotFoundException.
  Result<void> change_tags(const Scope& scope, std::string_view name,
                           const std::function<Result<void>(std::map<std::string, std::string>&)>& change);
  // Of one alarm, or of all; oldest first.
  std::vector<AlarmHistory> history(const Scope& scope, std::optional<std::string_view> name) const;
  void reset(std::string_view account);

 private:
  using Name = std::pair<Scope, std::string>;
  struct Entry {
    Alarm alarm;
    platform::Timer timer;
    Time due = kNever;
  };

  void on_data(const std::set<MetricId>& news);
  Result<void> restore();
  void arm(Entry& entry, Time when);  // guarded, as all below
  void arm_all();
  Result<void> read_alarms();
  Result<void> read_history();
  void evaluate(const Name& name);
  std::vector<Datapoint> points_of(const Alarm& alarm, Time end, bool& has_data);
  void change_state(Entry& entry, AlarmState state, const std::string& reason, const std::string& data,
                    storage::WriteBatch& batch);
  void act(const Alarm& alarm, const Alarm& before, Time now, storage::WriteBatch& batch);
  void record(const Alarm& alarm, std::string type, std::string summary, std::string data, storage::WriteBatch& batch);
  void watch(const Entry& entry);
  void unwatch(const Entry& entry);
  void save(const Alarm& alarm, storage::WriteBatch& batch) const;
  void submit(storage::WriteBatch batch);

  const Resources resources_;
  ReadQueries read_queries_;  // constant after load()
  storage::ServiceCommits commits_;
  mutable std::mutex mutex_;  // guards below
  std::map<Name, Entry> alarms_;
  std::map<MetricId, std::set<Name>> watched_;
  std::map<Name, std::deque<AlarmHistory>> history_;
  storage::Numbers numbers_{storage::Series::kAlarmHistory};
  std::vector<delivery::AfterCommit> after_;  // of the batch being made
};

}  // namespace millrace::metrics
