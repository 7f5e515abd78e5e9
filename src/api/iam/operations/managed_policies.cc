#include "api/iam/operations.h"
#include "http/message.h"
#include "iam/documents.h"
#include "iam/errors.h"
#include "wire/generated/iam_views.h"

namespace millrace::api_iam {
namespace managed_policy {

using iam::ManagedPolicy;

// How often each policy is attached, by ARN.
using Attachments = std::map<std::string, std::uint64_t>;

Attachments attachments_in(const Stores& stores, const std::string& account) {
  Attachments attachments;
  const auto count = [&](const auto& all) {
    for (const auto& one : all) {
      for (const auto& arn : one.attached_policies) ++attachments[arn];
    }
  };
  count(stores.identities.list(IdentityKind::kUser, account));
  count(stores.identities.list(IdentityKind::kGroup, account));
  count(stores.roles.all(account));
  return attachments;
}

std::uint64_t count_of(const Attachments& attachments, const std::string& arn) {
  const auto it = attachments.find(arn);
  return it == attachments.end() ? 0 : it->second;
}

Document policy_document(const ManagedPolicy& policy, const Attachments& attachments) {
  return Document::object({{"PolicyName", policy.name},
                           {"PolicyId", policy.id},
                           {"Arn", policy.arn()},
                           {"Path", policy.path},
                           {"DefaultVersionId", "v" + std::to_string(policy.default_version)},
                           {"AttachmentCount", count_of(attachments, policy.arn())},
                           {"PermissionsBoundaryUsageCount", 0},
                           {"IsAttachable", true},
                           {"CreateDate", to_unix_s(policy.created)},
                           {"UpdateDate", to_unix_s(policy.updated)}});
}

Document version_document(const ManagedPolicy& policy, const iam::PolicyVersion& version) {
  return Document::object({{"VersionId", version.id()},
                           {"IsDefaultVersion", version.number == policy.default_version},
                           {"CreateDate", to_unix_s(version.created)}});
}

}  // namespace managed_policy

using managed_policy::attachments_in;
using managed_policy::count_of;
using managed_policy::policy_document;
using managed_policy::version_document;

Result<Reply> create_policy(const Stores& stores, const RequestContext& context, const Document& input) {
  const wire::iam::CreatePolicyRequest request(input);
  iam::NewPolicy policy;
  policy.name = request.policy_name();
  policy.path = request.path().value_or("/");
  policy.document = request.policy_document();
  policy.description = request.description().value_or("");
  policy.tags = tags_of(input);
  MR_ASSIGN_OR_RETURN(const auto made, stores.policies.create(account_of(context), std::move(policy)));
  Document document = policy_document(made, attachments_in(stores, account_of(context)));
  if (!made.tags.empty()) document.set("Tags", tags_document(made.tags));
  return reply(stores, Document::object({{"Policy", std::move(document)}}));
}

Result<Reply> get_policy(const Stores& stores, const RequestContext& context, const Document& input) {
  const wire::iam::GetPolicyRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto policy, stores.policies.get(request.policy_arn()));
  Document document = policy_document(policy, attachments_in(stores, account_of(context)));
  if (!policy.description.empty()) document.set("Description", policy.description);
  if (!policy.tags.empty()) document.set("Tags", tags_document(policy.tags));
  return reply(stores, Document::object({{"Policy", std::move(document)}}));
}

Result<Reply> list_policies(const Stores& stores, const RequestContext& context, const Document& input) {
  const wire::iam::ListPoliciesRequest request(input);
  if (request.policy_usage_filter().value_or("PermissionsPolicy") != "PermissionsPolicy") {
    return Error(iam::kValidation, "The PolicyUsageFilter PermissionsBoundary is not supported by this server.");
  }
  const std::string_view scope = request.scope().value_or("All");
  std::vector<iam::ManagedPolicy> policies;
  if (scope != "AWS") policies = stores.policies.list(account_of(context));
  if (scope != "Local") {
    for (auto& policy : stores.policies.list(iam::kAwsAccount)) policies.push_back(std::move(policy));
  }
  const auto attachments = attachments_in(stores, account_of(context));
  std::erase_if(policies, [&](const auto& policy) {
    if (!policy.path.starts_with(request.path_prefix().value_or("/"))) return true;
    return request.only_attached().value_or(false) && count_of(attachments, policy.arn()) == 0;
  });
  std::ranges::sort(policies, {}, &iam::ManagedPolicy::arn);
  MR_ASSIGN_OR_RETURN(const auto page, iam::documents::page_of(std::move(policies), page_request(request),
                                                               [](const auto& policy) { return policy.arn(); }));
  Document list = Document::array();
  for (const auto& policy : page.items) list.push(policy_document(policy, attachments));
  Document output = Document::object({{"Policies", std::move(list)}});
  set_page(output, page);
  return reply(stores, std::move(output));
}

Result<Reply> delete_policy(const Stores& stores, const RequestContext& context, const Document& input) {
  const wire::iam::DeletePolicyRequest request(input);
  if (count_of(attachments_in(stores, account_of(context)), std::string(request.policy_arn())) > 0) {
    return Error(iam::kDeleteConflict, "Cannot delete a policy attached to entities.");
  }
  MR_RETURN_IF_ERROR(stores.policies.remove(request.policy_arn()));
  return reply(stores);
}

