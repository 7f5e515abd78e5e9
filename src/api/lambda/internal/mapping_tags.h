// Tags of event source mappings. Functions have the same operations; a resource's ARN tells which is meant.
#pragma once

#include "triggers/engine.h"
#include "wire/service.h"

namespace millrace::api_lambda {

// Puts itself before the handlers of TagResource, UntagResource and ListTags that are registered by now; they still
// get the ARNs that are not of mappings. `engine` outlives the service.
void register_mapping_tags(wire::Service& service, triggers::Engine& engine);

}  // namespace millrace::api_lambda
