#include "metrics/alarms.h"

#include <algorithm>

#include "codec/key.h"
#include "metrics/errors.h"
#include "storage/scan.h"
#include "telemetry/log.h"

namespace millrace::metrics {
namespace {

using codec::Json;
using storage::Family;
using storage::WriteBatch;

constexpr std::string_view kAlarmPrefix = "metrics/alarms/";
constexpr std::string_view kHistoryPrefix = "metrics/h/";

codec::KeyWriter key_of(std::string_view prefix, const Scope& scope, std::string_view name) {
  codec::KeyWriter key(prefix);
  key.text(scope.account).text(scope.region).text(name);
  return key;
}

Time period_start(Time time, Seconds step) {
  const auto seconds = to_unix_s(time);
  return from_unix_ms((seconds - seconds % step.count()) * 1000);
}

Json state_json(const Alarm& alarm) {
  Json out = Json::object({{"stateValue", state_name(alarm.state)}, {"stateReason", alarm.reason}});
  if (!alarm.reason_data.empty()) {
    auto data = codec::parse_json(alarm.reason_data);
    out.set("stateReasonData", data.ok() ? std::move(data).value() : Json(alarm.reason_data));
  }
  return out;
}

Error invalid_alarm(std::string text) { return Error(kValidationError, std::move(text)); }

}  // namespace

Result<void> derive(Alarm& alarm, std::vector<Query> queries) {
  const Json& definition = alarm.definition;
  alarm.queries = std::move(queries);
  alarm.rule.periods = static_cast<int>(definition.int_or("EvaluationPeriods", 0));
  alarm.rule.datapoints = static_cast<int>(definition.int_or("DatapointsToAlarm", alarm.rule.periods));
  const Json* threshold = definition.find("Threshold");
  if (threshold == nullptr) return invalid_alarm("The parameter Threshold is required.");
  alarm.rule.threshold = threshold->as_double();
  const auto comparison = parse_comparison(definition.string_or("ComparisonOperator", ""));
  if (!comparison) {
    return invalid_alarm("The comparison operator " + std::string(definition.string_or("ComparisonOperator", "")) +
                         " is not supported: anomaly detection is not served by this server.");
  }
  alarm.rule.comparison = *comparison;
  const auto missing = parse_missing(definition.string_or("TreatMissingData", "missing"));
  if (!missing)
    return invalid_alarm("Option " + std::string(definition.string_or("TreatMissingData", "")) +
                         " for TreatMissingData must be one of [breaching, notBreaching, ignore, missing].");
  alarm.rule.missing = *missing;
  if (alarm.rule.periods < 1)
    return invalid_alarm("The parameter EvaluationPeriods must be greater than or equal to 1.");
  if (alarm.rule.datapoints < 1 || alarm.rule.datapoints > alarm.rule.periods)
    return invalid_alarm("The parameter DatapointsToAlarm must be between 1 and EvaluationPeriods.");
  int returned = 0;
  alarm.period = Seconds(0);
  for (const auto& query : alarm.queries) {
    if (query.period) alarm.period = std::max(alarm.period, *query.period);
    returned += query.return_data ? 1 : 0;
  }
  if (returned != 1) return invalid_alarm("Exactly one element of the metrics list should return data.");
  if (alarm.period == Seconds(0)) alarm.period = Seconds(60);
  if (alarm.period == Seconds(1) || alarm.period == Seconds(5) || !is_period(alarm.period.count()))
    return invalid_alarm("Metric alarms take periods of 10, 20 and 30 seconds and multiples of 60.");
  // AWS: seven days for periods of an hour and longer, a day for shorter ones.
  const auto range = alarm.period * alarm.rule.periods;
  if (range > (alarm.period >= Seconds(3600) ? Seconds(7 * 86400) : Seconds(86400)))
    return invalid_alarm(
        "Metrics cannot be checked across more than a day (EvaluationPeriods * Period must be <= 86400).");
  return {};
}

// --- catalogue ---

void Alarms::save(const Alarm& alarm, WriteBatch& batch) const {
  Json tags = Json::object();
  for (const auto& [name, value] : alarm.tags) tags.set(name, value);
  const Json record = Json::object({{"v", 1},
                                    {"definition", alarm.definition},
                                    {"tags", std::move(tags)},
                                    {"configured", to_unix_ms(alarm.configured)},
                                    {"state", state_name(alarm.state)},
                                    {"reason", alarm.reason},
                                    {"reason_data", alarm.reason_data},
                                    {"updated", to_unix_ms(alarm.updated)},
                                    {"transitioned", to_unix_ms(alarm.transitioned)}});
  batch.put(Family::kCatalogue, key_of(kAlarmPrefix, alarm.scope, alarm.name).str(), record.dump());
}

Alarms::Alarms(const Resources& resources) : resources_(resources), commits_(resources.commits, "metrics") {
  commits_.set_restore([this] { return restore(); });
  commits_.set_resume(resources.scheduler, [this] {
    const std::scoped_lock lock(mutex_);
    arm_all();
  });
}

Result<void> Alarms::load(ReadQueries read_queries) {
  read_queries_ = std::move(read_queries);
  {
    const std::scoped_lock lock(mutex_);
    MR_RETURN_IF_ERROR(numbers_.load(resources_.store, resources_.scheduler));
  }
  return restore();
}

Result<void> Alarms::restore() {
  const std::scoped_lock lock(mutex_);
  alarms_.clear();
  watched_.clear();
  history_.clear();
  MR_RETURN_IF_ERROR(read_alarms());
  return read_history();
}

Result<void> Alarms::read_alarms() {
  const std::string prefix(kAlarmPrefix);
  auto it = resources_.store.iterate(Family::kCatalogue, {prefix, storage::prefix_end(prefix)});
  for (it->seek(prefix); it->valid(); it->next()) {
    codec::KeyReader reader(it->key());
    reader.skip(prefix);
    const auto account = reader.text();
    const auto region = reader.text();
    const auto name = reader.text();
    const auto json = codec::parse_json(it->value());
    if (!account || !region || !name || !json.ok() || json->find("definition") == nullptr) {
      return storage::damaged("alarm", it->key());
    }
    Alarm alarm;
    alarm.scope = {*account, *region};
    alarm.name = *name;
    alarm.definition = *json->find("definition");
    if (const Json* tags = json->find("tags"); tags != nullptr && tags->is_object()) {
      for (const auto& [key, value] : tags->as_object()) alarm.tags[key] = value.is_string() ? value.as_string() : "";
    }
    alarm.configured = from_unix_ms(json->int_or("configured", 0));
    alarm.state = parse_state(json->string_or("state", "")).value_or(AlarmState::kInsufficientData);
    alarm.reason = json->string_or("reason", "");
    alarm.reason_data = json->string_or("reason_data", "");
    alarm.updated = from_unix_ms(json->int_or("updated", 0));
    alarm.transitioned = from_unix_ms(json->int_or("transitioned", 0));
    auto queries = read_queries_(alarm.scope, alarm.definition);
    if (!queries.ok() || !derive(alarm, *std::move(queries)).ok()) return storage::damaged("alarm", it->key());
    Entry& entry = alarms_[{alarm.scope, alarm.name}];
    entry.alarm = std::move(alarm);
    watch(entry);
  }
  return it->status();
}

Result<void> Alarms::read_history() {
  const std::string history(kHistoryPrefix);
  auto it = resources_.store.iterate(Family::kText, {history, storage::prefix_end(history)});
  for (it->seek(history); it->valid(); it->next()) {
    codec::KeyReader reader(it->key());
    reader.skip(history);
    const auto account = reader.text();
    const auto region = reader.text();
    const auto name = reader.text();
    const auto number = reader.be64();
    const auto json = codec::parse_json(it->value());
    if (!account || !region || !name || !number || !json.ok()) {
      return storage::damaged("entry of an alarm's history", it->key());
    }
    history_[{{*account, *region}, *name}].push_back(
        {*number, *name, from_unix_ms(json->int_or("at", 0)), std::string(json->string_or("type", "")),
         std::string(json->string_or("summary", "")), std::string(json->string_or("data", ""))});
    numbers_.pass(*number);
  }
  return it->status();
}

void Alarms::start() {
  resources_.metrics.on_data([this](const std::set<MetricId>& news) { on_data(news); });
  const std::scoped_lock lock(mutex_);
  arm_all();
}

void Alarms::arm_all() {
  const Time next = period_start(resources_.scheduler.now(), Seconds(60)) + Seconds(60);
  for (auto& [name, entry] : alarms_) arm(entry, next);
}

void Alarms::submit(WriteBatch batch) {
  commits_.submit(std::move(batch), delivery::call_when_durable(std::exchange(after_, {})));
}

void Alarms::watch(const Entry& entry) {
  for (const auto& query : entry.alarm.queries) {
    if (query.metric) watched_[*query.metric].insert({entry.alarm.scope, entry.alarm.name});
  }
}

void Alarms::unwatch(const Entry& entry) {
  for (const auto& query : entry.alarm.queries) {
    if (!query.metric) continue;
    const auto it = watched_.find(*query.metric);
    if (it == watched_.end()) continue;
    it->second.erase({entry.alarm.scope, entry.alarm.name});
    if (it->second.empty()) watched_.erase(it);
  }
}

Result<void> Alarms::put(Alarm alarm) {
  const std::scoped_lock lock(mutex_);
  const Time now = resources_.scheduler.now();
  const Name name{alarm.scope, alarm.name};
  const auto it = alarms_.find(name);
  const bool is_new = it == alarms_.end();
  if (is_new && alarms_.size() >= kAlarmsMax)
    return Error(kLimitExceeded, "The maximum limit of " + std::to_string(kAlarmsMax) + " alarms has been exceeded.");
  alarm.configured = now;
  if (is_new) {
    alarm.updated = alarm.transitioned = now;
  } else {
    const Alarm& old = it->second.alarm;
    alarm.tags = old.tags;
    alarm.state = old.state;
    alarm.reason = old.reason;
    alarm.reason_data = old.reason_data;
    alarm.updated = old.updated;
    alarm.transitioned = old.transitioned;
    unwatch(it->second);
  }
  Entry& entry = alarms_[name];
  entry.alarm = std::move(alarm);
  watch(entry);
  WriteBatch batch;
  save(entry.alarm, batch);
  const Json data = Json::object({{"version", "1.0"},
                                  {"type", is_new ? "Create" : "Update"},
                                  {is_new ? "createdAlarm" : "updatedAlarm", entry.alarm.definition}});
  record(entry.alarm, "ConfigurationUpdate", "Alarm \"" + entry.alarm.name + "\" " + (is_new ? "created" : "updated"),
         data.dump(), batch);
  submit(std::move(batch));
  arm(entry, period_start(now, Seconds(60)) + Seconds(60));
  return {};
}

void Alarms::remove(const Scope& scope, const std::vector<std::string>& names) {
  const std::scoped_lock lock(mutex_);
  WriteBatch batch;
  for (const auto& name : names) {
    const auto it = alarms_.find({scope, name});
    if (it == alarms_.end()) continue;
    unwatch(it->second);
    batch.erase(Family::kCatalogue, key_of(kAlarmPrefix, scope, name).str());
    record(it->second.alarm, "ConfigurationUpdate", "Alarm \"" + name + "\" deleted",
           Json::object({{"version", "1.0"}, {"type", "Delete"}, {"deletedAlarm", it->second.alarm.definition}}).dump(),
           batch);
    alarms_.erase(it);
  }
  if (!batch.empty()) submit(std::move(batch));
}

std::optional<Alarm> Alarms::find(const Scope& scope, std::string_view name) const {
  const std::scoped_lock lock(mutex_);
  const auto it = alarms_.find({scope, std::string(name)});
  return it == alarms_.end() ? std::nullopt : std::optional(it->second.alarm);
}

std::vector<Alarm> Alarms::list(const Scope& scope) const {
  const std::scoped_lock lock(mutex_);
  std::vector<Alarm> out;
  for (auto it = alarms_.lower_bound({scope, ""}); it != alarms_.end() && it->first.first == scope; ++it)
    out.push_back(it->second.alarm);
  return out;
}

std::vector<Alarm> Alarms::list_all() const {
  const std::scoped_lock lock(mutex_);
  std::vector<Alarm> out;
  for (const auto& [name, entry] : alarms_) out.push_back(entry.alarm);
  return out;
}

void Alarms::enable_actions(const Scope& scope, const std::vector<std::string>& names, bool enabled) {
  const std::scoped_lock lock(mutex_);
  WriteBatch batch;
  for (const auto& name : names) {
    const auto it = alarms_.find({scope, name});
    if (it == alarms_.end() || it->second.alarm.actions_enabled() == enabled) continue;
    Alarm& alarm = it->second.alarm;
    alarm.definition.set("ActionsEnabled", enabled);
    alarm.configured = resources_.scheduler.now();
    save(alarm, batch);
    record(alarm, "ConfigurationUpdate", "Alarm \"" + name + "\" updated",
           Json::object({{"version", "1.0"}, {"type", "Update"}, {"updatedAlarm", alarm.definition}}).dump(), batch);
  }
  if (!batch.empty()) submit(std::move(batch));
}

Result<void> Alarms::change_tags(const Scope& scope, std::string_view name,
                                 const std::function<Result<void>(std::map<std::string, std::string>&)>& change) {
  const std::scoped_lock lock(mutex_);
  const auto it = alarms_.find({scope, std::string(name)});
  if (it == alarms_.end())
    return Error(kResourceNotFoundException, "The alarm " + std::string(name) + " does not exist.");
  auto tags = it->second.alarm.tags;
  MR_RETURN_IF_ERROR(change(tags));
  it->second.alarm.tags = std::move(tags);
  WriteBatch batch;
  save(it->second.alarm, batch);
  submit(std::move(batch));
  return {};
}

// --- history ---

void Alarms::record(const Alarm& alarm, std::string type, std::string summary, std::string data, WriteBatch& batch) {
  AlarmHistory entry{numbers_.take(batch), alarm.name,         resources_.scheduler.now(),
                     std::move(type),      std::move(summary), std::move(data)};
  const auto key = [&](std::uint64_t number) {
    return key_of(kHistoryPrefix, alarm.scope, alarm.name).be64(number).str();
  };
  batch.put(Family::kText, key(entry.number),
            Json::object(
                {{"at", to_unix_ms(entry.at)}, {"type", entry.type}, {"summary", entry.summary}, {"data", entry.data}})
                .dump());
  auto& entries = history_[{alarm.scope, alarm.name}];
  while (!entries.empty() && (entries.size() >= kHistoryMax || entries.front().at + kHistoryKept < entry.at)) {
    batch.erase(Family::kText, key(entries.front().number));
    entries.pop_front();
  }
  entries.push_back(std::move(entry));
}

std::vector<AlarmHistory> Alarms::history(const Scope& scope, std::optional<std::string_view> name) const {
  const std::scoped_lock lock(mutex_);
  std::vector<AlarmHistory> out;
  const Time oldest = resources_.scheduler.now() - kHistoryKept;
  for (auto it = history_.lower_bound({scope, ""}); it != history_.end() && it->first.first == scope; ++it) {
    if (name && it->first.second != *name) continue;
    for (const auto& entry : it->second) {
      if (entry.at >= oldest) out.push_back(entry);
    }
  }
  std::ranges::sort(out, {}, &AlarmHistory::number);
  return out;
}

void Alarms::reset(std::string_view account) {
  const std::scoped_lock lock(mutex_);
  WriteBatch batch;
  for (auto it = alarms_.begin(); it != alarms_.end();) {
    if (it->first.first.account != account) {
      ++it;
      continue;
    }
    unwatch(it->second);
    batch.erase(Family::kCatalogue, key_of(kAlarmPrefix, it->first.first, it->first.second).str());
    it = alarms_.erase(it);
  }
  std::erase_if(history_, [&](const auto& each) { return each.first.first.account == account; });
  const std::string prefix = codec::KeyWriter(kHistoryPrefix).text(account).str();
  batch.erase_range(Family::kText, prefix, storage::prefix_end(prefix));
  submit(std::move(batch));
}

// --- evaluation ---

void Alarms::on_data(const std::set<MetricId>& news) {
  std::set<Name> names;
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& id : news) {
      if (const auto it = watched_.find(id); it != watched_.end()) names.insert(it->second.begin(), it->second.end());
    }
  }
  for (const auto& name : names) evaluate(name);
}

