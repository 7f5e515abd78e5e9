#include "s3/notification.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "codec/key.h"
#include "crypto/digest.h"
#include "crypto/encoding.h"
#include "s3/errors.h"

namespace millrace::s3 {
namespace {

using codec::Json;
using Kind = NotificationRule::Kind;

struct KindFacts {
  Kind kind;
  std::string_view list;
  std::string_view arn;
  std::string_view service;
};
constexpr KindFacts kKinds[] = {{Kind::kTopic, "TopicConfigurations", "TopicArn", "sns"},
                                {Kind::kQueue, "QueueConfigurations", "QueueArn", "sqs"},
                                {Kind::kFunction, "LambdaFunctionConfigurations", "LambdaFunctionArn", "lambda"}};

constexpr std::string_view kServed[] = {
    "s3:ObjectCreated:*",       "s3:ObjectCreated:Put",
    "s3:ObjectCreated:Post",    "s3:ObjectCreated:Copy",
    "s3:ObjectRemoved:*",       "s3:ObjectCreated:CompleteMultipartUpload",
    "s3:ObjectRemoved:Delete",  "s3:ObjectRemoved:DeleteMarkerCreated",
    "s3:LifecycleExpiration:*", "s3:LifecycleExpiration:Delete",
    "s3:LifecycleTransition",   "s3:LifecycleExpiration:DeleteMarkerCreated",
    "s3:ObjectTagging:*",       "s3:ObjectTagging:Put",
    "s3:ObjectTagging:Delete",
};
constexpr std::string_view kWithoutCause[] = {
    "s3:ReducedRedundancyLostObject", "s3:ObjectRestore", "s3:Replication",
    "s3:IntelligentTiering",          "s3:ObjectAcl",     "s3:ObjectAnnotation"};

Error invalid(std::string_view text) { return Error(kInvalidArgument, std::string(text)); }

Result<void> check_event(std::string_view event) {
  if (std::ranges::find(kServed, event) != std::end(kServed)) return {};
  for (const auto known : kWithoutCause) {
    if (event.starts_with(known)) {
      return Error(kNotImplemented,
                   "The event " + std::string(event) + " is not implemented by millrace: nothing here causes it.");
    }
  }
  return invalid("A specified event is not supported for notifications");
}

Result<void> read_filter(const Json& filter, NotificationRule& rule) {
  const Json* key = filter.find("Key");
  const Json* rules = key == nullptr ? nullptr : key->find("FilterRules");
  if (rules == nullptr || !rules->is_array()) return {};
  bool has_prefix = false, has_suffix = false;
  for (const Json& each : rules->as_array()) {
    std::string name(each.string_or("Name", ""));
    std::ranges::transform(name, name.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
    if (name != "prefix" && name != "suffix") return invalid("filter rule name must be either prefix or suffix");
    bool& seen = name == "prefix" ? has_prefix : has_suffix;
    if (seen) return invalid("Cannot specify more than one " + name + " rule in a filter.");
    seen = true;
    const auto value = each.string_or("Value", "");
    if (value.size() > 1024)
      return invalid("Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation");
    (name == "prefix" ? rule.prefix : rule.suffix) = value;
  }
  return {};
}

Result<NotificationRule> read_rule(const Json& json, const KindFacts& facts) {
  NotificationRule rule;
  rule.kind = facts.kind;
  rule.id = json.string_or("Id", "");
  if (rule.id.size() > 255) return invalid("Id must be less than or equal to 255 characters");
  rule.arn = json.string_or(facts.arn, "");
  const std::string prefix = ":" + std::string(facts.service) + ":";
  const auto partition = rule.arn.starts_with("arn:") ? rule.arn.find(':', 4) : std::string::npos;
  if (partition == std::string::npos || rule.arn.compare(partition, prefix.size(), prefix) != 0) {
    return invalid("The ARN could not be parsed")
        .with("ArgumentName", Json(facts.arn).dump())
        .with("ArgumentValue", Json(rule.arn).dump());
  }
  if (rule.arn.ends_with(".fifo")) return invalid("FIFO destinations are not supported for notifications: " + rule.arn);
  const Json* events = json.find("Events");
  const auto is_text = [](const Json& event) { return event.is_string(); };
  if (events == nullptr || !events->is_array() || events->as_array().empty() ||
      !std::ranges::all_of(events->as_array(), is_text)) {
    return Error(kMalformedXml,
                 "The XML you provided was not well-formed or did not validate against our published schema");
  }
  for (const Json& event : events->as_array()) {
    MR_RETURN_IF_ERROR(check_event(event.as_string()));
    rule.events.push_back(event.as_string());
  }
  if (const Json* filter = json.find("Filter")) MR_RETURN_IF_ERROR(read_filter(*filter, rule));
  return rule;
}

bool patterns_meet(std::string_view a, std::string_view b) {
  const auto stem = [](std::string_view event) { return event.substr(0, event.size() - 1); };
  if (a == b) return true;
  return (a.ends_with('*') && b.starts_with(stem(a))) || (b.ends_with('*') && a.starts_with(stem(b)));
}

bool overlap(const NotificationRule& a, const NotificationRule& b) {
  const bool events = std::ranges::any_of(a.events, [&](const std::string& x) {
    return std::ranges::any_of(b.events, [&](const std::string& y) { return patterns_meet(x, y); });
  });
  const bool prefixes = a.prefix.starts_with(b.prefix) || b.prefix.starts_with(a.prefix);
  const bool suffixes = a.suffix.ends_with(b.suffix) || b.suffix.ends_with(a.suffix);
  return events && prefixes && suffixes;
}

// AWS: no two rules may both want an event.
Result<void> check_rules(const std::vector<NotificationRule>& rules) {
  std::set<std::string_view> ids;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    if (!rules[i].id.empty() && !ids.insert(rules[i].id).second) return invalid("Configuration Ids must be unique");
    for (std::size_t j = 0; j < i; ++j) {
      if (!overlap(rules[i], rules[j])) continue;
      if (rules[i].prefix.empty() && rules[j].prefix.empty() && rules[i].suffix.empty() && rules[j].suffix.empty()) {
        return invalid("Configurations overlap. Configurations on the same bucket cannot share a common event type.");
      }
      return invalid(
          "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are "
          "overlapping for the same event type.");
    }
  }
  return {};
}

// AWS: keys are encoded as in a form: a space is '+', a slash stays.
std::string form_encoded(std::string_view key) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : key) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
        c == '.' || c == '*' || c == '/') {
      out += c;
    } else if (c == ' ') {
      out += '+';
    } else {
      out += '%';
      out += kHex[static_cast<unsigned char>(c) >> 4];
      out += kHex[static_cast<unsigned char>(c) & 15];
    }
  }
  return out;
}

