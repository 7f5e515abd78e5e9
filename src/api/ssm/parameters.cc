#include "api/ssm/parameters.h"

#include <algorithm>
#include <regex>

#include "crypto/digest.h"
#include "crypto/encoding.h"
#include "wire/arn.h"
#include "wire/generated/ssm.h"

namespace millrace::api_ssm {
namespace {

using codec::Json;

Json version_to_json(const Version& version) {
  Json json = Json::object();
  json.set("n", version.number)
      .set("type", version.type)
      .set("value", version.value)
      .set_if(!version.key_id.empty(), "key", version.key_id)
      .set_if(!version.description.empty(), "description", version.description)
      .set_if(!version.allowed_pattern.empty(), "pattern", version.allowed_pattern)
      .set("tier", version.tier)
      .set("modified", to_unix_ms(version.modified));
  return json;
}

Version version_from_json(const Json& json) {
  Version version;
  version.number = json.int_or("n", 1);
  version.type = json.string_or("type", "String");
  version.value = json.string_or("value", "");
  version.key_id = json.string_or("key", "");
  version.description = json.string_or("description", "");
  version.allowed_pattern = json.string_or("pattern", "");
  version.tier = json.string_or("tier", "Standard");
  version.modified = from_unix_ms(json.int_or("modified", 0));
  return version;
}

bool starts_with_word(std::string_view name, std::string_view word) {
  if (name.starts_with('/')) name.remove_prefix(1);
  return name.size() >= word.size() && std::ranges::equal(name.substr(0, word.size()), word, [](char a, char b) {
           return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b;
         });
}

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
         c == '_' || c == '/';
}

}  // namespace

Error invalid(std::string message) { return Error(wire::ssm::kValidationException, std::move(message)); }

const Version* Parameter::find(std::int64_t number) const {
  const auto it = std::ranges::find(versions, number, &Version::number);
  return it == versions.end() ? nullptr : &*it;
}

Json to_json(const Parameter& parameter) {
  Json versions = Json::array();
  for (const auto& version : parameter.versions) versions.push(version_to_json(version));
  Json tags = Json::object();
  for (const auto& [key, value] : parameter.tags) tags.set(key, value);
  return Json::object({{"v", 1}, {"versions", std::move(versions)}, {"tags", std::move(tags)}});
}

Parameter parameter_from_json(const Json& json) {
  Parameter parameter;
  if (const Json* versions = json.find("versions"); versions != nullptr && versions->is_array()) {
    for (const auto& version : versions->as_array()) parameter.versions.push_back(version_from_json(version));
  }
  if (const Json* tags = json.find("tags"); tags != nullptr && tags->is_object()) {
    for (const auto& [key, value] : tags->as_object()) parameter.tags[key] = value.is_string() ? value.as_string() : "";
  }
  if (parameter.versions.empty()) parameter.versions.emplace_back();
  return parameter;
}

std::string arn_of(const Scope& scope, std::string_view name) {
  const std::string prefix = "arn:aws:ssm:" + scope.region + ":" + scope.account + ":parameter";
  return prefix + (name.starts_with('/') ? "" : "/") + std::string(name);
}

Result<Reference> parse_reference(const Scope& scope, std::string_view text) {
  Reference reference{scope, std::string(text), std::nullopt, ""};
  if (text.starts_with("arn:")) {
    const auto arn = wire::parse_arn(text);
    if (!arn || arn->service != "ssm" || !arn->resource.starts_with("parameter/")) {
      return invalid("Invalid parameter ARN: " + std::string(text));
    }
    reference.scope = {arn->account, arn->region};
    // AWS: the ARN of "/a" is that of "a"; a name without hierarchy has no slash.
    std::string name = arn->resource.substr(std::string_view("parameter/").size());
    reference.name = name.find('/') == std::string::npos ? std::move(name) : "/" + name;
  }
  const auto colon = reference.name.find(':');
  if (colon == std::string::npos) return reference;
  reference.selector = reference.name.substr(colon);
  reference.name.resize(colon);
  const std::string_view number = std::string_view(reference.selector).substr(1);
  if (number.empty() || number.size() > 18 ||
      !std::ranges::all_of(number, [](char c) { return c >= '0' && c <= '9'; })) {
    return invalid("Labels of parameters are not supported by this server: " + std::string(text));
  }
  reference.version = std::stoll(std::string(number));
  return reference;
}

Result<void> check_name(const Scope& scope, std::string_view name) {
  if (starts_with_word(name, "aws")) {
    return Error(wire::ssm::kAccessDeniedException, "No access to reserved parameter name: " + std::string(name) + ".");
  }
  if (starts_with_word(name, "ssm") || !std::ranges::all_of(name, is_name_character)) {
    return invalid(
        "Parameter name: can't be prefixed with \"ssm\" (case-insensitive). If formed as a path, it can consist of "
        "sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the following "
        "3 symbols .-_");
  }
  if (name.find('/') != std::string_view::npos && !name.starts_with('/')) {
    return invalid("Parameter name must be a fully qualified name.");
  }
  if (name.ends_with('/') || name.find("//") != std::string_view::npos) {
    return invalid("Parameter name must not end with a slash or have an empty sub-path.");
  }
  if (static_cast<std::size_t>(std::ranges::count(name, '/')) > kLevelsMax) {
    return Error(wire::ssm::kHierarchyLevelLimitExceededException, "A hierarchy can have a maximum of 15 levels.");
  }
  if (arn_of(scope, name).size() > 1011 + 37) return invalid("Parameter name is too long.");
  return {};
}

Result<void> check_version(const Version& version) {
  if (version.value.empty()) return invalid("The parameter value must not be empty.");
  if (version.tier == "Standard" && version.value.size() > kStandardBytes) {
    return invalid(
        "Standard tier parameters support a maximum parameter value of 4096 characters. To create a larger parameter "
        "value, upgrade the parameter to use the advanced-parameter tier. For more information, see "
        "https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html");
  }
  if (version.value.size() > kAdvancedBytes) {
    return invalid("Advanced tier parameters support a maximum parameter value of 8192 characters.");
  }
  if (version.allowed_pattern.empty()) return {};
  try {
    if (std::regex_match(version.value, std::regex(version.allowed_pattern))) return {};
  } catch (const std::regex_error&) {
    return Error(wire::ssm::kInvalidAllowedPatternException,
                 "The request does not meet the regular expression requirement: " + version.allowed_pattern);
  }
  return Error(wire::ssm::kParameterPatternMismatchException,
               "Parameter value, cannot be validated against allowedPattern: " + version.allowed_pattern);
}

std::string shown_value(const Version& version, bool decrypted) {
  if (version.type != "SecureString" || decrypted) return version.value;
  return crypto::base64_encode(crypto::sha256(version.key_id + '\0' + version.value));
}

}  // namespace millrace::api_ssm
