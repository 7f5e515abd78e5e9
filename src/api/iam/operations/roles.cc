#include "api/iam/operations.h"
#include "http/message.h"
#include "iam/documents.h"
#include "wire/generated/iam_views.h"

namespace millrace::api_iam {
namespace {

Document role_document(const iam::Role& role) {
  Document document = Document::object();
  document.set("Path", role.path)
      .set("RoleName", role.name)
      .set("RoleId", role.id)
      .set("Arn", role.arn())
      .set("CreateDate", to_unix_s(role.created))
      // AWS: policy documents in answers are percent-encoded (RFC 3986).
      .set("AssumeRolePolicyDocument", http::url_encode(role.trust_policy))
      .set_if(role.description.has_value(), "Description", role.description.value_or(""))
      .set("MaxSessionDuration", role.max_session_seconds);
  if (!role.permissions_boundary.empty()) {
    document.set("PermissionsBoundary", boundary_document(role.permissions_boundary));
  }
  if (!role.tags.empty()) document.set("Tags", tags_document(role.tags));
  return document;
}

}  // namespace

Document tags_document(const iam::Tags& tags) {
  Document list = Document::array();
  for (const auto& [key, value] : tags) list.push(Document::object({{"Key", key}, {"Value", value}}));
  return list;
}

iam::Tags tags_of(const Document& input) {
  iam::Tags tags;
  const Document* list = input.find("Tags");
  if (list == nullptr || !list->is_array()) return tags;
  for (const auto& tag : list->as_array()) tags[std::string(tag.string_or("Key", ""))] = tag.string_or("Value", "");
  return tags;
}

Result<Reply> tags_reply(const Stores& stores, const iam::Tags& tags, const iam::PageRequest& request) {
  std::vector<std::pair<std::string, std::string>> all(tags.begin(), tags.end());
  MR_ASSIGN_OR_RETURN(const auto page,
                      iam::documents::page_of(std::move(all), request, [](const auto& tag) { return tag.first; }));
  Document output = Document::object({{"Tags", tags_document({page.items.begin(), page.items.end()})}});
  set_page(output, page);
  return reply(stores, std::move(output));
}

Document boundary_document(const std::string& policy_arn) {
  return Document::object(
      {{"PermissionsBoundaryType", "PermissionsBoundaryPolicy"}, {"PermissionsBoundaryArn", policy_arn}});
}

Result<Reply> create_role(const Stores& stores, const RequestContext& context, const Document& input) {
  const wire::iam::CreateRoleRequest request(input);
  iam::NewRole role;
  role.name = request.role_name();
  role.path = request.path().value_or("/");
  role.trust_policy = request.assume_role_policy_document();
  if (request.description()) role.description = std::string(*request.description());
  role.max_session_seconds = static_cast<int>(request.max_session_duration().value_or(3600));
  role.permissions_boundary = request.permissions_boundary().value_or("");
  for (auto tag : request.tags()) role.tags[std::string(tag.key())] = tag.value();
  MR_ASSIGN_OR_RETURN(const auto created, stores.roles.create(context.caller.scope.account, std::move(role)));
  return reply(stores, Document::object({{"Role", role_document(created)}}));
}

Result<Reply> get_role(const Stores& stores, const RequestContext& context, const Document& input) {
  const wire::iam::GetRoleRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto role, stores.roles.get(context.caller.scope.account, request.role_name()));
  Document document = role_document(role);
  document.set("RoleLastUsed", Document::object());  // AWS: empty when never used
  return reply(stores, Document::object({{"Role", std::move(document)}}));
}

Result<Reply> list_roles(const Stores& stores, const RequestContext& context, const Document& input) {
  const wire::iam::ListRolesRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto page, stores.roles.list(context.caller.scope.account,
                                                         request.path_prefix().value_or("/"), page_request(request)));
  Document list = Document::array();
  for (const auto& role : page.items) {
    Document document = role_document(role);
    document.erase("Tags");  // AWS: GetRole and ListRoleTags show them
    document.erase("PermissionsBoundary");
    list.push(std::move(document));
  }
  Document output = Document::object({{"Roles", std::move(list)}});
  set_page(output, page);
  return reply(stores, std::move(output));
}

Result<Reply> delete_role(const Stores& stores, const RequestContext& context, const Document& input) {
  const wire::iam::DeleteRoleRequest request(input);
  MR_RETURN_IF_ERROR(stores.roles.remove(context.caller.scope.account, request.role_name()));
  return reply(stores);
}

Result<Reply> update_assume_role_policy(const Stores& stores, const RequestContext& context, const Document& input) {
  const wire::iam::UpdateAssumeRolePolicyRequest request(input);
  MR_RETURN_IF_ERROR(stores.roles.set_trust_policy(context.caller.scope.account, request.role_name(),
                                                   std::string(request.policy_document())));
  return reply(stores);
}

Result<Reply> update_role(const Stores& stores, const RequestContext& context, const Document& input) {
  const wire::iam::UpdateRoleRequest request(input);
  std::optional<std::string> description;
  if (request.description()) description = std::string(*request.description());
  std::optional<int> seconds;
  if (request.max_session_duration()) seconds = static_cast<int>(*request.max_session_duration());
  MR_RETURN_IF_ERROR(
      stores.roles.set_settings(context.caller.scope.account, request.role_name(), std::move(description), seconds));
  return reply(stores);
}

Result<Reply> tag_role(const Stores& stores, const RequestContext& context, const Document& input) {
  const wire::iam::TagRoleRequest request(input);
  iam::Tags tags;
  for (auto tag : request.tags()) tags[std::string(tag.key())] = tag.value();
  MR_RETURN_IF_ERROR(stores.roles.tag(context.caller.scope.account, request.role_name(), tags));
  return reply(stores);
}

Result<Reply> untag_role(const Stores& stores, const RequestContext& context, const Document& input) {
  const wire::iam::UntagRoleRequest request(input);
  std::vector<std::string> keys;
  for (auto key : request.tag_keys()) keys.emplace_back(key);
  MR_RETURN_IF_ERROR(stores.roles.untag(context.caller.scope.account, request.role_name(), keys));
  return reply(stores);
}

Result<Reply> list_role_tags(const Stores& stores, const RequestContext& context, const Document& input) {
  const wire::iam::ListRoleTagsRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto role, stores.roles.get(context.caller.scope.account, request.role_name()));
  return tags_reply(stores, role.tags, page_request(request));
}

}  // namespace millrace::api_iam