std::string host_id(const Origin& origin) {
  return crypto::base64_encode(crypto::sha256("host of request " + origin.request_id));
}

std::string owner_id(std::string_view account) {
  std::string id = "A" + crypto::sha256_hex("owner " + std::string(account)).substr(0, 13);
  std::ranges::transform(id, id.begin(), [](char c) { return c >= 'a' && c <= 'z' ? char(c - 32) : c; });
  return id;
}

// The first byte: above those of versions that counted by the clock, in other units.
std::string sequencer(std::uint64_t sequence) {
  const std::string bytes = '\x01' + codec::be64(sequence);
  std::string text = crypto::hex_encode(bytes);
  std::ranges::transform(text, text.begin(), [](char c) { return c >= 'a' && c <= 'z' ? char(c - 32) : c; });
  return text;
}

bool is_removal(ObjectEvent event) { return event == ObjectEvent::kDelete || event == ObjectEvent::kExpiration; }
bool is_created(ObjectEvent event) { return event <= ObjectEvent::kCompleteMultipartUpload; }

Json object_json(const Occurrence& what) {
  const ObjectInfo& object = *what.object;
  Json json = Json::object({{"key", form_encoded(object.key)}});
  if (!is_removal(what.event)) {
    // AWS: events about tags have no size.
    json.set_if(is_created(what.event) || what.event == ObjectEvent::kTransition, "size", object.bytes);
    json.set("eTag", object.etag);
  }
  return json.set("sequencer", sequencer(what.sequence));
}

}  // namespace

std::string_view event_name(ObjectEvent event) {
  constexpr std::array<std::string_view, 8> kNames = {
      "ObjectCreated:Put",    "ObjectCreated:Copy",         "ObjectCreated:CompleteMultipartUpload",
      "ObjectRemoved:Delete", "LifecycleExpiration:Delete", "LifecycleTransition",
      "ObjectTagging:Put",    "ObjectTagging:Delete"};
  return kNames[static_cast<std::size_t>(event)];
}

