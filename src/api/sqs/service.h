// Amazon SQS on the wire: JSON 1.0 and the older query protocol.
#pragma once

#include <memory>

#include "sqs/service.h"
#include "wire/service.h"

namespace millrace::api_sqs {

// `queues` must outlive the result.
std::unique_ptr<wire::Service> make_sqs_service(sqs::Service& queues);

}  // namespace millrace::api_sqs
