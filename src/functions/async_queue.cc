#include "functions/async_queue.h"

#include <algorithm>

#include "functions/internal/event_records.h"
#include "functions/limits.h"
#include "storage/no_blocking.h"
#include "telemetry/log.h"

namespace millrace::functions {

using internal::kDamagedPrefix;
using internal::kEventPrefix;
using internal::kStatePrefix;
using storage::Family;
using storage::WriteBatch;

namespace {
// After a read of the store that failed.
constexpr Seconds kReadRetry{1};
constexpr ErrorType kDamagedEvent{"DamagedEvent", 500, ErrorKind::kServer};
}  // namespace

struct AsyncQueue::Entry {
  Time received{};
  Time next_try{};
  int invocations = 0;  // that the function answered
  int throttles = 0;    // in a row
  bool has_state = false;
  bool running = false;
};

// What was read of a lane.
struct AsyncQueue::Scanned {
  std::vector<std::pair<std::uint64_t, Entry>> entries;
  bool whole = false;  // nothing follows
};

// A read of a lane that the pool is doing.
struct AsyncQueue::Load {
  std::uint64_t after = 0;                                     // the lane's loaded_up_to
  std::uint64_t committed_up_to = 0;                           // the lane's, when it began
  std::vector<std::pair<std::uint64_t, Entry>> accepted = {};  // since it began
};

struct AsyncQueue::Lane {
  std::map<std::uint64_t, Entry> window;
  std::set<std::pair<Time, std::uint64_t>> due;  // the entries that are not running
  // Numbers handed out whose commit has not been seen. A scan leaves them to accepted().
  std::set<std::uint64_t> uncommitted;
  std::set<std::uint64_t> skipped;  // by a scan, because they were uncommitted
  std::uint64_t loaded_up_to = 0;   // all committed ones up to here are or were in the window
  std::uint64_t committed_up_to = 0;
  int running = 0;
  std::shared_ptr<Load> loading;  // nullptr: none
  platform::Timer timer;

