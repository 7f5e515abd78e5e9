// CreateFunction, UpdateFunctionCode, UpdateFunctionConfiguration.
#include "api/lambda/functions_operations.h"
#include "api/lambda/internal/code_source.h"
#include "api/lambda/internal/function_document.h"
#include "functions/errors.h"
#include "wire/generated/lambda_views.h"

namespace millrace::api_lambda {
namespace {

using functions::Functions;
using functions::SettingsChange;
using wire::Document;
using wire::RequestContext;

std::optional<std::string> owned(const std::optional<std::string_view>& text) {
  return text ? std::optional(std::string(*text)) : std::nullopt;
}

// What CreateFunction and UpdateFunctionConfiguration have in common.
template <typename Request>
Result<SettingsChange> settings_change(const Request& request) {
  const Document& input = request.document();
  MR_RETURN_IF_ERROR(refuse_members(input, {"VpcConfig", "KMSKeyArn", "FileSystemConfigs", "ImageConfig",
                                            "CapacityProviderConfig", "DurableConfig"}));
  if (const auto snap = request.snap_start(); snap && snap->apply_on().value_or("None") != "None") {
    return unsupported_member("SnapStart");
  }
  SettingsChange change{.runtime = owned(request.runtime()),
                        .handler = owned(request.handler()),
                        .role = std::string(input.string_or("Role", "")),
                        .description = owned(request.description()),
                        .timeout_seconds = request.timeout(),
                        .memory_mb = request.memory_size()};
  if (change.role->empty()) change.role.reset();
  if (const auto letters = request.dead_letter_config()) {
    change.dead_letter_arn = std::string(letters->target_arn().value_or(""));
  }
  if (const auto tracing = request.tracing_config()) {
    change.tracing = std::string(tracing->mode().value_or(functions::kPassThrough));
  }
  if (const auto storage = request.ephemeral_storage()) change.ephemeral_storage_mb = storage->size();
  if (const auto environment = request.environment()) {
    change.variables.emplace();
    for (const auto& [name, value] : environment->variables()) (*change.variables)[std::string(name)] = value;
  }
  if (const Document* layers = input.find("Layers"); layers != nullptr && layers->is_array()) {
    change.layers.emplace();
    for (const auto& arn : request.layers()) change.layers->emplace_back(arn);
  }
  if (const auto logging = request.logging_config()) {
    change.logging = SettingsChange::Logging{.format = owned(logging->log_format()),
                                             .application_level = owned(logging->application_log_level()),
                                             .system_level = owned(logging->system_log_level()),
                                             .group = owned(logging->log_group())};
  }
  return change;
}

template <typename List>
Result<std::optional<std::string>> requested_architecture(const List& architectures) {
  std::optional<std::string> result;
  for (const auto& architecture : architectures) {
    if (result) {
      return Error(functions::kInvalidParameterValue, "Architectures: exactly one architecture must be given.");
    }
    result = std::string(architecture);
  }
  return result;
}

// `qualified`: the ARN of a published version names it.
functions::FunctionDone answer_with(Functions& engine, wire::Done done, int status, bool qualified) {
  return [&engine, done = std::move(done), status, qualified](Result<functions::Function> result) {
    if (!result.ok()) return done(std::move(result).error());
    auto reply = function_reply(engine, function_configuration(*result, qualified ? result->version : std::string()));
    reply.status = status;
    done(std::move(reply));
  };
}

Result<functions::CreateRequest> parse_create_function(const RequestContext& context, const Document& input) {
  const wire::lambda::CreateFunctionRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto reference, requested_function(context, input));
  if (request.package_type().value_or("Zip") != "Zip") return unsupported_member("PackageType Image");
  MR_RETURN_IF_ERROR(refuse_members(input, {"CodeSigningConfigArn", "PublishTo", "TenancyConfig"}));
  functions::CreateRequest create{.name = reference.function, .publish = request.publish().value_or(false)};
  MR_ASSIGN_OR_RETURN(create.settings, settings_change(request));
  MR_ASSIGN_OR_RETURN(create.settings.architecture, requested_architecture(request.architectures()));
  MR_ASSIGN_OR_RETURN(create.code, code_source(request.code(), "CreateFunction"));
  for (const auto& [key, value] : request.tags()) create.tags[std::string(key)] = value;
  return create;
}

Result<functions::UpdateCodeRequest> parse_update_code(const RequestContext& context, const Document& input) {
  const wire::lambda::UpdateFunctionCodeRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto reference, requested_function(context, input));
  MR_RETURN_IF_ERROR(refuse_members(input, {"PublishTo"}));
  functions::UpdateCodeRequest update{.name = reference.function,
                                      .revision = owned(request.revision_id()),
                                      .dry_run = request.dry_run().value_or(false),
                                      .publish = request.publish().value_or(false)};
  MR_ASSIGN_OR_RETURN(update.architecture, requested_architecture(request.architectures()));
  MR_ASSIGN_OR_RETURN(update.code, code_source(request, "UpdateFunctionCode"));
  return update;
}

}  // namespace

void create_function(Functions& engine, const RequestContext& context, const Document& input,
                     wire::Conversation conversation) {
  auto request = parse_create_function(context, input);
  if (!request.ok()) return conversation.done(std::move(request).error());
  engine.create(std::move(request).value(), answer_with(engine, std::move(conversation.done), 201, false));
}

void update_function_code(Functions& engine, const RequestContext& context, const Document& input,
                          wire::Conversation conversation) {
  auto request = parse_update_code(context, input);
  if (!request.ok()) return conversation.done(std::move(request).error());
  const bool publish = request->publish;
  engine.update_code(std::move(request).value(), answer_with(engine, std::move(conversation.done), 200, publish));
}

Result<wire::Reply> update_function_configuration(Functions& engine, const RequestContext& context,
                                                  const Document& input) {
  const wire::lambda::UpdateFunctionConfigurationRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto reference, requested_function(context, input));
  MR_ASSIGN_OR_RETURN(const auto change, settings_change(request));
  MR_ASSIGN_OR_RETURN(const auto function,
                      engine.update_settings(reference.function, change, owned(request.revision_id())));
  return function_reply(engine, function_configuration(function));
}

}  // namespace millrace::api_lambda
