// One function per operation; the AWS API reference says what each does. Thread-safe.
#pragma once

#include "iam/roles.h"
#include "iam/sessions.h"
#include "wire/service.h"

namespace millrace::api_iam {

using wire::Document;
using wire::Reply;
using wire::RequestContext;

// operations/roles.cc
Result<Reply> create_role(iam::Roles& roles, const RequestContext& context, const Document& input);
Result<Reply> get_role(iam::Roles& roles, const RequestContext& context, const Document& input);
Result<Reply> list_roles(iam::Roles& roles, const RequestContext& context, const Document& input);
Result<Reply> delete_role(iam::Roles& roles, const RequestContext& context, const Document& input);
Result<Reply> update_assume_role_policy(iam::Roles& roles, const RequestContext& context, const Document& input);
Result<Reply> update_role(iam::Roles& roles, const RequestContext& context, const Document& input);
Result<Reply> tag_role(iam::Roles& roles, const RequestContext& context, const Document& input);
Result<Reply> untag_role(iam::Roles& roles, const RequestContext& context, const Document& input);
Result<Reply> list_role_tags(iam::Roles& roles, const RequestContext& context, const Document& input);

// operations/policies.cc
Result<Reply> put_role_policy(iam::Roles& roles, const RequestContext& context, const Document& input);
Result<Reply> get_role_policy(iam::Roles& roles, const RequestContext& context, const Document& input);
Result<Reply> list_role_policies(iam::Roles& roles, const RequestContext& context, const Document& input);
Result<Reply> delete_role_policy(iam::Roles& roles, const RequestContext& context, const Document& input);
Result<Reply> attach_role_policy(iam::Roles& roles, const RequestContext& context, const Document& input);
Result<Reply> detach_role_policy(iam::Roles& roles, const RequestContext& context, const Document& input);
Result<Reply> list_attached_role_policies(iam::Roles& roles, const RequestContext& context, const Document& input);

// operations/sts.cc
Result<Reply> get_caller_identity(iam::Sessions& sessions, const RequestContext& context);
Result<Reply> get_session_token(iam::Sessions& sessions, const RequestContext& context, const Document& input);
Result<Reply> assume_role(iam::Sessions& sessions, iam::Roles& roles, const RequestContext& context,
                          const Document& input);

// `output` as an answer that waits for what the roles have done so far.
Reply reply(const iam::Roles& roles, Document output = Document::object());

// From a request's MaxItems and Marker.
template <typename Request>
iam::PageRequest page_request(const Request& request) {
  return {static_cast<int>(request.max_items().value_or(100)), request.marker().value_or("")};
}

// Sets IsTruncated and Marker.
template <typename T>
void set_page(Document& output, const iam::Page<T>& page) {
  output.set("IsTruncated", !page.marker.empty()).set_if(!page.marker.empty(), "Marker", page.marker);
}

}  // namespace millrace::api_iam
