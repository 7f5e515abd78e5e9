// Amazon ECR on the wire (JSON 1.1): repositories as records, for templates and tools. There is no registry behind
// them: calls about images are not served.
#pragma once

#include <memory>

#include "platform/clock.h"
#include "records/records.h"
#include "wire/service.h"

namespace millrace::api_ecr {

// What is passed must outlive the result.
std::unique_ptr<wire::Service> make_ecr_service(records::Records& records, platform::Clock& clock);

}  // namespace millrace::api_ecr
