// The face of AWS Lambda (2015-03-31, rest-json): functions here, event source mappings in mappings.h.
#pragma once

#include <functional>
#include <memory>

#include "functions/service.h"
#include "wire/service.h"

namespace millrace::api_lambda {

// `add_mappings` registers the mapping operations (register_mapping_operations of mappings.h, bound to their engine by
// app); empty: they are not served. `engine` outlives the service.
std::unique_ptr<wire::Service> make_lambda_service(functions::Functions& engine,
                                                   const std::function<void(wire::Service&)>& add_mappings = {});

// The operations on functions alone.
void register_function_operations(wire::Service& service, functions::Functions& engine);

}  // namespace millrace::api_lambda
