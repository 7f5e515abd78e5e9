// A message to a topic, the rules about it, and what subscribers get of it: AWS's members in AWS's order and layout.
// Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace millrace::sns {

struct MessageAttribute {
  std::string name;
  std::string type;   // "String", "String.Array", "Number", "Binary"
  std::string value;  // of Binary: the bytes themselves
  bool is_binary() const { return type == "Binary"; }
};

struct Outgoing {
  std::string body;
  std::string subject;  // "" none
  std::vector<MessageAttribute> attributes;
  bool per_protocol = false;  // MessageStructure=json: `body` is an object of texts by protocol
};

// Body, attributes (names, types, values), as AWS counts them.
std::size_t message_bytes(const Outgoing& message);

// kInvalidParameter or kParameterValueInvalid, with AWS's texts where known.
Result<void> check_message(const Outgoing& message);

// The text for subscribers of `protocol`. REQUIRES: check_message() held.
std::string body_for(const Outgoing& message, std::string_view protocol);

struct Notification {
  const Outgoing* message = nullptr;
  std::string id;
  std::string topic_arn;
  std::string subscription_arn;
  std::string region;
  std::string signature_version = "1";
  Time sent{};
};

// The body of the message that a queue without raw delivery gets.
std::string queue_envelope(const Notification& notification);
// The event of a function: {"Records":[{"EventSource":"aws:sns", ...}]}.
std::string function_event(const Notification& notification);

}  // namespace millrace::sns
