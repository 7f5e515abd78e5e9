#include "api/iam/service.h"

#include "api/iam/operations.h"
#include "wire/generated/iam.h"
#include "wire/generated/sts.h"

namespace millrace::api_iam {

Reply reply(const iam::Roles& roles, Document output) {
  Reply answer;
  answer.output = std::move(output);
  answer.after = roles.last_commit();
  return answer;
}

std::unique_ptr<wire::Service> make_iam_service(iam::Roles& roles) {
  auto service = std::make_unique<wire::Service>(wire::iam::kModel);
  using Operation = Result<Reply> (*)(iam::Roles&, const RequestContext&, const Document&);
  const auto serve = [&](std::string_view name, Operation operation) {
    service->on(name, [&roles, operation](const RequestContext& context, const Document& input) {
      return operation(roles, context, input);
    });
  };
  serve("CreateRole", create_role);
  serve("GetRole", get_role);
  serve("ListRoles", list_roles);
  serve("DeleteRole", delete_role);
  serve("UpdateAssumeRolePolicy", update_assume_role_policy);
  serve("UpdateRole", update_role);
  serve("TagRole", tag_role);
  serve("UntagRole", untag_role);
  serve("ListRoleTags", list_role_tags);
  serve("PutRolePolicy", put_role_policy);
  serve("GetRolePolicy", get_role_policy);
  serve("ListRolePolicies", list_role_policies);
  serve("DeleteRolePolicy", delete_role_policy);
  serve("AttachRolePolicy", attach_role_policy);
  serve("DetachRolePolicy", detach_role_policy);
  serve("ListAttachedRolePolicies", list_attached_role_policies);
  return service;
}

std::unique_ptr<wire::Service> make_sts_service(iam::Sessions& sessions, iam::Roles& roles) {
  auto service = std::make_unique<wire::Service>(wire::sts::kModel);
  service->on("GetCallerIdentity", [&sessions](const RequestContext& context, const Document&) {
    return get_caller_identity(sessions, context);
  });
  service->on("GetSessionToken", [&sessions](const RequestContext& context, const Document& input) {
    return get_session_token(sessions, context, input);
  });
  service->on("AssumeRole", [&sessions, &roles](const RequestContext& context, const Document& input) {
    return assume_role(sessions, roles, context, input);
  });
  return service;
}

}  // namespace millrace::api_iam
