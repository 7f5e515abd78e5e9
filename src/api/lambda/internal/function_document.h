// Functions as the Lambda API names and shows them.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "functions/service.h"
#include "wire/service.h"

namespace millrace::api_lambda {

// The function a request is about: its FunctionName and, where the operation has one, its Qualifier. Errors:
// kInvalidParameterValue when the two contradict each other or the name is none.
Result<functions::FunctionReference> requested_function(const wire::RequestContext& context,
                                                        const wire::Document& input);
// requested_function() that exists and is $LATEST. kResourceNotFound otherwise.
Result<functions::Function> existing_function(const functions::Functions& engine, const wire::RequestContext& context,
                                              const wire::Document& input);

// FunctionConfiguration. `qualified`: the ARN carries $LATEST.
wire::Document function_configuration(const functions::Function& function, bool qualified = false);
wire::Document event_invoke_document(const functions::FunctionName& name, const functions::EventInvokeConfig& config);

// Refuses, by name, members that are given and not empty. kInvalidParameterValue.
Result<void> refuse_members(const wire::Document& input, std::initializer_list<std::string_view> names);
Error unsupported_member(std::string_view name, std::string_view why = {});

wire::Reply function_reply(const functions::Functions& engine, wire::Document output);

}  // namespace millrace::api_lambda
