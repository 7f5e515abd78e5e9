#include "functions/target.h"

namespace millrace::functions {
namespace {

Result<FunctionReference> function_of(std::string_view arn) {
  auto reference = parse_reference({}, arn);
  if (!reference || !arn.starts_with("arn:")) {
    return Error(delivery::kUnsupportedTarget, "Not the ARN of a function: " + std::string(arn));
  }
  return *std::move(reference);
}

}  // namespace

Result<void> FunctionTarget::check(std::string_view arn) {
  MR_ASSIGN_OR_RETURN(const auto reference, function_of(arn));
  const auto checked = functions_.check_invoke(reference);
  if (!checked.ok()) return Error(delivery::kNoSuchTarget, checked.error().message());
  return {};
}

Result<delivery::AfterCommit> FunctionTarget::stage(std::string_view arn, const delivery::Message& message,
                                                    storage::WriteBatch& batch) {
  MR_RETURN_IF_ERROR(check(arn));
  MR_ASSIGN_OR_RETURN(const auto reference, function_of(arn));
  return functions_.stage_event(reference, message.body, batch);
}

}  // namespace millrace::functions
