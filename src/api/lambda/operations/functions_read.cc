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

constexpr std::int64_t kVersionsPageMax = 50;

// `Qualifier` as the answer shows it in the function's ARN.
std::string shown_qualifier(const RequestContext& context, const Document& input) {
  const auto reference = requested_function(context, input);
  return reference.ok() ? reference->qualifier : std::string();
}

Document code_location(const RequestContext& context, const functions::Function& function) {
  const auto& name = function.name;
  if (!function.code.hot_folder.empty()) {
    return Document::object({{"RepositoryType", "S3"}, {"Location", "file://" + function.code.hot_folder}});
  }
  return Document::object(
      {{"RepositoryType", "S3"},
       {"Location", context.service_host + "/_millrace/functions/" + name.scope.account + "/" + name.scope.region +
                        "/" + name.name + (function.version == functions::kLatest ? "" : ":" + function.version) +
                        "/code.zip"}});
}

}  // namespace

Result<wire::Reply> get_function(Functions& engine, const RequestContext& context, const Document& input) {
  MR_ASSIGN_OR_RETURN(const auto function, existing_function(engine, context, input));
  Document output =
      Document::object({{"Configuration", function_configuration(function, shown_qualifier(context, input))},
                        {"Code", code_location(context, function)}});
  MR_ASSIGN_OR_RETURN(const auto whole, engine.get(function.name));
  if (!whole.tags.empty()) {
    Document tags = Document::object();
    for (const auto& [key, value] : whole.tags) tags.set(key, value);
    output.set("Tags", std::move(tags));
  }
  if (whole.reserved_concurrency) {
    output.set("Concurrency", Document::object({{"ReservedConcurrentExecutions", *whole.reserved_concurrency}}));
  }
  return function_reply(engine, std::move(output));
}

Result<wire::Reply> get_function_configuration(Functions& engine, const RequestContext& context,
                                               const Document& input) {
  MR_ASSIGN_OR_RETURN(const auto function, existing_function(engine, context, input));
  return function_reply(engine, function_configuration(function, shown_qualifier(context, input)));
}

Result<wire::Reply> list_functions(Functions& engine, const RequestContext& context, const Document& input) {
  const wire::lambda::ListFunctionsRequest request(input);
  MR_RETURN_IF_ERROR(refuse_members(input, {"MasterRegion"}));
  const bool all_versions = request.function_version().has_value();
  std::vector<Listed> all;
  for (const auto& function : engine.list(context.caller.scope)) {
    const std::string& name = function.name.name;
    if (!all_versions) {
      all.push_back({name, function_configuration(function)});
      continue;
    }
    // '!' sorts before everything a name may hold, so that versions stay with their function.
    const std::string key = name + "!";
    all.push_back({key + version_order(functions::kLatest), function_configuration(function, functions::kLatest)});
    for (const auto& version : engine.versions(function.name)) {
      all.push_back({key + version_order(version.version), function_configuration(version, version.version)});
    }
  }
  return function_reply(engine, page_of(std::move(all), input, kFunctionsPageMax, "Functions"));
}

Result<wire::Reply> list_versions_by_function(Functions& engine, const RequestContext& context, const Document& input) {
  MR_ASSIGN_OR_RETURN(const auto reference, requested_function(context, input));
  MR_ASSIGN_OR_RETURN(const auto function, engine.get(reference.function));
  std::vector<Listed> all;
  all.push_back({version_order(functions::kLatest), function_configuration(function, functions::kLatest)});
  for (const auto& version : engine.versions(function.name)) {
    all.push_back({version_order(version.version), function_configuration(version, version.version)});
  }
  return function_reply(engine, page_of(std::move(all), input, kVersionsPageMax, "Versions"));
}

Result<wire::Reply> delete_function(Functions& engine, const RequestContext& context, const Document& input) {
  MR_ASSIGN_OR_RETURN(const auto reference, requested_function(context, input));
  if (reference.qualifier == "$LATEST") {
    return Error(functions::kInvalidParameterValue, "$LATEST version cannot be deleted without deleting the function.");
  }
  if (!reference.qualifier.empty() && !functions::is_version(reference.qualifier)) {
    return Error(functions::kInvalidParameterValue, "Deletion of aliases is not currently supported.");
  }
  if (reference.qualifier.empty()) {
    MR_RETURN_IF_ERROR(engine.remove(reference.function));
  } else {
    MR_RETURN_IF_ERROR(engine.remove_version(reference.function, reference.qualifier));
  }
  auto reply = function_reply(engine, Document::object());
  reply.status = 204;
  return reply;
}

Result<wire::Reply> get_account_settings(Functions& engine, const RequestContext& context, const Document&) {
  const auto& scope = context.caller.scope;
  const auto concurrency = engine.concurrency(scope);
  std::int64_t bytes = 0;
  const auto all = engine.list(scope);
  for (const auto& function : all) {
    bytes += function.code.bytes;
    for (const auto& version : engine.versions(function.name)) {
      if (version.code.id != function.code.id) bytes += version.code.bytes;
    }
  }
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
