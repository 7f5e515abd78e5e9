#include "api/iam/operations.h"
#include "iam/errors.h"
#include "iam/policy.h"
#include "wire/generated/sts_views.h"

namespace millrace::api_iam {
namespace {

// Members that only matter once trust and permissions are enforced are checked and otherwise without effect, as is the
// trust policy itself; those that would need another service are refused.
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

}  // namespace

Result<Reply> get_caller_identity(iam::Sessions& sessions, const RequestContext& context) {
  const auto principal = sessions.principal_of(context.caller.scope.account, context.caller.access_key);
  Reply answer;
  answer.output =
      Document::object({{"UserId", principal.user_id}, {"Account", principal.account}, {"Arn", principal.arn}});
  answer.after = sessions.last_commit();
  return answer;
}

Result<Reply> assume_role(iam::Sessions& sessions, iam::Roles& roles, const RequestContext&, const Document& input) {
  const wire::sts::AssumeRoleRequest request(input);
  MR_RETURN_IF_ERROR(check_assume_role(request));
  const Seconds duration(request.duration_seconds().value_or(3600));
  const auto account = iam::Sessions::account_of(request.role_arn());
  if (account) {
    const auto role = roles.get(*account, request.role_arn().substr(request.role_arn().rfind('/') + 1));
    if (role.ok() && duration > Seconds(role->max_session_seconds)) {
      return Error(iam::kValidation, "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.");
    }
  }
  MR_ASSIGN_OR_RETURN(const auto credentials,
                      sessions.issue(request.role_arn(), request.role_session_name(), duration));
  const auto session = sessions.resolve(credentials.access_key);
  if (!session) return Error(kInternalError, "the session just issued is gone");
  Reply answer;
  answer.output.set("Credentials", Document::object({{"AccessKeyId", credentials.access_key},
                                                     {"SecretAccessKey", credentials.secret_key},
                                                     {"SessionToken", credentials.session_token},
                                                     {"Expiration", to_unix_s(credentials.expiration)}}));
  answer.output.set("AssumedRoleUser",
                    Document::object({{"AssumedRoleId", session->principal.user_id}, {"Arn", session->principal.arn}}));
  if (request.source_identity()) answer.output.set("SourceIdentity", *request.source_identity());
  answer.after = sessions.last_commit();
  return answer;
}

}  // namespace millrace::api_iam
