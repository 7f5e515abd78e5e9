// What belongs to a function beside its code and configuration: aliases, and what is configured per qualifier. Pure.
//
// Keys of the maps by qualifier are "" (the function without qualifier), a version's number or an alias's name;
// configurations of asynchronous events use "$LATEST" for the first.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "codec/json.h"
#include "functions/configuration.h"

namespace millrace::functions {

struct Alias {
  std::string name;
  std::string version;  // "$LATEST" or a number
  std::string description;
  std::string revision;
  std::string second_version;  // of a weighted alias, else ""
  double second_weight = 0;    // its share of invocations, 0..1
};
// The version that one invocation of the alias runs. `random`: uniform over all values.
const std::string& pick_version(const Alias& alias, std::uint64_t random);

// How asynchronous events are treated.
struct EventInvokeConfig {
  std::optional<int> retries_max;
  std::optional<int> age_seconds_max;
  std::string on_success;  // ARNs, or ""
  std::string on_failure;
  Time last_modified{};
};

// A resource policy: statements as AWS renders them, in the order they were added.
struct Policy {
  std::string revision;
  std::vector<codec::Json> statements;  // objects with a Sid

  const codec::Json* find(std::string_view sid) const;
  std::string document() const;  // {"Version":"2012-10-17","Id":"default","Statement":[...]}
};

// What AddPermission and AddLayerVersionPermission take; "" = not given.
struct Permission {
  std::string sid;
  std::string action;
  std::string principal;
  std::string source_arn;
  std::string source_account;
  std::string organization;
  std::string event_source_token;
  std::string url_auth_type;
  bool via_url = false;
};
// The statement for `resource`. AWS: a service is {"Service": ...}, an account {"AWS": its root}, "*" stays itself.
codec::Json statement_of(const Permission& permission, const std::string& resource);
Error statement_exists(const std::string& sid);
// Error: kResourceNotFound when there is no statement `sid`.
Result<void> remove_statement(Policy& policy, const std::string& sid);

struct Cors {
  bool allow_credentials = false;
  std::vector<std::string> allow_headers, allow_methods, allow_origins, expose_headers;
  std::optional<int> max_age_seconds;
};

struct FunctionUrl {
  std::string id;         // the first label of its host name: 32 letters and digits
  std::string auth_type;  // "NONE" or "AWS_IAM"
  std::optional<Cors> cors;
  Time created{};
  Time last_modified{};
};

struct Attachments {
  int last_version = 0;                  // the highest number ever published: none is used again
  std::string last_description;          // of $LATEST when that was published
  std::map<std::string, Alias> aliases;  // by name
  std::map<std::string, EventInvokeConfig> event_invokes;
  std::map<std::string, Policy> policies;
  std::map<std::string, FunctionUrl> urls;

  // Forgets what was configured for a version or alias that is going.
  void forget(const std::string& qualifier);
};

codec::Json to_json(const Attachments& attachments);
Attachments attachments_from_json(const codec::Json& json);

}  // namespace millrace::functions
