// AWS IAM (roles) and AWS STS on the wire: the query protocol.
#pragma once

#include <memory>

#include "iam/roles.h"
#include "iam/sessions.h"
#include "wire/service.h"

namespace millrace::api_iam {

// What is passed must outlive the result.
std::unique_ptr<wire::Service> make_iam_service(iam::Roles& roles);
std::unique_ptr<wire::Service> make_sts_service(iam::Sessions& sessions, iam::Roles& roles);

}  // namespace millrace::api_iam
