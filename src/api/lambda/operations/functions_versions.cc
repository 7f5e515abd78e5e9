// PublishVersion; CreateAlias, UpdateAlias, GetAlias, ListAliases, DeleteAlias.
#include "api/lambda/functions_operations.h"
#include "api/lambda/internal/function_document.h"
#include "functions/errors.h"
#include "wire/generated/lambda_views.h"

namespace millrace::api_lambda {
namespace {

using functions::Functions;
using wire::Document;
using wire::RequestContext;

constexpr std::int64_t kAliasesPageMax = 50;  // AWS

std::optional<std::string> text_of(const std::optional<std::string_view>& text) {
  return text ? std::optional(std::string(*text)) : std::nullopt;
}

Document alias_document(const functions::FunctionName& name, const functions::Alias& alias) {
  Document document = Document::object({{"AliasArn", functions::FunctionReference{name, alias.name}.arn()},
                                        {"Name", alias.name},
                                        {"FunctionVersion", alias.version},
                                        {"Description", alias.description}});
  if (!alias.second_version.empty()) {
    document.set("RoutingConfig",
                 Document::object(
                     {{"AdditionalVersionWeights", Document::object({{alias.second_version, alias.second_weight}})}}));
  }
  return document.set("RevisionId", alias.revision);
}

// CreateAlias and UpdateAlias.
template <typename Request>
functions::AliasChange alias_change(const Request& request) {
  functions::AliasChange change{.description = text_of(request.description())};
  if (const auto routing = request.routing_config()) {
    change.weights.emplace();
    for (const auto& [version, weight] : routing->additional_version_weights()) {
      (*change.weights)[std::string(version)] = weight;
    }
  }
  return change;
}

}  // namespace

Result<wire::Reply> publish_version(Functions& engine, const RequestContext& context, const Document& input) {
  const wire::lambda::PublishVersionRequest request(input);
  MR_RETURN_IF_ERROR(refuse_members(input, {"PublishTo"}));
  MR_ASSIGN_OR_RETURN(const auto name, unqualified_function(context, input));
  functions::PublishRequest publish{.name = name,
                                    .description = text_of(request.description()),
                                    .code_sha256 = text_of(request.code_sha256()),
                                    .revision = text_of(request.revision_id())};
  if (publish.code_sha256 && publish.code_sha256->empty()) publish.code_sha256.reset();
  if (publish.description && publish.description->empty()) publish.description.reset();
  MR_ASSIGN_OR_RETURN(const auto version, engine.publish(publish));
  auto reply = function_reply(engine, function_configuration(version, version.version));
  reply.status = 201;
  return reply;
}

Result<wire::Reply> create_alias(Functions& engine, const RequestContext& context, const Document& input) {
  const wire::lambda::CreateAliasRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto name, unqualified_function(context, input));
  auto change = alias_change(request);
  change.version = std::string(request.function_version());
  MR_ASSIGN_OR_RETURN(const auto alias, engine.create_alias(name, std::string(request.name()), change));
  auto reply = function_reply(engine, alias_document(name, alias));
  reply.status = 201;
  return reply;
}

Result<wire::Reply> update_alias(Functions& engine, const RequestContext& context, const Document& input) {
  const wire::lambda::UpdateAliasRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto name, unqualified_function(context, input));
  auto change = alias_change(request);
  change.version = text_of(request.function_version());
  change.revision = text_of(request.revision_id());
  MR_ASSIGN_OR_RETURN(const auto alias, engine.update_alias(name, std::string(request.name()), change));
  return function_reply(engine, alias_document(name, alias));
}

Result<wire::Reply> get_alias(Functions& engine, const RequestContext& context, const Document& input) {
  const wire::lambda::GetAliasRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto name, unqualified_function(context, input));
  MR_ASSIGN_OR_RETURN(const auto alias, engine.get_alias(name, std::string(request.name())));
  return function_reply(engine, alias_document(name, alias));
}

Result<wire::Reply> list_aliases(Functions& engine, const RequestContext& context, const Document& input) {
  const wire::lambda::ListAliasesRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto name, unqualified_function(context, input));
  MR_ASSIGN_OR_RETURN(const auto aliases, engine.aliases(name));
  const auto version = request.function_version();
  std::vector<Listed> all;
  for (const auto& alias : aliases) {
    if (version && alias.version != *version && alias.second_version != *version) continue;
    all.push_back({alias.name, alias_document(name, alias)});
  }
  return function_reply(engine, page_of(std::move(all), input, kAliasesPageMax, "Aliases"));
}

Result<wire::Reply> delete_alias(Functions& engine, const RequestContext& context, const Document& input) {
  const wire::lambda::DeleteAliasRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto name, unqualified_function(context, input));
  MR_RETURN_IF_ERROR(engine.remove_alias(name, std::string(request.name())));
  auto reply = function_reply(engine, Document::object());
  reply.status = 204;
  return reply;
}

}  // namespace millrace::api_lambda