void Alarms::arm(Entry& entry, Time when) {
  if (entry.due <= when) return;
  entry.due = when;
  entry.timer = resources_.scheduler.at(when, [this, name = Name{entry.alarm.scope, entry.alarm.name}] {
    {
      const std::scoped_lock lock(mutex_);
      const auto it = alarms_.find(name);
      if (it == alarms_.end()) return;
      it->second.due = kNever;
    }
    evaluate(name);
  });
}

std::vector<Datapoint> Alarms::points_of(const Alarm& alarm, Time end, bool& has_data) {
  const int count = alarm.rule.periods + kExtraPeriods;
  const Time start = end - alarm.period * count;
  std::map<Time, double> samples;
  const auto fetch = [&](const Query& query, Seconds period) {
    std::map<Time, Statistics> points;
    for (auto& fetched : resources_.metrics.fetch({*query.metric, query.unit, start, end, period}))
      for (auto& [at, statistics] : fetched.points) points[at].merge(statistics);
    has_data = has_data || !points.empty();
    if (alarm.queries.size() == 1)
      for (const auto& [at, statistics] : points) samples[at] = statistics.count();
    return points;
  };
  std::vector<Datapoint> out;
  const auto results = evaluate_queries(alarm.queries, start, end, fetch);
  if (!results.ok())
    telemetry::log_warning("metrics", "the alarm " + alarm.name + " cannot be evaluated: " + results.error().message());
  for (int i = 1; i <= count; ++i) {
    Datapoint point;
    point.at = end - alarm.period * i;
    if (results.ok() && !results->empty() && !results->front().series.empty()) {
      const auto& points = results->front().series.front().points;
      if (const auto it = points.find(point.at); it != points.end()) point.value = it->second;
    }
    if (const auto it = samples.find(point.at); it != samples.end()) point.samples = it->second;
    out.push_back(point);
  }
  return out;
}

