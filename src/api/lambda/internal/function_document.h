// Functions as the Lambda API names and shows them.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "functions/service.h"
#include "wire/service.h"

namespace millrace::api_lambda {

// The function a request is about: its FunctionName and, where the operation has one, its Qualifier. Errors:
// kInvalidParameterValue when the two contradict each other or the name is none.
Result<functions::FunctionReference> requested_function(const wire::RequestContext& context,
                                                        const wire::Document& input);
// The version that requested_function() means. kResourceNotFound otherwise.
Result<functions::Function> existing_function(const functions::Functions& engine, const wire::RequestContext& context,
                                              const wire::Document& input);

// requested_function() for operations that take no versions and aliases.
Result<functions::FunctionName> unqualified_function(const wire::RequestContext& context, const wire::Document& input);

// FunctionConfiguration; the ARN carries `qualifier`, if any.
wire::Document function_configuration(const functions::Function& function, const std::string& qualifier = {});
// `key`: of Functions::event_invokes().
wire::Document event_invoke_document(const functions::FunctionName& name, const std::string& key,
                                     const functions::EventInvokeConfig& config);

// One page of a list. Elements are in the order of their keys, and the marker is the last key shown.
struct Listed {
  std::string key;  // not empty
  wire::Document document;
};
wire::Document page_of(std::vector<Listed> all, const wire::Document& input, std::int64_t page_max,
                       std::string_view member);
std::string version_order(const std::string& version);  // a key that sorts "$LATEST" first, then by number

// Refuses, by name, members that are given and not empty. kInvalidParameterValue.
Result<void> refuse_members(const wire::Document& input, std::initializer_list<std::string_view> names);
Error unsupported_member(std::string_view name, std::string_view why = {});

wire::Reply function_reply(const functions::Functions& engine, wire::Document output);

}  // namespace millrace::api_lambda
