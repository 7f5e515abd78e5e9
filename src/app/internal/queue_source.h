// The trigger engine's queues over the local SQS: hands out messages, rendered as AWS's SQS event. Thread-safe.
#pragma once

#include "sqs/service.h"
#include "triggers/queue_ports.h"

namespace millrace::app {

class QueueSource final : public triggers::QueueSource {
 public:
  explicit QueueSource(sqs::Service& queues) : queues_(queues) {}
  Result<triggers::ReceivedBatch> receive(const std::string& arn, std::size_t count, std::size_t bytes_max) override;
  void remove(const std::string& arn, const std::vector<std::string>& receipts) override;
  void release(const std::string& arn, const std::vector<std::string>& receipts) override;
  triggers::Subscription watch(const std::string& arn, std::function<void()> ready) override;
  std::optional<triggers::QueueFacts> facts(const std::string& arn) override;

 private:
  sqs::Service& queues_;
};

// One element of Records[]: AWS's members in AWS's order.
std::string sqs_record(const sqs::Received& received, const std::string& arn, const std::string& region);

}  // namespace millrace::app