void Alarms::evaluate(const Name& name) {
  if (!commits_.may_write(storage::Commits::Purpose::kAdds)) return;
  const std::scoped_lock lock(mutex_);
  const auto it = alarms_.find(name);
  if (it == alarms_.end()) return;
  Entry& entry = it->second;
  const Time now = resources_.scheduler.now();
  const Seconds step = entry.alarm.step();
  const Time end = period_start(now, std::min(step, Seconds(60)));
  bool has_data = false;
  const auto points = points_of(entry.alarm, end, has_data);
  if (const auto verdict = judge(entry.alarm.rule, points); verdict && verdict->state != entry.alarm.state) {
    WriteBatch batch;
    change_state(entry, verdict->state, verdict->reason, reason_data(entry.alarm, *verdict, now), batch);
    submit(std::move(batch));
  }
  if (has_data) arm(entry, end + step);
}

void Alarms::change_state(Entry& entry, AlarmState state, const std::string& reason, const std::string& data,
                          WriteBatch& batch) {
  Alarm& alarm = entry.alarm;
  const Alarm before = alarm;
  const Time now = resources_.scheduler.now();
  alarm.state = state;
  alarm.reason = reason;
  alarm.reason_data = data;
  alarm.updated = now;
  if (before.state != state) alarm.transitioned = now;
  save(alarm, batch);
  if (before.state == state) return;
  record(alarm, "StateUpdate",
         "Alarm updated from " + std::string(state_name(before.state)) + " to " + std::string(state_name(state)),
         Json::object({{"version", "1.0"}, {"oldState", state_json(before)}, {"newState", state_json(alarm)}}).dump(),
         batch);
  telemetry::log_info("metrics", "alarm " + alarm.name + ": " + std::string(state_name(before.state)) + " to " +
                                     std::string(state_name(state)) + ": " + reason);
  if (alarm.actions_enabled()) act(alarm, before, now, batch);
}