Result<Reply> create_policy_version(const Stores& stores, const RequestContext&, const Document& input) {
  const wire::iam::CreatePolicyVersionRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto version,
                      stores.policies.create_version(request.policy_arn(), std::string(request.policy_document()),
                                                     request.set_as_default().value_or(false)));
  MR_ASSIGN_OR_RETURN(const auto policy, stores.policies.get(request.policy_arn()));
  return reply(stores, Document::object({{"PolicyVersion", version_document(policy, version)}}));
}

Result<Reply> get_policy_version(const Stores& stores, const RequestContext&, const Document& input) {
  const wire::iam::GetPolicyVersionRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto policy, stores.policies.get(request.policy_arn()));
  const iam::PolicyVersion* version = policy.version(request.version_id());
  if (version == nullptr) {
    return Error(iam::kNoSuchEntity, "Policy " + policy.arn() + " version " + std::string(request.version_id()) +
                                         " does not exist or is not attachable.");
  }
  Document document = version_document(policy, *version);
  document.set("Document", http::url_encode(version->document));
  return reply(stores, Document::object({{"PolicyVersion", std::move(document)}}));
}

Result<Reply> list_policy_versions(const Stores& stores, const RequestContext&, const Document& input) {
  const wire::iam::ListPolicyVersionsRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto policy, stores.policies.get(request.policy_arn()));
  auto versions = policy.versions;
  std::ranges::reverse(versions);  // AWS: newest first
  // A key that rises down the list.
  const auto key_of = [](const iam::PolicyVersion& version) {
    std::string key = std::to_string(999'999'999 - version.number);
    return std::string(9 - key.size(), '0') + key;
  };
  MR_ASSIGN_OR_RETURN(const auto page, iam::documents::page_of(std::move(versions), page_request(request), key_of));
  Document list = Document::array();
  for (const auto& version : page.items) list.push(version_document(policy, version));
  Document output = Document::object({{"Versions", std::move(list)}});
  set_page(output, page);
  return reply(stores, std::move(output));
}

Result<Reply> delete_policy_version(const Stores& stores, const RequestContext&, const Document& input) {
  const wire::iam::DeletePolicyVersionRequest request(input);
  MR_RETURN_IF_ERROR(stores.policies.delete_version(request.policy_arn(), request.version_id()));
  return reply(stores);
}

Result<Reply> set_default_policy_version(const Stores& stores, const RequestContext&, const Document& input) {
  const wire::iam::SetDefaultPolicyVersionRequest request(input);
  MR_RETURN_IF_ERROR(stores.policies.set_default_version(request.policy_arn(), request.version_id()));
  return reply(stores);
}

// All in one page: an account has at most 1000 roles.
Result<Reply> list_entities_for_policy(const Stores& stores, const RequestContext& context, const Document& input) {
  const wire::iam::ListEntitiesForPolicyRequest request(input);
  for (const char* member : {"PathPrefix", "PolicyUsageFilter", "Marker"}) {
    if (input.find(member) != nullptr) {
      return Error(iam::kValidation, "The parameter " + std::string(member) + " is not supported by this server.");
    }
  }
  const std::string arn(request.policy_arn());
  MR_RETURN_IF_ERROR(stores.policies.check_attachable(account_of(context), arn));
  const std::string_view filter = request.entity_filter().value_or("");
  const auto holders = [&](const std::string& kind, const auto& all) {
    Document list = Document::array();
    if (!filter.empty() && filter != kind) return list;
    for (const auto& one : all) {
      if (!one.attached_policies.contains(arn)) continue;
      list.push(Document::object({{kind + "Name", one.name}, {kind + "Id", one.id}}));
    }
    return list;
  };
  Document output = Document::object({{"IsTruncated", false}});
  output.set("PolicyUsers", holders("User", stores.identities.list(IdentityKind::kUser, account_of(context))))
      .set("PolicyGroups", holders("Group", stores.identities.list(IdentityKind::kGroup, account_of(context))))
      .set("PolicyRoles", holders("Role", stores.roles.all(account_of(context))));
  return reply(stores, std::move(output));
}

Result<Reply> tag_policy(const Stores& stores, const RequestContext&, const Document& input) {
  MR_RETURN_IF_ERROR(stores.policies.tag(input.string_or("PolicyArn", ""), tags_of(input)));
  return reply(stores);
}

Result<Reply> untag_policy(const Stores& stores, const RequestContext&, const Document& input) {
  const wire::iam::UntagPolicyRequest request(input);
  std::vector<std::string> keys;
  for (auto key : request.tag_keys()) keys.emplace_back(key);
  MR_RETURN_IF_ERROR(stores.policies.untag(request.policy_arn(), keys));
  return reply(stores);
}

Result<Reply> list_policy_tags(const Stores& stores, const RequestContext&, const Document& input) {
  const wire::iam::ListPolicyTagsRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto policy, stores.policies.get(request.policy_arn()));
  return tags_reply(stores, policy.tags, page_request(request));
}

}  // namespace millrace::api_iam
