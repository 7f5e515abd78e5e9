// AWS CloudTrail on the wire (JSON 1.1): as much as deployment tools ask. There is no trail, and so no event in it.
#pragma once

#include <memory>

#include "wire/service.h"

namespace millrace::api_cloudtrail {

std::unique_ptr<wire::Service> make_cloudtrail_service();

}  // namespace millrace::api_cloudtrail
