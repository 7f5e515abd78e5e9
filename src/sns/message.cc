#include "sns/message.h"

#include <algorithm>
#include <set>

#include "codec/json.h"
#include "crypto/encoding.h"
#include "delivery/delivery.h"
#include "sns/errors.h"
#include "sns/limits.h"

namespace millrace::sns {
namespace {

using codec::Json;

// Nobody but AWS holds the key that consumers would check against, so the value says what it is.
constexpr std::string_view kUnsigned = "not signed: this message comes from millrace";

Error invalid_message(std::string_view text) {
  return Error(kInvalidParameter, "Invalid parameter: " + std::string(text));
}

bool is_scalar(const Json& json) { return !json.is_array() && !json.is_object(); }

Result<void> check_attribute(const MessageAttribute& attribute) {
  const auto wrong = [](std::string text) { return Error(kParameterValueInvalid, std::move(text)); };
  const std::string quoted = "'" + attribute.name + "'";
  if (!delivery::is_attribute_name(attribute.name)) {
    return wrong("The message attribute name " + quoted +
                 " is invalid. It may have up to 256 characters: letters, digits, underscores, hyphens and single "
                 "periods that are neither first nor last.");
  }
  if (attribute.type.empty()) {
    return wrong("The message attribute " + quoted + " must contain non-empty message attribute type.");
  }
  const std::string_view kind = std::string_view(attribute.type).substr(0, attribute.type.find('.'));
  if (kind != "String" && kind != "Number" && kind != "Binary") {
    return wrong("The message attribute " + quoted +
                 " has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and "
                 "String.");
  }
  if (attribute.value.empty()) {
    return wrong("The message attribute " + quoted +
                 " must contain non-empty message attribute value for message attribute type '" + attribute.type +
                 "'.");
  }
  if (kind == "Number") {
    const auto number = codec::parse_json(attribute.value);
    if (!number.ok() || !number->is_number()) {
      return wrong("Could not cast message attribute " + quoted + " value to number.");
    }
  }
  if (attribute.type == "String.Array") {
    const auto list = codec::parse_json(attribute.value);
    if (!list.ok() || !list->is_array() || !std::ranges::all_of(list->as_array(), is_scalar)) {
      return wrong("The message attribute " + quoted +
                   " of type String.Array must be a JSON array of strings, numbers, booleans and nulls.");
    }
  }
  return {};
}

Result<void> check_structure(const Outgoing& message) {
  if (!message.per_protocol) return {};
  const auto texts = codec::parse_json(message.body);
  if (!texts.ok() || !texts->is_object())
    return invalid_message("Message Structure - JSON message body failed to parse");
  const Json* fallback = texts->find("default");
  if (fallback == nullptr) return invalid_message("Message Structure - No default entry in JSON message body");
  for (const auto& [protocol, text] : texts->as_object()) {
    if (!text.is_string()) return invalid_message("Message Structure - JSON message body failed to parse");
  }
  return {};
}

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string shown(const MessageAttribute& attribute) {
  return attribute.is_binary() ? crypto::base64_encode(attribute.value) : attribute.value;
}

std::string certificate_url(const Notification& notification) {
  return "https://sns." + notification.region +
         ".amazonaws.com/SimpleNotificationService-00000000000000000000000000000000.pem";
}

std::string unsubscribe_url(const Notification& notification) {
  return "https://sns." + notification.region +
         ".amazonaws.com/?Action=Unsubscribe&SubscriptionArn=" + notification.subscription_arn;
}

Json attribute_json(const MessageAttribute& attribute) {
  return Json::object({{"Type", attribute.type}, {"Value", shown(attribute)}});
}

}  // namespace

std::size_t message_bytes(const Outgoing& message) {
  std::size_t bytes = message.body.size();
  for (const auto& a : message.attributes) bytes += a.name.size() + a.type.size() + a.value.size();
  return bytes;
}

Result<void> check_message(const Outgoing& message) {
  if (message.body.empty()) return invalid_message("Empty message");
  if (message_bytes(message) > kMessageBytesMax) return invalid_message("Message too long");
  // AWS: no line breaks, no control characters, does not begin with a space.
  const bool plain =
      std::ranges::none_of(message.subject, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
  if (!plain || message.subject.starts_with(' ') || characters(message.subject) > kSubjectCharactersMax) {
    return invalid_message("Subject");
  }
  std::set<std::string_view> seen;
  for (const auto& attribute : message.attributes) {
    MR_RETURN_IF_ERROR(check_attribute(attribute));
    if (!seen.insert(attribute.name).second) {
      return Error(kParameterValueInvalid, "Message attribute name '" + attribute.name + "' already exists.");
    }
  }
  return check_structure(message);
}

std::string body_for(const Outgoing& message, std::string_view protocol) {
  if (!message.per_protocol) return message.body;
  const auto texts = codec::parse_json(message.body);
  if (!texts.ok()) return message.body;
  return std::string(texts->string_or(protocol, texts->string_or("default", "")));
}

std::string queue_envelope(const Notification& notification) {
  const Outgoing& message = *notification.message;
  std::string out = "{\n";
  const auto member = [&](std::string_view name, std::string_view value) {
    out += "  \"" + std::string(name) + "\" : ";
    codec::append_json_string(out, value);
    out += ",\n";
  };
  member("Type", "Notification");
  member("MessageId", notification.id);
  member("TopicArn", notification.topic_arn);
  if (!message.subject.empty()) member("Subject", message.subject);
  member("Message", body_for(message, "sqs"));
  member("Timestamp", format_iso_ms(notification.sent));
  member("SignatureVersion", notification.signature_version);
  member("Signature", crypto::base64_encode(kUnsigned));
  member("SigningCertURL", certificate_url(notification));
  member("UnsubscribeURL", unsubscribe_url(notification));
  if (!message.attributes.empty()) {
    out += "  \"MessageAttributes\" : {\n";
    for (const auto& attribute : message.attributes) {
      out += "    ";
      codec::append_json_string(out, attribute.name);
      out += " : " + attribute_json(attribute).dump() + ",\n";
    }
    out.erase(out.size() - 2, 1);
    out += "  },\n";
  }
  out.erase(out.size() - 2, 1);  // the last comma
  return out + "}";
}

std::string function_event(const Notification& notification) {
  const Outgoing& message = *notification.message;
  Json attributes = Json::object();
  for (const auto& attribute : message.attributes) attributes.set(attribute.name, attribute_json(attribute));
  Json sns = Json::object({{"Type", "Notification"},
                           {"MessageId", notification.id},
                           {"TopicArn", notification.topic_arn},
                           {"Subject", message.subject.empty() ? Json() : Json(message.subject)},
                           {"Message", body_for(message, "lambda")},
                           {"Timestamp", format_iso_ms(notification.sent)},
                           {"SignatureVersion", notification.signature_version},
                           {"Signature", crypto::base64_encode(kUnsigned)},
                           {"SigningCertUrl", certificate_url(notification)},
                           {"UnsubscribeUrl", unsubscribe_url(notification)},
                           {"MessageAttributes", std::move(attributes)}});
  Json record = Json::object({{"EventSource", "aws:sns"},
                              {"EventVersion", "1.0"},
                              {"EventSubscriptionArn", notification.subscription_arn},
                              {"Sns", std::move(sns)}});
  return Json::object({{"Records", Json::array({std::move(record)})}}).dump();
}

}  // namespace millrace::sns
