#include "delivering.h"

#include <cstdlib>
#include <future>
#include <thread>

#include "codec/json.h"
#include "functions/check.h"
#include "model/change_record.h"
#include "s3/check.h"
#include "triggers/check.h"

namespace millrace::powercut {
namespace {

struct Handed {
  std::uint64_t number = 0;  // as in the ledger: of a record its sequence number
  bool poison = false;
};

std::string_view text_at(const codec::Json* at, std::initializer_list<std::string_view> path) {
  for (const std::string_view name : path) at = at == nullptr ? nullptr : at->find(name);
  return at != nullptr && at->is_string() ? std::string_view(at->as_string()) : std::string_view();
}

std::uint64_t number_of_text(std::string_view text) { return std::strtoull(std::string(text).c_str(), nullptr, 10); }

// What a function is handed of a topic's message; nullptr: it is no such event.
const codec::Json* message_of(const codec::Json& event) {
  const codec::Json* const records = event.find("Records");
  const bool is_one = records != nullptr && records->is_array() && records->as_array().size() == 1;
  return is_one ? records->as_array().front().find("Sns") : nullptr;
}

std::vector<Handed> read_payload(const std::string& payload) {
  const auto event = codec::parse_json(payload);
  if (!event.ok()) return {};
  const codec::Json* const records = event->find("Records");
  if (records == nullptr || message_of(*event) != nullptr) {
    const std::uint64_t number = number_of_event(*event);
    return {{number, is_poison(number)}};
  }
  std::vector<Handed> all;
  for (const auto& record : records->as_array()) {
    const auto body = text_at(&record, {"body"});
    const auto sequence = text_at(&record, {"dynamodb", "SequenceNumber"});
    const auto id = text_at(&record, {"dynamodb", "Keys", "id", "S"});
    if (const auto stamp = model::parse_sequence_number(sequence); stamp && !id.empty()) {
      all.push_back({*stamp, is_poison(number_of_text(id.substr(1)))});
    } else {
      all.push_back({number_of_text(body), is_poison(number_of_text(body))});
    }
  }
  return all;
}

}  // namespace

std::uint64_t number_of_event(const codec::Json& payload) {
  if (const codec::Json* const message = message_of(payload)) return number_of_text(text_at(message, {"Message"}));
  const codec::Json* const first = payload.find("requestPayload");
  return static_cast<std::uint64_t>((first == nullptr ? payload : *first).int_or("event", 0));
}

class Runtimes::One final : public runtimes::Runtime {
 public:
  One(Runtimes& owner, std::string function) : owner_(owner), function_(std::move(function)) {}
  void invoke(runtimes::Invocation invocation, std::function<void(runtimes::Outcome)> done) override {
    for (const Handed& each : read_payload(invocation.payload)) owner_.ears_.handed(function_, each.number);
    owner_.waiting_.push_back({function_, std::move(invocation.payload), std::move(done)});
  }
  void stop() override {}

