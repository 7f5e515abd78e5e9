// AWS KMS on the wire (JSON 1.1): keys and aliases as records, for templates and tools. Nothing is encrypted with them.
#pragma once

#include <memory>

#include "platform/clock.h"
#include "platform/random.h"
#include "records/records.h"
#include "wire/service.h"

namespace millrace::api_kms {

// What is passed must outlive the result.
std::unique_ptr<wire::Service> make_kms_service(records::Records& records, platform::Clock& clock,
                                                platform::Random& random);

}  // namespace millrace::api_kms
