// AddPermission, RemovePermission, GetPolicy.
#include "api/lambda/functions_operations.h"
#include "api/lambda/internal/function_document.h"
#include "functions/errors.h"
#include "wire/generated/lambda_views.h"

namespace millrace::api_lambda {
namespace {

using functions::Functions;
using wire::Document;
using wire::RequestContext;

std::optional<std::string> revision_of(const Document& input) {
  const auto revision = input.string_or("RevisionId", "");
  return revision.empty() ? std::nullopt : std::optional(std::string(revision));
}

}  // namespace

Result<wire::Reply> add_permission(Functions& engine, const RequestContext& context, const Document& input) {
  const wire::lambda::AddPermissionRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto target, requested_function(context, input));
  const functions::Permission permission{.sid = std::string(request.statement_id()),
                                         .action = std::string(request.action()),
                                         .principal = std::string(request.principal()),
                                         .source_arn = std::string(request.source_arn().value_or("")),
                                         .source_account = std::string(request.source_account().value_or("")),
                                         .organization = std::string(request.principal_org_id().value_or("")),
                                         .event_source_token = std::string(request.event_source_token().value_or("")),
                                         .url_auth_type = std::string(request.function_url_auth_type().value_or("")),
                                         .via_url = request.invoked_via_function_url().value_or(false)};
  MR_ASSIGN_OR_RETURN(const auto statement, engine.add_permission(target, permission, revision_of(input)));
  auto reply = function_reply(engine, Document::object({{"Statement", statement.dump()}}));
  reply.status = 201;
  return reply;
}

Result<wire::Reply> remove_permission(Functions& engine, const RequestContext& context, const Document& input) {
  const wire::lambda::RemovePermissionRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto target, requested_function(context, input));
  MR_RETURN_IF_ERROR(engine.remove_permission(target, std::string(request.statement_id()), revision_of(input)));
  auto reply = function_reply(engine, Document::object());
  reply.status = 204;
  return reply;
}

Result<wire::Reply> get_policy(Functions& engine, const RequestContext& context, const Document& input) {
  MR_ASSIGN_OR_RETURN(const auto target, requested_function(context, input));
  MR_ASSIGN_OR_RETURN(const auto policy, engine.policy(target));
  return function_reply(engine, Document::object({{"Policy", policy.document()}, {"RevisionId", policy.revision}}));
}

}  // namespace millrace::api_lambda
