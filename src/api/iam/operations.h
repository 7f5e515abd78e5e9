// One function per operation; the AWS API reference says what each does. Thread-safe.
#pragma once

#include "api/iam/service.h"
#include "iam/identities.h"
#include "iam/managed_policies.h"
#include "iam/roles.h"
#include "iam/sessions.h"
#include "wire/service.h"

namespace millrace::api_iam {

using wire::Document;
using wire::Reply;
using wire::RequestContext;

// operations/roles.cc
Result<Reply> create_role(const Stores& stores, const RequestContext& context, const Document& input);
Result<Reply> get_role(const Stores& stores, const RequestContext& context, const Document& input);
Result<Reply> list_roles(const Stores& stores, const RequestContext& context, const Document& input);
Result<Reply> delete_role(const Stores& stores, const RequestContext& context, const Document& input);
Result<Reply> update_assume_role_policy(const Stores& stores, const RequestContext& context, const Document& input);
Result<Reply> update_role(const Stores& stores, const RequestContext& context, const Document& input);
Result<Reply> tag_role(const Stores& stores, const RequestContext& context, const Document& input);
Result<Reply> untag_role(const Stores& stores, const RequestContext& context, const Document& input);
Result<Reply> list_role_tags(const Stores& stores, const RequestContext& context, const Document& input);

// operations/policies.cc
Result<Reply> put_role_policy(const Stores& stores, const RequestContext& context, const Document& input);
Result<Reply> get_role_policy(const Stores& stores, const RequestContext& context, const Document& input);
Result<Reply> list_role_policies(const Stores& stores, const RequestContext& context, const Document& input);
Result<Reply> delete_role_policy(const Stores& stores, const RequestContext& context, const Document& input);
Result<Reply> attach_role_policy(const Stores& stores, const RequestContext& context, const Document& input);
Result<Reply> detach_role_policy(const Stores& stores, const RequestContext& context, const Document& input);
Result<Reply> list_attached_role_policies(const Stores& stores, const RequestContext& context, const Document& input);

// operations/managed_policies.cc
Result<Reply> create_policy(const Stores& stores, const RequestContext& context, const Document& input);
Result<Reply> get_policy(const Stores& stores, const RequestContext& context, const Document& input);
Result<Reply> list_policies(const Stores& stores, const RequestContext& context, const Document& input);
Result<Reply> delete_policy(const Stores& stores, const RequestContext& context, const Document& input);
Result<Reply> create_policy_version(const Stores& stores, const RequestContext& context, const Document& input);
Result<Reply> get_policy_version(const Stores& stores, const RequestContext& context, const Document& input);
Result<Reply> list_policy_versions(const Stores& stores, const RequestContext& context, const Document& input);
Result<Reply> delete_policy_version(const Stores& stores, const RequestContext& context, const Document& input);
Result<Reply> set_default_policy_version(const Stores& stores, const RequestContext& context, const Document& input);
Result<Reply> list_entities_for_policy(const Stores& stores, const RequestContext& context, const Document& input);
Result<Reply> tag_policy(const Stores& stores, const RequestContext& context, const Document& input);
Result<Reply> untag_policy(const Stores& stores, const RequestContext& context, const Document& input);
Result<Reply> list_policy_tags(const Stores& stores, const RequestContext& context, const Document& input);

// operations/identities.cc; those of users and groups in one
using iam::IdentityKind;
template <IdentityKind kind>
struct OfIdentity {
  static Result<Reply> create(const Stores& stores, const RequestContext& context, const Document& input);
  static Result<Reply> get(const Stores& stores, const RequestContext& context, const Document& input);
  static Result<Reply> list(const Stores& stores, const RequestContext& context, const Document& input);
  static Result<Reply> update(const Stores& stores, const RequestContext& context, const Document& input);
  static Result<Reply> remove(const Stores& stores, const RequestContext& context, const Document& input);
  static Result<Reply> put_policy(const Stores& stores, const RequestContext& context, const Document& input);
  static Result<Reply> get_policy(const Stores& stores, const RequestContext& context, const Document& input);
  static Result<Reply> list_policies(const Stores& stores, const RequestContext& context, const Document& input);
  static Result<Reply> delete_policy(const Stores& stores, const RequestContext& context, const Document& input);
  static Result<Reply> attach(const Stores& stores, const RequestContext& context, const Document& input);
  static Result<Reply> detach(const Stores& stores, const RequestContext& context, const Document& input);
  static Result<Reply> list_attached(const Stores& stores, const RequestContext& context, const Document& input);
};
extern template struct OfIdentity<IdentityKind::kUser>;
extern template struct OfIdentity<IdentityKind::kGroup>;

// operations/users.cc
Result<Reply> tag_user(const Stores& stores, const RequestContext& context, const Document& input);
Result<Reply> untag_user(const Stores& stores, const RequestContext& context, const Document& input);
Result<Reply> list_user_tags(const Stores& stores, const RequestContext& context, const Document& input);
Result<Reply> add_user_to_group(const Stores& stores, const RequestContext& context, const Document& input);
Result<Reply> remove_user_from_group(const Stores& stores, const RequestContext& context, const Document& input);
Result<Reply> list_groups_for_user(const Stores& stores, const RequestContext& context, const Document& input);
Result<Reply> create_access_key(const Stores& stores, const RequestContext& context, const Document& input);
Result<Reply> list_access_keys(const Stores& stores, const RequestContext& context, const Document& input);
Result<Reply> update_access_key(const Stores& stores, const RequestContext& context, const Document& input);
Result<Reply> delete_access_key(const Stores& stores, const RequestContext& context, const Document& input);

// operations/sts.cc
Result<Reply> get_caller_identity(iam::Sessions& sessions, const RequestContext& context);
Result<Reply> get_session_token(iam::Sessions& sessions, const RequestContext& context, const Document& input);
Result<Reply> assume_role(iam::Sessions& sessions, iam::Roles& roles, const RequestContext& context,
                          const Document& input);

// `output` as an answer that waits for what has been done so far.
Reply reply(const Stores& stores, Document output = Document::object());

inline const std::string& account_of(const RequestContext& context) { return context.caller.scope.account; }

// The user that a request names, else who asks. AWS: ValidationError when that is no user.
Result<std::string> user_name(const Stores& stores, const RequestContext& context, const Document& input);
Document tags_document(const iam::Tags& tags);
iam::Tags tags_of(const Document& input);
// A page of them as an answer.
Result<Reply> tags_reply(const Stores& stores, const iam::Tags& tags, const iam::PageRequest& request);
// What a user or role shows of its boundary, which is not "".
Document boundary_document(const std::string& policy_arn);
// What a list of attached policies shows.
Document attached_policies(const std::vector<std::string>& arns);
// As in a list; users and groups.
Document identity_document(const iam::Identity& identity);

// From a request's MaxItems and Marker.
template <typename Request>
iam::PageRequest page_request(const Request& request) {
  return {static_cast<int>(request.max_items().value_or(100)), request.marker().value_or("")};
}
inline iam::PageRequest page_request(const Document& input) {
  return {static_cast<int>(input.int_or("MaxItems", 100)), input.string_or("Marker", "")};
}

// Sets IsTruncated and Marker.
template <typename T>
void set_page(Document& output, const iam::Page<T>& page) {
  output.set("IsTruncated", !page.marker.empty()).set_if(!page.marker.empty(), "Marker", page.marker);
}

}  // namespace millrace::api_iam
