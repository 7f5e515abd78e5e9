// Amazon SNS on the wire: the query protocol.
#pragma once

#include <memory>

#include "sns/service.h"
#include "wire/service.h"

namespace millrace::api_sns {

// `topics` must outlive the result.
std::unique_ptr<wire::Service> make_sns_service(sns::Service& topics);

}  // namespace millrace::api_sns
