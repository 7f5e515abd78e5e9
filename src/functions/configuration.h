// What a function is: its name, its settings, how they are checked and stored. Pure: no clock, no disk.
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

namespace millrace::functions {

using StringMap = std::map<std::string, std::string, std::less<>>;

struct FunctionName {
  Scope scope;
  std::string name;
  friend auto operator<=>(const FunctionName&, const FunctionName&) = default;

  std::string arn() const;  // arn:aws:lambda:<region>:<account>:function:<name>
};

// A function as callers name it: "f", "f:$LATEST", "123456789012:function:f", a (qualified) ARN.
struct FunctionReference {
  FunctionName function;
  std::string qualifier;  // "" when there was none
  friend auto operator<=>(const FunctionReference&, const FunctionReference&) = default;

  std::string arn() const;       // with the qualifier, if there is one
  std::string resource() const;  // "name" or "name:qualifier"
};
// A partial name belongs to `scope`. nullopt: not the name of a function.
std::optional<FunctionReference> parse_reference(const Scope& scope, std::string_view text);

struct LayerUse {
  std::string arn;  // of a layer's version
  std::int64_t bytes = 0;
  friend bool operator==(const LayerUse&, const LayerUse&) = default;
};

inline constexpr const char* kPassThrough = "PassThrough";  // traced when the caller says so
inline constexpr const char* kActive = "Active";            // traced also when nobody has decided

struct Settings {
  std::string runtime;
  std::string handler;
  std::string role;
  std::string description;
  int timeout_seconds = 3;
  int memory_mb = 128;
  int ephemeral_storage_mb = 512;
  StringMap variables;
  std::string dead_letter_arn;
  std::string tracing = kPassThrough;  // TracingConfig.Mode
  std::string architecture = "x86_64";
  std::string log_format = "Text";
  std::string application_log_level;  // JSON format only; "" = INFO
  std::string system_log_level;       // JSON format only; "" = INFO
  std::string log_group;              // "" = /aws/lambda/<name>
  std::vector<LayerUse> layers;       // in the order they are laid over each other

  friend bool operator==(const Settings&, const Settings&) = default;
};

// Members to change; absent ones stay.
struct SettingsChange {
  std::optional<std::string> runtime, handler, role, description, dead_letter_arn, architecture, tracing;
  std::optional<std::int64_t> timeout_seconds, memory_mb, ephemeral_storage_mb;
  std::optional<StringMap> variables;
  struct Logging {
    std::optional<std::string> format, application_level, system_level, group;
  };
  std::optional<Logging> logging;
  std::optional<std::vector<std::string>> layers;  // ARNs; apply() leaves them to functions/layers.h
};
// Errors: kInvalidParameterValue with AWS's texts. `native_architecture`: "x86_64" or "arm64".
Result<Settings> apply(Settings settings, const SettingsChange& change, std::string_view native_architecture);
// What holds for a whole function: runtime and handler are given.
Result<void> check_complete(const Settings& settings);

struct Code {
  std::string id;          // names the archive and its unpacked folder
  std::string sha256;      // base64
  std::int64_t bytes = 0;  // of the archive
  std::string hot_folder;  // hot reload: the user's folder, instead of an archive
};

inline constexpr const char* kLatest = "$LATEST";

// A function as it is now, or as it was when a version of it was published.
struct Function {
  FunctionName name;
  std::string version = kLatest;  // or a number
  Settings settings;
  Code code;
  std::string revision;
  Time last_modified{};
  std::optional<int> reserved_concurrency;  // of all versions together; not kept with a version
  StringMap tags;                           // the same

  std::string log_group() const;
};

std::string function_key(const FunctionName& name);  // in Family::kCatalogue, as the next two
std::string version_prefix(const FunctionName& name);
std::string version_key(const FunctionName& name, int version);
bool is_version(std::string_view qualifier);    // a number below 10^9, which no alias can be called
codec::Json to_json(const Function& function);  // has "v": 1
std::optional<Function> function_from_json(const codec::Json& json);

}  // namespace millrace::functions
