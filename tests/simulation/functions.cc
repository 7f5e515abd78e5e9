#include "functions.h"

#include "codec/json.h"
#include "model/change_record.h"

namespace millrace::simulation {
namespace {

std::vector<Stamp> stamps_of(const std::string& payload) {
  std::vector<Stamp> out;
  const auto event = codec::parse_json(payload);
  if (!event.ok()) throw Violation("an event that is no JSON: " + payload.substr(0, 200));
  for (const auto& record : event->find("Records")->as_array()) {
    const auto stamp = model::parse_sequence_number(record.find("dynamodb")->string_or("SequenceNumber", ""));
    if (!stamp) throw Violation("a record without a sequence number");
    out.push_back(*stamp);
  }
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

Functions::Answer Functions::decide(const std::string& uuid, const std::vector<Stamp>& stamps) {
  const Behaviour& behaviour = behaviours_.at(uuid);
  Answer answer;
  answer.result.payload = "null";
  answer.done = stamps.size();
  if (healthy_) return answer;
  const bool report = report_[uuid];
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
  } else if (dice_.chance(behaviour.lies)) {
    lie(answer, stamps, report);
  } else if (dice_.chance(behaviour.partial)) {
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
  return answer;
}

void Functions::invoke(triggers::InvokeRequest request, std::function<void(triggers::InvokeResult)> done) {
  const std::vector<Stamp> stamps = stamps_of(request.payload);
  ledger_.invoked(request.mapping, stamps, request.payload.size(), scheduler_->now());
  Answer answer = decide(request.mapping, stamps);
  auto finish = [this, epoch = epoch_, uuid = request.mapping, stamps, answer, done = std::move(done)] {
    if (epoch != epoch_) return;
    ledger_.answered(uuid, stamps, answer.done, answer.attempted);
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
