// Event notifications of a bucket: reading and checking a configuration, whom an event concerns, and the documents that
// are sent (AWS: "Event message structure", versions 2.1 and 2.3). Pure; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "codec/json.h"
#include "s3/object.h"

namespace millrace::s3 {

// What happens to objects here. Others of AWS's events have no cause (no versions, restores, ACLs, replication).
enum class ObjectEvent : std::uint8_t {
  kPut,
  kCopy,
  kCompleteMultipartUpload,
  kDelete,
  kExpiration,
  kTransition,
  kTaggingPut,
  kTaggingDelete,
};
std::string_view event_name(ObjectEvent event);  // "ObjectCreated:Put"

struct NotificationRule {
  enum class Kind { kTopic, kQueue, kFunction };
  Kind kind = Kind::kQueue;
  std::string id;
  std::string arn;
  std::vector<std::string> events;  // "s3:ObjectCreated:*"
  std::string prefix;
  std::string suffix;

  bool wants(ObjectEvent event, std::string_view key) const;
};

struct NotificationConfiguration {
  std::vector<NotificationRule> rules;
  // As GetBucketNotificationConfiguration shows it: in the spelling of the model, ids filled in.
  codec::Json to_json() const;
};

// `document`: {"TopicConfigurations": [...], "QueueConfigurations": [...], "LambdaFunctionConfigurations": [...]};
// rules without an id get an empty one. Errors: kInvalidArgument, kMalformedXml in AWS's words; kNotImplemented by name
// for EventBridge and for events that nothing here causes.
Result<NotificationConfiguration> parse_notifications(const codec::Json& document);

struct Occurrence {
  ObjectEvent event = ObjectEvent::kPut;
  Time time{};
  std::string_view bucket;
  std::string_view account;
  std::string_view region;
  const ObjectInfo* object = nullptr;
  std::uint64_t sequence = 0;  // AWS: grows per key; ours over all keys and restarts
  Origin origin;
};

// {"Records": [{...}]} for one rule's destination.
std::string event_document(const Occurrence& occurrence, std::string_view configuration_id);
// {"Service": "Amazon S3", "Event": "s3:TestEvent", ...}: sent when a queue or a topic is configured.
std::string test_document(std::string_view bucket, Time now, const Origin& origin);

}  // namespace millrace::s3
