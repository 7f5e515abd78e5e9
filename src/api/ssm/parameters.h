// Parameters as values: what a record holds, names and ARNs, the rules about them. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/scope.h"
#include "base/time.h"
#include "codec/json.h"

namespace millrace::api_ssm {

inline constexpr std::size_t kVersionsKept = 100;    // AWS: the last 100
inline constexpr std::size_t kStandardBytes = 4096;  // AWS quotas of the tiers
inline constexpr std::size_t kAdvancedBytes = 8192;
inline constexpr std::size_t kLevelsMax = 15;
inline constexpr std::size_t kTagsMax = 50;

using Tags = std::map<std::string, std::string, std::less<>>;

struct Version {
  std::int64_t number = 1;
  std::string type;  // "String", "StringList", "SecureString"
  std::string value;
  std::string key_id;  // of SecureString
  std::string description;
  std::string allowed_pattern;
  std::string tier = "Standard";
  Time modified{};
};

struct Parameter {
  std::vector<Version> versions;  // oldest first, never empty
  Tags tags;
  const Version& last() const { return versions.back(); }
  // nullptr: unknown, or older than those that are kept.
  const Version* find(std::int64_t number) const;
};

codec::Json to_json(const Parameter& parameter);
Parameter parameter_from_json(const codec::Json& json);

// arn:aws:ssm:us-east-1:000000000000:parameter/a/b, of the names "/a/b" and "a/b".
std::string arn_of(const Scope& scope, std::string_view name);

// A parameter as requests name it: its name or ARN, perhaps ':' and a version.
struct Reference {
  Scope scope;
  std::string name;
  std::optional<std::int64_t> version;
  std::string selector;  // ":3", or ""
};
// ValidationException for labels, which are not served, and for other services' ARNs.
Result<Reference> parse_reference(const Scope& scope, std::string_view text);

// ValidationException.
Error invalid(std::string message);

Result<void> check_name(const Scope& scope, std::string_view name);
// Value, tier and pattern of a version that is about to be put.
Result<void> check_version(const Version& version);

// What GetParameter shows: the value, or, of a SecureString without decryption, an opaque text.
std::string shown_value(const Version& version, bool decrypted);

}  // namespace millrace::api_ssm
