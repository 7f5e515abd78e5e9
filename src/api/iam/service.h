// AWS IAM and AWS STS on the wire: the query protocol.
#pragma once

#include <memory>

#include "iam/identities.h"
#include "iam/managed_policies.h"
#include "iam/roles.h"
#include "iam/sessions.h"
#include "wire/service.h"

namespace millrace::api_iam {

struct Stores {
  iam::Roles& roles;
  iam::ManagedPolicies& policies;
  iam::Identities& identities;
};

// What is passed must outlive the result.
std::unique_ptr<wire::Service> make_iam_service(const Stores& stores);
std::unique_ptr<wire::Service> make_sts_service(iam::Sessions& sessions, iam::Roles& roles);

}  // namespace millrace::api_iam
