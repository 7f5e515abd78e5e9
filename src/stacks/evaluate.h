// Intrinsic functions, conditions and parameters: documents to values. Pure but for what the Environment asks.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "stacks/resource_type.h"

namespace millrace::stacks {

// A parameter with its value. `value` is what Ref gives: text, or a list of texts.
struct Parameter {
  std::string key;
  std::string text;  // as given, or the default
  Document value;
  bool no_echo = false;
  std::optional<std::string> resolved;  // of AWS::SSM::Parameter::Value<...>
};

// What names stand for.
struct Environment {
  const Document* document = nullptr;  // of the template
  std::map<std::string, Document> parameters;
  std::map<std::string, bool> conditions;
  Scope scope;
  std::string stack_name;
  std::string stack_id;
  // nullopt: not known (yet). Asked for names that are no parameters.
  std::function<std::optional<Document>(const std::string& logical_id)> ref;
  std::function<Result<Document>(const std::string& logical_id, const std::string& attribute)> attribute;
  std::function<Result<Document>(const std::string& name)> import;
};

// nullopt: AWS::NoValue. Errors: kValidation with CloudFormation's texts.
Result<std::optional<Document>> evaluate(const Environment& environment, const Document& value);

// The values of all conditions of the template, in any order of definition.
Result<std::map<std::string, bool>> evaluate_conditions(const Environment& environment);

// Rules: their assertions. Error: kValidation "Template validation error: ...".
Result<void> check_rules(const Environment& environment);

// Values of the template's parameters: given, else previous (UsePreviousValue), else default. `ssm` reads SSM
// parameters. Errors: kValidation ("Parameters: [A, B] must have values", ...).
Result<std::vector<Parameter>> resolve_parameters(const Document& document, const Document& given,
                                                  const std::vector<Parameter>& previous,
                                                  const std::function<Result<std::string>(const std::string&)>& ssm);

}  // namespace millrace::stacks
