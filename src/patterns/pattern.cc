#include "patterns/pattern.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "patterns/internal/matcher.h"

namespace millrace::patterns {
namespace internal {

struct PatternField {
  std::string name;
  std::vector<Matcher> alternatives;            // a leaf; or
  std::shared_ptr<const PatternObject> object;  // a step
};

struct PatternObject {
  std::vector<PatternField> fields;
  std::vector<std::vector<PatternObject>> ors;
};

}  // namespace internal

namespace {

using codec::Json;
using internal::Matcher;
using internal::PatternField;
using internal::PatternObject;

std::optional<PatternObject> compile_object(const Json& pattern);

// "$or" with at least two objects is a relation; anything else of that name is a field like any other.
bool is_relation(const Json::Member& member) {
  if (member.first != "$or" || !member.second.is_array()) return false;
  const Json::Array& objects = member.second.as_array();
  return objects.size() >= 2 &&
         std::all_of(objects.begin(), objects.end(), [](const Json& o) { return o.is_object(); });
}

std::optional<PatternField> compile_field(const Json::Member& member) {
  PatternField field{.name = member.first, .alternatives = {}, .object = nullptr};
  if (member.second.is_object()) {
    auto object = compile_object(member.second);
    if (!object) return std::nullopt;
    field.object = std::make_shared<const PatternObject>(std::move(*object));
    return field;
  }
  if (!member.second.is_array() || member.second.as_array().empty()) return std::nullopt;
  for (const Json& alternative : member.second.as_array()) {
    auto matcher = internal::compile_matcher(alternative);
    if (!matcher) return std::nullopt;
    field.alternatives.push_back(std::move(*matcher));
  }
  return field;
}

std::optional<PatternObject> compile_object(const Json& pattern) {
  if (!pattern.is_object() || pattern.as_object().empty()) return std::nullopt;
  PatternObject out;
  for (const Json::Member& member : pattern.as_object()) {
    if (is_relation(member)) {
      std::vector<PatternObject> objects;
      for (const Json& each : member.second.as_array()) {
        auto object = compile_object(each);
        if (!object) return std::nullopt;
        objects.push_back(std::move(*object));
      }
      out.ors.push_back(std::move(objects));
      continue;
    }
    auto field = compile_field(member);
    if (!field) return std::nullopt;
    out.fields.push_back(std::move(*field));
  }
  return out;
}

bool any(const std::vector<Matcher>& alternatives, const Json* leaf) {
  return std::any_of(alternatives.begin(), alternatives.end(), [&](const Matcher& each) { return each.matches(leaf); });
}

// AWS: `exists` works on leaves only: an object at that place is no leaf, so nothing is there.
bool match_leaf(const std::vector<Matcher>& alternatives, const Json* value) {
  if (value == nullptr || value->is_object()) return any(alternatives, nullptr);
  if (!value->is_array()) return any(alternatives, value);
  const Json::Array& elements = value->as_array();
  if (elements.empty()) return any(alternatives, nullptr);
  return std::any_of(elements.begin(), elements.end(),
                     [&](const Json& element) { return match_leaf(alternatives, &element); });
}

// `value` may be nullptr: then only exists:false can match.
bool match_object(const PatternObject& pattern, const Json* value) {
  if (value != nullptr && value->is_array() && !value->as_array().empty()) {
    const Json::Array& elements = value->as_array();
    return std::any_of(elements.begin(), elements.end(),
                       [&](const Json& element) { return match_object(pattern, &element); });
  }
  const auto match_field = [&](const PatternField& field) {
    const Json* member = value == nullptr ? nullptr : value->find(field.name);
    return field.object ? match_object(*field.object, member) : match_leaf(field.alternatives, member);
  };
  const auto match_or = [&](const std::vector<PatternObject>& objects) {
    return std::any_of(objects.begin(), objects.end(),
                       [&](const PatternObject& object) { return match_object(object, value); });
  };
  return std::all_of(pattern.fields.begin(), pattern.fields.end(), match_field) &&
         std::all_of(pattern.ors.begin(), pattern.ors.end(), match_or);
}

Error invalid() { return Error(kInvalidPattern, "Invalid filter pattern definition."); }

}  // namespace

Result<Pattern> Pattern::compile(std::string_view text) {
  const Result<Json> json = codec::parse_json(text);
  if (!json.ok()) return invalid();
  auto object = compile_object(*json);
  if (!object) return invalid();
  return Pattern(std::make_shared<const PatternObject>(std::move(*object)));
}

bool Pattern::matches(const Json& record) const { return match_object(*root_, &record); }

Result<Filters> Filters::compile(const std::vector<std::string>& patterns) {
  Filters filters;
  for (const std::string& text : patterns) {
    MR_ASSIGN_OR_RETURN(Pattern pattern, Pattern::compile(text));
    filters.patterns_.push_back(std::move(pattern));
  }
  return filters;
}

bool Filters::pass(const Json& record) const {
  return patterns_.empty() || std::any_of(patterns_.begin(), patterns_.end(),
                                          [&](const Pattern& pattern) { return pattern.matches(record); });
}

bool Filters::pass_text(std::string_view record) const {
  if (patterns_.empty()) return true;
  const Result<Json> json = codec::parse_json(record);
  return json.ok() && pass(*json);
}

}  // namespace millrace::patterns
