// PublishLayerVersion, GetLayerVersion, GetLayerVersionByArn, ListLayerVersions, ListLayers, DeleteLayerVersion,
// AddLayerVersionPermission, RemoveLayerVersionPermission, GetLayerVersionPolicy.
#include <algorithm>

#include "api/lambda/functions_operations.h"
#include "api/lambda/internal/code_source.h"
#include "api/lambda/internal/function_document.h"
#include "functions/errors.h"
#include "wire/generated/lambda_views.h"

namespace millrace::api_lambda {
namespace {

using functions::Functions;
using functions::LayerVersion;
using wire::Document;
using wire::RequestContext;

constexpr std::int64_t kLayersPageMax = 50;  // AWS

struct LayerReference {
  functions::FunctionName layer;
  int version = 0;
};

Result<LayerReference> requested_layer(const RequestContext& context, const Document& input) {
  const auto text = input.string_or("LayerName", "");
  const auto layer = functions::parse_layer(context.caller.scope, text);
  if (!layer) return Error(functions::kInvalidParameterValue, "Invalid layer name: " + std::string(text));
  return LayerReference{*layer, static_cast<int>(input.int_or("VersionNumber", 0))};
}

Document texts_document(const std::vector<std::string>& list) {
  Document array = Document::array();
  for (const auto& each : list) array.push(each);
  return array;
}

// AWS: 2018-11-27T15:10:45.123+0000
std::string created_text(Time time) {
  std::string text = format_iso_ms(time);
  text.pop_back();
  return text + "+0000";
}

// As lists show it.
Document layer_summary(const LayerVersion& version) {
  Document document = Document::object({{"LayerVersionArn", version.arn()},
                                        {"Version", version.version},
                                        {"Description", version.description},
                                        {"CreatedDate", created_text(version.created)}});
  document.set_if(!version.runtimes.empty(), "CompatibleRuntimes", texts_document(version.runtimes));
  document.set_if(!version.architectures.empty(), "CompatibleArchitectures", texts_document(version.architectures));
  return document.set_if(!version.license.empty(), "LicenseInfo", version.license);
}

Document layer_document(const RequestContext& context, const LayerVersion& version) {
  const auto& scope = version.layer.scope;
  const std::string location = context.service_host + "/_millrace/functions/" + scope.account + "/" + scope.region +
                               "/layer:" + version.layer.name + ":" + std::to_string(version.version) + "/code.zip";
  return layer_summary(version)
      .set("LayerArn", version.layer_arn())
      .set("Content",
           Document::object(
               {{"Location", location}, {"CodeSha256", version.code.sha256}, {"CodeSize", version.code.bytes}}));
}

template <typename List>
std::vector<std::string> owned_list(const List& list) {
  std::vector<std::string> all;
  for (const auto& each : list) all.emplace_back(each);
  return all;
}

struct PublishLayer {
  LayerVersion version;
  functions::CodeSource source;
};

Result<PublishLayer> parse_publish(const RequestContext& context, const Document& input) {
  const wire::lambda::PublishLayerVersionRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto reference, requested_layer(context, input));
  PublishLayer publish;
  publish.version.layer = reference.layer;
  publish.version.description = request.description().value_or("");
  publish.version.license = request.license_info().value_or("");
  publish.version.runtimes = owned_list(request.compatible_runtimes());
  publish.version.architectures = owned_list(request.compatible_architectures());
  MR_ASSIGN_OR_RETURN(publish.source, code_source(request.content(), "PublishLayerVersion"));
  return publish;
}

// The filters of ListLayers and ListLayerVersions.
bool is_compatible(const LayerVersion& version, const Document& input) {
  const auto fits = [&](std::string_view member, const std::vector<std::string>& list) {
    const auto wanted = input.string_or(member, "");
    return wanted.empty() || std::find(list.begin(), list.end(), wanted) != list.end();
  };
  return fits("CompatibleRuntime", version.runtimes) && fits("CompatibleArchitecture", version.architectures);
}

std::optional<std::string> given_revision(const Document& input) {
  const auto revision = input.string_or("RevisionId", "");
  return revision.empty() ? std::nullopt : std::optional(std::string(revision));
}

wire::Reply nothing(const Functions& engine) {
  auto reply = function_reply(engine, Document::object());
  reply.status = 204;
  return reply;
}

}  // namespace

