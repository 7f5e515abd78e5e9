// Templates as documents: JSON or YAML with short tags, and what their sections must look like. Pure; thread-safe.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "stacks/resource_type.h"

namespace millrace::stacks {

inline constexpr std::size_t kTemplateBytesMax = 1'000'000;  // AWS: of a template in S3
inline constexpr std::size_t kResourcesMax = 500;            // AWS quota

// The document in long form: !Ref x is {"Ref": "x"}, !GetAtt a.b is {"Fn::GetAtt": ["a", "b"]}. Errors: kValidation.
Result<Document> parse_template(std::string_view text);

// Checks sections, types, properties and references; nothing has a value yet. Errors: kValidation with CloudFormation's
// texts. Of skipped resources only what stands around the properties is checked.
Result<void> check_template(const Document& document, const TypeRegistry& types);

// Logical ids that `value` refers to by Ref, Fn::GetAtt and Fn::Sub (parameters and pseudo parameters included).
std::set<std::string> references(const Document& value);

// The resources named in `wanted`, each after all that it depends on (references and DependsOn), otherwise in the
// order of the template. Error: kValidation "Circular dependency between resources: [A, B]".
Result<std::vector<std::string>> in_order(const Document& document, const std::set<std::string>& wanted);

// What the resource's properties, and DependsOn, name among the template's resources.
std::set<std::string> dependencies(const Document& document, const Document& resource);

// Which of CAPABILITY_IAM and CAPABILITY_NAMED_IAM the template needs; "" none.
std::string needed_capability(const Document& document);

}  // namespace millrace::stacks
