#include "api/iam/operations.h"
#include "http/message.h"
#include "iam/documents.h"
#include "iam/errors.h"

namespace millrace::api_iam {
namespace identity {

constexpr const char* word_of(IdentityKind kind) { return kind == IdentityKind::kUser ? "User" : "Group"; }

std::string member_of(IdentityKind kind) { return std::string(word_of(kind)) + "Name"; }

iam::Identities::Name name_of(IdentityKind kind, const RequestContext& context, const Document& input) {
  return {kind, account_of(context), input.string_or(member_of(kind), "")};
}

// With what only the answers about one show.
Document whole_document(const iam::Identity& identity) {
  Document document = identity_document(identity);
  if (!identity.tags.empty()) document.set("Tags", tags_document(identity.tags));
  if (!identity.permissions_boundary.empty()) {
    document.set("PermissionsBoundary", boundary_document(identity.permissions_boundary));
  }
  return document;
}

std::optional<std::string> text(const Document& input, std::string_view member) {
  if (input.find(member) == nullptr) return std::nullopt;
  return std::string(input.string_or(member, ""));
}

}  // namespace identity

Document identity_document(const iam::Identity& one) {
  const std::string word = identity::word_of(one.kind);
  return Document::object({{"Path", one.path},
                           {word + "Name", one.name},
                           {word + "Id", one.id},
                           {"Arn", one.arn()},
                           {"CreateDate", to_unix_s(one.created)}});
}

Document attached_policies(const std::vector<std::string>& arns) {
  Document policies = Document::array();
  for (const auto& arn : arns) {
    policies.push(Document::object({{"PolicyName", arn.substr(arn.rfind('/') + 1)}, {"PolicyArn", arn}}));
  }
  return policies;
}

Result<std::string> user_name(const Stores& stores, const RequestContext& context, const Document& input) {
  if (input.find("UserName") != nullptr) return std::string(input.string_or("UserName", ""));
  if (const auto user = stores.identities.user_of_key(context.caller.access_key)) return user->name;
  return Error(iam::kValidation, "Must specify userName when calling with non-User credentials");
}

template <IdentityKind kind>
Result<Reply> OfIdentity<kind>::create(const Stores& stores, const RequestContext& context, const Document& input) {
  iam::NewIdentity given;
  given.name = input.string_or(identity::member_of(kind), "");
  given.path = input.string_or("Path", "/");
  given.permissions_boundary = input.string_or("PermissionsBoundary", "");
  given.tags = tags_of(input);
  MR_ASSIGN_OR_RETURN(const auto made, stores.identities.create(kind, account_of(context), std::move(given)));
  return reply(stores, Document::object({{identity::word_of(kind), identity::whole_document(made)}}));
}

template <IdentityKind kind>
Result<Reply> OfIdentity<kind>::get(const Stores& stores, const RequestContext& context, const Document& input) {
  if constexpr (kind == IdentityKind::kUser) {
    MR_ASSIGN_OR_RETURN(const std::string name, user_name(stores, context, input));
    MR_ASSIGN_OR_RETURN(const auto user, stores.identities.get({kind, account_of(context), name}));
    return reply(stores, Document::object({{"User", identity::whole_document(user)}}));
  } else {
    MR_ASSIGN_OR_RETURN(const auto group, stores.identities.get(identity::name_of(kind, context, input)));
    MR_ASSIGN_OR_RETURN(const auto page,
                        iam::documents::page_of(stores.identities.users_of(group.account, group.name),
                                                page_request(input), [](const auto& user) { return user.name; }));
    Document users = Document::array();
    for (const auto& user : page.items) users.push(identity_document(user));
    Document output = Document::object({{"Group", identity::whole_document(group)}, {"Users", std::move(users)}});
    set_page(output, page);
    return reply(stores, std::move(output));
  }
}

template <IdentityKind kind>
Result<Reply> OfIdentity<kind>::list(const Stores& stores, const RequestContext& context, const Document& input) {
  auto all = stores.identities.list(kind, account_of(context));
  std::erase_if(all, [&](const auto& one) { return !one.path.starts_with(input.string_or("PathPrefix", "/")); });
  MR_ASSIGN_OR_RETURN(const auto page, iam::documents::page_of(std::move(all), page_request(input),
                                                               [](const auto& one) { return one.name; }));
  Document list = Document::array();
  for (const auto& one : page.items) list.push(identity_document(one));
  Document output = Document::object({{std::string(identity::word_of(kind)) + "s", std::move(list)}});
  set_page(output, page);
  return reply(stores, std::move(output));
}

template <IdentityKind kind>
Result<Reply> OfIdentity<kind>::update(const Stores& stores, const RequestContext& context, const Document& input) {
  MR_RETURN_IF_ERROR(stores.identities.rename(identity::name_of(kind, context, input),
                                              identity::text(input, "New" + identity::member_of(kind)),
                                              identity::text(input, "NewPath")));
  return reply(stores);
}

template <IdentityKind kind>
Result<Reply> OfIdentity<kind>::remove(const Stores& stores, const RequestContext& context, const Document& input) {
  MR_RETURN_IF_ERROR(stores.identities.remove(identity::name_of(kind, context, input)));
  return reply(stores);
}

template <IdentityKind kind>
Result<Reply> OfIdentity<kind>::put_policy(const Stores& stores, const RequestContext& context, const Document& input) {
  MR_RETURN_IF_ERROR(stores.identities.put_policy(identity::name_of(kind, context, input),
                                                  input.string_or("PolicyName", ""),
                                                  std::string(input.string_or("PolicyDocument", ""))));
  return reply(stores);
}

template <IdentityKind kind>
Result<Reply> OfIdentity<kind>::get_policy(const Stores& stores, const RequestContext& context, const Document& input) {
  const auto name = identity::name_of(kind, context, input);
  const std::string policy(input.string_or("PolicyName", ""));
  MR_ASSIGN_OR_RETURN(const auto document, stores.identities.get_policy(name, policy));
  return reply(stores, Document::object({{identity::member_of(kind), name.name},
                                         {"PolicyName", policy},
                                         {"PolicyDocument", http::url_encode(document)}}));
}

template <IdentityKind kind>
Result<Reply> OfIdentity<kind>::list_policies(const Stores& stores, const RequestContext& context,
                                              const Document& input) {
  MR_ASSIGN_OR_RETURN(const auto one, stores.identities.get(identity::name_of(kind, context, input)));
  std::vector<std::string> names;
  for (const auto& [policy, text] : one.inline_policies) names.push_back(policy);
  MR_ASSIGN_OR_RETURN(const auto page, iam::documents::page_of(std::move(names), page_request(input),
                                                               [](const std::string& policy) { return policy; }));
  Document list = Document::array();
  for (const auto& policy : page.items) list.push(policy);
  Document output = Document::object({{"PolicyNames", std::move(list)}});
  set_page(output, page);
  return reply(stores, std::move(output));
}

template <IdentityKind kind>
Result<Reply> OfIdentity<kind>::delete_policy(const Stores& stores, const RequestContext& context,
                                              const Document& input) {
  MR_RETURN_IF_ERROR(
      stores.identities.delete_policy(identity::name_of(kind, context, input), input.string_or("PolicyName", "")));
  return reply(stores);
}

template <IdentityKind kind>
Result<Reply> OfIdentity<kind>::attach(const Stores& stores, const RequestContext& context, const Document& input) {
  const std::string_view arn = input.string_or("PolicyArn", "");
  MR_RETURN_IF_ERROR(stores.policies.check_attachable(account_of(context), arn));
  MR_RETURN_IF_ERROR(stores.identities.attach(identity::name_of(kind, context, input), arn));
  return reply(stores);
}

template <IdentityKind kind>
Result<Reply> OfIdentity<kind>::detach(const Stores& stores, const RequestContext& context, const Document& input) {
  MR_RETURN_IF_ERROR(
      stores.identities.detach(identity::name_of(kind, context, input), input.string_or("PolicyArn", "")));
  return reply(stores);
}

template <IdentityKind kind>
Result<Reply> OfIdentity<kind>::list_attached(const Stores& stores, const RequestContext& context,
                                              const Document& input) {
  MR_ASSIGN_OR_RETURN(const auto one, stores.identities.get(identity::name_of(kind, context, input)));
  std::vector<std::string> arns(one.attached_policies.begin(), one.attached_policies.end());
  std::erase_if(arns, [&](const std::string& arn) {
    return !iam::documents::path_of_policy(arn).starts_with(input.string_or("PathPrefix", "/"));
  });
  MR_ASSIGN_OR_RETURN(const auto page, iam::documents::page_of(std::move(arns), page_request(input),
                                                               [](const std::string& arn) { return arn; }));
  Document output = Document::object({{"AttachedPolicies", attached_policies(page.items)}});
  set_page(output, page);
  return reply(stores, std::move(output));
}

template struct OfIdentity<IdentityKind::kUser>;
template struct OfIdentity<IdentityKind::kGroup>;

}  // namespace millrace::api_iam
