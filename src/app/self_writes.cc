#include "app/internal/self_writes.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "app/internal/mapping_view.h"
#include "iam/sessions.h"
#include "platform/control_loop.h"
#include "telemetry/log.h"
#include "triggers/engine.h"

namespace millrace::app {
namespace {

using codec::Json;

constexpr Seconds kLook{1};
constexpr std::size_t kWritersMax = 1000;
constexpr std::array<std::string_view, 8> kWrites{"PutItem",
                                                  "UpdateItem",
                                                  "DeleteItem",
                                                  "BatchWriteItem",
                                                  "TransactWriteItems",
                                                  "ExecuteStatement",
                                                  "BatchExecuteStatement",
                                                  "ExecuteTransaction"};

// The next word of a statement: quoted, or up to a space or a dot.
std::string next_word(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  const bool quoted = text.starts_with('"');
  if (quoted) text.remove_prefix(1);
  const auto end = std::min(text.find_first_of(quoted ? "\"" : " \t\r\n."), text.size());
  std::string word(text.substr(0, end));
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

// "T" of INSERT INTO "T", UPDATE T, DELETE FROM "T"."index"; "" of anything else.
std::string table_of_statement(std::string_view text) {
  std::string verb = next_word(text);
  for (char& c : verb) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  if (verb == "UPDATE") return next_word(text);
  if (verb != "INSERT" && verb != "DELETE") return {};
  (void)next_word(text);  // INTO, FROM
  return next_word(text);
}

void add_statements(const Json& input, std::string_view member, std::vector<std::string>& out) {
  const Json* list = input.find(member);
  if (list == nullptr || !list->is_array()) return;
  for (const auto& each : list->as_array())
    if (each.is_object()) out.push_back(table_of_statement(each.string_or("Statement", "")));
}

// The function whose processes have these credentials, or "".
std::string function_behind(std::string_view principal_arn) {
  if (principal_arn.find(":assumed-role/") == std::string_view::npos) return {};
  return std::string(principal_arn.substr(principal_arn.rfind('/') + 1));
}

// Names and ARNs alike.
std::string table_name(const std::string& given) {
  const auto at = given.find(":table/");
  return at == std::string::npos ? given : given.substr(at + 7, given.find('/', at + 7) - at - 7);
}

}  // namespace

std::vector<std::string> written_tables(std::string_view operation, const Json& input) {
  std::vector<std::string> out;
  if (operation == "BatchWriteItem") {
    if (const Json* items = input.find("RequestItems"); items != nullptr && items->is_object())
      for (const auto& [name, _] : items->as_object()) out.push_back(name);
  } else if (operation == "TransactWriteItems") {
    if (const Json* items = input.find("TransactItems"); items != nullptr && items->is_array())
      for (const auto& item : items->as_array())
        for (const auto& [kind, action] : item.as_object())
          if (kind != "ConditionCheck" && action.is_object()) out.emplace_back(action.string_or("TableName", ""));
  } else if (operation == "ExecuteStatement") {
    out.push_back(table_of_statement(input.string_or("Statement", "")));
  } else if (operation == "BatchExecuteStatement") {
    add_statements(input, "Statements", out);
  } else if (operation == "ExecuteTransaction") {
    add_statements(input, "TransactStatements", out);
  } else {
    out.emplace_back(input.string_or("TableName", ""));
  }
  for (std::string& each : out) each = table_name(each);
  return out;
}

SelfWrites::Writer SelfWrites::look(const wire::Caller& caller) const {
  Writer out{parts_.loop->monotonic_now() + kLook, {}};
  const auto session = parts_.sessions->resolve(caller.access_key);
  const std::string function = session ? function_behind(session->principal.arn) : std::string();
  if (function.empty()) return out;
  for (const auto& mapping : parts_.engine->list(caller.scope)) {
    const std::string mapped = function_of(mapping.function_arn);
    if (mapped.substr(0, mapped.find(':')) != function) continue;
    out.targets.push_back({table_of(mapping.stream_arn), mapping.uuid, function});
  }
  return out;
}

bool SelfWrites::wants(const wire::Caller& caller, std::string_view operation) {
  if (std::find(kWrites.begin(), kWrites.end(), operation) == kWrites.end()) return false;
  const std::string key = caller.access_key + "/" + caller.scope.region;
  const Deadline now = parts_.loop->monotonic_now();
  {
    const std::lock_guard lock(mutex_);
    const auto known = writers_.find(key);
    if (known != writers_.end() && now < known->second.until) return !known->second.targets.empty();
  }
  Writer found = look(caller);
  const std::lock_guard lock(mutex_);
  std::erase_if(found.targets, [&](const Target& target) { return seen_.count(target.uuid) > 0; });
  if (writers_.size() >= kWritersMax) writers_.clear();
  return !(writers_[key] = std::move(found)).targets.empty();
}

void SelfWrites::succeeded(const wire::Caller& caller, std::string_view operation, const wire::Document& input) {
  const auto tables = written_tables(operation, input);
  std::vector<Target> news;
  {
    const std::lock_guard lock(mutex_);
    const auto writer = writers_.find(caller.access_key + "/" + caller.scope.region);
    if (writer == writers_.end()) return;
    for (const Target& target : writer->second.targets)
      if (std::find(tables.begin(), tables.end(), target.table) != tables.end() &&
          seen_.emplace(target.uuid, parts_.loop->now()).second)
        news.push_back(target);
  }
  for (const Target& target : news)
    telemetry::log_warning("app", "function " + target.function + " writes to table " + target.table +
                                      ", whose stream triggers it (mapping " + target.uuid +
                                      "): each batch may cause another");
}

Time SelfWrites::seen(const std::string& uuid) const {
  const std::lock_guard lock(mutex_);
  const auto found = seen_.find(uuid);
  return found == seen_.end() ? kNever : found->second;
}

}  // namespace millrace::app
