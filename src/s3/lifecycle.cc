#include "s3/lifecycle.h"

#include <algorithm>
#include <array>
#include <set>

#include "crypto/digest.h"
#include "s3/errors.h"
#include "s3/limits.h"

namespace millrace::s3 {
namespace {

using codec::Json;

Error malformed() {
  return Error(kMalformedXml,
               "The XML you provided was not well-formed or did not validate against our published schema");
}

// From the warmest to the coldest; a transition never goes back.
constexpr std::array<std::string_view, 7> kByWarmth = {"STANDARD",   "STANDARD_IA", "INTELLIGENT_TIERING", "ONEZONE_IA",
                                                       "GLACIER_IR", "GLACIER",     "DEEP_ARCHIVE"};
int coldness(std::string_view storage_class) {
  const auto at = std::find(kByWarmth.begin(), kByWarmth.end(), storage_class);
  return at == kByWarmth.end() ? 0 : static_cast<int>(at - kByWarmth.begin());
}

Result<std::optional<int>> parse_days(const Json& action, std::string_view name, int least, const char* complaint) {
  const Json* days = action.find(name);
  if (days == nullptr) return std::optional<int>();
  if (!days->is_int()) return malformed();
  if (days->as_int() < least || days->as_int() > 2'147'483'647) return Error(kInvalidArgument, complaint);
  return std::optional<int>(static_cast<int>(days->as_int()));
}

Result<std::optional<Time>> parse_date(const Json& action) {
  const Json* date = action.find("Date");
  if (date == nullptr) return std::optional<Time>();
  std::optional<Time> time;
  if (date->is_number()) time = from_unix_ms(static_cast<std::int64_t>(date->as_double() * 1000));
  if (date->is_string()) time = parse_iso(date->as_string());
  if (!time) return malformed();
  if (to_unix_ms(*time) % 86'400'000 != 0) return Error(kInvalidArgument, "'Date' must be at midnight GMT");
  return time;
}

Result<LifecycleTime> parse_time(const Json& action, int least, const char* complaint) {
  LifecycleTime when;
  MR_ASSIGN_OR_RETURN(when.days, parse_days(action, "Days", least, complaint));
  MR_ASSIGN_OR_RETURN(when.date, parse_date(action));
  return when;
}

Result<void> parse_tag(const Json& tag, LifecycleRule& rule) {
  const Json* key = tag.find("Key");
  const Json* value = tag.find("Value");
  if (key == nullptr || value == nullptr || !key->is_string() || !value->is_string()) return malformed();
  for (const Tag& other : rule.tags) {
    if (other.key == key->as_string()) return Error(kInvalidRequest, "Duplicate Tag Keys are not allowed.");
  }
  rule.tags.push_back({key->as_string(), value->as_string()});
  return {};
}

// The members of a Filter or of its And.
Result<void> parse_predicates(const Json& filter, LifecycleRule& rule) {
  rule.prefix = filter.string_or("Prefix", "");
  if (const Json* tag = filter.find("Tag")) MR_RETURN_IF_ERROR(parse_tag(*tag, rule));
  if (const Json* tags = filter.find("Tags")) {
    if (!tags->is_array()) return malformed();
    for (const Json& tag : tags->as_array()) MR_RETURN_IF_ERROR(parse_tag(tag, rule));
  }
  const auto size = [&](std::string_view name, std::optional<std::uint64_t>& out) -> Result<void> {
    const Json* bytes = filter.find(name);
    if (bytes == nullptr) return {};
    if (!bytes->is_int()) return malformed();
    if (bytes->as_int() < 0) return Error(kInvalidArgument, "'" + std::string(name) + "' must not be negative");
    out = static_cast<std::uint64_t>(bytes->as_int());
    return {};
  };
  MR_RETURN_IF_ERROR(size("ObjectSizeGreaterThan", rule.bytes_greater_than));
  MR_RETURN_IF_ERROR(size("ObjectSizeLessThan", rule.bytes_less_than));
  if (rule.bytes_greater_than && rule.bytes_less_than && *rule.bytes_greater_than >= *rule.bytes_less_than) {
    return Error(kInvalidRequest, "'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'.");
  }
  return {};
}

Result<void> parse_filter(const Json& document, LifecycleRule& rule) {
  const Json* filter = document.find("Filter");
  const Json* prefix = document.find("Prefix");
  if ((filter != nullptr) == (prefix != nullptr)) return malformed();  // one of both, the latter being the older form
  if (prefix != nullptr) {
    if (!prefix->is_string()) return malformed();
    rule.prefix = prefix->as_string();
    return {};
  }
  if (!filter->is_object()) return malformed();
  if (filter->as_object().size() > 1) return malformed();  // AWS: exactly one of Prefix, Tag, sizes, And
  const Json* both = filter->find("And");
  return parse_predicates(both != nullptr ? *both : *filter, rule);
}

Result<bool> parse_expiration(const Json& document, LifecycleRule& rule) {
  const Json* action = document.find("Expiration");
  if (action == nullptr) return false;
  LifecycleTime when;
  MR_ASSIGN_OR_RETURN(when, parse_time(*action, 1, "'Days' for Expiration action must be a positive integer"));
  const bool marker = action->find("ExpiredObjectDeleteMarker") != nullptr;
  if (when.days.has_value() + when.date.has_value() + marker != 1) return malformed();
  if (!marker) rule.expiration = when;
  if (marker && !rule.tags.empty()) {
    return Error(kInvalidRequest, "ExpiredObjectDeleteMarker cannot be specified with tags.");
  }
  return true;
}

Result<bool> parse_transitions(const Json& document, LifecycleRule& rule) {
  const Json* transitions = document.find("Transitions");
  if (transitions == nullptr) return false;
  if (!transitions->is_array()) return malformed();
  for (const Json& action : transitions->as_array()) {
    LifecycleTransition transition;
    MR_ASSIGN_OR_RETURN(transition.when, parse_time(action, 0, "'Days' for Transition action must be nonnegative"));
    transition.storage_class = action.string_or("StorageClass", "");
    if (transition.when.days.has_value() == transition.when.date.has_value()) return malformed();
    if (coldness(transition.storage_class) == 0) return malformed();
    const bool infrequent = transition.storage_class == "STANDARD_IA" || transition.storage_class == "ONEZONE_IA";
    if (infrequent && transition.when.days && *transition.when.days < 30) {
      return Error(kInvalidArgument,
                   "'Days' in Transition action must be greater than or equal to 30 for storageClass '" +
                       transition.storage_class + "'");
    }
    for (const LifecycleTransition& other : rule.transitions) {
      if (other.storage_class == transition.storage_class) {
        return Error(kInvalidRequest,
                     "'StorageClass' must be different for 'Transition' actions in same 'Rule' with "
                     "prefix '" +
                         rule.prefix + "'");
      }
    }
    rule.transitions.push_back(std::move(transition));
  }
  return !rule.transitions.empty();
}

Result<void> check_order(const LifecycleRule& rule) {
  for (const LifecycleTransition& transition : rule.transitions) {
    if (!rule.expiration) continue;
    if (transition.when.days.has_value() != rule.expiration->days.has_value()) {
      return Error(kInvalidRequest,
                   "Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle "
                   "rule for prefix '" +
                       rule.prefix + "'");
    }
    if (transition.when.days && *rule.expiration->days <= *transition.when.days) {
      return Error(kInvalidArgument, "'Days' in the Expiration action for prefix '" + rule.prefix +
                                         "' must be greater than 'Days' in the Transition action");
    }
    if (transition.when.date && *rule.expiration->date <= *transition.when.date) {
      return Error(kInvalidArgument, "'Date' in the Expiration action for prefix '" + rule.prefix +
                                         "' must be later than 'Date' in the Transition action");
    }
  }
  return {};
}

Result<bool> parse_abort(const Json& document, LifecycleRule& rule) {
  const Json* action = document.find("AbortIncompleteMultipartUpload");
  if (action == nullptr) return false;
  MR_ASSIGN_OR_RETURN(rule.abort_upload_days,
                      parse_days(*action, "DaysAfterInitiation", 1,
                                 "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive "
                                 "integer"));
  if (!rule.abort_upload_days) return malformed();
  if (!rule.tags.empty() || rule.bytes_greater_than || rule.bytes_less_than) {
    return Error(kInvalidRequest, "AbortIncompleteMultipartUpload cannot be specified with Tags or object sizes.");
  }
  return true;
}

Result<bool> parse_noncurrent(const Json& document) {
  bool any = false;
  if (const Json* action = document.find("NoncurrentVersionExpiration")) {
    MR_RETURN_IF_ERROR(
        parse_days(*action, "NoncurrentDays", 1,
                   "'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer"));
    any = true;
  }
  if (const Json* actions = document.find("NoncurrentVersionTransitions")) {
    any = any || (actions->is_array() && !actions->as_array().empty());
  }
  return any;
}

Result<LifecycleRule> parse_rule(Json& document) {
  LifecycleRule rule;
  if (!document.is_object()) return malformed();
  rule.id = document.string_or("ID", "");
  if (rule.id.size() > 255) return Error(kInvalidArgument, "ID length should not exceed allowed limit of 255");
  const std::string_view status = document.string_or("Status", "");
  if (status != "Enabled" && status != "Disabled") return malformed();
  rule.enabled = status == "Enabled";
  MR_RETURN_IF_ERROR(parse_filter(document, rule));
  bool any = false;
  for (const auto part : {&parse_expiration, &parse_transitions, &parse_abort}) {
    MR_ASSIGN_OR_RETURN(const bool found, part(document, rule));
    any = any || found;
  }
  MR_ASSIGN_OR_RETURN(const bool noncurrent, parse_noncurrent(document));
  if (!any && !noncurrent) {
    return Error(kInvalidRequest, "At least one action needs to be specified in a rule");
  }
  MR_RETURN_IF_ERROR(check_order(rule));
  return rule;
}

bool applies(const LifecycleRule& rule, const ObjectInfo& object) {
  if (!rule.enabled || !object.key.starts_with(rule.prefix)) return false;
  if (rule.bytes_greater_than && object.bytes <= *rule.bytes_greater_than) return false;
  if (rule.bytes_less_than && object.bytes >= *rule.bytes_less_than) return false;
  return std::all_of(rule.tags.begin(), rule.tags.end(), [&](const Tag& tag) {
    return std::find(object.attributes.tags.begin(), object.attributes.tags.end(), tag) != object.attributes.tags.end();
  });
}

constexpr std::uint64_t kTransitionBytesMin = 128 * 1024;

bool large_enough(const LifecycleConfiguration& configuration, const LifecycleRule& rule,
                  std::string_view storage_class, std::uint64_t bytes) {
  if (rule.bytes_greater_than || rule.bytes_less_than || bytes >= kTransitionBytesMin) return true;
  const bool archive = storage_class == "GLACIER" || storage_class == "DEEP_ARCHIVE";
  return archive && !configuration.minimum_for_all_classes;
}

Time due(const LifecycleTime& when, Time created) {
  return when.date ? *when.date : lifecycle_midnight(created, *when.days);
}

}  // namespace

Time lifecycle_midnight(Time from, int days) {
  const auto day = std::chrono::floor<std::chrono::days>(from) + std::chrono::days(std::int64_t{days} + 1);
  return std::chrono::time_point_cast<Milliseconds>(day);
}

Result<LifecycleConfiguration> parse_lifecycle(Json document) {
  LifecycleConfiguration configuration;
  Json* rules = document.find("Rules");
  if (rules == nullptr || !rules->is_array() || rules->as_array().empty()) return malformed();
  if (rules->as_array().size() > kLifecycleRulesMax) {
    return Error(kInvalidRequest, "The number of lifecycle rules must not exceed the allowed limit of 1000 rules");
  }
  const std::string_view minimum = document.string_or("TransitionDefaultMinimumObjectSize", "all_storage_classes_128K");
  if (minimum != "all_storage_classes_128K" && minimum != "varies_by_storage_class") {
    return Error(kInvalidArgument, "Invalid TransitionDefaultMinimumObjectSize found: " + std::string(minimum));
  }
  configuration.minimum_for_all_classes = minimum == "all_storage_classes_128K";
  std::set<std::string> ids;
  for (Json& each : rules->as_array()) {
    MR_ASSIGN_OR_RETURN(LifecycleRule rule, parse_rule(each));
    if (rule.id.empty()) {
      // AWS generates a unique value; from the position and text, so that the same document gives the same ids.
      rule.id = crypto::md5_hex(std::to_string(ids.size()) + each.dump());
      each.set("ID", rule.id);
    }
    if (!ids.insert(rule.id).second) {
      return Error(kInvalidArgument, "Rule ID must be unique. Found same ID for more than one rule");
    }
    configuration.rules.push_back(std::move(rule));
  }
  configuration.document = std::move(document);
  return configuration;
}

LifecycleVerdict judge(const LifecycleConfiguration& configuration, const ObjectInfo& object) {
  LifecycleVerdict verdict;
  for (const LifecycleRule& rule : configuration.rules) {
    if (!rule.expiration || !applies(rule, object)) continue;
    const Time when = due(*rule.expiration, object.modified);
    if (when < verdict.expires) {
      verdict.expires = when;
      verdict.expiration_rule = rule.id;
    }
  }
  verdict.when = verdict.expires;
  const int now = coldness(object.attributes.storage_class);
  for (const LifecycleRule& rule : configuration.rules) {
    if (rule.transitions.empty() || !applies(rule, object)) continue;
    for (const LifecycleTransition& transition : rule.transitions) {
      if (coldness(transition.storage_class) <= now) continue;
      if (!large_enough(configuration, rule, transition.storage_class, object.bytes)) continue;
      const Time when = due(transition.when, object.modified);
      if (when > verdict.when || (when == verdict.when && verdict.transition_to.empty())) continue;
      if (when == verdict.when && coldness(transition.storage_class) <= coldness(verdict.transition_to)) continue;
      verdict.when = when;
      verdict.transition_to = transition.storage_class;
    }
  }
  return verdict;
}

std::string expiration_field(const LifecycleVerdict& verdict) {
  if (verdict.expires == kNever) return {};
  return "expiry-date=\"" + format_http_date(verdict.expires) + "\", rule-id=\"" + verdict.expiration_rule + "\"";
}

AbortVerdict judge_upload(const LifecycleConfiguration& configuration, std::string_view key, Time initiated) {
  AbortVerdict verdict;
  for (const LifecycleRule& rule : configuration.rules) {
    if (!rule.enabled || !rule.abort_upload_days || !key.starts_with(rule.prefix)) continue;
    const Time when = lifecycle_midnight(initiated, *rule.abort_upload_days);
    if (when < verdict.when) verdict = {when, rule.id};
  }
  return verdict;
}

}  // namespace millrace::s3
