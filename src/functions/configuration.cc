#include "functions/configuration.h"

#include <algorithm>
#include <array>
#include <utility>

#include "functions/errors.h"
#include "functions/limits.h"
#include "runtimes/interpreters.h"

namespace millrace::functions {
namespace {

using codec::Json;

constexpr std::size_t kNameLengthMax = 64;
constexpr std::size_t kQualifierLengthMax = 128;
constexpr std::string_view kKeyPrefix = "functions/";

// AWS: variables of the runtime that a function may not set.
constexpr std::array<std::string_view, 21> kReservedVariables{"_HANDLER",
                                                              "_X_AMZN_TRACE_ID",
                                                              "AWS_DEFAULT_REGION",
                                                              "AWS_REGION",
                                                              "AWS_EXECUTION_ENV",
                                                              "AWS_LAMBDA_FUNCTION_NAME",
                                                              "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
                                                              "AWS_LAMBDA_FUNCTION_VERSION",
                                                              "AWS_LAMBDA_INITIALIZATION_TYPE",
                                                              "AWS_LAMBDA_LOG_GROUP_NAME",
                                                              "AWS_LAMBDA_LOG_STREAM_NAME",
                                                              "AWS_ACCESS_KEY",
                                                              "AWS_ACCESS_KEY_ID",
                                                              "AWS_SECRET_ACCESS_KEY",
                                                              "AWS_SESSION_TOKEN",
                                                              "AWS_LAMBDA_RUNTIME_API",
                                                              "LAMBDA_TASK_ROOT",
                                                              "LAMBDA_RUNTIME_DIR",
                                                              "AWS_XRAY_CONTEXT_MISSING",
                                                              "AWS_XRAY_DAEMON_ADDRESS",
                                                              "AWS_LAMBDA_MAX_CONCURRENCY"};

bool is_name(std::string_view text, std::size_t length_max = kNameLengthMax) {
  return !text.empty() && text.size() <= length_max && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

bool is_account(std::string_view text) {
  return text.size() == 12 && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> parts;
  for (std::size_t at = 0;;) {
    const auto colon = text.find(':', at);
    parts.push_back(text.substr(at, colon - at));
    if (colon == std::string_view::npos) return parts;
    at = colon + 1;
  }
}

Error invalid(std::string message) { return Error(kInvalidParameterValue, std::move(message)); }

Result<void> check_variables(const StringMap& variables) {
  std::string reserved;
  Json measured = Json::object();
  for (const auto& [name, value] : variables) {
    if (std::find(kReservedVariables.begin(), kReservedVariables.end(), name) != kReservedVariables.end()) {
      reserved += (reserved.empty() ? "" : ", ") + name;
    }
    measured.set(name, value);
  }
  if (!reserved.empty()) {
    return invalid(
        "Lambda was unable to configure your environment variables because the environment variables you have provided "
        "contains reserved keys that are currently not supported for modification. Reserved keys used in this "
        "request: " +
        reserved);
  }
  const std::string text = measured.dump();
  if (text.size() > kEnvironmentBytesMax) {
    return invalid(
        "Lambda was unable to configure your environment variables because the environment variables you have provided "
        "exceeded the 4KB limit. String measured: " +
        text);
  }
  return {};
}

Result<void> apply_logging(Settings& settings, const SettingsChange::Logging& change) {
  if (change.format) settings.log_format = *change.format;
  if (change.group) settings.log_group = *change.group;
  if (change.application_level) settings.application_log_level = *change.application_level;
  if (change.system_level) settings.system_log_level = *change.system_level;
  if (settings.log_format != "JSON" && (change.application_level || change.system_level)) {
    return invalid("ApplicationLogLevel and SystemLogLevel are only supported when LogFormat is set to JSON.");
  }
  if (change.system_level && *change.system_level != "INFO") {
    return invalid("LoggingConfig.SystemLogLevel " + *change.system_level +
                   " is not supported by this server; INFO is.");
  }
  if (settings.log_format != "JSON") settings.application_log_level = settings.system_log_level = "";
  return {};
}

// Interpreters run scripts for either architecture; an executable is made for one.
Result<void> check_architecture(const Settings& settings, std::string_view native) {
  const auto runtime = runtimes::parse_runtime(settings.runtime);
  if (settings.architecture == native || (runtime && runtime->language != runtimes::Language::kProvided)) return {};
  return invalid("Architectures: " + settings.architecture + " is not the architecture of this machine, which is " +
                 std::string(native) + "; nodejs* and python3.* run all the same, provided.* does not.");
}

Json map_json(const StringMap& map) {
  Json json = Json::object();
  for (const auto& [name, value] : map) json.set(name, value);
  return json;
}

StringMap map_from(const Json* json) {
  StringMap map;
  if (json == nullptr || !json->is_object()) return map;
  for (const auto& [name, value] : json->as_object()) {
    if (value.is_string()) map[name] = value.as_string();
  }
  return map;
}

// Text members of Settings under their stored names.
using TextMember = std::pair<const char*, std::string Settings::*>;
constexpr std::array<TextMember, 11> kTextMembers{{{"runtime", &Settings::runtime},
                                                   {"handler", &Settings::handler},
                                                   {"role", &Settings::role},
                                                   {"description", &Settings::description},
                                                   {"dead_letter", &Settings::dead_letter_arn},
                                                   {"tracing", &Settings::tracing},
                                                   {"architecture", &Settings::architecture},
                                                   {"log_format", &Settings::log_format},
                                                   {"application_log_level", &Settings::application_log_level},
                                                   {"system_log_level", &Settings::system_log_level},
                                                   {"log_group", &Settings::log_group}}};

}  // namespace

std::string FunctionName::arn() const {
  return "arn:aws:lambda:" + scope.region + ":" + scope.account + ":function:" + name;
}

std::string FunctionReference::arn() const { return function.arn() + (qualifier.empty() ? "" : ":" + qualifier); }

std::string FunctionReference::resource() const {
  return qualifier.empty() ? function.name : function.name + ":" + qualifier;
}

std::optional<FunctionReference> parse_reference(const Scope& scope, std::string_view text) {
  auto parts = split(text);
  FunctionReference reference{.function = {.scope = scope}};
  std::size_t at = 0;
  if (parts.size() >= 7 && parts[0] == "arn" && parts[2] == "lambda" && parts[5] == "function") {
    if (!is_account(parts[4]) || parts[3].empty()) return std::nullopt;
    reference.function.scope = {std::string(parts[4]), std::string(parts[3])};
    at = 6;
  } else if (parts.size() >= 3 && is_account(parts[0]) && parts[1] == "function") {
    reference.function.scope.account = parts[0];
    at = 2;
  } else if (parts.size() >= 2 && is_account(parts[0])) {
    reference.function.scope.account = parts[0];
    at = 1;
  } else if (parts.size() >= 2 && parts[0] == "function") {
    at = 1;
  }
  if (parts.size() - at > 2 || !is_name(parts[at])) return std::nullopt;
  reference.function.name = parts[at];
  if (parts.size() - at == 2) {
    reference.qualifier = parts[at + 1];
    if (reference.qualifier != kLatest && !is_name(reference.qualifier, kQualifierLengthMax)) return std::nullopt;
  }
  return reference;
}

Result<Settings> apply(Settings settings, const SettingsChange& change, std::string_view native_architecture) {
  if (change.runtime) {
    if (!runtimes::parse_runtime(*change.runtime)) {
      return invalid("Runtime " + *change.runtime +
                     " is not supported by this server: nodejs*, python3.* and provided.* are.");
    }
    settings.runtime = *change.runtime;
  }
  if (change.handler) settings.handler = *change.handler;
  if (change.role) settings.role = *change.role;
  if (change.description) settings.description = *change.description;
  if (change.dead_letter_arn) settings.dead_letter_arn = *change.dead_letter_arn;
  if (change.tracing) settings.tracing = *change.tracing;
  if (change.architecture) settings.architecture = *change.architecture;
  MR_RETURN_IF_ERROR(check_architecture(settings, native_architecture));
  const auto number = [](const std::optional<std::int64_t>& value, int min, int max, const char* name,
                         int& target) -> Result<void> {
    if (!value) return {};
    if (*value < min || *value > max) {
      return invalid("'" + std::string(name) + "' value failed to satisfy constraint: Member must have value between " +
                     std::to_string(min) + " and " + std::to_string(max));
    }
    target = static_cast<int>(*value);
    return {};
  };
  MR_RETURN_IF_ERROR(number(change.timeout_seconds, 1, kTimeoutSecondsMax, "Timeout", settings.timeout_seconds));
  MR_RETURN_IF_ERROR(number(change.memory_mb, kMemoryMbMin, kMemoryMbMax, "MemorySize", settings.memory_mb));
  MR_RETURN_IF_ERROR(
      number(change.ephemeral_storage_mb, 512, 10240, "EphemeralStorage", settings.ephemeral_storage_mb));
  if (change.variables) {
    MR_RETURN_IF_ERROR(check_variables(*change.variables));
    settings.variables = *change.variables;
  }
  if (change.logging) MR_RETURN_IF_ERROR(apply_logging(settings, *change.logging));
  return settings;
}

Result<void> check_complete(const Settings& settings) {
  if (settings.runtime.empty() || settings.handler.empty()) {
    return invalid("Runtime and Handler are mandatory parameters for functions created with deployment packages.");
  }
  return {};
}

std::string Function::log_group() const {
  return settings.log_group.empty() ? "/aws/lambda/" + name.name : settings.log_group;
}

std::string function_key(const FunctionName& name) {
  return std::string(kKeyPrefix) + name.scope.account + "/" + name.scope.region + "/" + name.name;
}

std::string version_prefix(const FunctionName& name) {
  return "function-versions/" + name.scope.account + "/" + name.scope.region + "/" + name.name + "/";
}

std::string version_key(const FunctionName& name, int version) {
  return version_prefix(name) + std::to_string(version);
}

bool is_version(std::string_view qualifier) {
  constexpr std::size_t kDigitsMax = 9;  // fits an int
  return !qualifier.empty() && qualifier.size() <= kDigitsMax &&
         std::all_of(qualifier.begin(), qualifier.end(), [](char c) { return c >= '0' && c <= '9'; });
}

Json to_json(const Function& function) {
  const Settings& settings = function.settings;
  Json json = Json::object({{"v", 1},
                            {"account", function.name.scope.account},
                            {"region", function.name.scope.region},
                            {"name", function.name.name},
                            {"revision", function.revision},
                            {"modified", to_unix_ms(function.last_modified)},
                            {"timeout", settings.timeout_seconds},
                            {"memory", settings.memory_mb},
                            {"storage", settings.ephemeral_storage_mb},
                            {"variables", map_json(settings.variables)},
                            {"tags", map_json(function.tags)},
                            {"code", Json::object({{"id", function.code.id},
                                                   {"sha256", function.code.sha256},
                                                   {"bytes", function.code.bytes},
                                                   {"hot_folder", function.code.hot_folder}})}});
  for (const auto& [name, member] : kTextMembers) json.set(name, settings.*member);
  if (function.reserved_concurrency) json.set("reserved", *function.reserved_concurrency);
  json.set_if(function.version != kLatest, "version", function.version);
  if (!settings.layers.empty()) {
    Json layers = Json::array();
    for (const auto& use : settings.layers) layers.push(Json::object({{"arn", use.arn}, {"bytes", use.bytes}}));
    json.set("layers", std::move(layers));
  }
  return json;
}

std::optional<Function> function_from_json(const Json& json) {
  const Json* code = json.find("code");
  if (json.int_or("v", 0) != 1 || code == nullptr) return std::nullopt;
  Function function;
  function.name = {{std::string(json.string_or("account", "")), std::string(json.string_or("region", ""))},
                   std::string(json.string_or("name", ""))};
  if (!is_name(function.name.name)) return std::nullopt;
  function.revision = json.string_or("revision", "");
  function.last_modified = from_unix_ms(json.int_or("modified", 0));
  Settings& settings = function.settings;
  settings.timeout_seconds = static_cast<int>(json.int_or("timeout", 3));
  settings.memory_mb = static_cast<int>(json.int_or("memory", kMemoryMbMin));
  settings.ephemeral_storage_mb = static_cast<int>(json.int_or("storage", 512));
  settings.variables = map_from(json.find("variables"));
  for (const auto& [name, member] : kTextMembers) settings.*member = json.string_or(name, "");
  if (settings.tracing.empty()) settings.tracing = kPassThrough;  // of records before there was tracing
  function.tags = map_from(json.find("tags"));
  function.code = {.id = std::string(code->string_or("id", "")),
                   .sha256 = std::string(code->string_or("sha256", "")),
                   .bytes = code->int_or("bytes", 0),
                   .hot_folder = std::string(code->string_or("hot_folder", ""))};
  if (json.find("reserved") != nullptr) function.reserved_concurrency = static_cast<int>(json.int_or("reserved", 0));
  function.version = json.string_or("version", kLatest);
  if (const Json* layers = json.find("layers"); layers != nullptr && layers->is_array()) {
    for (const auto& use : layers->as_array()) {
      settings.layers.push_back({std::string(use.string_or("arn", "")), use.int_or("bytes", 0)});
    }
  }
  return function;
}

}  // namespace millrace::functions
