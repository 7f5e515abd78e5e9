#include "wire/generated/sts.h"

#include "api/iam/operations.h"
#include "iam/errors.h"
#include "iam/policy.h"
#include "iam/trust.h"
#include "wire/generated/sts_views.h"

namespace millrace::api_iam {
namespace {

// Members that only matter once permissions are enforced are checked and otherwise without effect; those that would
// need another service are refused.
Result<void> check_assume_role(const wire::sts::AssumeRoleRequest& request) {
  const auto refused = [](std::string_view member) {
    return Error(iam::kValidation, "The parameter " + std::string(member) + " is not supported by this server.");
  };
  if (request.serial_number()) return refused("SerialNumber");
  if (request.token_code()) return refused("TokenCode");
  if (request.provided_contexts().present() && !request.provided_contexts().empty()) {
    return refused("ProvidedContexts");
  }
  if (request.policy()) return iam::check_policy(*request.policy(), iam::PolicyKind::kPermission);
  return {};
}

Document credentials_document(const iam::Credentials& credentials) {
  return Document::object({{"AccessKeyId", credentials.access_key},
                           {"SecretAccessKey", credentials.secret_key},
                           {"SessionToken", credentials.session_token},
                           {"Expiration", to_unix_s(credentials.expiration)}});
}

Result<void> check_trust(const iam::Sessions& sessions, const iam::Role& role, const RequestContext& context,
                         const wire::sts::AssumeRoleRequest& request) {
  const auto principal = sessions.principal_of(context.caller.scope.account, context.caller.access_key);
  iam::TrustRequest asked;
  asked.account = principal.account;
  asked.principal_arn = principal.arn;
  if (const auto session = sessions.resolve(context.caller.access_key)) asked.role_arn = session->role_arn;
  asked.context["aws:PrincipalArn"] = asked.role_arn.empty() ? principal.arn : asked.role_arn;
  asked.context["aws:PrincipalAccount"] = principal.account;
  asked.context["sts:RoleSessionName"] = request.role_session_name();
  if (request.external_id()) asked.context["sts:ExternalId"] = *request.external_id();
  if (request.source_identity()) asked.context["sts:SourceIdentity"] = *request.source_identity();
  if (iam::trusts(role.trust_policy, "sts:AssumeRole", asked)) return {};
  return Error(wire::sts::kAccessDenied, "User: " + principal.arn +
                                             " is not authorized to perform: sts:AssumeRole on " +
                                             "resource: " + std::string(request.role_arn()));
}

}  // namespace

Result<Reply> get_session_token(iam::Sessions& sessions, const RequestContext& context, const Document& input) {
  const wire::sts::GetSessionTokenRequest request(input);
  if (request.serial_number() || request.token_code()) {
    return Error(iam::kValidation, "The parameter SerialNumber is not supported by this server.");
  }
  if (sessions.resolve(context.caller.access_key)) {
    return Error(wire::sts::kAccessDenied, "Cannot call GetSessionToken with session credentials");
  }
  const auto credentials =
      sessions.issue_for(sessions.principal_of(context.caller.scope.account, context.caller.access_key),
                         Seconds(request.duration_seconds().value_or(43'200)));
  Reply answer;
  answer.output.set("Credentials", credentials_document(credentials));
  answer.after = sessions.last_commit();
  return answer;
}

Result<Reply> get_caller_identity(iam::Sessions& sessions, const RequestContext& context) {
  const auto principal = sessions.principal_of(context.caller.scope.account, context.caller.access_key);
  Reply answer;
  answer.output =
      Document::object({{"UserId", principal.user_id}, {"Account", principal.account}, {"Arn", principal.arn}});
  answer.after = sessions.last_commit();
  return answer;
}

Result<Reply> assume_role(iam::Sessions& sessions, iam::Roles& roles, const RequestContext& context,
                          const Document& input) {
  const wire::sts::AssumeRoleRequest request(input);
  MR_RETURN_IF_ERROR(check_assume_role(request));
  const Seconds duration(request.duration_seconds().value_or(3600));
  const auto account = iam::Sessions::account_of(request.role_arn());
  if (account) {
    const auto role = roles.get(*account, request.role_arn().substr(request.role_arn().rfind('/') + 1));
    if (role.ok() && duration > Seconds(role->max_session_seconds)) {
      return Error(iam::kValidation, "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.");
    }
    if (role.ok()) MR_RETURN_IF_ERROR(check_trust(sessions, *role, context, request));
  }
  MR_ASSIGN_OR_RETURN(const auto credentials,
                      sessions.issue(request.role_arn(), request.role_session_name(), duration));
  const auto session = sessions.resolve(credentials.access_key);
  if (!session) return Error(kInternalError, "the session just issued is gone");
  Reply answer;
  answer.output.set("Credentials", credentials_document(credentials));
  answer.output.set("AssumedRoleUser",
                    Document::object({{"AssumedRoleId", session->principal.user_id}, {"Arn", session->principal.arn}}));
  if (request.source_identity()) answer.output.set("SourceIdentity", *request.source_identity());
  answer.after = sessions.last_commit();
  return answer;
}

}  // namespace millrace::api_iam
