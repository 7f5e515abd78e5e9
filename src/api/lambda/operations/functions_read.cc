// GetFunction, GetFunctionConfiguration, ListFunctions, ListVersionsByFunction, DeleteFunction, GetAccountSettings.
#include <algorithm>

#include "api/lambda/functions_operations.h"
#include "api/lambda/internal/function_document.h"
#include "functions/errors.h"
#include "wire/generated/lambda_views.h"

namespace millrace::api_lambda {
namespace {

using functions::Functions;
using wire::Document;
using wire::RequestContext;

constexpr std::int64_t kFunctionsPageMax = 50;               // AWS: whatever MaxItems says
constexpr std::int64_t kCodeBytesTotalMax = 80'530'636'800;  // AWS: 75 GB
constexpr std::int64_t kCodeBytesUnzippedMax = 262'144'000;

// `Qualifier` as the answer shows it in the function's ARN.
bool is_qualified(const RequestContext& context, const Document& input) {
  const auto reference = requested_function(context, input);
  return reference.ok() && !reference->qualifier.empty();
}

Document code_location(const RequestContext& context, const functions::Function& function) {
  const auto& name = function.name;
  if (!function.code.hot_folder.empty()) {
    return Document::object({{"RepositoryType", "S3"}, {"Location", "file://" + function.code.hot_folder}});
  }
  return Document::object({{"RepositoryType", "S3"},
                           {"Location", context.service_host + "/_millrace/functions/" + name.scope.account + "/" +
                                            name.scope.region + "/" + name.name + "/code.zip"}});
}

}  // namespace

Result<wire::Reply> get_function(Functions& engine, const RequestContext& context, const Document& input) {
  MR_ASSIGN_OR_RETURN(const auto function, existing_function(engine, context, input));
  Document output = Document::object({{"Configuration", function_configuration(function, is_qualified(context, input))},
                                      {"Code", code_location(context, function)}});
  if (!function.tags.empty()) {
    Document tags = Document::object();
    for (const auto& [key, value] : function.tags) tags.set(key, value);
    output.set("Tags", std::move(tags));
  }
  if (function.reserved_concurrency) {
    output.set("Concurrency", Document::object({{"ReservedConcurrentExecutions", *function.reserved_concurrency}}));
  }
  return function_reply(engine, std::move(output));
}

Result<wire::Reply> get_function_configuration(Functions& engine, const RequestContext& context,
                                               const Document& input) {
  MR_ASSIGN_OR_RETURN(const auto function, existing_function(engine, context, input));
  return function_reply(engine, function_configuration(function, is_qualified(context, input)));
}

Result<wire::Reply> list_functions(Functions& engine, const RequestContext& context, const Document& input) {
  const wire::lambda::ListFunctionsRequest request(input);
  MR_RETURN_IF_ERROR(refuse_members(input, {"MasterRegion"}));
  const bool all_versions = request.function_version().has_value();
  const auto count_max =
      static_cast<std::size_t>(std::min(request.max_items().value_or(kFunctionsPageMax), kFunctionsPageMax));
  const std::string after(request.marker().value_or(""));
  Document page = Document::array();
  std::string next;
  for (const auto& function : engine.list(context.caller.scope)) {
    if (!after.empty() && function.name.name <= after) continue;
    if (page.as_array().size() == count_max) {
      next = std::string(page.as_array().back().string_or("FunctionName", ""));
      break;
    }
    page.push(function_configuration(function, all_versions));
  }
  Document output = Document::object({{"Functions", std::move(page)}});
  if (!next.empty()) output.set("NextMarker", next);
  return function_reply(engine, std::move(output));
}

Result<wire::Reply> list_versions_by_function(Functions& engine, const RequestContext& context, const Document& input) {
  MR_ASSIGN_OR_RETURN(const auto function, existing_function(engine, context, input));
  return function_reply(engine,
                        Document::object({{"Versions", Document::array({function_configuration(function, true)})}}));
}

Result<wire::Reply> delete_function(Functions& engine, const RequestContext& context, const Document& input) {
  MR_ASSIGN_OR_RETURN(const auto reference, requested_function(context, input));
  if (reference.qualifier == "$LATEST") {
    return Error(functions::kInvalidParameterValue, "$LATEST version cannot be deleted without deleting the function.");
  }
  if (!reference.qualifier.empty()) {
    return Error(functions::kResourceNotFound,
                 "Function not found: " + reference.function.arn() + ":" + reference.qualifier);
  }
  MR_RETURN_IF_ERROR(engine.remove(reference.function));
  auto reply = function_reply(engine, Document::object());
  reply.status = 204;
  return reply;
}

Result<wire::Reply> get_account_settings(Functions& engine, const RequestContext& context, const Document&) {
  const auto& scope = context.caller.scope;
  const auto concurrency = engine.concurrency(scope);
  std::int64_t bytes = 0;
  const auto all = engine.list(scope);
  for (const auto& function : all) bytes += function.code.bytes;
  return function_reply(
      engine, Document::object(
                  {{"AccountLimit", Document::object({{"TotalCodeSize", kCodeBytesTotalMax},
                                                      {"CodeSizeUnzipped", kCodeBytesUnzippedMax},
                                                      {"CodeSizeZipped", functions::kArchiveBytesMax},
                                                      {"ConcurrentExecutions", concurrency.limit},
                                                      {"UnreservedConcurrentExecutions", concurrency.unreserved}})},
                   {"AccountUsage", Document::object({{"TotalCodeSize", bytes}, {"FunctionCount", all.size()}})}}));
}

}  // namespace millrace::api_lambda
