// What AWS::IAM::Role, User and Group have in common: their managed and inline policies.
#pragma once

#include <string>

#include "resources/type_base.h"

namespace millrace::resources::iam_identity {

// The properties of a policy that name its holders, and the word for one of them as the operations' names have it.
inline constexpr std::pair<const char*, const char*> kHolders[] = {
    {"Roles", "Role"}, {"Users", "User"}, {"Groups", "Group"}};

Result<void> attach(const Work& work, const std::string& word, const std::string& name, const std::string& arn);
// Also succeeds when it is not attached.
Result<void> detach(const Work& work, const std::string& word, const std::string& name, const std::string& arn);

// Brings managed and inline policies of `name` from the old properties to the new ones.
Result<void> set_policies(const Work& work, const std::string& word, const std::string& name);
// Takes away what the template gave; what others attached makes the deletion fail, as on AWS.
Result<void> drop_policies(const Work& work, const std::string& word, const std::string& name);
// Brings the Path of a user or group to the new one.
Result<void> update_path(const Work& work, const std::string& word, const std::string& name);

}  // namespace millrace::resources::iam_identity
