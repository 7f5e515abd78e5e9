// What AWS::IAM::Role, User and Group have in common: their managed and inline policies.
#pragma once

#include <string>

#include "resources/type_base.h"

namespace millrace::resources::iam_identity {

// Brings managed and inline policies of `name` from the old properties to the new ones. `word`: "Role", "User",
// "Group", as the operations' names have it.
Result<void> set_policies(const Work& work, const std::string& word, const std::string& name);
// Takes away what the template gave; what others attached makes the deletion fail, as on AWS.
Result<void> drop_policies(const Work& work, const std::string& word, const std::string& name);

}  // namespace millrace::resources::iam_identity
