// Lifecycle rules of a bucket: reading, checking, and what they decide about one object. Pure; thread-safe.
//
// AWS: "Managing the lifecycle of objects": a number of days counts from the creation and the result is rounded up to
// the next midnight UTC; a date applies from that midnight on. Expiration beats transition; of several expirations the
// earliest counts, of several transitions due the one to the coldest class.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "codec/json.h"
#include "s3/object.h"

namespace millrace::s3 {

// After so many days, or on a date; one of both is set.
struct LifecycleTime {
  std::optional<int> days;
  std::optional<Time> date;
};

struct LifecycleTransition {
  LifecycleTime when;
  std::string storage_class;
};

struct LifecycleRule {
  std::string id;
  bool enabled = false;
  std::string prefix;
  Tags tags;  // all of them must be there
  std::optional<std::uint64_t> bytes_greater_than;
  std::optional<std::uint64_t> bytes_less_than;
  std::optional<LifecycleTime> expiration;
  std::vector<LifecycleTransition> transitions;
  std::optional<int> abort_upload_days;
};

// The document is kept as it was sent (with ids filled in), in the spelling of PutBucketLifecycleConfiguration; actions
// on noncurrent versions and delete markers are kept and have nothing to act on, as buckets have no versions.
struct LifecycleConfiguration {
  std::vector<LifecycleRule> rules;
  // AWS: TransitionDefaultMinimumObjectSize, for rules that name no size: 128 KiB for every class, or only for those
  // of infrequent access ("varies_by_storage_class").
  bool minimum_for_all_classes = true;
  codec::Json document;
};

// `document`: {"Rules": [...], "TransitionDefaultMinimumObjectSize": ...}. Times may be ISO texts or numbers of
// seconds. Errors: kMalformedXml, kInvalidArgument, kInvalidRequest in AWS's words.
Result<LifecycleConfiguration> parse_lifecycle(codec::Json document);

struct LifecycleVerdict {
  Time when = kNever;           // the next thing to happen
  std::string transition_to;    // "": it expires then
  Time expires = kNever;        // when it expires, whatever happens before
  std::string expiration_rule;  // id
};
// What the rules have in store for an object with these properties.
LifecycleVerdict judge(const LifecycleConfiguration& rules, const ObjectInfo& object);
// The value of x-amz-expiration, "" when it does not expire.
std::string expiration_field(const LifecycleVerdict& verdict);

struct AbortVerdict {
  Time when = kNever;
  std::string rule;
};
// When an unfinished multipart upload is aborted.
AbortVerdict judge_upload(const LifecycleConfiguration& rules, std::string_view key, Time initiated);

// The first midnight UTC after `from` + `days`.
Time lifecycle_midnight(Time from, int days);

}  // namespace millrace::s3
