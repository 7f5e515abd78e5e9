#include "iam/policy.h"

#include <algorithm>
#include <string>

#include "codec/json.h"
#include "iam/errors.h"

namespace millrace::iam {
namespace {

using codec::Json;

Error malformed(std::string message) { return Error(kMalformedPolicyDocument, std::move(message)); }

bool is_text_or_list(const Json* json) {
  if (json == nullptr) return false;
  if (json->is_string()) return true;
  return json->is_array() && !json->as_array().empty() &&
         std::ranges::all_of(json->as_array(), [](const Json& element) { return element.is_string(); });
}

Result<void> check_principal(const Json& principal) {
  if (principal.is_string() && principal.as_string() == "*") return {};
  if (!principal.is_object() || principal.as_object().empty()) return malformed("Invalid principal in policy.");
  for (const auto& [kind, value] : principal.as_object()) {
    if (kind != "AWS" && kind != "Service" && kind != "Federated" && kind != "CanonicalUser") {
      return malformed("Invalid principal in policy: \"" + kind + "\"");
    }
    if (!is_text_or_list(&value)) return malformed("Invalid principal in policy: \"" + kind + "\"");
  }
  return {};
}

Result<void> check_statement(const Json& statement, PolicyKind kind) {
  if (!statement.is_object()) return malformed("Syntax errors in policy.");
  constexpr std::string_view kFields[] = {"Sid",       "Effect",   "Principal",   "NotPrincipal", "Action",
                                          "NotAction", "Resource", "NotResource", "Condition"};
  for (const auto& [name, value] : statement.as_object()) {
    if (std::ranges::find(kFields, name) == std::end(kFields)) return malformed("Syntax errors in policy.");
  }
  const auto effect = statement.string_or("Effect", "");
  if (effect.empty()) return malformed("Missing required field Effect");
  if (effect != "Allow" && effect != "Deny") return malformed("Invalid effect: " + std::string(effect));
  if (!is_text_or_list(statement.find("Action")) && !is_text_or_list(statement.find("NotAction"))) {
    return malformed("Policy statement must contain actions.");
  }
  if (const Json* condition = statement.find("Condition"); condition != nullptr && !condition->is_object()) {
    return malformed("Syntax errors in policy.");
  }
  const Json* principal = statement.find("Principal");
  if (principal == nullptr) principal = statement.find("NotPrincipal");
  const bool has_resource = statement.find("Resource") != nullptr || statement.find("NotResource") != nullptr;
  if (kind == PolicyKind::kTrust) {
    if (has_resource) return malformed("Has prohibited field Resource");
    if (principal == nullptr) return malformed("Missing required field Principal");
    return check_principal(*principal);
  }
  if (principal != nullptr) return malformed("Policy document should not specify a principal.");
  if (!is_text_or_list(statement.find("Resource")) && !is_text_or_list(statement.find("NotResource"))) {
    return malformed("Policy statement must contain resources.");
  }
  return {};
}

}  // namespace

Result<void> check_policy(std::string_view text, PolicyKind kind) {
  auto document = codec::parse_json(text);
  if (!document.ok() || !document->is_object()) return malformed("This policy contains invalid Json");
  for (const auto& [name, value] : document->as_object()) {
    if (name != "Version" && name != "Id" && name != "Statement") return malformed("Syntax errors in policy.");
  }
  if (const Json* version = document->find("Version")) {
    if (!version->is_string() || (version->as_string() != "2012-10-17" && version->as_string() != "2008-10-17")) {
      return malformed("The policy must contain a valid version string");
    }
  }
  const Json* statements = document->find("Statement");
  if (statements == nullptr || (!statements->is_object() && !statements->is_array()) ||
      (statements->is_array() && statements->as_array().empty())) {
    return malformed("Syntax errors in policy.");
  }
  if (statements->is_object()) return check_statement(*statements, kind);
  for (const auto& statement : statements->as_array()) MR_RETURN_IF_ERROR(check_statement(statement, kind));
  return {};
}

}  // namespace millrace::iam
