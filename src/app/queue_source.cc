#include "app/internal/queue_source.h"

#include <utility>

#include "codec/json.h"
#include "crypto/digest.h"
#include "crypto/encoding.h"
#include "sqs/errors.h"

namespace millrace::app {
namespace {

using codec::Json;

Json system_attributes(const sqs::Received& received) {
  const auto& message = received.message;
  Json out = Json::object({{"ApproximateReceiveCount", std::to_string(received.receive_count)}});
  const auto add = [&](const char* name, const std::string& value) { out.set_if(!value.empty(), name, value); };
  add("AWSTraceHeader", message.trace_header);
  add("SentTimestamp", std::to_string(to_unix_ms(message.sent)));
  add("SequenceNumber", message.sequence_number);
  add("MessageGroupId", message.group_id);
  add("SenderId", message.sender);
  add("MessageDeduplicationId", message.deduplication_id);
  add("ApproximateFirstReceiveTimestamp", std::to_string(to_unix_ms(received.first_received)));
  add("DeadLetterQueueSourceArn", message.dead_letter_source_arn);
  return out;
}

Json message_attributes(const std::vector<sqs::MessageAttribute>& attributes) {
  Json out = Json::object();
  for (const auto& attribute : attributes) {
    Json value = Json::object();
    if (attribute.is_binary()) {
      value.set("binaryValue", crypto::base64_encode(attribute.value));
    } else {
      value.set("stringValue", attribute.value);
    }
    value.set("stringListValues", Json::array()).set("binaryListValues", Json::array());
    out.set(attribute.name, value.set("dataType", attribute.type));
  }
  return out;
}

}  // namespace

std::string sqs_record(const sqs::Received& received, const std::string& arn, const std::string& region) {
  const auto& message = received.message;
  Json out = Json::object({{"messageId", message.id},
                           {"receiptHandle", received.receipt_handle},
                           {"body", message.body},
                           {"attributes", system_attributes(received)},
                           {"messageAttributes", message_attributes(message.attributes)}});
  out.set_if(!message.attributes.empty(), "md5OfMessageAttributes", sqs::attributes_md5(message.attributes));
  return out.set("md5OfBody", crypto::md5_hex(message.body))
      .set("eventSource", "aws:sqs")
      .set("eventSourceARN", arn)
      .set("awsRegion", region)
      .dump();
}

Result<triggers::ReceivedBatch> QueueSource::receive(const std::string& arn, std::size_t count, std::size_t bytes_max) {
  const auto name = sqs::parse_queue_arn(arn);
  if (!name) return Error(sqs::kQueueDoesNotExist, "Not the ARN of a queue: " + arn);
  MR_ASSIGN_OR_RETURN(auto taken, queues_.take_batch(*name, count, bytes_max));
  triggers::ReceivedBatch batch;
  for (const auto& received : taken) {
    batch.messages.push_back({.id = received.message.id,
                              .receipt = received.receipt_handle,
                              // A group on a standard queue orders nothing.
                              .group = received.message.sequence_number.empty() ? "" : received.message.group_id,
                              .visible_from = received.visible_from,
                              .event = sqs_record(received, arn, name->scope.region),
                              .sent = received.message.sent,
                              .trace_header = received.message.trace_header});
  }
  batch.after = queues_.last_commit();
  return batch;
}

void QueueSource::remove(const std::string& arn, const std::vector<std::string>& receipts) {
  if (const auto name = sqs::parse_queue_arn(arn)) queues_.delete_received(*name, receipts);
}

void QueueSource::release(const std::string& arn, const std::vector<std::string>& receipts) {
  if (const auto name = sqs::parse_queue_arn(arn)) queues_.release_received(*name, receipts);
}

triggers::Subscription QueueSource::watch(const std::string& arn, std::function<void()> ready) {
  const auto name = sqs::parse_queue_arn(arn);
  return name ? queues_.watch(*name, std::move(ready)) : nullptr;
}

std::optional<triggers::QueueFacts> QueueSource::facts(const std::string& arn) {
  const auto name = sqs::parse_queue_arn(arn);
  if (!name) return std::nullopt;
  const auto facts = queues_.facts(*name);
  if (!facts.ok()) return std::nullopt;
  return triggers::QueueFacts{facts->is_fifo, facts->ready, facts->delayed, facts->in_flight, facts->oldest};
}

}  // namespace millrace::app
