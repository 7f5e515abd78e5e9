// Invoke and the legacy InvokeAsync.
#include "api/lambda/functions_operations.h"
#include "api/lambda/internal/function_document.h"
#include "crypto/encoding.h"
#include "functions/errors.h"
#include "wire/generated/lambda_views.h"

namespace millrace::api_lambda {
namespace {

using functions::Functions;
using wire::Document;
using wire::RequestContext;

constexpr std::size_t kClientContextBytesMax = 3583;   // AWS
constexpr std::size_t kLegacyAsyncBytesMax = 262'144;  // AWS: InvokeAsync stayed at 256 KB

Result<functions::InvokeRequest> parse_invoke(const RequestContext& context, const Document& input) {
  const wire::lambda::InvocationRequest request(input);
  MR_RETURN_IF_ERROR(refuse_members(input, {"DurableExecutionName", "TenantId"}));
  functions::InvokeRequest invoke{.payload = request.payload().value_or(""), .request_id = context.request_id};
  MR_ASSIGN_OR_RETURN(invoke.target, requested_function(context, input));
  const auto client = request.client_context().value_or("");
  if (!client.empty()) {
    auto text = crypto::base64_decode(client);
    if (!text || client.size() > kClientContextBytesMax || !codec::parse_json(*text).ok()) {
      return Error(functions::kInvalidRequestContent, "Client context must be a valid Base64-encoded JSON object.");
    }
    invoke.client_context = std::move(*text);
  }
  if (context.head != nullptr) invoke.trace_id = context.head->fields.get("X-Amzn-Trace-Id");
  return invoke;
}

void answer_invoke(Functions& engine, functions::InvokeRequest request, bool with_log, wire::Done done) {
  engine.invoke(
      std::move(request), [&engine, with_log, done = std::move(done)](Result<functions::InvokeResult> result) {
        if (!result.ok()) return done(std::move(result).error());
        auto reply = function_reply(engine, Document::object({{"ExecutedVersion", result->executed_version}}));
        if (!result->function_error.empty()) reply.output.set("FunctionError", result->function_error);
        if (with_log) reply.output.set("LogResult", crypto::base64_encode(result->log_tail));
        reply.fields.set("Content-Type", "application/json");
        reply.payload = std::move(result->payload);
        reply.status = 200;
        done(std::move(reply));
      });
}

wire::Reply empty_reply(const Functions& engine, int status) {
  auto reply = function_reply(engine, Document::object());
  reply.status = status;
  return reply;
}

}  // namespace

void invoke_function(Functions& engine, const RequestContext& context, const Document& input,
                     wire::Conversation conversation) {
  const wire::lambda::InvocationRequest view(input);
  auto request = parse_invoke(context, input);
  if (!request.ok()) return conversation.done(std::move(request).error());
  const auto type = view.invocation_type().value_or("RequestResponse");
  if (type == "Event") {
    const auto accepted = engine.invoke_async(std::move(request).value());
    return conversation.done(accepted.ok() ? Result<wire::Reply>(empty_reply(engine, 202)) : accepted.error());
  }
  if (type == "DryRun") {
    const auto checked = engine.check_invoke(request->target);
    return conversation.done(checked.ok() ? Result<wire::Reply>(empty_reply(engine, 204)) : checked.error());
  }
  answer_invoke(engine, std::move(request).value(), view.log_type().value_or("None") == "Tail",
                std::move(conversation.done));
}

Result<wire::Reply> invoke_function_async(Functions& engine, const RequestContext& context, const Document& input) {
  const wire::lambda::InvokeAsyncRequest view(input);
  functions::InvokeRequest request{.payload = view.invoke_args(), .request_id = context.request_id};
  MR_ASSIGN_OR_RETURN(request.target, requested_function(context, input));
  if (request.payload.size() > kLegacyAsyncBytesMax) {
    return Error(functions::kRequestEntityTooLarge, std::to_string(request.payload.size()) +
                                                        " byte payload is too large for the Event invocation type "
                                                        "(service limit " +
                                                        std::to_string(kLegacyAsyncBytesMax) + " bytes)");
  }
  MR_RETURN_IF_ERROR(engine.invoke_async(std::move(request)));
  auto reply = empty_reply(engine, 202);
  reply.output.set("Status", 202);
  return reply;
}

}  // namespace millrace::api_lambda
