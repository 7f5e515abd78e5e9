// Reserved concurrency, configuration of asynchronous invocation, tags.
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

constexpr std::int64_t kConfigsPageMax = 50;  // AWS

std::string config_key(const functions::FunctionReference& target) {
  return target.qualifier.empty() ? functions::kLatest : target.qualifier;
}

wire::Reply no_content(const Functions& engine) {
  auto reply = function_reply(engine, Document::object());
  reply.status = 204;
  return reply;
}

// Requests of PutFunctionEventInvokeConfig and UpdateFunctionEventInvokeConfig have the same members.
Result<wire::Reply> change_event_invoke(Functions& engine, const RequestContext& context, const Document& input,
                                        bool replace) {
  const wire::lambda::PutFunctionEventInvokeConfigRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto target, requested_function(context, input));
  functions::EventInvokeChange change{.replace = replace};
  if (const auto retries = request.maximum_retry_attempts()) change.retries_max = static_cast<int>(*retries);
  if (const auto age = request.maximum_event_age_in_seconds()) change.age_seconds_max = static_cast<int>(*age);
  if (const auto destinations = request.destination_config()) {
    if (const auto success = destinations->on_success()) {
      change.on_success = std::string(success->destination().value_or(""));
    }
    if (const auto failure = destinations->on_failure()) {
      change.on_failure = std::string(failure->destination().value_or(""));
    }
  }
  MR_ASSIGN_OR_RETURN(const auto config, engine.put_event_invoke(target, change));
  return function_reply(engine, event_invoke_document(target.function, config_key(target), config));
}

// The function of a TagResource-like request.
Result<functions::FunctionName> tagged_function(const RequestContext& context, const Document& input) {
  const auto resource = input.string_or("Resource", "");
  const auto reference = functions::parse_reference(context.caller.scope, resource);
  if (!reference || !resource.starts_with("arn:")) {
    return Error(functions::kInvalidParameterValue,
                 "Tags are supported by this server on functions only, not on " + std::string(resource) + ".");
  }
  if (!reference->qualifier.empty()) {
    return Error(functions::kInvalidParameterValue,
                 "Tags on function aliases and versions are not supported. Please specify either a function name or an "
                 "unqualified function ARN.");
  }
  return reference->function;
}

}  // namespace

Result<wire::Reply> put_function_concurrency(Functions& engine, const RequestContext& context, const Document& input) {
  MR_ASSIGN_OR_RETURN(const auto name, unqualified_function(context, input));
  const auto reserved = wire::lambda::PutFunctionConcurrencyRequest(input).reserved_concurrent_executions();
  constexpr std::int64_t kReservedMax = 1'000'000'000;  // any account limit is far below
  MR_RETURN_IF_ERROR(engine.put_concurrency(name, static_cast<int>(std::min(reserved, kReservedMax))));
  return function_reply(engine, Document::object({{"ReservedConcurrentExecutions", reserved}}));
}

Result<wire::Reply> get_function_concurrency(Functions& engine, const RequestContext& context, const Document& input) {
  MR_ASSIGN_OR_RETURN(const auto name, unqualified_function(context, input));
  MR_ASSIGN_OR_RETURN(const auto function, engine.get(name));
  Document output = Document::object();
  if (function.reserved_concurrency) output.set("ReservedConcurrentExecutions", *function.reserved_concurrency);
  return function_reply(engine, std::move(output));
}

Result<wire::Reply> delete_function_concurrency(Functions& engine, const RequestContext& context,
                                                const Document& input) {
  MR_ASSIGN_OR_RETURN(const auto name, unqualified_function(context, input));
  MR_RETURN_IF_ERROR(engine.delete_concurrency(name));
  return no_content(engine);
}

Result<wire::Reply> put_function_event_invoke_config(Functions& engine, const RequestContext& context,
                                                     const Document& input) {
  return change_event_invoke(engine, context, input, true);
}

Result<wire::Reply> update_function_event_invoke_config(Functions& engine, const RequestContext& context,
                                                        const Document& input) {
  return change_event_invoke(engine, context, input, false);
}

Result<wire::Reply> get_function_event_invoke_config(Functions& engine, const RequestContext& context,
                                                     const Document& input) {
  MR_ASSIGN_OR_RETURN(const auto target, requested_function(context, input));
  MR_ASSIGN_OR_RETURN(const auto config, engine.get_event_invoke(target));
  return function_reply(engine, event_invoke_document(target.function, config_key(target), config));
}

Result<wire::Reply> list_function_event_invoke_configs(Functions& engine, const RequestContext& context,
                                                       const Document& input) {
  MR_ASSIGN_OR_RETURN(const auto name, unqualified_function(context, input));
  if (!engine.get(name).ok()) return Error(functions::kResourceNotFound, "The function doesn't exist.");
  std::vector<Listed> configs;
  for (const auto& [key, config] : engine.event_invokes(name)) {
    configs.push_back({key, event_invoke_document(name, key, config)});
  }
  return function_reply(engine, page_of(std::move(configs), input, kConfigsPageMax, "FunctionEventInvokeConfigs"));
}

Result<wire::Reply> delete_function_event_invoke_config(Functions& engine, const RequestContext& context,
                                                        const Document& input) {
  MR_ASSIGN_OR_RETURN(const auto target, requested_function(context, input));
  MR_RETURN_IF_ERROR(engine.delete_event_invoke(target));
  return no_content(engine);
}

Result<wire::Reply> tag_function(Functions& engine, const RequestContext& context, const Document& input) {
  MR_ASSIGN_OR_RETURN(const auto name, tagged_function(context, input));
  functions::StringMap tags;
  for (const auto& [key, value] : wire::lambda::TagResourceRequest(input).tags()) tags[std::string(key)] = value;
  MR_RETURN_IF_ERROR(engine.tag(name, tags));
  return no_content(engine);
}

Result<wire::Reply> untag_function(Functions& engine, const RequestContext& context, const Document& input) {
  MR_ASSIGN_OR_RETURN(const auto name, tagged_function(context, input));
  std::vector<std::string> keys;
  for (const auto& key : wire::lambda::UntagResourceRequest(input).tag_keys()) keys.emplace_back(key);
  MR_RETURN_IF_ERROR(engine.untag(name, keys));
  return no_content(engine);
}

Result<wire::Reply> list_function_tags(Functions& engine, const RequestContext& context, const Document& input) {
  MR_ASSIGN_OR_RETURN(const auto name, tagged_function(context, input));
  MR_ASSIGN_OR_RETURN(const auto function, engine.get(name));
  Document tags = Document::object();
  for (const auto& [key, value] : function.tags) tags.set(key, value);
  return function_reply(engine, Document::object({{"Tags", std::move(tags)}}));
}

}  // namespace millrace::api_lambda