void Alarms::act(const Alarm& alarm, const Alarm& before, Time now, WriteBatch& batch) {
  for (const auto& arn : alarm.actions_of(alarm.state)) {
    delivery::Message message;
    if (arn.starts_with("arn:aws:sns:")) {
      message.body = sns_message(alarm, before.state, now);
      message.subject = sns_subject(alarm);
    } else {
      message.body = function_event(alarm, before.state, before.reason, before.reason_data, before.updated, now);
    }
    auto staged = resources_.delivery.stage(arn, message, batch);
    const bool ok = staged.ok();
    Json data = Json::object({{"actionState", ok ? "Succeeded" : "Failed"},
                              {"stateUpdateTimestamp", to_unix_ms(now)},
                              {"notificationResource", arn},
                              {"error", ok ? Json() : Json(staged.error().message())}});
    record(alarm, "Action", (ok ? "Successfully executed action " : "Failed to execute action ") + arn, data.dump(),
           batch);
    if (ok) {
      after_.push_back(std::move(staged).value());
    } else {
      telemetry::log_warning("metrics",
                             "alarm " + alarm.name + ": the action " + arn + " failed: " + staged.error().message());
    }
  }
}

Result<void> Alarms::set_state(const Scope& scope, std::string_view name, AlarmState state, const std::string& reason,
                               const std::string& data) {
  const std::scoped_lock lock(mutex_);
  const auto it = alarms_.find({scope, std::string(name)});
  if (it == alarms_.end()) return Error(kResourceNotFound, "The alarm " + std::string(name) + " does not exist.");
  WriteBatch batch;
  change_state(it->second, state, reason, data, batch);
  submit(std::move(batch));
  arm(it->second, period_start(resources_.scheduler.now(), Seconds(60)) + Seconds(60));
  return {};
}

}  // namespace millrace::metrics
