#include "api/iam/service.h"

#include <algorithm>
#include <functional>

#include "api/iam/operations.h"
#include "wire/generated/iam.h"
#include "wire/generated/sts.h"
#include "wire/refusals.h"

namespace millrace::api_iam {

namespace {

storage::CommitNumber last_commit_of(const Stores& stores) {
  return std::max({stores.roles.last_commit(), stores.policies.last_commit(), stores.identities.last_commit()});
}

}  // namespace

Reply reply(const Stores& stores, Document output) {
  Reply answer;
  answer.output = std::move(output);
  answer.after = last_commit_of(stores);
  return answer;
}

namespace {

using Operation = Result<Reply> (*)(const Stores&, const RequestContext&, const Document&);
using Serve = std::function<void(std::string_view, Operation)>;

template <IdentityKind kind>
void serve_identities(const Serve& serve, const std::string& word) {
  serve("Create" + word, OfIdentity<kind>::create);
  serve("Get" + word, OfIdentity<kind>::get);
  serve("List" + word + "s", OfIdentity<kind>::list);
  serve("Update" + word, OfIdentity<kind>::update);
  serve("Delete" + word, OfIdentity<kind>::remove);
  serve("Put" + word + "Policy", OfIdentity<kind>::put_policy);
  serve("Get" + word + "Policy", OfIdentity<kind>::get_policy);
  serve("List" + word + "Policies", OfIdentity<kind>::list_policies);
  serve("Delete" + word + "Policy", OfIdentity<kind>::delete_policy);
  serve("Attach" + word + "Policy", OfIdentity<kind>::attach);
  serve("Detach" + word + "Policy", OfIdentity<kind>::detach);
  serve("ListAttached" + word + "Policies", OfIdentity<kind>::list_attached);
}

void serve_users(const Serve& serve) {
  serve_identities<IdentityKind::kUser>(serve, "User");
  serve_identities<IdentityKind::kGroup>(serve, "Group");
  serve("TagUser", tag_user);
  serve("UntagUser", untag_user);
  serve("ListUserTags", list_user_tags);
  serve("AddUserToGroup", add_user_to_group);
  serve("RemoveUserFromGroup", remove_user_from_group);
  serve("ListGroupsForUser", list_groups_for_user);
  serve("CreateAccessKey", create_access_key);
  serve("ListAccessKeys", list_access_keys);
  serve("UpdateAccessKey", update_access_key);
  serve("DeleteAccessKey", delete_access_key);
}

void serve_managed_policies(const Serve& serve) {
  serve("CreatePolicy", create_policy);
  serve("GetPolicy", get_policy);
  serve("ListPolicies", list_policies);
  serve("DeletePolicy", delete_policy);
  serve("CreatePolicyVersion", create_policy_version);
  serve("GetPolicyVersion", get_policy_version);
  serve("ListPolicyVersions", list_policy_versions);
  serve("DeletePolicyVersion", delete_policy_version);
  serve("SetDefaultPolicyVersion", set_default_policy_version);
  serve("ListEntitiesForPolicy", list_entities_for_policy);
  serve("TagPolicy", tag_policy);
  serve("UntagPolicy", untag_policy);
  serve("ListPolicyTags", list_policy_tags);
}

}  // namespace

std::unique_ptr<wire::Service> make_iam_service(const Stores& stores) {
  auto service = std::make_unique<wire::Service>(wire::iam::kModel);
  const Serve serve = [&](std::string_view name, Operation operation) {
    service->on(name, [stores, operation](const RequestContext& context, const Document& input) {
      return operation(stores, context, input);
    });
  };
  serve_users(serve);
  serve_managed_policies(serve);
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
  wire::hold_refusals(*service, [stores] { return last_commit_of(stores); });
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
  service->on("AssumeRole", wire::hold_refusals(
                                [&sessions, &roles](const RequestContext& context, const Document& input) {
                                  return assume_role(sessions, roles, context, input);
                                },
                                [&sessions, &roles] { return std::max(sessions.last_commit(), roles.last_commit()); }));
  return service;
}

}  // namespace millrace::api_iam
