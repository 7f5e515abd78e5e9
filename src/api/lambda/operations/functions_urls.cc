// CreateFunctionUrlConfig, UpdateFunctionUrlConfig, GetFunctionUrlConfig, ListFunctionUrlConfigs,
// DeleteFunctionUrlConfig.
#include "api/lambda/functions_operations.h"
#include "api/lambda/internal/function_document.h"
#include "api/lambda/internal/url_document.h"
#include "functions/errors.h"
#include "wire/generated/lambda_views.h"

namespace millrace::api_lambda {
namespace {

using functions::Functions;
using wire::Document;
using wire::RequestContext;

constexpr std::int64_t kUrlsPageMax = 50;  // AWS

Document cors_document(const functions::Cors& cors) {
  Document document = Document::object();
  const auto list = [&](std::string_view name, const std::vector<std::string>& values) {
    Document array = Document::array();
    for (const auto& value : values) array.push(value);
    document.set_if(!values.empty(), name, std::move(array));
  };
  document.set_if(cors.allow_credentials, "AllowCredentials", true);
  list("AllowHeaders", cors.allow_headers);
  list("AllowMethods", cors.allow_methods);
  list("AllowOrigins", cors.allow_origins);
  list("ExposeHeaders", cors.expose_headers);
  if (cors.max_age_seconds) document.set("MaxAge", *cors.max_age_seconds);
  return document;
}

Document url_document(const RequestContext& context, const functions::FunctionReference& target,
                      const functions::FunctionUrl& url) {
  Document document =
      Document::object({{"FunctionUrl", function_url_text(context.service_host, target.function.scope.region, url.id)},
                        {"FunctionArn", target.arn()},
                        {"AuthType", url.auth_type}});
  if (url.cors) document.set("Cors", cors_document(*url.cors));
  return document.set("CreationTime", format_iso_ms(url.created))
      .set("LastModifiedTime", format_iso_ms(url.last_modified))
      .set("InvokeMode", "BUFFERED");
}

template <typename List>
std::vector<std::string> texts(const List& list) {
  std::vector<std::string> all;
  for (const auto& each : list) all.emplace_back(each);
  return all;
}

// CreateFunctionUrlConfig and UpdateFunctionUrlConfig; AuthType is each one's own.
template <typename Request>
Result<functions::UrlChange> url_change(const Request& request) {
  if (request.invoke_mode().value_or("BUFFERED") != "BUFFERED") {
    return unsupported_member("InvokeMode RESPONSE_STREAM", "responses are buffered");
  }
  functions::UrlChange change;
  if (const auto cors = request.cors()) {
    change.cors = functions::Cors{.allow_credentials = cors->allow_credentials().value_or(false),
                                  .allow_headers = texts(cors->allow_headers()),
                                  .allow_methods = texts(cors->allow_methods()),
                                  .allow_origins = texts(cors->allow_origins()),
                                  .expose_headers = texts(cors->expose_headers()),
                                  .max_age_seconds = std::nullopt};
    if (const auto age = cors->max_age()) change.cors->max_age_seconds = static_cast<int>(*age);
  }
  return change;
}

}  // namespace

Result<wire::Reply> create_function_url_config(Functions& engine, const RequestContext& context,
                                               const Document& input) {
  const wire::lambda::CreateFunctionUrlConfigRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto target, requested_function(context, input));
  MR_ASSIGN_OR_RETURN(auto change, url_change(request));
  change.auth_type = std::string(request.auth_type());
  MR_ASSIGN_OR_RETURN(const auto url, engine.create_url(target, change));
  auto reply = function_reply(engine, url_document(context, target, url));
  reply.output.erase("LastModifiedTime");
  reply.status = 201;
  return reply;
}

Result<wire::Reply> update_function_url_config(Functions& engine, const RequestContext& context,
                                               const Document& input) {
  const wire::lambda::UpdateFunctionUrlConfigRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto target, requested_function(context, input));
  MR_ASSIGN_OR_RETURN(auto change, url_change(request));
  if (const auto type = request.auth_type()) change.auth_type = std::string(*type);
  MR_ASSIGN_OR_RETURN(const auto url, engine.update_url(target, change));
  return function_reply(engine, url_document(context, target, url));
}

Result<wire::Reply> get_function_url_config(Functions& engine, const RequestContext& context, const Document& input) {
  MR_ASSIGN_OR_RETURN(const auto target, requested_function(context, input));
  MR_ASSIGN_OR_RETURN(const auto url, engine.url(target));
  return function_reply(engine, url_document(context, target, url));
}

Result<wire::Reply> list_function_url_configs(Functions& engine, const RequestContext& context, const Document& input) {
  MR_ASSIGN_OR_RETURN(const auto name, unqualified_function(context, input));
  MR_RETURN_IF_ERROR(engine.get(name));
  std::vector<Listed> all;
  // '/' is in no qualifier; it makes every key something to continue after.
  for (const auto& [qualifier, url] : engine.urls(name)) {
    all.push_back({"/" + qualifier, url_document(context, {name, qualifier}, url)});
  }
  return function_reply(engine, page_of(std::move(all), input, kUrlsPageMax, "FunctionUrlConfigs"));
}

Result<wire::Reply> delete_function_url_config(Functions& engine, const RequestContext& context,
                                               const Document& input) {
  MR_ASSIGN_OR_RETURN(const auto target, requested_function(context, input));
  MR_RETURN_IF_ERROR(engine.delete_url(target));
  auto reply = function_reply(engine, Document::object());
  reply.status = 204;
  return reply;
}

}  // namespace millrace::api_lambda