void publish_layer_version(Functions& engine, const RequestContext& context, const Document& input,
                           wire::Conversation conversation) {
  auto publish = parse_publish(context, input);
  if (!publish.ok()) return conversation.done(std::move(publish).error());
  engine.publish_layer(std::move(publish->version), std::move(publish->source),
                       [&engine, context, done = std::move(conversation.done)](Result<LayerVersion> result) {
                         if (!result.ok()) return done(std::move(result).error());
                         auto reply = function_reply(engine, layer_document(context, *result));
                         reply.status = 201;
                         done(std::move(reply));
                       });
}

Result<wire::Reply> get_layer_version(Functions& engine, const RequestContext& context, const Document& input) {
  MR_ASSIGN_OR_RETURN(const auto reference, requested_layer(context, input));
  MR_ASSIGN_OR_RETURN(const auto version, engine.layers().get(reference.layer, reference.version));
  return function_reply(engine, layer_document(context, version));
}

Result<wire::Reply> get_layer_version_by_arn(Functions& engine, const RequestContext& context, const Document& input) {
  const auto reference = functions::parse_layer_version(input.string_or("Arn", ""));
  if (!reference) return Error(functions::kInvalidParameterValue, "Not the ARN of a layer version.");
  MR_ASSIGN_OR_RETURN(const auto version, engine.layers().get(reference->first, reference->second));
  return function_reply(engine, layer_document(context, version));
}

// AWS: newest first.
Result<wire::Reply> list_layer_versions(Functions& engine, const RequestContext& context, const Document& input) {
  MR_ASSIGN_OR_RETURN(const auto reference, requested_layer(context, input));
  constexpr int kOrderTop = 2'000'000'000;
  std::vector<Listed> all;
  for (const auto& version : engine.layers().versions(reference.layer)) {
    if (!is_compatible(version, input)) continue;
    all.push_back({version_order(std::to_string(kOrderTop - version.version)), layer_summary(version)});
  }
  return function_reply(engine, page_of(std::move(all), input, kLayersPageMax, "LayerVersions"));
}

Result<wire::Reply> list_layers(Functions& engine, const RequestContext& context, const Document& input) {
  std::vector<Listed> all;
  for (const auto& version : engine.layers().latest(context.caller.scope)) {
    if (!is_compatible(version, input)) continue;
    all.push_back({version.layer.name, Document::object({{"LayerName", version.layer.name},
                                                         {"LayerArn", version.layer_arn()},
                                                         {"LatestMatchingVersion", layer_summary(version)}})});
  }
  return function_reply(engine, page_of(std::move(all), input, kLayersPageMax, "Layers"));
}

Result<wire::Reply> delete_layer_version(Functions& engine, const RequestContext& context, const Document& input) {
  MR_ASSIGN_OR_RETURN(const auto reference, requested_layer(context, input));
  engine.layers().remove(reference.layer, reference.version);
  return nothing(engine);
}

Result<wire::Reply> add_layer_version_permission(Functions& engine, const RequestContext& context,
                                                 const Document& input) {
  const wire::lambda::AddLayerVersionPermissionRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto reference, requested_layer(context, input));
  functions::Permission permission;
  permission.sid = request.statement_id();
  permission.action = request.action();
  permission.principal = request.principal();
  permission.organization = request.organization_id().value_or("");
  MR_ASSIGN_OR_RETURN(const auto added, engine.layers().add_permission(reference.layer, reference.version, permission,
                                                                       given_revision(input)));
  auto reply =
      function_reply(engine, Document::object({{"Statement", added.first.dump()}, {"RevisionId", added.second}}));
  reply.status = 201;
  return reply;
}

Result<wire::Reply> remove_layer_version_permission(Functions& engine, const RequestContext& context,
                                                    const Document& input) {
  MR_ASSIGN_OR_RETURN(const auto reference, requested_layer(context, input));
  MR_RETURN_IF_ERROR(engine.layers().remove_permission(
      reference.layer, reference.version, std::string(input.string_or("StatementId", "")), given_revision(input)));
  return nothing(engine);
}

Result<wire::Reply> get_layer_version_policy(Functions& engine, const RequestContext& context, const Document& input) {
  MR_ASSIGN_OR_RETURN(const auto reference, requested_layer(context, input));
  MR_ASSIGN_OR_RETURN(const auto policy, engine.layers().policy(reference.layer, reference.version));
  return function_reply(engine, Document::object({{"Policy", policy.document()}, {"RevisionId", policy.revision}}));
}

}  // namespace millrace::api_lambda
