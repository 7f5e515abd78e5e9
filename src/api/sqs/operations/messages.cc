#include <atomic>
#include <map>

#include "api/sqs/batch.h"
#include "api/sqs/operations.h"
#include "api/sqs/queue_url.h"
#include "crypto/digest.h"
#include "crypto/encoding.h"
#include "sqs/errors.h"
#include "wire/generated/sqs_views.h"

namespace millrace::api_sqs {
namespace {

template <typename Value>
Result<sqs::MessageAttribute> to_attribute(std::string_view name, const Value& value) {
  if (value.string_list_values().present() || value.binary_list_values().present()) {
    return Error(sqs::kUnsupportedOperation,
                 "Message attribute list values in SendMessage operation are not supported.");
  }
  sqs::MessageAttribute attribute{std::string(name), std::string(value.data_type()), ""};
  const auto text = value.string_value();
  const auto binary = value.binary_value();
  if ((attribute.is_binary() && text) || (!attribute.is_binary() && binary)) {
    return Error(sqs::kInvalidParameterValue, "The message attribute '" + attribute.name + "' with type '" +
                                                  attribute.type + "' must use field '" +
                                                  (attribute.is_binary() ? "Binary" : "String") + "'.");
  }
  attribute.value = attribute.is_binary() ? binary.value_or("") : std::string(text.value_or(""));
  return attribute;
}

Result<std::string> trace_header_of(wire::MapView<wire::sqs::MessageSystemAttributeValue> attributes) {
  std::string header;
  for (auto [name, value] : attributes) {
    if (name != "AWSTraceHeader") {
      return Error(sqs::kInvalidParameterValue,
                   "Message system attribute name '" + std::string(name) +
                       "' is invalid. Allowed message system attribute names: [AWSTraceHeader]");
    }
    MR_ASSIGN_OR_RETURN(auto attribute, to_attribute(name, value));
    if (attribute.type != "String" || attribute.value.empty()) {
      return Error(sqs::kInvalidParameterValue, "The message system attribute 'AWSTraceHeader' must be a String.");
    }
    header = std::move(attribute.value);
  }
  return header;
}

// A SendMessage request or an entry of a SendMessageBatch: their views have the same members.
template <typename View>
Result<sqs::Outgoing> to_outgoing(const View& view, const RequestContext& context) {
  sqs::Outgoing outgoing;
  if (auto id = view.message_deduplication_id()) outgoing.deduplication_id = *id;
  if (auto id = view.message_group_id()) outgoing.group_id = *id;
  outgoing.body = view.message_body();
  if (view.delay_seconds()) outgoing.delay_seconds = static_cast<int>(*view.delay_seconds());
  for (auto [name, value] : view.message_attributes()) {
    MR_ASSIGN_OR_RETURN(auto attribute, to_attribute(name, value));
    outgoing.attributes.push_back(std::move(attribute));
  }
  MR_ASSIGN_OR_RETURN(outgoing.trace_header, trace_header_of(view.message_system_attributes()));
  outgoing.sender = context.caller.scope.account;
  // AWS: a request that is traced hands its header on to the message.
  if (outgoing.trace_header.empty() && context.head != nullptr) {
    const auto header = context.head->fields.get("X-Amzn-Trace-Id");
    if (header.find("Sampled=1") != std::string_view::npos) outgoing.inherited_trace_header = header;
  }
  return outgoing;
}

Document sent_document(const sqs::Sent& sent) {
  Document document = Document::object();
  document.set("MessageId", sent.message_id)
      .set("MD5OfMessageBody", sent.body_md5)
      .set_if(!sent.attributes_md5.empty(), "MD5OfMessageAttributes", sent.attributes_md5)
      .set_if(!sent.trace_md5.empty(), "MD5OfMessageSystemAttributes", sent.trace_md5)
      .set_if(!sent.sequence_number.empty(), "SequenceNumber", sent.sequence_number);
  return document;
}

// What a ReceiveMessage asks to see of a message.
struct Selection {
  std::vector<std::string> system;
  std::vector<std::string> attributes;
  bool shows(std::string_view name) const {
    for (const auto& wanted : system) {
      if (wanted == "All" || wanted == name) return true;
    }
    return false;
  }
};

bool is_system_attribute(std::string_view name) {
  for (const std::string_view known :
       {"All", "SenderId", "SentTimestamp", "ApproximateReceiveCount", "ApproximateFirstReceiveTimestamp",
        "SequenceNumber", "MessageDeduplicationId", "MessageGroupId", "AWSTraceHeader", "DeadLetterQueueSourceArn"}) {
    if (name == known) return true;
  }
  return false;
}

Result<Selection> selection_of(const wire::sqs::ReceiveMessageRequest& request) {
  Selection selection;
  for (const auto& names : {request.attribute_names(), request.message_system_attribute_names()}) {
    for (auto name : names) {
      if (!is_system_attribute(name)) {
        return Error(sqs::kInvalidAttributeName, "Unknown Attribute " + std::string(name) + ".");
      }
      selection.system.emplace_back(name);
    }
  }
  for (auto name : request.message_attribute_names()) selection.attributes.emplace_back(name);
  return selection;
}

Document system_attributes(const sqs::Received& received, const Selection& selection) {
  Document attributes = Document::object();
  const auto add = [&](std::string_view name, std::string value) {
    if (!value.empty() && selection.shows(name)) attributes.set(name, std::move(value));
  };
  add("SenderId", received.message.sender);
  add("ApproximateFirstReceiveTimestamp", std::to_string(to_unix_ms(received.first_received)));
  add("ApproximateReceiveCount", std::to_string(received.receive_count));
  add("SentTimestamp", std::to_string(to_unix_ms(received.message.sent)));
  add("SequenceNumber", received.message.sequence_number);
  add("MessageDeduplicationId", received.message.deduplication_id);
  add("MessageGroupId", received.message.group_id);
  add("AWSTraceHeader", received.message.trace_header);
  add("DeadLetterQueueSourceArn", received.message.dead_letter_source_arn);
  return attributes;
}

Document message_attributes(const std::vector<sqs::MessageAttribute>& attributes) {
  Document document = Document::object();
  for (const auto& attribute : attributes) {
    Document value = Document::object();
    if (attribute.is_binary()) {
      value.set("BinaryValue", crypto::base64_encode(attribute.value));
    } else {
      value.set("StringValue", attribute.value);
    }
    value.set("DataType", attribute.type);
    document.set(attribute.name, std::move(value));
  }
  return document;
}

Document received_document(const sqs::Received& received, const Selection& selection) {
  const auto& message = received.message;
  Document document = Document::object();
  document.set("MessageId", message.id)
      .set("ReceiptHandle", received.receipt_handle)
      .set("MD5OfBody", crypto::md5_hex(message.body))
      .set("Body", message.body);
  Document system = system_attributes(received, selection);
  if (!system.as_object().empty()) document.set("Attributes", std::move(system));
  const auto attributes = sqs::select_attributes(message.attributes, selection.attributes);
  if (!attributes.empty()) {
    document.set("MD5OfMessageAttributes", sqs::attributes_md5(attributes))
        .set("MessageAttributes", message_attributes(attributes));
  }
  return document;
}

// Connects a poll with its client: whoever comes first, the answer or the client's leaving.
struct Poll {
  std::atomic<sqs::Service::WaitId> wait{0};
  std::atomic<bool> gone{false};
};

}  // namespace

Result<Reply> send_message(sqs::Service& queues, const RequestContext& context, const Document& input) {
  const wire::sqs::SendMessageRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto name, queue_of(request.queue_url(), context));
  MR_ASSIGN_OR_RETURN(auto outgoing, to_outgoing(request, context));
  MR_ASSIGN_OR_RETURN(const auto sent, queues.send(name, std::move(outgoing)));
  return reply(queues, sent_document(sent));
}

