#include "api/s3/internal/bucket_policy.h"

#include <algorithm>
#include <string>
#include <vector>

#include "codec/json.h"

namespace millrace::api_s3 {
namespace bucket_policy {

using codec::Json;

constexpr ErrorType kMalformedPolicy{"MalformedPolicy", 400};
constexpr ErrorType kPolicyTooLarge{"PolicyTooLarge", 400};

Error malformed(std::string message) { return Error(kMalformedPolicy, std::move(message)); }

// A text, or a list of texts.
std::optional<std::vector<std::string>> texts_of(const Json* json) {
  if (json == nullptr) return std::nullopt;
  if (json->is_string()) return std::vector<std::string>{json->as_string()};
  if (!json->is_array() || json->as_array().empty()) return std::nullopt;
  std::vector<std::string> texts;
  for (const Json& each : json->as_array()) {
    if (!each.is_string()) return std::nullopt;
    texts.push_back(each.as_string());
  }
  return texts;
}

const Json* either(const Json& statement, std::string_view one, std::string_view other) {
  const Json* found = statement.find(one);
  return found != nullptr ? found : statement.find(other);
}

std::vector<const Json*> statements_of(const Json& policy) {
  std::vector<const Json*> statements;
  const Json* given = policy.find("Statement");
  if (given == nullptr) return statements;
  if (given->is_object()) return {given};
  if (!given->is_array()) return statements;
  for (const Json& each : given->as_array()) statements.push_back(&each);
  return statements;
}

bool is_of_bucket(std::string_view resource, std::string_view bucket) {
  if (resource == "*") return true;
  if (!resource.starts_with("arn:")) return false;
  const auto at = resource.find(":s3:::");
  if (at == std::string_view::npos) return false;
  const std::string_view rest = resource.substr(at + 6);
  const std::string_view name = rest.substr(0, rest.find('/'));
  // A wildcard in the bucket's part may stand for it.
  const auto wild = name.find_first_of("*?");
  return name == bucket || (wild != std::string_view::npos && bucket.starts_with(name.substr(0, wild)));
}

Result<void> check_principal(const Json& principal) {
  if (principal.is_string() && principal.as_string() == "*") return {};
  if (!principal.is_object() || principal.as_object().empty()) return malformed("Invalid policy syntax.");
  for (const auto& [kind, value] : principal.as_object()) {
    if (kind != "AWS" && kind != "Service" && kind != "Federated" && kind != "CanonicalUser") {
      return malformed("Invalid principal in policy");
    }
    if (!texts_of(&value)) return malformed("Invalid principal in policy");
  }
  return {};
}

Result<void> check_statement(const Json& statement, std::string_view bucket) {
  if (!statement.is_object()) return malformed("Invalid policy syntax.");
  constexpr std::string_view kFields[] = {"Sid",       "Effect",   "Principal",   "NotPrincipal", "Action",
                                          "NotAction", "Resource", "NotResource", "Condition"};
  for (const auto& [name, value] : statement.as_object()) {
    if (std::ranges::find(kFields, name) == std::end(kFields)) return malformed("Unknown field " + name);
  }
  const auto effect = statement.string_or("Effect", "");
  if (effect.empty()) return malformed("Missing required field Effect");
  if (effect != "Allow" && effect != "Deny") return malformed("Invalid effect: " + std::string(effect));
  const Json* principal = either(statement, "Principal", "NotPrincipal");
  if (principal == nullptr) return malformed("Missing required field Principal");
  MR_RETURN_IF_ERROR(check_principal(*principal));
  const auto actions = texts_of(either(statement, "Action", "NotAction"));
  if (!actions) return malformed("Missing required field Action");
  for (const auto& action : *actions) {
    if (action != "*" && !action.starts_with("s3:") && !action.starts_with("S3:")) {
      return malformed("Policy has invalid action");
    }
  }
  const auto resources = texts_of(either(statement, "Resource", "NotResource"));
  if (!resources) return malformed("Missing required field Resource");
  for (const auto& resource : *resources) {
    if (!is_of_bucket(resource, bucket)) return malformed("Policy has invalid resource");
  }
  const Json* condition = statement.find("Condition");
  if (condition == nullptr) return {};
  if (!condition->is_object())
    return malformed("Conditions do not apply to combination of actions and resources in statement");
  for (const auto& [name, keys] : condition->as_object()) {
    if (!keys.is_object()) return malformed("Invalid policy syntax.");
  }
  return {};
}

bool is_everybody(const Json* principal) {
  if (principal == nullptr) return false;
  if (principal->is_string()) return principal->as_string() == "*";
  const auto accounts = texts_of(principal->find("AWS"));
  return accounts && std::ranges::find(*accounts, "*") != accounts->end();
}

// AWS: conditions on these keys, with fixed values, make a statement not public.
bool is_restricted(const Json* condition) {
  if (condition == nullptr) return false;
  constexpr std::string_view kKeys[] = {"aws:sourcearn",
                                        "aws:sourcevpc",
                                        "aws:sourcevpce",
                                        "aws:sourceowner",
                                        "aws:sourceaccount",
                                        "aws:sourceip",
                                        "aws:principalorgid",
                                        "aws:principalarn",
                                        "aws:userid",
                                        "aws:principalaccount",
                                        "aws:principalorgpaths",
                                        "s3:dataaccesspointarn",
                                        "s3:dataaccesspointaccount",
                                        "s3:x-amz-server-side-encryption-aws-kms-key-id"};
  for (const auto& [name, keys] : condition->as_object()) {
    const bool positive = name.find("Not") == std::string::npos && name != "Null";
    if (!positive) continue;
    for (const auto& [key, value] : keys.as_object()) {
      std::string lower = key;
      std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      const auto values = texts_of(&value);
      if (std::ranges::find(kKeys, lower) == std::end(kKeys) || !values) continue;
      const bool is_fixed = std::ranges::none_of(*values, [](const std::string& one) {
        return one.find_first_of("*?$") != std::string::npos || one.ends_with("/0");
      });
      if (is_fixed) return true;
    }
  }
  return false;
}

}  // namespace bucket_policy

Result<void> check_bucket_policy(std::string_view policy, std::string_view bucket) {
  using namespace bucket_policy;
  if (policy.size() > kBucketPolicyBytesMax) {
    return Error(kPolicyTooLarge, "Normalized policy document exceeds the maximum allowed size of 20480 bytes.");
  }
  const auto document = codec::parse_json(policy);
  if (!document.ok() || !document->is_object()) {
    return malformed("Policies must be valid JSON and the first byte must be '{'");
  }
  for (const auto& [name, value] : document->as_object()) {
    if (name != "Version" && name != "Id" && name != "Statement") return malformed("Unknown field " + name);
  }
  if (const Json* version = document->find("Version")) {
    if (!version->is_string() || (version->as_string() != "2012-10-17" && version->as_string() != "2008-10-17")) {
      return malformed("The policy must contain a valid version string");
    }
  }
  const auto statements = statements_of(*document);
  if (statements.empty()) return malformed("Missing required field Statement");
  for (const Json* statement : statements) MR_RETURN_IF_ERROR(check_statement(*statement, bucket));
  return {};
}

bool is_public(std::string_view policy) {
  using namespace bucket_policy;
  const auto document = codec::parse_json(policy);
  if (!document.ok()) return false;
  return std::ranges::any_of(statements_of(*document), [](const Json* statement) {
    return statement->string_or("Effect", "") == "Allow" &&
           (is_everybody(statement->find("Principal")) || statement->find("NotPrincipal") != nullptr) &&
           !is_restricted(statement->find("Condition"));
  });
}

}  // namespace millrace::api_s3
