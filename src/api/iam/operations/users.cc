// What only users have: tags, memberships, access keys.
#include "api/iam/operations.h"
#include "iam/documents.h"
#include "wire/generated/iam_views.h"

namespace millrace::api_iam {
namespace user {

iam::Identities::Name named(const RequestContext& context, std::string_view name) {
  return {IdentityKind::kUser, account_of(context), name};
}

}  // namespace user

Result<Reply> tag_user(const Stores& stores, const RequestContext& context, const Document& input) {
  const wire::iam::TagUserRequest request(input);
  MR_RETURN_IF_ERROR(stores.identities.tag(user::named(context, request.user_name()), tags_of(input)));
  return reply(stores);
}

Result<Reply> untag_user(const Stores& stores, const RequestContext& context, const Document& input) {
  const wire::iam::UntagUserRequest request(input);
  std::vector<std::string> keys;
  for (auto key : request.tag_keys()) keys.emplace_back(key);
  MR_RETURN_IF_ERROR(stores.identities.untag(user::named(context, request.user_name()), keys));
  return reply(stores);
}

Result<Reply> list_user_tags(const Stores& stores, const RequestContext& context, const Document& input) {
  const wire::iam::ListUserTagsRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto found, stores.identities.get(user::named(context, request.user_name())));
  return tags_reply(stores, found.tags, page_request(request));
}

Result<Reply> add_user_to_group(const Stores& stores, const RequestContext& context, const Document& input) {
  const wire::iam::AddUserToGroupRequest request(input);
  MR_RETURN_IF_ERROR(stores.identities.add_to_group(account_of(context), request.user_name(), request.group_name()));
  return reply(stores);
}

Result<Reply> remove_user_from_group(const Stores& stores, const RequestContext& context, const Document& input) {
  const wire::iam::RemoveUserFromGroupRequest request(input);
  MR_RETURN_IF_ERROR(
      stores.identities.remove_from_group(account_of(context), request.user_name(), request.group_name()));
  return reply(stores);
}

Result<Reply> list_groups_for_user(const Stores& stores, const RequestContext& context, const Document& input) {
  const wire::iam::ListGroupsForUserRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto found, stores.identities.get(user::named(context, request.user_name())));
  std::vector<iam::Identity> groups;
  for (const auto& name : found.groups) {
    if (auto group = stores.identities.get({IdentityKind::kGroup, found.account, name}); group.ok()) {
      groups.push_back(*std::move(group));
    }
  }
  MR_ASSIGN_OR_RETURN(const auto page, iam::documents::page_of(std::move(groups), page_request(request),
                                                               [](const auto& group) { return group.name; }));
  Document list = Document::array();
  for (const auto& group : page.items) list.push(identity_document(group));
  Document output = Document::object({{"Groups", std::move(list)}});
  set_page(output, page);
  return reply(stores, std::move(output));
}

Result<Reply> create_access_key(const Stores& stores, const RequestContext& context, const Document& input) {
  MR_ASSIGN_OR_RETURN(const std::string name, user_name(stores, context, input));
  MR_ASSIGN_OR_RETURN(const auto key, stores.identities.create_key(user::named(context, name)));
  return reply(stores, Document::object({{"AccessKey", Document::object({{"UserName", name},
                                                                         {"AccessKeyId", key.id},
                                                                         {"Status", "Active"},
                                                                         {"SecretAccessKey", key.secret},
                                                                         {"CreateDate", to_unix_s(key.created)}})}}));
}

// At most two.
Result<Reply> list_access_keys(const Stores& stores, const RequestContext& context, const Document& input) {
  MR_ASSIGN_OR_RETURN(const std::string name, user_name(stores, context, input));
  MR_ASSIGN_OR_RETURN(const auto found, stores.identities.get(user::named(context, name)));
  auto keys = found.access_keys;
  std::ranges::sort(keys, {}, &iam::AccessKey::id);
  MR_ASSIGN_OR_RETURN(const auto page, iam::documents::page_of(std::move(keys), page_request(input),
                                                               [](const auto& key) { return key.id; }));
  Document list = Document::array();
  for (const auto& key : page.items) {
    list.push(Document::object({{"UserName", name},
                                {"AccessKeyId", key.id},
                                {"Status", key.active ? "Active" : "Inactive"},
                                {"CreateDate", to_unix_s(key.created)}}));
  }
  Document output = Document::object({{"AccessKeyMetadata", std::move(list)}});
  set_page(output, page);
  return reply(stores, std::move(output));
}

Result<Reply> update_access_key(const Stores& stores, const RequestContext& context, const Document& input) {
  const wire::iam::UpdateAccessKeyRequest request(input);
  MR_ASSIGN_OR_RETURN(const std::string name, user_name(stores, context, input));
  MR_RETURN_IF_ERROR(stores.identities.set_key_active(user::named(context, name), request.access_key_id(),
                                                      request.status() == "Active"));
  return reply(stores);
}

Result<Reply> delete_access_key(const Stores& stores, const RequestContext& context, const Document& input) {
  const wire::iam::DeleteAccessKeyRequest request(input);
  MR_ASSIGN_OR_RETURN(const std::string name, user_name(stores, context, input));
  MR_RETURN_IF_ERROR(stores.identities.delete_key(user::named(context, name), request.access_key_id()));
  return reply(stores);
}

}  // namespace millrace::api_iam
