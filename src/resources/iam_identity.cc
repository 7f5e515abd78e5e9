#include "resources/iam_identity.h"

namespace millrace::resources::iam_identity {
namespace {

Result<void> delete_policy(const Work& work, const std::string& word, const std::string& name,
                           const std::string& policy) {
  return ignore_gone(
      work.call("iam", "Delete" + word + "Policy", Document::object({{word + "Name", name}, {"PolicyName", policy}})));
}

}  // namespace

Result<void> attach(const Work& work, const std::string& word, const std::string& name, const std::string& arn) {
  MR_RETURN_IF_ERROR(
      work.call("iam", "Attach" + word + "Policy", Document::object({{word + "Name", name}, {"PolicyArn", arn}})));
  return {};
}

Result<void> detach(const Work& work, const std::string& word, const std::string& name, const std::string& arn) {
  return ignore_gone(
      work.call("iam", "Detach" + word + "Policy", Document::object({{word + "Name", name}, {"PolicyArn", arn}})));
}

Result<void> set_policies(const Work& work, const std::string& word, const std::string& name) {
  const auto wanted = texts_of(work.property("ManagedPolicyArns"));
  for (const auto& arn : texts_of(work.old_properties.find("ManagedPolicyArns"))) {
    if (!wanted.contains(arn)) MR_RETURN_IF_ERROR(detach(work, word, name, arn));
  }
  for (const auto& arn : wanted) MR_RETURN_IF_ERROR(attach(work, word, name, arn));
  const auto names = texts_of(work.property("Policies"), "PolicyName");
  for (const auto& policy : texts_of(work.old_properties.find("Policies"), "PolicyName")) {
    if (!names.contains(policy)) MR_RETURN_IF_ERROR(delete_policy(work, word, name, policy));
  }
  for (const auto& policy : list_of(work.property("Policies"))) {
    MR_RETURN_IF_ERROR(work.call("iam", "Put" + word + "Policy",
                                 Document::object({{word + "Name", name},
                                                   {"PolicyName", text_of(policy, "PolicyName")},
                                                   {"PolicyDocument", text_of(policy, "PolicyDocument")}})));
  }
  return {};
}

Result<void> drop_policies(const Work& work, const std::string& word, const std::string& name) {
  for (const auto& arn : texts_of(work.property("ManagedPolicyArns"))) {
    MR_RETURN_IF_ERROR(detach(work, word, name, arn));
  }
  for (const auto& policy : texts_of(work.property("Policies"), "PolicyName")) {
    MR_RETURN_IF_ERROR(delete_policy(work, word, name, policy));
  }
  return {};
}

Result<void> update_path(const Work& work, const std::string& word, const std::string& name) {
  if (!differs(work, "Path")) return {};
  const Document* path = work.property("Path");
  MR_RETURN_IF_ERROR(
      work.call("iam", "Update" + word,
                Document::object({{word + "Name", name}, {"NewPath", path == nullptr ? "/" : text_of(path)}})));
  return {};
}

}  // namespace millrace::resources::iam_identity
