#include "events/target_input.h"

#include <algorithm>

#include "events/errors.h"

namespace millrace::events {
namespace {

using codec::Json;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

const Json* look_up(const Json& document, const Path& path) {
  const Json* at = &document;
  for (const auto& step : path) {
    if (at->is_array()) {
      if (!std::ranges::all_of(step, is_digit) || step.empty() || step.size() > 9) return nullptr;
      const auto index = static_cast<std::size_t>(std::stoul(step));
      if (index >= at->as_array().size()) return nullptr;
      at = &at->as_array()[index];
    } else {
      at = at->is_object() ? at->find(step) : nullptr;
      if (at == nullptr) return nullptr;
    }
  }
  return at;
}

// What <name> stands for; nullopt: nothing of that name was found.
std::optional<Json> value_of(std::string_view name, const Transformer& transformer, const Json& event,
                             const RuleFacts& rule) {
  if (name == "aws.events.rule-arn") return Json(rule.arn);
  if (name == "aws.events.rule-name") return Json(rule.name);
  if (name == "aws.events.event.ingestion-time") return Json(rule.ingestion_time);
  if (name == "aws.events.event.json") return event;
  if (name == "aws.events.event") {
    Json without = event;
    without.erase("detail");  // AWS: only .json has it
    return without;
  }
  const auto path = transformer.paths.find(std::string(name));
  if (path == transformer.paths.end()) return std::nullopt;
  const auto steps = parse_path(path->second);
  const Json* found = steps ? look_up(event, *steps) : nullptr;
  if (found == nullptr) return std::nullopt;
  return *found;
}

// As the inside of a JSON string.
std::string as_text(const std::optional<Json>& value) {
  if (!value) return "";
  const std::string quoted = Json(value->is_string() ? value->as_string() : value->dump()).dump();
  return quoted.substr(1, quoted.size() - 2);
}

std::string fill(const Transformer& transformer, const Json& event, const RuleFacts& rule) {
  const std::string_view text = transformer.input_template;
  std::string out;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\' && in_string && i + 1 < text.size()) {
      out.append(text.substr(i++, 2));
      continue;
    }
    if (c == '"') in_string = !in_string;
    const auto end = c == '<' ? text.find('>', i) : std::string_view::npos;
    if (end == std::string_view::npos) {
      out.push_back(c);
      continue;
    }
    const auto value = value_of(text.substr(i + 1, end - i - 1), transformer, event, rule);
    if (in_string) {
      out += as_text(value);
    } else {
      out += value ? value->dump() : "null";
    }
    i = end;
  }
  return out;
}

// The names that a template uses.
std::vector<std::string> names_in(std::string_view text) {
  std::vector<std::string> names;
  for (auto at = text.find('<'); at != std::string_view::npos; at = text.find('<', at + 1)) {
    const auto end = text.find('>', at);
    if (end == std::string_view::npos) break;
    names.emplace_back(text.substr(at + 1, end - at - 1));
  }
  return names;
}

Error invalid(std::string text) { return Error(kValidation, std::move(text)); }

Result<void> check_transformer(const Transformer& transformer, const std::string& id) {
  for (const auto& [name, path] : transformer.paths) {
    if (name.starts_with("AWS")) return invalid("Input Transformer for target " + id + " may not use names of AWS.");
    if (!parse_path(path)) return invalid("Invalid InputPath for target " + id + ": " + path);
  }
  for (const auto& name : names_in(transformer.input_template)) {
    if (name.starts_with("aws.events.") || transformer.paths.contains(name)) continue;
    return invalid("Invalid InputTemplate for target " + id + " : [Placeholder " + name + " is not in the map]");
  }
  // Whatever is put in, the result is to be JSON.
  if (!codec::parse_json(fill(transformer, Json::object(), {})).ok()) {
    return invalid("Invalid InputTemplate for target " + id + " : [Source: (String)\"" + transformer.input_template +
                   "\" is not JSON]");
  }
  return {};
}

}  // namespace

std::optional<Path> parse_path(std::string_view text) {
  if (!text.starts_with('$')) return std::nullopt;
  text.remove_prefix(1);
  Path path;
  while (!text.empty()) {
    if (text.front() == '.') {
      text.remove_prefix(1);
      const std::string_view step = text.substr(0, text.find_first_of(".["));
      if (step.empty() || step.find_first_of("*]'\"") != std::string_view::npos) return std::nullopt;
      path.emplace_back(step);
      text.remove_prefix(step.size());
      continue;
    }
    const auto end = text.find(']');
    if (text.front() != '[' || end == std::string_view::npos) return std::nullopt;
    std::string_view inside = text.substr(1, end - 1);
    if (inside.size() > 2 && (inside.front() == '\'' || inside.front() == '"') && inside.back() == inside.front()) {
      inside = inside.substr(1, inside.size() - 2);
    } else if (inside.empty() || !std::ranges::all_of(inside, is_digit)) {
      return std::nullopt;
    }
    path.emplace_back(inside);
    text.remove_prefix(end + 1);
  }
  return path;
}

Result<void> check_input(const TargetInput& input, std::string_view target_id) {
  const std::string id(target_id);
  const int given = (input.constant ? 1 : 0) + (input.path ? 1 : 0) + (input.transformer ? 1 : 0);
  if (given > 1) {
    return invalid("Only one of Input, InputPath, or InputTransformer must be provided for target " + id + ".");
  }
  if (input.constant && !codec::parse_json(*input.constant).ok()) {
    return invalid("JSON syntax error in input for target " + id + ".");
  }
  if (input.path && !parse_path(*input.path)) return invalid("Invalid InputPath for target " + id + ".");
  if (input.transformer) return check_transformer(*input.transformer, id);
  return {};
}

std::string render_input(const TargetInput& input, const Json& event, const RuleFacts& rule) {
  if (input.constant) return *input.constant;
  if (input.transformer) return fill(*input.transformer, event, rule);
  if (!input.path) return event.dump();
  const auto path = parse_path(*input.path);
  const Json* found = path ? look_up(event, *path) : nullptr;
  return found == nullptr ? "null" : found->dump();
}

}  // namespace millrace::events
