// Amazon CloudWatch Logs on the wire (JSON 1.1).
#pragma once

#include <memory>

#include "logs/service.h"
#include "wire/service.h"

namespace millrace::api_logs {

// `logs` must outlive the result.
std::unique_ptr<wire::Service> make_logs_service(logs::Service& logs);

}  // namespace millrace::api_logs
