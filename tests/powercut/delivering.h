// What delivers over one directory: mappings, functions, topics, queues and buckets, in the order in which a server
// makes and ends them, and a runtime for its functions that tells what it is handed and answers when asked to. Not
// thread-safe.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "app/internal/queue_source.h"
#include "app/internal/stream_source.h"
#include "codec/json.h"
#include "functions/service.h"
#include "functions/target.h"
#include "s3/object_store.h"
#include "s3/target.h"
#include "sns/service.h"
#include "sns/target.h"
#include "sqs/target.h"
#include "telemetry/metrics.h"
#include "triggers/engine.h"
#include "triggers/settlement.h"
#include "world.h"

namespace millrace::powercut {

inline constexpr const char* kItems = "items";
inline constexpr const char* kBucket = "failures";

// Functions refuse every sixth of whatever is numbered, as often as they are handed it.
inline bool is_poison(std::uint64_t number) { return number % 6 == 5; }

// The number of an asynchronous event, also of one that tells of another's success or hands on a topic's message.
std::uint64_t number_of_event(const codec::Json& payload);

// Told of everything that a function is handed or has done: its number, see DeliveryLedger.
using Heard = std::function<void(const std::string& function, std::uint64_t number)>;
struct Ears {
  Heard handed;
  Heard done;
};

class Runtimes final : public runtimes::RuntimeFactory {
 public:
  explicit Runtimes(Ears ears) : ears_(std::move(ears)) {}
  std::shared_ptr<runtimes::Runtime> create(runtimes::FunctionSpec spec) override;
  std::string describe(std::string_view) override { return ""; }

  std::size_t waiting() const { return waiting_.size(); }
  void answer(std::size_t index);  // REQUIRES: index < waiting()
  void forget() { waiting_.clear(); }

 private:
  class One;
  struct Call {
    std::string function;
    std::string payload;
    std::function<void(runtimes::Outcome)> done;
  };
  const Ears ears_;
  std::deque<Call> waiting_;
};

class Deliveries {
 public:
  static Result<std::unique_ptr<Deliveries>> open(const std::string& folder, Time now, Ears ears);
  ~Deliveries();

  Services& services() { return *services_; }
  s3::ObjectStore& objects() { return *objects_; }
  sns::Service& topics() { return *topics_; }
  functions::Functions& functions() { return *functions_; }
  triggers::Engine& engine() { return *engine_; }
  Runtimes& runtimes() { return runtimes_; }
  std::vector<std::string>& problems() { return services_->problems(); }
  // Answers whatever is asked until nothing is under way. False: it does not come to an end.
  bool settle();
  // Moves the clock, and answers whatever is asked as soon as it is. False: as above.
  bool advance(Milliseconds duration);

 private:
  // As the server's: through functions, by ARN.
  class Invoker final : public triggers::Invoker {
   public:
    explicit Invoker(functions::Functions& functions) : functions_(functions) {}
    void invoke(triggers::InvokeRequest request, std::function<void(triggers::InvokeResult)> done) override;

   private:
    functions::Functions& functions_;
  };

  explicit Deliveries(Ears ears) : runtimes_(std::move(ears)) {}
  Result<void> start();
  bool commit();  // until all that was submitted is durable, and whoever waited for it was told; false: it fails
  Result<void> check(const std::string& objects, const std::string& code);

  std::unique_ptr<Services> services_;
  telemetry::Registry registry_;
  Runtimes runtimes_;
  delivery::Delivery delivery_;
  std::unique_ptr<s3::BlobStore> blobs_;
  std::unique_ptr<s3::ObjectStore> objects_;
  std::unique_ptr<s3::BucketTarget> bucket_target_;
  std::unique_ptr<sqs::QueueTarget> queue_target_;
  std::unique_ptr<sns::Service> topics_;
  std::unique_ptr<sns::TopicTarget> topic_target_;
  std::unique_ptr<functions::Functions> functions_;
  std::unique_ptr<functions::FunctionTarget> function_target_;
  std::unique_ptr<app::StreamSource> source_;
  std::unique_ptr<app::QueueSource> queues_;
  std::unique_ptr<Invoker> invoker_;
  std::unique_ptr<triggers::CommitSettlement> settlement_;
  std::unique_ptr<triggers::Engine> engine_;
};

}  // namespace millrace::powercut