 private:
  Runtimes& owner_;
  const std::string function_;
};

std::shared_ptr<runtimes::Runtime> Runtimes::create(runtimes::FunctionSpec spec) {
  return std::make_shared<One>(*this, spec.name);
}

void Runtimes::answer(std::size_t index) {
  const auto at = waiting_.begin() + static_cast<std::ptrdiff_t>(index);
  const Call call = std::move(*at);
  waiting_.erase(at);
  const auto handed = read_payload(call.payload);
  runtimes::Outcome outcome{.payload = "{}"};
  for (const Handed& each : handed) {
    if (each.poison) outcome.function_error = "Unhandled";
  }
  if (outcome.function_error.empty()) {
    for (const Handed& each : handed) ears_.done(call.function, each.number);
  } else {
    outcome.payload = R"({"errorMessage":"poison"})";
  }
  call.done(std::move(outcome));
}

void Deliveries::Invoker::invoke(triggers::InvokeRequest request, std::function<void(triggers::InvokeResult)> done) {
  functions_.invoke_for_mapping(request.function_arn, std::move(request.request_id), std::move(request.payload), {},
                                [done = std::move(done)](functions::MappingResult answer) {
                                  using Kind = functions::MappingResult::Kind;
                                  triggers::InvokeResult result;
                                  result.outcome = answer.kind == Kind::kInvoked     ? triggers::Outcome::kAnswered
                                                   : answer.kind == Kind::kThrottled ? triggers::Outcome::kThrottled
                                                                                     : triggers::Outcome::kRefused;
                                  result.payload = std::move(answer.answer.payload);
                                  result.function_error = std::move(answer.answer.function_error);
                                  result.message = std::move(answer.message);
                                  done(std::move(result));
                                });
}

Result<std::unique_ptr<Deliveries>> Deliveries::open(const std::string& folder, Time now, Ears ears) {
  auto made = std::unique_ptr<Deliveries>(new Deliveries(std::move(ears)));
  MR_ASSIGN_OR_RETURN(made->services_, Services::open(folder, now));
  MR_RETURN_IF_ERROR(made->start());
  return made;
}

Result<void> Deliveries::check(const std::string& objects, const std::string& code) {
  const auto problem = [this](std::string text) { problems().push_back(std::move(text)); };
  storage::Store& store = services_->store();
  MR_ASSIGN_OR_RETURN(const auto blobs, s3::open_file_blob_store(objects));
  MR_RETURN_IF_ERROR(s3::check_objects(store, *blobs, problem, [](std::uint64_t) {}));
  MR_RETURN_IF_ERROR(triggers::check_mappings(store, problem));
  MR_RETURN_IF_ERROR(functions::check_functions(store, code, problem));
  return {};
}

Result<void> Deliveries::start() {
  Services& base = *services_;
  MR_ASSIGN_OR_RETURN(const std::string objects, base.directory().directory("objects"));
  MR_ASSIGN_OR_RETURN(const std::string code, base.directory().directory("functions"));
  MR_RETURN_IF_ERROR(check(objects, code));
  MR_ASSIGN_OR_RETURN(blobs_, s3::open_file_blob_store(objects));
  objects_ =
      std::make_unique<s3::ObjectStore>(base.scheduler(), base.random(), base.store(), base.committer(), *blobs_);
  MR_RETURN_IF_ERROR(objects_->load());
  bucket_target_ = std::make_unique<s3::BucketTarget>(*objects_);
  delivery_.add("s3", *bucket_target_);
  queue_target_ = std::make_unique<sqs::QueueTarget>(base.queues());
  delivery_.add("sqs", *queue_target_);
  topics_ = std::make_unique<sns::Service>(
      sns::Service::Resources{base.store(), base.committer(), base.scheduler(), base.random(), registry_, delivery_});
  MR_RETURN_IF_ERROR(topics_->load());
  topic_target_ = std::make_unique<sns::TopicTarget>(*topics_);
  delivery_.add("sns", *topic_target_);
  functions_ =
      std::make_unique<functions::Functions>(functions::Services{base.store(), base.committer(), base.scheduler(),
                                                                 base.random(), registry_, delivery_, runtimes_},
                                             functions::Options{.folder = code});
  function_target_ = std::make_unique<functions::FunctionTarget>(*functions_);
  delivery_.add("lambda", *function_target_);
  MR_RETURN_IF_ERROR(functions_->load());
  source_ = std::make_unique<app::StreamSource>(base.streams());
  queues_ = std::make_unique<app::QueueSource>(base.queues());
  invoker_ = std::make_unique<Invoker>(*functions_);
  settlement_ = std::make_unique<triggers::CommitSettlement>(base.committer(), delivery_);
  engine_ = std::make_unique<triggers::Engine>(
      triggers::Engine::Resources{base.scheduler(), base.random(), registry_, base.store(), base.committer()},
      triggers::Ports{*source_, *invoker_, *settlement_, queues_.get()});
  objects_->start();
  return engine_->start();
}

// As a kill would: what is in flight is never answered.
Deliveries::~Deliveries() {
  if (services_ == nullptr) return;
  if (functions_ != nullptr) functions_->drain();
  services_->committer().stop();
  if (engine_ != nullptr) engine_->stop();
  if (objects_ != nullptr) objects_->stop();
  services_->run_ready();
  runtimes_.forget();
  services_->run_ready();
}

bool Deliveries::commit() {
  std::promise<bool> durable;
  storage::WriteBatch batch;
  batch.put(storage::Family::kCatalogue, "powercut/end", "");
  services_->committer().submit(
      std::move(batch), [&](const storage::Committed& committed) { durable.set_value(committed.error == nullptr); });
  return durable.get_future().get();
}

bool Deliveries::settle() {
  for (int i = 0; i < 10'000'000; ++i) {
    std::size_t work = services_->scheduler().run_ready();
    for (; runtimes_.waiting() > 0; ++work) runtimes_.answer(0);
    if (work == 0 && services_->scheduler().busy().count() == 0) {
      // What was submitted last may still wake somebody: an event that goes from one function to the next.
      if (!commit()) return false;
      if (services_->scheduler().run_ready() == 0 && runtimes_.waiting() == 0) return true;
    }
    std::this_thread::yield();
  }
  return false;
}

bool Deliveries::advance(Milliseconds duration) {
  auto& scheduler = services_->scheduler();
  const Time until = scheduler.now() + duration;
  while (settle()) {
    if (scheduler.next_timer() > until) {
      scheduler.run_until(until);
      return settle();
    }
    scheduler.run_next_timer();
  }
  return false;
}

}  // namespace millrace::powercut
