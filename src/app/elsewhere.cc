#include "app/internal/elsewhere.h"

#include <algorithm>
#include <set>
#include <vector>

#include "functions/service.h"
#include "platform/control_loop.h"
#include "s3/object_store.h"
#include "sqs/service.h"
#include "tables/tables.h"
#include "telemetry/log.h"

namespace millrace::app {
namespace {

constexpr Seconds kSilence = std::chrono::minutes(1);
constexpr std::size_t kSaidMax = 1000;

// What `name` is called, be it a name, an ARN or (queues) the end of a URL; the ARN's own scope replaces the caller's.
struct Wanted {
  std::string name;
  Scope scope;
};

Wanted wanted(std::string_view service, const std::string& name, const Scope& caller) {
  Wanted out{name, caller};
  if (name.starts_with("arn:")) {
    std::vector<std::string> parts(1);
    for (const char c : name) {
      if (c == ':' && parts.size() < 8)
        parts.emplace_back();
      else
        parts.back() += c;
    }
    if (parts.size() < 6) return out;
    out.scope = {parts[4], parts[3]};
    out.name = service == "lambda" && parts.size() > 6 ? parts[6] : parts[5];
    if (out.name.starts_with("table/")) out.name = out.name.substr(6);
  }
  if (service == "dynamodb" || service == "s3") out.name = out.name.substr(0, out.name.find('/'));
  if (service == "lambda") out.name = out.name.substr(0, out.name.find(':'));
  return out;
}

std::vector<Scope> scopes_of(const Parts& parts, std::string_view service, const std::string& name) {
  std::set<Scope> scopes;
  if (service == "dynamodb") {
    for (auto& scope : parts.tables->scopes_of(name)) scopes.insert(std::move(scope));
  } else if (service == "lambda") {
    for (const auto& function : parts.functions->list_all())
      if (function.name.name == name) scopes.insert(function.name.scope);
  } else if (service == "sqs") {
    for (const auto& queue : parts.queues->all_queues())
      if (queue.name == name) scopes.insert(queue.scope);
  } else if (service == "s3") {
    if (const auto bucket = parts.objects->bucket_of_any(name)) scopes.insert({bucket->account, bucket->region});
  }
  return {scopes.begin(), scopes.end()};
}

std::string_view noun_of(std::string_view service) {
  if (service == "dynamodb") return "table";
  if (service == "lambda") return "function";
  return service == "sqs" ? "queue" : "bucket";
}

std::string text(const Scope& scope) { return scope.account + "/" + scope.region; }

}  // namespace

void Elsewhere::look(const wire::NotFound& missing) {
  for (const auto& given : missing.names) {
    const Wanted sought = wanted(missing.service, given, missing.scope);
    const auto scopes = scopes_of(parts_, missing.service, sought.name);
    // Buckets belong to an account whatever the region.
    const bool is_here = std::any_of(scopes.begin(), scopes.end(), [&](const Scope& scope) {
      return missing.service == "s3" ? scope.account == sought.scope.account : scope == sought.scope;
    });
    if (scopes.empty() || is_here) continue;
    std::string line = std::string(noun_of(missing.service)) + " " + sought.name + " was not found in " +
                       text(sought.scope) + "; it exists in ";
    for (std::size_t i = 0; i < scopes.size(); ++i) line += (i > 0 ? ", " : "") + text(scopes[i]);
    if (!said_lately(line)) telemetry::log_warning("app", line);
  }
}

bool Elsewhere::said_lately(const std::string& line) {
  const Deadline now = parts_.loop->monotonic_now();
  const std::lock_guard lock(mutex_);
  const auto found = said_.find(line);
  if (found != said_.end() && now - found->second < kSilence) return true;
  if (said_.size() >= kSaidMax) said_.clear();
  said_[line] = now;
  return false;
}

}  // namespace millrace::app