bool NotificationRule::wants(ObjectEvent event, std::string_view key) const {
  if (!key.starts_with(prefix) || !key.ends_with(suffix)) return false;
  const std::string name = "s3:" + std::string(event_name(event));
  return std::ranges::any_of(events, [&](const std::string& wanted) { return patterns_meet(wanted, name); });
}

Json NotificationConfiguration::to_json() const {
  Json out = Json::object();
  for (const KindFacts& facts : kKinds) {
    Json list = Json::array();
    for (const NotificationRule& rule : rules) {
      if (rule.kind != facts.kind) continue;
      Json events = Json::array();
      for (const auto& event : rule.events) events.push(event);
      Json json = Json::object({{"Id", rule.id}, {std::string(facts.arn), rule.arn}, {"Events", std::move(events)}});
      Json filters = Json::array();
      if (!rule.prefix.empty()) filters.push(Json::object({{"Name", "Prefix"}, {"Value", rule.prefix}}));
      if (!rule.suffix.empty()) filters.push(Json::object({{"Name", "Suffix"}, {"Value", rule.suffix}}));
      if (!filters.as_array().empty()) {
        json.set("Filter", Json::object({{"Key", Json::object({{"FilterRules", std::move(filters)}})}}));
      }
      list.push(std::move(json));
    }
    if (!list.as_array().empty()) out.set(facts.list, std::move(list));
  }
  return out;
}

Result<NotificationConfiguration> parse_notifications(const Json& document) {
  if (document.find("EventBridgeConfiguration") != nullptr) {
    return Error(kNotImplemented, "The member EventBridgeConfiguration is not implemented by millrace.");
  }
  NotificationConfiguration out;
  for (const KindFacts& facts : kKinds) {
    const Json* list = document.find(facts.list);
    if (list == nullptr || !list->is_array()) continue;
    for (const Json& json : list->as_array()) {
      MR_ASSIGN_OR_RETURN(NotificationRule rule, read_rule(json, facts));
      out.rules.push_back(std::move(rule));
    }
  }
  MR_RETURN_IF_ERROR(check_rules(out.rules));
  return out;
}

std::string event_document(const Occurrence& what, std::string_view configuration_id) {
  Json s3 =
      Json::object({{"s3SchemaVersion", "1.0"},
                    {"configurationId", configuration_id},
                    {"bucket", Json::object({{"name", what.bucket},
                                             {"ownerIdentity", Json::object({{"principalId", owner_id(what.account)}})},
                                             {"arn", "arn:aws:s3:::" + std::string(what.bucket)}})},
                    {"object", object_json(what)}});
  const bool is_lifecycle = what.event == ObjectEvent::kExpiration || what.event == ObjectEvent::kTransition;
  const bool is_old = is_created(what.event) || what.event == ObjectEvent::kDelete;
  Json record = Json::object(
      {{"eventVersion", is_old ? "2.1" : "2.3"},
       {"eventSource", "aws:s3"},
       {"awsRegion", what.region},
       {"eventTime", format_iso_ms(what.time)},
       {"eventName", event_name(what.event)},
       {"userIdentity", Json::object({{"principalId", is_lifecycle ? "s3.amazonaws.com" : what.origin.principal}})},
       {"requestParameters",
        Json::object({{"sourceIPAddress", is_lifecycle ? "s3.amazonaws.com" : what.origin.address}})},
       {"responseElements",
        Json::object({{"x-amz-request-id", what.origin.request_id}, {"x-amz-id-2", host_id(what.origin)}})},
       {"s3", std::move(s3)}});
  if (what.event == ObjectEvent::kTransition) {
    Json transition = Json::object({{"destinationStorageClass", what.object->attributes.storage_class}});
    record.set("lifecycleEventData", Json::object({{"transitionEventData", std::move(transition)}}));
  }
  return Json::object({{"Records", Json::array({std::move(record)})}}).dump();
}

std::string test_document(std::string_view bucket, Time now, const Origin& origin) {
  return Json::object({{"Service", "Amazon S3"},
                       {"Event", "s3:TestEvent"},
                       {"Time", format_iso_ms(now)},
                       {"Bucket", bucket},
                       {"RequestId", origin.request_id},
                       {"HostId", host_id(origin)}})
      .dump();
}

}  // namespace millrace::s3
