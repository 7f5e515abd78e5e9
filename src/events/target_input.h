// What a target of a rule gets of an event: all of it, a constant, a part, or a template filled with parts. Pure.
//
// Templates: <name> stands for what the path of that name finds; <aws.events.rule-arn>, <aws.events.rule-name>,
// <aws.events.event.ingestion-time>, <aws.events.event> and <aws.events.event.json> are always there. Between quotes
// the text is put in (other values as JSON), elsewhere the JSON value; what is not found is "" between quotes and null
// elsewhere. Paths: $, .name, [index], ['name'].
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/json.h"

namespace millrace::events {

struct Transformer {
  std::map<std::string, std::string> paths;  // name -> path
  std::string input_template;
};

// At most one of them; none: the event itself.
struct TargetInput {
  std::optional<std::string> constant;  // JSON text
  std::optional<std::string> path;
  std::optional<Transformer> transformer;
};

struct RuleFacts {
  std::string arn;
  std::string name;
  std::string ingestion_time;  // ISO
};

// Error: kValidation, with what is wrong; `target_id` is named in it.
Result<void> check_input(const TargetInput& input, std::string_view target_id);
// REQUIRES: check_input().
std::string render_input(const TargetInput& input, const codec::Json& event, const RuleFacts& rule);

// nullopt: not a path.
using Path = std::vector<std::string>;  // member names and indexes in order
std::optional<Path> parse_path(std::string_view text);

}  // namespace millrace::events
