#include "api/iam/operations.h"
#include "http/message.h"
#include "wire/generated/iam_views.h"

namespace millrace::api_iam {

Result<Reply> put_role_policy(const Stores& stores, const RequestContext& context, const Document& input) {
  const wire::iam::PutRolePolicyRequest request(input);
  MR_RETURN_IF_ERROR(stores.roles.put_policy(context.caller.scope.account, request.role_name(), request.policy_name(),
                                             std::string(request.policy_document())));
  return reply(stores);
}

Result<Reply> get_role_policy(const Stores& stores, const RequestContext& context, const Document& input) {
  const wire::iam::GetRolePolicyRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto document, stores.roles.get_policy(context.caller.scope.account, request.role_name(),
                                                                   request.policy_name()));
  return reply(stores, Document::object({{"RoleName", request.role_name()},
                                         {"PolicyName", request.policy_name()},
                                         {"PolicyDocument", http::url_encode(document)}}));
}

Result<Reply> list_role_policies(const Stores& stores, const RequestContext& context, const Document& input) {
  const wire::iam::ListRolePoliciesRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto page, stores.roles.list_policies(context.caller.scope.account, request.role_name(),
                                                                  page_request(request)));
  Document names = Document::array();
  for (const auto& name : page.items) names.push(name);
  Document output = Document::object({{"PolicyNames", std::move(names)}});
  set_page(output, page);
  return reply(stores, std::move(output));
}

Result<Reply> delete_role_policy(const Stores& stores, const RequestContext& context, const Document& input) {
  const wire::iam::DeleteRolePolicyRequest request(input);
  MR_RETURN_IF_ERROR(
      stores.roles.delete_policy(context.caller.scope.account, request.role_name(), request.policy_name()));
  return reply(stores);
}

Result<Reply> attach_role_policy(const Stores& stores, const RequestContext& context, const Document& input) {
  const wire::iam::AttachRolePolicyRequest request(input);
  MR_RETURN_IF_ERROR(stores.policies.check_attachable(account_of(context), request.policy_arn()));
  MR_RETURN_IF_ERROR(stores.roles.attach(context.caller.scope.account, request.role_name(), request.policy_arn()));
  return reply(stores);
}

Result<Reply> detach_role_policy(const Stores& stores, const RequestContext& context, const Document& input) {
  const wire::iam::DetachRolePolicyRequest request(input);
  MR_RETURN_IF_ERROR(stores.roles.detach(context.caller.scope.account, request.role_name(), request.policy_arn()));
  return reply(stores);
}

Result<Reply> list_attached_role_policies(const Stores& stores, const RequestContext& context, const Document& input) {
  const wire::iam::ListAttachedRolePoliciesRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto page,
                      stores.roles.list_attached(context.caller.scope.account, request.role_name(),
                                                 request.path_prefix().value_or("/"), page_request(request)));
  Document output = Document::object({{"AttachedPolicies", attached_policies(page.items)}});
  set_page(output, page);
  return reply(stores, std::move(output));
}

}  // namespace millrace::api_iam
