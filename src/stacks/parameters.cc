// Parameters of templates: their values, given, previous or default, and what they must satisfy.
#include <algorithm>
#include <regex>
#include <set>

#include "stacks/errors.h"
#include "stacks/evaluate.h"

namespace millrace::stacks {
namespace {

std::string scalar_text(const Document& value) { return value.is_string() ? value.as_string() : value.dump(); }

Document split_list(const std::string& text) {
  Document list = Document::array();
  std::size_t from = 0;
  while (from <= text.size() && !text.empty()) {
    const std::size_t comma = std::min(text.find(',', from), text.size());
    std::string part = text.substr(from, comma - from);
    part.erase(0, part.find_first_not_of(' '));
    part.erase(part.find_last_not_of(' ') + 1);
    list.push(part);
    from = comma + 1;
  }
  return list;
}

double number_of(const std::string& text) { return std::strtod(text.c_str(), nullptr); }

bool is_number(const std::string& text) {
  static const std::regex kNumber(R"(-?\d+(\.\d+)?)");
  return std::regex_match(text, kNumber);
}

Result<void> check_constraints(const std::string& key, const Document& declared, const std::string& type,
                               const std::string& text) {
  const auto failed = [&](const std::string& otherwise) {
    const std::string_view said = declared.string_or("ConstraintDescription", "");
    return invalid("Parameter '" + key + "' " +
                   (said.empty() ? otherwise : "failed to satisfy constraint: " + std::string(said)));
  };
  const bool listed = type == "CommaDelimitedList" || type.starts_with("List<");
  const Document values = listed ? split_list(text) : Document::array({text});
  if (const Document* allowed = declared.find("AllowedValues"); allowed != nullptr && allowed->is_array()) {
    for (const Document& each : values.as_array()) {
      std::string all;
      bool found = false;
      for (const Document& one : allowed->as_array()) {
        all += (all.empty() ? "" : ", ") + scalar_text(one);
        found = found || scalar_text(one) == scalar_text(each);
      }
      if (!found) return failed("must be one of AllowedValues");
    }
  }
  if (type == "Number" || type == "List<Number>") {
    for (const Document& each : values.as_array()) {
      if (!is_number(each.as_string())) return invalid("Parameter '" + key + "' must be a number.");
      const double number = number_of(each.as_string());
      if (const Document* least = declared.find("MinValue");
          least != nullptr && number < number_of(scalar_text(*least))) {
        return failed("must be a number not less than " + scalar_text(*least));
      }
      if (const Document* most = declared.find("MaxValue"); most != nullptr && number > number_of(scalar_text(*most))) {
        return failed("must be a number not greater than " + scalar_text(*most));
      }
    }
    return {};
  }
  if (const std::string_view pattern = declared.string_or("AllowedPattern", ""); !pattern.empty()) {
    try {
      if (!std::regex_match(text, std::regex(std::string(pattern))))
        return failed("must match pattern " + std::string(pattern));
    } catch (const std::regex_error&) {
      return template_error("the AllowedPattern of parameter " + key + " cannot be read.");
    }
  }
  if (const Document* least = declared.find("MinLength");
      least != nullptr && static_cast<double>(text.size()) < number_of(scalar_text(*least))) {
    return failed("must contain at least " + scalar_text(*least) + " characters");
  }
  if (const Document* most = declared.find("MaxLength");
      most != nullptr && static_cast<double>(text.size()) > number_of(scalar_text(*most))) {
    return failed("must contain at most " + scalar_text(*most) + " characters");
  }
  return {};
}

Result<Parameter> read_parameter(const std::string& key, const Document& declared, std::string text,
                                 const std::function<Result<std::string>(const std::string&)>& ssm) {
  Parameter parameter;
  parameter.key = key;
  parameter.text = text;
  const Document* hidden = declared.find("NoEcho");
  parameter.no_echo = hidden != nullptr && scalar_text(*hidden) == "true";
  std::string type(declared.string_or("Type", ""));
  constexpr std::string_view kStored = "AWS::SSM::Parameter::Value<";
  if (type.starts_with(kStored)) {
    type = type.substr(kStored.size(), type.size() - kStored.size() - 1);
    auto found = ssm(text);
    if (!found.ok()) {
      return invalid("Unable to fetch parameters [" + text + "] from parameter store for this account.");
    }
    text = *found;
    parameter.resolved = text;
  } else {
    MR_RETURN_IF_ERROR(check_constraints(key, declared, type, text));
  }
  const bool listed = type == "CommaDelimitedList" || type.starts_with("List<");
  if (!listed && type != "String" && type != "Number" && !type.starts_with("AWS::")) {
    return format_error("Unrecognized parameter type: " + type);
  }
  parameter.value = listed ? split_list(text) : Document(text);
  return parameter;
}

}  // namespace

Result<std::vector<Parameter>> resolve_parameters(const Document& document, const Document& given,
                                                  const std::vector<Parameter>& previous,
                                                  const std::function<Result<std::string>(const std::string&)>& ssm) {
  const Document none = Document::object();
  const Document* declared = document.find("Parameters");
  if (declared == nullptr) declared = &none;
  std::map<std::string, std::optional<std::string>> values;
  std::string unknown;
  for (const Document& each : given.is_array() ? given.as_array() : Document::Array{}) {
    const std::string key(each.string_or("ParameterKey", ""));
    if (declared->find(key) == nullptr) unknown += (unknown.empty() ? "" : ", ") + key;
    if (each.bool_or("UsePreviousValue", false)) {
      const auto before = std::ranges::find(previous, key, &Parameter::key);
      if (before == previous.end()) {
        return invalid("Invalid input for parameter key " + key +
                       ". Cannot specify usePreviousValue as true for a "
                       "parameter key not in the previous template");
      }
      values[key] = before->text;
    } else if (each.find("ParameterValue") != nullptr) {
      values[key] = std::string(each.string_or("ParameterValue", ""));
    }
  }
  if (!unknown.empty()) return invalid("Parameters: [" + unknown + "] do not exist in the template");
  std::vector<Parameter> parameters;
  std::string missing;
  for (const auto& [key, declaration] : declared->as_object()) {
    if (!declaration.is_object() || declaration.string_or("Type", "").empty()) {
      return format_error("Every Parameters object must contain a Type member.");
    }
    std::optional<std::string> text = values[key];
    const Document* otherwise = declaration.find("Default");
    if (!text && otherwise != nullptr) text = scalar_text(*otherwise);
    if (!text) {
      missing += (missing.empty() ? "" : ", ") + key;
      continue;
    }
    MR_ASSIGN_OR_RETURN(Parameter parameter, read_parameter(key, declaration, *text, ssm));
    parameters.push_back(std::move(parameter));
  }
  if (!missing.empty()) return invalid("Parameters: [" + missing + "] must have values");
  return parameters;
}

}  // namespace millrace::stacks