Result<Reply> send_message_batch(sqs::Service& queues, const RequestContext& context, const Document& input) {
  const wire::sqs::SendMessageBatchRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto name, queue_of(request.queue_url(), context));
  std::vector<sqs::SendEntry> entries;
  std::map<std::string, Error> refused;  // by id
  for (auto entry : request.entries()) {
    auto outgoing = to_outgoing(entry, context);
    std::string id(entry.id());
    if (!outgoing.ok()) {
      refused.emplace(id, std::move(outgoing).error());
      outgoing = sqs::Outgoing();  // without a body it is not sent either
    }
    entries.push_back({std::move(id), std::move(outgoing).value()});
  }
  MR_ASSIGN_OR_RETURN(auto results, queues.send_batch(name, std::move(entries)));
  for (auto& [id, result] : results) {
    if (const auto it = refused.find(id); it != refused.end()) result = it->second;
  }
  return reply(queues, batch_output(results, sent_document));
}

void receive_message(sqs::Service& queues, const RequestContext& context, const Document& input,
                     wire::Conversation conversation) {
  const wire::sqs::ReceiveMessageRequest request(input);
  const auto name = queue_of(request.queue_url(), context);
  if (!name.ok()) return conversation.done(name.error());
  auto selection = selection_of(request);
  if (!selection.ok()) return conversation.done(std::move(selection).error());
  sqs::ReceiveRequest receive;
  if (auto id = request.receive_request_attempt_id()) receive.attempt_id = *id;
  receive.messages_max = static_cast<int>(request.max_number_of_messages().value_or(1));
  if (request.visibility_timeout()) receive.visibility_seconds = static_cast<int>(*request.visibility_timeout());
  if (request.wait_time_seconds()) receive.wait_seconds = static_cast<int>(*request.wait_time_seconds());

  auto poll = std::make_shared<Poll>();
  if (conversation.on_close) {
    conversation.on_close([&queues, poll, queue = *name] {
      poll->gone = true;
      if (const auto wait = poll->wait.load()) queues.cancel(queue, wait);
    });
  }
  auto done = [&queues, done = std::move(conversation.done),
               selection = *std::move(selection)](Result<std::vector<sqs::Received>> result) {
    if (!result.ok()) return done(std::move(result).error());
    Document messages = Document::array();
    for (const auto& received : *result) messages.push(received_document(received, selection));
    Document output = Document::object();
    output.set_if(!result->empty(), "Messages", std::move(messages));
    done(reply(queues, std::move(output)));
  };
  const auto wait = queues.receive(*name, receive, std::move(done));
  poll->wait = wait;
  if (poll->gone && wait != 0) queues.cancel(*name, wait);
}

}  // namespace millrace::api_sqs
