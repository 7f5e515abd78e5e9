// Rules and their targets as values. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/scope.h"
#include "codec/json.h"
#include "events/schedule.h"
#include "events/target_input.h"
#include "patterns/pattern.h"

namespace millrace::events {

inline constexpr std::string_view kDefaultBus = "default";  // there is no other
inline constexpr std::size_t kRulesMax = 300;               // of a region (AWS)
inline constexpr std::size_t kTargetsMax = 5;               // of a rule (AWS)
inline constexpr std::size_t kTagsMax = 50;                 // AWS
inline constexpr Seconds kLate{60};  // what came due while the server did not run is made up for within this

struct Target {
  std::string id;
  std::string arn;
  TargetInput input;
  std::string dead_letter_arn;                // "" none
  codec::Json shown = codec::Json::object();  // as PutTargets got it
};

// Error: kValidation. `shown` is AWS's Target.
Result<Target> target_of(const codec::Json& shown);

struct Rule {
  Scope scope;
  std::string name;
  std::string description;
  std::string role_arn;
  std::string schedule_text;  // "" none
  std::string pattern_text;   // "" none
  bool enabled = true;
  std::map<std::string, std::string, std::less<>> tags;
  std::vector<Target> targets;  // by id
  Time anchor{};                // what a rate counts from
  Time next = kNever;           // of the schedule; kept, so that nothing comes twice
  // Derived.
  std::optional<Schedule> schedule;
  std::optional<patterns::Pattern> pattern;

  std::string arn() const;
};

// Fills the derived members. Errors: kValidation, kInvalidEventPattern.
Result<void> derive(Rule& rule);
codec::Json to_json(const Rule& rule);
// Error: storage's text is the caller's; kValidation for what does not parse.
Result<Rule> rule_from_json(const codec::Json& json);

// AWS: what a schedule sends.
codec::Json scheduled_event(const Rule& rule, const std::string& id, Time due);

}  // namespace millrace::events
