#include "events/service.h"

#include <algorithm>

#include "codec/key.h"
#include "events/errors.h"
#include "storage/scan.h"
#include "telemetry/log.h"

namespace millrace::events {
namespace {

using codec::Json;
using storage::Family;
using storage::WriteBatch;

constexpr std::string_view kPrefix = "events/rules/";

std::string key_of(const Rule& rule) {
  return codec::KeyWriter(kPrefix).text(rule.scope.account).text(rule.scope.region).text(rule.name).str();
}

}  // namespace

Error no_rule(std::string_view name) {
  return Error(kResourceNotFound, "Rule " + std::string(name) + " does not exist on EventBus default.");
}

Events::Events(const Resources& resources) : resources_(resources), commits_(resources.commits, "events") {
  commits_.set_restore([this] { return load(); });
  commits_.set_resume(resources.scheduler, [this] {
    const std::scoped_lock lock(mutex_);
    arm_all();
  });
}

Result<void> Events::load() {
  const std::scoped_lock lock(mutex_);
  rules_.clear();
  const auto read = [&](std::string_view key, std::string_view value) -> Result<void> {
    const auto json = codec::parse_json(value);
    auto rule = json.ok() ? rule_from_json(*json) : Result<Rule>(json.error());
    if (!rule.ok() || key_of(*rule) != key) return storage::damaged("rule", key);
    Name name{rule->scope, rule->name};
    rules_[std::move(name)].rule = *std::move(rule);
    return {};
  };
  return storage::for_each(resources_.store, Family::kCatalogue, kPrefix, read);
}

void Events::start() {
  const std::scoped_lock lock(mutex_);
  started_ = true;
  arm_all();
}

void Events::arm_all() {
  const Time oldest = resources_.scheduler.now() - kLate;
  WriteBatch batch;
  for (auto& [name, entry] : rules_) {
    Rule& rule = entry.rule;
    if (rule.schedule && rule.enabled && rule.next < oldest) {
      telemetry::log_warning("events", "rule " + rule.name + " was due at " + format_iso_s(rule.next) +
                                           ", while the server did not run or could not write: skipped");
      reschedule(rule, oldest);
      save(rule, batch);
    }
    arm(name, entry);
  }
  if (!batch.empty()) submit(std::move(batch));
}

// --- catalogue ---

Result<Events::Entry*> Events::find_entry(const Scope& scope, std::string_view name) {
  const auto it = rules_.find(Name{scope, std::string(name)});
  if (it == rules_.end()) return no_rule(name);
  return &it->second;
}

void Events::save(const Rule& rule, WriteBatch& batch) const {
  batch.put(Family::kCatalogue, key_of(rule), to_json(rule).dump());
}

void Events::store(const Rule& rule) {
  WriteBatch batch;
  save(rule, batch);
  submit(std::move(batch));
}

void Events::submit(WriteBatch batch, std::vector<delivery::AfterCommit> after) {
  commits_.submit(std::move(batch), delivery::call_when_durable(std::move(after)));
}

Result<void> Events::check_room(const Scope& scope) const {
  const auto count = std::ranges::count_if(rules_, [&](const auto& entry) { return entry.first.first == scope; });
  if (static_cast<std::size_t>(count) < kRulesMax) return {};
  return Error(kLimitExceeded, "The requested resource exceeds the maximum number allowed.");
}

Result<Rule> Events::put(Rule rule) {
  MR_RETURN_IF_ERROR(derive(rule));
  const std::scoped_lock lock(mutex_);
  const Name name{rule.scope, rule.name};
  const auto it = rules_.find(name);
  const Time now = resources_.scheduler.now();
  rule.anchor = now;
  bool keeps_time = false;
  if (it == rules_.end()) {
    MR_RETURN_IF_ERROR(check_room(rule.scope));
  } else {
    const Rule& old = it->second.rule;
    rule.targets = old.targets;
    rule.tags = old.tags;
    keeps_time = old.schedule_text == rule.schedule_text && old.enabled == rule.enabled;
    if (keeps_time) {
      rule.anchor = old.anchor;
      rule.next = old.next;
    }
  }
  if (!keeps_time) reschedule(rule, now);
  store(rule);
  Entry& entry = rules_[name];
  entry.rule = rule;
  arm(name, entry);
  return rule;
}

std::optional<Rule> Events::find(const Scope& scope, std::string_view name) const {
  const std::scoped_lock lock(mutex_);
  const auto it = rules_.find(Name{scope, std::string(name)});
  return it == rules_.end() ? std::nullopt : std::optional(it->second.rule);
}

std::vector<Rule> Events::list(const Scope& scope) const {
  const std::scoped_lock lock(mutex_);
  std::vector<Rule> found;
  for (const auto& [name, entry] : rules_) {
    if (name.first == scope) found.push_back(entry.rule);
  }
  return found;
}

Result<void> Events::remove(const Scope& scope, std::string_view name) {
  const std::scoped_lock lock(mutex_);
  const auto it = rules_.find(Name{scope, std::string(name)});
  if (it == rules_.end()) return {};
  if (!it->second.rule.targets.empty()) return Error(kValidation, "Rule can't be deleted since it has targets.");
  WriteBatch batch;
  batch.erase(Family::kCatalogue, key_of(it->second.rule));
  submit(std::move(batch));
  rules_.erase(it);
  return {};
}

Result<void> Events::set_enabled(const Scope& scope, std::string_view name, bool enabled) {
  const std::scoped_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(Entry * entry, find_entry(scope, name));
  if (entry->rule.enabled == enabled) return {};
  Rule& rule = entry->rule;
  rule.enabled = enabled;
  rule.anchor = resources_.scheduler.now();
  reschedule(rule, rule.anchor);
  store(rule);
  arm({scope, rule.name}, *entry);
  return {};
}

Result<void> Events::put_targets(const Scope& scope, std::string_view name, std::vector<Target> targets) {
  const std::scoped_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(Entry * entry, find_entry(scope, name));
  std::vector<Target> all = entry->rule.targets;
  for (auto& target : targets) {
    std::erase_if(all, [&](const Target& old) { return old.id == target.id; });
    all.push_back(std::move(target));
  }
  if (all.size() > kTargetsMax) {
    return Error(kLimitExceeded, "The requested resource exceeds the maximum number allowed.");
  }
  std::ranges::sort(all, {}, &Target::id);
  entry->rule.targets = std::move(all);
  store(entry->rule);
  return {};
}

Result<std::vector<std::string>> Events::remove_targets(const Scope& scope, std::string_view name,
                                                        const std::vector<std::string>& ids) {
  const std::scoped_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(Entry * entry, find_entry(scope, name));
  std::vector<std::string> unknown;
  for (const auto& id : ids) {
    if (std::erase_if(entry->rule.targets, [&](const Target& target) { return target.id == id; }) == 0) {
      unknown.push_back(id);
    }
  }
  store(entry->rule);
  return unknown;
}

Result<void> Events::change_tags(
    const Scope& scope, std::string_view name,
    const std::function<Result<void>(std::map<std::string, std::string, std::less<>>&)>& change) {
  const std::scoped_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(Entry * entry, find_entry(scope, name));
  auto tags = entry->rule.tags;
  MR_RETURN_IF_ERROR(change(tags));
  entry->rule.tags = std::move(tags);
  store(entry->rule);
  return {};
}

void Events::reset(std::string_view account) {
  const std::scoped_lock lock(mutex_);
  WriteBatch batch;
  std::erase_if(rules_, [&](const auto& each) {
    if (each.first.first.account != account) return false;
    batch.erase(Family::kCatalogue, key_of(each.second.rule));
    return true;
  });
  if (!batch.empty()) submit(std::move(batch));
}

// --- schedules and events ---

void Events::reschedule(Rule& rule, Time after) const {
  rule.next = rule.schedule && rule.enabled ? next_occurrence(*rule.schedule, rule.anchor, after) : kNever;
}

void Events::arm(const Name& name, Entry& entry) {
  entry.timer.cancel();
  const Time due = entry.rule.next;
  if (!started_ || due == kNever) return;
  entry.timer = resources_.scheduler.at(due, [this, name, due] { fire(name, due); });
}

void Events::fire(const Name& name, Time due) {
  const std::scoped_lock lock(mutex_);
  const auto it = rules_.find(name);
  // Cancelled, and yet on its way.
  if (it == rules_.end() || it->second.rule.next != due) return;
  if (!commits_.may_write(storage::Commits::Purpose::kAdds)) return;
  Rule& rule = it->second.rule;
  WriteBatch batch;
  std::vector<delivery::AfterCommit> after;
  send(rule, scheduled_event(rule, resources_.random.uuid(), due), batch, after);
  reschedule(rule, due);
  save(rule, batch);
  submit(std::move(batch), std::move(after));
  arm(name, it->second);
}

void Events::send(const Rule& rule, const Json& event, WriteBatch& batch, std::vector<delivery::AfterCommit>& after) {
  const RuleFacts facts{rule.arn(), rule.name, format_iso_s(resources_.scheduler.now())};
  for (const Target& target : rule.targets) {
    delivery::Message message;
    message.body = render_input(target.input, event, facts);
    auto staged = resources_.delivery.stage(target.arn, message, batch);
    if (staged.ok()) {
      after.push_back(std::move(staged).value());
      continue;
    }
    telemetry::log_warning(
        "events", "rule " + rule.name + " could not deliver to " + target.arn + ": " + staged.error().message());
    if (!target.dead_letter_arn.empty()) dead_letter(rule, target, message.body, staged.error(), batch, after);
  }
}

// AWS: the event with what failed as attributes.
void Events::dead_letter(const Rule& rule, const Target& target, const std::string& body, const Error& error,
                         WriteBatch& batch, std::vector<delivery::AfterCommit>& after) {
  delivery::Message message;
  message.body = body;
  message.attributes = {
      {"RULE_ARN", "String", rule.arn()},
      {"TARGET_ARN", "String", target.arn},
      {"ERROR_CODE", "String", error.is(delivery::kNoSuchTarget) ? "NO_RESOURCE" : "SDK_CLIENT_ERROR"},
      {"ERROR_MESSAGE", "String", error.message()}};
  auto staged = resources_.delivery.stage(target.dead_letter_arn, message, batch);
  if (staged.ok()) {
    after.push_back(std::move(staged).value());
  } else {
    telemetry::log_error("events", "an event of rule " + rule.name + " is lost, its dead-letter queue " +
                                       target.dead_letter_arn + " refuses it: " + staged.error().message());
  }
}

void Events::publish(const Scope& scope, const std::vector<Json>& events) {
  const std::scoped_lock lock(mutex_);
  WriteBatch batch;
  std::vector<delivery::AfterCommit> after;
  for (const auto& [name, entry] : rules_) {
    const Rule& rule = entry.rule;
    if (name.first != scope || !rule.enabled || !rule.pattern) continue;
    for (const Json& event : events) {
      if (rule.pattern->matches(event)) send(rule, event, batch, after);
    }
  }
  if (!batch.empty() || !after.empty()) submit(std::move(batch), std::move(after));
}

}  // namespace millrace::events
