#include "functions.h"

#include "codec/json.h"
#include "model/change_record.h"

namespace millrace::simulation {
namespace {

constexpr std::size_t kLargeState = triggers::kStateBytesMax + 1;

WindowCall window_of(const codec::Json& event) {
  WindowCall out;
  const auto time = [&](const char* name) {
    const auto parsed = parse_iso(event.find("window")->string_or(name, ""));
    if (!parsed) throw Violation("a window without its times");
    return *parsed;
  };
  out.start = time("start");
  out.end = time("end");
  out.shard_id = event.string_or("shardId", "");
  out.is_final = event.bool_or("isFinalInvokeForWindow", false);
  out.is_early = event.bool_or("isWindowTerminatedEarly", false);
  const auto* seen = event.find("state")->find("seen");  // {} at first
  if (seen == nullptr) return out;
  for (const auto& stamp : seen->as_array()) out.state.push_back(static_cast<Stamp>(stamp.as_int()));
  return out;
}

Call read_call(const triggers::InvokeRequest& request) {
  Call out;
  out.uuid = request.mapping;
  out.bytes = request.payload.size();
  const auto event = codec::parse_json(request.payload);
  if (!event.ok()) throw Violation("an event that is no JSON: " + request.payload.substr(0, 200));
  for (const auto& record : event->find("Records")->as_array()) {
    const auto stamp = model::parse_sequence_number(record.find("dynamodb")->string_or("SequenceNumber", ""));
    if (!stamp) throw Violation("a record without a sequence number");
    out.stamps.push_back(*stamp);
  }
  if (event->find("window") != nullptr) out.window = window_of(*event);
  return out;
}

void throw_error(triggers::InvokeResult& result) {
  result.payload = R"({"errorType":"Error","errorMessage":"as planned"})";
  result.function_error = "Unhandled";
}

std::string failures_of(const std::vector<std::string>& identifiers) {
  std::string out = R"({"batchItemFailures":[)";
  for (std::size_t i = 0; i < identifiers.size(); ++i)
    out += (i == 0 ? "" : ",") + (R"({"itemIdentifier":")" + identifiers[i]) + "\"}";
  return out + "]}";
}

}  // namespace

void Functions::heal() { healthy_ = true; }
void Functions::forget() { ++epoch_; }

void Functions::name_failures(Answer& answer, const std::vector<Stamp>& stamps, bool report) {
  std::vector<std::string> identifiers;
  std::size_t lowest = stamps.size();
  const std::size_t count = 1 + dice_.below(std::min<std::size_t>(stamps.size(), 3));
  for (std::size_t i = 0; i < count; ++i) {  // in any order, perhaps twice
    const std::size_t at = dice_.below(stamps.size());
    lowest = std::min(lowest, at);
    identifiers.push_back(model::sequence_number(stamps[at]));
  }
  answer.result.payload = failures_of(identifiers);
  answer.done = report ? lowest : stamps.size();
}

// AWS: what cannot be understood fails the whole batch.
void Functions::lie(Answer& answer, const std::vector<Stamp>& stamps, bool report) {
  switch (dice_.below(4)) {
    case 0:
      answer.result.payload = failures_of({model::sequence_number(stamps.back() + 1'000'000'000)});
      break;
    case 1:
      answer.result.payload = R"({"batchItemFailures":[{"itemIdentifier":""}]})";
      break;
    case 2:
      answer.result.payload = R"({"batchItemFailures":[{"itemidentifier":"x"}]})";
      break;
    default:
      answer.result.payload = R"({"batchItemFailures":[{"itemIdentifier":null}]})";
  }
  answer.done = report ? 0 : stamps.size();
}

// The state is the list of all records that have been done in the window: any
// that is lost or counted twice shows.
void Functions::hand_on_state(Answer& answer, const Call& call, const Behaviour& behaviour) {
  std::string state = R"({"seen":[)";
  for (const Stamp stamp : call.window->state) state += std::to_string(stamp) + ",";
  for (std::size_t i = 0; i < answer.done; ++i) state += std::to_string(call.stamps[i]) + ",";
  if (state.back() == ',') state.pop_back();
  state += "]";
  if (!healthy_ && dice_.chance(behaviour.large_state)) state += R"(,"pad":")" + std::string(kLargeState, 'x') + '"';
  std::string body = answer.result.payload == "null" ? "{}" : answer.result.payload;
  answer.result.payload = R"({"state":)" + state + "}" + (body == "{}" ? "" : ",") + body.substr(1);
}

Functions::Answer Functions::decide(const Call& call) {
  const std::vector<Stamp>& stamps = call.stamps;
  const Behaviour& behaviour = behaviours_.at(call.uuid);
  Answer answer;
  answer.result.payload = "null";
  answer.done = stamps.size();
  const bool report = report_[call.uuid] && !stamps.empty();
  if (healthy_) {
    if (call.window) hand_on_state(answer, call, behaviour);
    answer.final_done = stamps.empty();
    return answer;
  }
  if (dice_.chance(behaviour.slow)) answer.after = Milliseconds(dice_.between(1, 60'000));
  bool poisoned = false;
  std::size_t first_poison = stamps.size();
  for (std::size_t i = stamps.size(); i-- > 0;) {
    const Change* change = ledger_.find(stamps[i]);
    if (behaviour.poison && change != nullptr && change->poison) {
      poisoned = true;
      first_poison = i;
    }
  }
  if (dice_.chance(behaviour.throttled)) {
    answer.result.outcome = triggers::Outcome::kThrottled;
    answer.attempted = false;
    answer.after = Milliseconds(0);
  } else if (dice_.chance(behaviour.missing)) {
    answer.result.outcome = triggers::Outcome::kRefused;
    answer.attempted = false;
    answer.after = Milliseconds(0);
  } else if (dice_.chance(behaviour.hangs)) {
    answer.after = std::chrono::minutes(15);
    throw_error(answer.result);
    answer.done = 0;
  } else if (dice_.chance(behaviour.throws)) {
    throw_error(answer.result);
    answer.done = 0;
  } else if (dice_.chance(behaviour.lies) && !stamps.empty()) {
    lie(answer, stamps, report);
    if (call.window) answer.done = 0;  // AWS: without a state all of it has failed
  } else if (dice_.chance(behaviour.partial) && !stamps.empty()) {
    name_failures(answer, stamps, report);
  } else if (poisoned) {
    if (report && dice_.chance(0.5)) {
      answer.result.payload = failures_of({model::sequence_number(stamps[first_poison])});
      answer.done = first_poison;
    } else {
      throw_error(answer.result);
      answer.done = 0;
    }
  }
  const bool answered = answer.attempted && answer.result.function_error.empty();
  answer.final_done = stamps.empty() && answered;
  if (call.window && (answer.done > 0 || answer.final_done)) hand_on_state(answer, call, behaviour);
  return answer;
}

void Functions::invoke(triggers::InvokeRequest request, std::function<void(triggers::InvokeResult)> done) {
  const Call call = read_call(request);
  ledger_.invoked(call, scheduler_->now());
  Answer answer = decide(call);
  auto finish = [this, epoch = epoch_, call, answer, done = std::move(done)] {
    if (epoch != epoch_) return;
    ledger_.answered(call, {answer.done, answer.attempted, answer.final_done});
    done(answer.result);
  };
  if (answer.after > Milliseconds(0)) {
    scheduler_->at(scheduler_->now() + answer.after, std::move(finish)).release();
  } else if (dice_.chance(0.5)) {
    scheduler_->post(std::move(finish));
  } else {
    finish();  // inside the call: that is allowed, too
  }
}

}  // namespace millrace::simulation
