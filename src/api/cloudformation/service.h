// AWS CloudFormation on the wire: the query protocol over stacks::Stacks.
#pragma once

#include <memory>

#include "platform/clock.h"
#include "stacks/stacks.h"
#include "wire/service.h"

namespace millrace::api_cloudformation {

// What is passed must outlive the result.
std::unique_ptr<wire::Service> make_cloudformation_service(stacks::Stacks& stacks, platform::Scheduler& scheduler);

}  // namespace millrace::api_cloudformation