  bool more() const { return committed_up_to > loaded_up_to; }
  void insert(std::uint64_t number, Entry entry) {
    due.emplace(entry.next_try, number);
    window.emplace(number, entry);
    loaded_up_to = std::max(loaded_up_to, number);
  }
};

// An event that has left its lane: what remains is to erase it and to tell its destinations, without the mutex (a
// destination may be a function of this very queue).
struct AsyncQueue::Settlement {
  FunctionReference function;
  std::uint64_t number;
  EventPolicy policy;
  std::string_view condition;  // "" = nobody is told
  int invocations = 0;
  std::optional<std::string> response;
  std::string executed_version;  // of the response
  bool has_state = false;
  bool is_damaged = false;  // it is set aside instead
};

struct AsyncQueue::Told {
  std::optional<Event> event;  // of what tells somebody
  std::optional<internal::EventState> state;
  std::optional<std::string> damaged;  // the bytes of an event that cannot be decoded
  bool is_damaged = false;
};

AsyncQueue::AsyncQueue(storage::Store& store, storage::Commits& commits, platform::Scheduler& scheduler,
                       delivery::Delivery& delivery, telemetry::Registry& registry, EventRunner& runner)
    : store_(store),
      commits_(commits, "functions"),
      scheduler_(scheduler),
      delivery_(delivery),
      registry_(registry),
      runner_(runner) {
  commits_.set_restore([this]() -> Result<void> {
    const std::lock_guard lock(mutex_);
    for (const auto& [function, lane] : lanes_) lane->uncommitted.clear();
    return {};
  });
  commits_.set_resume(scheduler, [this] { pump_all(); });
}

AsyncQueue::~AsyncQueue() = default;

Result<void> AsyncQueue::load() {
  const std::lock_guard lock(mutex_);
  // Above every number that was ever given out, also when the queue has run empty since: a lane is read in this order.
  MR_RETURN_IF_ERROR(numbers_.load(store_, scheduler_));
  const std::string prefix(kEventPrefix);
  const auto iterator = store_.iterate(Family::kQueue, {prefix, storage::prefix_end(prefix)});
  for (iterator->seek(prefix); iterator->valid();) {
    const auto first = internal::parse_event_key(iterator->key());
    if (!first) return Error(storage::kStorageFailed, "damaged asynchronous event in the data directory");
    const FunctionReference function = first->first;
    auto& lane = lanes_[function];
    lane = std::make_unique<Lane>();
    const std::string end = storage::prefix_end(internal::lane_key(kEventPrefix, function));
    // The last number of this lane, then the first event of the next one.
    iterator->seek(end);
    if (iterator->valid()) {
      iterator->prev();
    } else {
      iterator->seek_for_prev(end);
    }
    if (const auto last = internal::parse_event_key(iterator->key())) lane->committed_up_to = last->second;
    numbers_.pass(lane->committed_up_to);
    scheduler_.post([this, function] { pump(function); });
    iterator->seek(end);
  }
  return iterator->status();
}

storage::CommitNumber AsyncQueue::enqueue(const Event& event) {
  const std::lock_guard lock(mutex_);
  auto& lane = lanes_[event.function];
  if (!lane) lane = std::make_unique<Lane>();
  WriteBatch batch;
  const std::uint64_t number = numbers_.take(batch);
  lane->uncommitted.insert(number);
  batch.put(Family::kQueue, internal::event_key(kEventPrefix, event.function, number), internal::encode_event(event));
  return commits_.submit(std::move(batch), [this, function = event.function, number,
                                            received = event.received](const storage::Committed& committed) {
    if (committed.error != nullptr) return;
    scheduler_.post([this, function, number, received] { accepted(function, number, received); });
  });
}

delivery::AfterCommit AsyncQueue::stage(const Event& event, WriteBatch& batch) {
  const std::lock_guard lock(mutex_);
  auto& lane = lanes_[event.function];
  if (!lane) lane = std::make_unique<Lane>();
  const std::uint64_t number = numbers_.take(batch);
  lane->uncommitted.insert(number);
  batch.put(Family::kQueue, internal::event_key(kEventPrefix, event.function, number), internal::encode_event(event));
  return [this, function = event.function, number, received = event.received] {
    scheduler_.post([this, function, number, received] { accepted(function, number, received); });
  };
}

void AsyncQueue::accepted(const FunctionReference& function, std::uint64_t number, Time received) {
  count(Metric::kAsyncEventsReceived, function);
  {
    const std::lock_guard lock(mutex_);
    const auto it = lanes_.find(function);
    if (it == lanes_.end()) return;  // dropped meanwhile
    Lane& lane = *it->second;
    if (lane.uncommitted.erase(number) == 0) return;
    const bool passed = lane.skipped.erase(number) > 0 || number <= lane.loaded_up_to;
    const Entry entry{.received = received, .next_try = scheduler_.now()};
    if (passed || (!lane.more() && lane.window.size() < kAsyncWindow)) {
      lane.insert(number, entry);
    } else if (lane.loading) {
      lane.loading->accepted.emplace_back(number, entry);
    }
    lane.committed_up_to = std::max(lane.committed_up_to, number);
  }
  pump(function);
}

void AsyncQueue::drop(const FunctionName& function, WriteBatch& batch) {
  const std::lock_guard lock(mutex_);
  for (const auto prefix : {kEventPrefix, kStatePrefix, kDamagedPrefix}) {
    const std::string from = internal::lanes_key(prefix, function);
    batch.erase_range(Family::kQueue, from, storage::prefix_end(from));
  }
  for (auto it = lanes_.lower_bound({function, ""}); it != lanes_.end() && it->first.function == function;) {
    it = lanes_.erase(it);
  }
}

void AsyncQueue::wake(const FunctionName& function) {
  const std::lock_guard lock(mutex_);
  for (auto it = lanes_.lower_bound({function, ""}); it != lanes_.end() && it->first.function == function; ++it) {
    scheduler_.post([this, lane = it->first] { pump(lane); });
  }
}

std::vector<AsyncQueue::LaneStatus> AsyncQueue::status() const {
  const std::lock_guard lock(mutex_);
  std::vector<LaneStatus> all;
  for (const auto& [function, lane] : lanes_) {
    if (lane->window.empty() && !lane->more() && lane->uncommitted.empty()) continue;
    LaneStatus status{.function = function,
                      .waiting = lane->due.size() + lane->uncommitted.size(),
                      .more = lane->more(),
                      .running = lane->running};
    if (!lane->due.empty()) status.next_try = lane->due.begin()->first;
    for (const auto& [number, entry] : lane->window) {
      if (entry.throttles > 0) ++status.throttled;
      if (entry.invocations > 0) ++status.failed;
    }
    all.push_back(std::move(status));
  }
  return all;
}

// The next events of a lane, `max` at most, as they are stored. Without the mutex.
Result<AsyncQueue::Scanned> AsyncQueue::scan(const FunctionReference& function, std::uint64_t after,
                                             std::size_t max) const {
  Scanned scanned;
  const std::string from = internal::event_key(kEventPrefix, function, after + 1);
  const auto iterator =
      store_.iterate(Family::kQueue, {from, storage::prefix_end(internal::lane_key(kEventPrefix, function))});
  for (iterator->seek(from); iterator->valid() && scanned.entries.size() < max; iterator->next()) {
    const auto key = internal::parse_event_key(iterator->key());
    if (!key) return Error(storage::kStorageFailed, "damaged asynchronous event in the data directory");
    const std::uint64_t number = key->second;
    const auto event = internal::decode_event(function, iterator->value());
    // One that cannot be decoded is due now: begin() sees to it.
    Entry entry{.received = event ? event->received : scheduler_.now(), .next_try = scheduler_.now()};
    MR_ASSIGN_OR_RETURN(const auto stored,
                        store_.get(Family::kQueue, internal::event_key(kStatePrefix, function, number)));
    entry.has_state = stored.has_value();
    if (const auto state = stored ? internal::decode_state(*stored) : std::nullopt) {
      entry.invocations = state->invocations;
      entry.next_try = state->next_try;
    } else if (stored) {
      telemetry::log_error("functions", function.arn() + ": how often the asynchronous event " +
                                            std::to_string(number) + " has run cannot be decoded; it starts anew");
    }
    scanned.entries.emplace_back(number, entry);
  }
  MR_RETURN_IF_ERROR(iterator->status());
  scanned.whole = !iterator->valid();
  return scanned;
}

// What is in memory is taken at once; else the pool reads it, and the lane is pumped again then.
void AsyncQueue::load_more(const FunctionReference& function, Lane& lane) {
  if (lane.loading || !lane.more() || lane.window.size() > kAsyncWindow / 2) return;
  const auto load = std::make_shared<Load>(Load{lane.loaded_up_to, lane.committed_up_to});
  const std::size_t max = kAsyncWindow - lane.window.size();
  Result<Scanned> scanned = [&] {
    const storage::NoBlocking here;
    return scan(function, load->after, max);
  }();
  if (scanned.ok() || !scanned.error().is(storage::kWouldBlock)) return take_over(function, lane, *load, scanned);
  lane.loading = load;
  const auto result = std::make_shared<Result<Scanned>>(Scanned());
  scheduler_.offload([this, function, load, max, result] { *result = scan(function, load->after, max); },
                     [this, function, load, result] { loaded(function, load, *result); });
}

void AsyncQueue::loaded(const FunctionReference& function, const std::shared_ptr<Load>& load,
                        const Result<Scanned>& scanned) {
  {
    const std::lock_guard lock(mutex_);
    const auto it = lanes_.find(function);
    if (it == lanes_.end() || it->second->loading != load) return;  // dropped meanwhile
    it->second->loading.reset();
    take_over(function, *it->second, *load, scanned);
  }
  pump(function);
}

// REQUIRES: mutex_ is held.
void AsyncQueue::take_over(const FunctionReference& function, Lane& lane, const Load& load,
                           const Result<Scanned>& scanned) {
  if (!scanned.ok()) {
    telemetry::log_error("functions", function.arn() + ": " + scanned.error().message());
    return;
  }
  for (const auto& [number, entry] : scanned->entries) {
    if (lane.uncommitted.contains(number)) {
      lane.skipped.insert(number);
      lane.loaded_up_to = number;
    } else {
      lane.insert(number, entry);
    }
  }
  if (scanned->whole) lane.loaded_up_to = std::max(lane.loaded_up_to, load.committed_up_to);
  // Committed after the scan had begun, which may have passed them.
  for (const auto& [number, entry] : load.accepted) {
    if (number <= lane.loaded_up_to && !lane.window.contains(number)) lane.insert(number, entry);
  }
}

void AsyncQueue::pump_all() {
  const std::lock_guard lock(mutex_);
  for (const auto& [function, lane] : lanes_) {
    scheduler_.post([this, function = function] { pump(function); });
  }
}

void AsyncQueue::pump(const FunctionReference& function) {
  // What comes of a run could not be noted: it would run again.
  if (!commits_.may_write(storage::Commits::Purpose::kFrees)) return;
  const auto policy = runner_.policy_of(function);
  Work work;
  {
    const std::lock_guard lock(mutex_);
    const auto it = lanes_.find(function);
    if (it == lanes_.end()) return;
    Lane& lane = *it->second;
    load_more(function, lane);
    collect(function, lane, policy.value_or(EventPolicy{}), work);
    arm(function, lane, policy.value_or(EventPolicy{}));
    if (lane.window.empty() && lane.uncommitted.empty() && !lane.more()) lanes_.erase(it);
  }
  for (auto& settlement : work.settlements) settle(std::move(settlement));
  for (const auto& [number, attempt] : work.starts) begin(function, number, attempt);
}

// Takes what is due: to be run, or settled without a run.
void AsyncQueue::collect(const FunctionReference& function, Lane& lane, const EventPolicy& policy, Work& work) {
  const Time now = scheduler_.now();
  while (!lane.due.empty() && lane.due.begin()->first <= now) {
    const std::uint64_t number = lane.due.begin()->second;
    Entry& entry = lane.window.at(number);
    if (policy.in_flight_max == 0) {
      work.settlements.push_back(remove(function, lane, number, policy, "ZeroReservedConcurrency"));
    } else if (now - entry.received >= policy.age_max) {
      work.settlements.push_back(remove(function, lane, number, policy, "EventAgeExceeded"));
    } else if (lane.running < policy.in_flight_max) {
      lane.due.erase(lane.due.begin());
      entry.running = true;
      ++lane.running;
      work.starts.emplace_back(number, entry.invocations + 1);
    } else {
      return;
    }
  }
}

void AsyncQueue::arm(const FunctionReference& function, Lane& lane, const EventPolicy& policy) {
  lane.timer.cancel();
  if (lane.window.empty() && lane.more() && !lane.loading) {  // they could not be read
    lane.timer = scheduler_.at(scheduler_.now() + kReadRetry, [this, function] { pump(function); });
    return;
  }
  if (lane.due.empty() || (lane.running >= policy.in_flight_max && policy.in_flight_max > 0)) return;
  lane.timer = scheduler_.at(lane.due.begin()->first, [this, function] { pump(function); });
}

Result<std::optional<Event>> AsyncQueue::read(const FunctionReference& function, std::uint64_t number) const {
  MR_ASSIGN_OR_RETURN(const auto stored,
                      store_.get(Family::kQueue, internal::event_key(kEventPrefix, function, number)));
  if (!stored) return std::optional<Event>();
  auto event = internal::decode_event(function, *stored);
  if (!event) return Error(kDamagedEvent, "event " + std::to_string(number) + " cannot be decoded");
  return event;
}

// What is in memory runs at once; else the pool reads it first.
void AsyncQueue::begin(const FunctionReference& function, std::uint64_t number, int attempt) {
  auto found = [&] {
    const storage::NoBlocking here;
    return read(function, number);
  }();
  if (found.ok() || !found.error().is(storage::kWouldBlock)) return run(function, number, attempt, std::move(found));
  const auto result = std::make_shared<Result<std::optional<Event>>>(std::optional<Event>());
  scheduler_.offload([this, function, number, result] { *result = read(function, number); },
                     [this, function, number, attempt, result] { run(function, number, attempt, std::move(*result)); });
}

void AsyncQueue::run(const FunctionReference& function, std::uint64_t number, int attempt,
                     Result<std::optional<Event>> found) {
  const auto done = [this, function, number](EventAnswer answer) {
    scheduler_.post([this, function, number, answer = std::move(answer)]() mutable {
      finished(function, number, std::move(answer));
    });
  };
  if (!found.ok() && found.error().is(kDamagedEvent)) return done({.kind = EventAnswer::Kind::kDamaged});
  if (!found.ok()) {
    telemetry::log_error("functions", function.arn() + ": an event cannot be read: " + found.error().message());
    return done({.kind = EventAnswer::Kind::kDeferred});
  }
  std::optional<Event>& event = *found;
  if (!event) return done({.kind = EventAnswer::Kind::kGone});
  event->attempt = attempt;
  runner_.measure({.metric = Metric::kAsyncEventAge,
                   .function = function.function,
                   .resource = function.resource(),
                   .value = static_cast<double>((scheduler_.now() - event->received).count())});
  runner_.run(*event, done);
}

void AsyncQueue::finished(const FunctionReference& function, std::uint64_t number, EventAnswer answer) {
  const auto policy = runner_.policy_of(function).value_or(EventPolicy{});
  std::optional<Settlement> settlement;
  {
    const std::lock_guard lock(mutex_);
    const auto it = lanes_.find(function);
    if (it == lanes_.end() || !it->second->window.contains(number)) return;
    settlement = learn(function, *it->second, number, policy, std::move(answer));
  }
  if (settlement) settle(std::move(*settlement));
  pump(function);
}

std::optional<AsyncQueue::Settlement> AsyncQueue::learn(const FunctionReference& function, Lane& lane,
                                                        std::uint64_t number, const EventPolicy& policy,
                                                        EventAnswer answer) {
  Entry& entry = lane.window.at(number);
  entry.running = false;
  --lane.running;
  const auto settled = [&](std::string_view condition) {
    auto settlement = remove(function, lane, number, policy, condition);
    settlement.response = std::move(answer.payload);
    settlement.executed_version = std::move(answer.executed_version);
    return settlement;
  };
  if (answer.kind == EventAnswer::Kind::kGone) return settled("");
  if (answer.kind == EventAnswer::Kind::kDamaged) {
    auto settlement = remove(function, lane, number, policy, "");
    settlement.is_damaged = true;
    return settlement;
  }
  const Time now = scheduler_.now();
  const Time expires = std::max(entry.received + policy.age_max, now);
  if (answer.kind == EventAnswer::Kind::kDeferred) {
    entry.next_try = std::min(
        now + std::min<Seconds>(kThrottleBackoffMax, kThrottleBackoffMin * (1 << std::min(entry.throttles, 9))),
        expires);
    ++entry.throttles;
    lane.due.emplace(entry.next_try, number);
    return std::nullopt;
  }
  ++entry.invocations;
  entry.throttles = 0;
  if (answer.kind == EventAnswer::Kind::kSucceeded) return settled("Success");
  if (entry.invocations > policy.retries_max) return settled("RetriesExhausted");
  entry.next_try = std::min(now + (entry.invocations == 1 ? kFirstRetry : kSecondRetry), expires);
  entry.has_state = true;
  lane.due.emplace(entry.next_try, number);
  WriteBatch batch;
  batch.put(Family::kQueue, internal::event_key(kStatePrefix, function, number),
            internal::encode_state(
                {entry.invocations, entry.next_try, std::move(answer.payload), std::move(answer.executed_version)}));
  commits_.commits().submit(std::move(batch));
  return std::nullopt;
}

AsyncQueue::Settlement AsyncQueue::remove(const FunctionReference& function, Lane& lane, std::uint64_t number,
                                          const EventPolicy& policy, std::string_view condition) {
  const Entry entry = lane.window.at(number);
  lane.due.erase({entry.next_try, number});
  lane.window.erase(number);
  return {.function = function,
          .number = number,
          .policy = policy,
          .condition = condition,
          .invocations = entry.invocations,
          .response = std::nullopt,
          .executed_version = kLatest,
          .has_state = entry.has_state};
}

// What is in memory is settled at once; else the pool reads it first.
void AsyncQueue::settle(Settlement settlement) {
  auto told = [&] {
    const storage::NoBlocking here;
    return look_up(settlement);
  }();
  if (told.ok() || !told.error().is(storage::kWouldBlock)) return conclude(std::move(settlement), std::move(told));
  const auto of = std::make_shared<Settlement>(std::move(settlement));
  const auto result = std::make_shared<Result<Told>>(Told());
  scheduler_.offload([this, of, result] { *result = look_up(*of); },
                     [this, of, result] { conclude(std::move(*of), std::move(*result)); });
}

// What is to be known of an event as it leaves, from the store. From any thread, without the mutex.
Result<AsyncQueue::Told> AsyncQueue::look_up(const Settlement& settlement) const {
  const EventPolicy& policy = settlement.policy;
  Told told;
  const bool is_told = !policy.on_success.empty() || !policy.on_failure.empty() || !policy.dead_letter_arn.empty();
  bool is_damaged = settlement.is_damaged;
  if (!is_damaged && is_told && !settlement.condition.empty()) {
    if (!settlement.response && settlement.invocations > 0) {
      // AWS: the last response is kept when the event ends by age.
      MR_ASSIGN_OR_RETURN(
          const auto stored,
          store_.get(Family::kQueue, internal::event_key(kStatePrefix, settlement.function, settlement.number)));
      if (stored) told.state = internal::decode_state(*stored);
    }
    auto event = read(settlement.function, settlement.number);
    is_damaged = !event.ok() && event.error().is(kDamagedEvent);
    if (!event.ok() && !is_damaged) return event.error();
    if (event.ok()) told.event = *std::move(event);
  }
  if (is_damaged) {
    MR_ASSIGN_OR_RETURN(told.damaged, store_.get(Family::kQueue, internal::event_key(kEventPrefix, settlement.function,
                                                                                     settlement.number)));
    told.is_damaged = true;
  }
  return told;
}

void AsyncQueue::conclude(Settlement settlement, Result<Told> told) {
  const FunctionReference function = settlement.function;
  if (!told.ok()) {
    // It stays on the disk meanwhile: after a restart it runs again.
    telemetry::log_error("functions", function.arn() + ": an event cannot be read: " + told.error().message());
    scheduler_.at(scheduler_.now() + kReadRetry, [this, settlement] { settle(settlement); }).release();
    return;
  }
  WriteBatch batch;
  batch.erase(Family::kQueue, internal::event_key(kEventPrefix, function, settlement.number));
  if (settlement.has_state) batch.erase(Family::kQueue, internal::event_key(kStatePrefix, function, settlement.number));
  std::vector<delivery::AfterCommit> after;
  std::vector<Metric> counts;
  if (told->state && !settlement.response) {
    settlement.response = std::move(told->state->response);
    settlement.executed_version = std::move(told->state->executed_version);
  }
  if (told->event) stage_results(*told->event, settlement, batch, after, counts);
  if (told->damaged) set_aside(settlement, *told->damaged, batch);
  const bool failed = settlement.condition != "Success" && !settlement.condition.empty();
  if (failed || told->is_damaged) counts.push_back(Metric::kAsyncEventsDropped);
  // Busy until what follows has begun, whatever the committer counts: it may be an event of another function.
  auto busy = std::make_shared<platform::Busy>(scheduler_.busy());
  commits_.commits().submit(std::move(batch), [this, function, busy = std::move(busy), counts = std::move(counts),
                                               after = std::move(after)](const storage::Committed& committed) {
    if (committed.error != nullptr || (after.empty() && counts.empty())) return;
    scheduler_.post([this, function, counts, after] {
      for (const auto& call : after) call();
      for (const Metric metric : counts) count(metric, function);
    });
  });
}

// What was accepted and cannot be understood is kept where nothing runs it, for people: `millrace check` names it.
void AsyncQueue::set_aside(const Settlement& settlement, std::string_view bytes, WriteBatch& batch) {
  batch.put(Family::kQueue, internal::event_key(kDamagedPrefix, settlement.function, settlement.number), bytes);
  store_.damage().note("functions", Error(storage::kStorageFailed,
                                          settlement.function.arn() + ": the stored asynchronous event " +
                                              std::to_string(settlement.number) + " (" + std::to_string(bytes.size()) +
                                              " bytes) cannot be decoded. It does not run; its bytes are kept."));
}

void AsyncQueue::stage_results(const Event& event, const Settlement& settlement, WriteBatch& batch,
                               std::vector<delivery::AfterCommit>& after, std::vector<Metric>& counts) {
  const EventPolicy& policy = settlement.policy;
  const auto send = [&](const std::string& arn, const delivery::Message& message, Metric failure) {
    if (arn.empty()) return;
    auto staged = delivery_.stage(arn, message, batch);
    if (staged.ok()) {
      if (*staged) after.push_back(std::move(staged).value());
      return;
    }
    counts.push_back(failure);
    telemetry::log_error("functions", event.function.arn() + ": the result of request " + event.request_id + " (" +
                                          std::string(settlement.condition) + ") cannot be sent to " + arn + ": " +
                                          staged.error().message());
  };
  internal::ResultDocument result{.now = scheduler_.now(),
                                  .condition = settlement.condition,
                                  .invocations = settlement.invocations,
                                  .response = settlement.response ? &*settlement.response : nullptr,
                                  .executed_version = settlement.executed_version};
  delivery::Message record{.body = internal::result_document(event, result)};
  record.object_key = delivery::document_key("aws/lambda/async/" + event.function.function.name, result.now);
  // AWS: a topic's messages are bounded, so large payloads are left out.
  const std::string& receiver = settlement.condition == "Success" ? policy.on_success : policy.on_failure;
  if (receiver.find(":sns:") != std::string::npos && record.body.size() > kTopicMessageBytesMax) {
    result.has_payloads = false;
    record.body = internal::result_document(event, result);
  }
  if (settlement.condition == "Success") return send(policy.on_success, record, Metric::kDestinationDeliveryFailures);
  send(policy.on_failure, record, Metric::kDestinationDeliveryFailures);
  send(policy.dead_letter_arn, internal::dead_letter(event, settlement.response.value_or("")),
       Metric::kDeadLetterErrors);
}

void AsyncQueue::count(Metric metric, const FunctionReference& function) {
  const auto name = [&]() -> std::string_view {
    switch (metric) {
      case Metric::kAsyncEventsReceived:
        return "lambda_async_events_received_total";
      case Metric::kAsyncEventsDropped:
        return "lambda_async_events_dropped_total";
      case Metric::kDeadLetterErrors:
        return "lambda_dead_letter_errors_total";
      default:
        return "lambda_destination_delivery_failures_total";
    }
  }();
  registry_.counter(name, {{"function", function.function.name}, {"region", function.function.scope.region}}).add();
  runner_.measure({.metric = metric, .function = function.function, .resource = function.resource()});
}

}  // namespace millrace::functions
