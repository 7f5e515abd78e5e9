// CloudFormation's resource types: one file per type, each calls its service's own operations.
#pragma once

#include "stacks/resource_type.h"

namespace millrace::resources {

// Adds every type that is served.
void register_types(stacks::TypeRegistry& registry);

// One per type; defined in the file of its name.
std::unique_ptr<stacks::ResourceType> make_dynamodb_table();
std::unique_ptr<stacks::ResourceType> make_sns_topic();
std::unique_ptr<stacks::ResourceType> make_sqs_queue();

}  // namespace millrace::resources
