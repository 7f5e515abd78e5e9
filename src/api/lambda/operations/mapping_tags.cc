// TagResource, UntagResource and ListTags of event source mappings; of everything else, what was registered before.
#include "api/lambda/internal/mapping_tags.h"

#include <memory>
#include <utility>

#include "wire/arn.h"
#include "wire/generated/lambda.h"
#include "wire/generated/lambda_views.h"

namespace millrace::api_lambda {
namespace {

using Tags = std::map<std::string, std::string>;

constexpr std::string_view kMappingResource = "event-source-mapping:";

// The UUID of a mapping's ARN; none for other resources.
std::optional<std::string> mapping_of(const wire::Document& request) {
  const auto arn = wire::parse_arn(std::string(request.string_or("Resource", "")));
  if (!arn || arn->service != "lambda" || !arn->resource.starts_with(kMappingResource)) return std::nullopt;
  return std::string(arn->resource.substr(kMappingResource.size()));
}

Result<wire::Reply> changed(triggers::Engine& engine, const Scope& scope, const std::string& uuid,
                            const std::function<void(Tags&)>& change) {
  MR_ASSIGN_OR_RETURN(const triggers::Changed mapping, engine.change_tags(scope, uuid, change));
  wire::Reply reply;
  reply.output = wire::Document::object();
  reply.status = 204;
  reply.after = mapping.after;
  return reply;
}

Result<wire::Reply> tag(triggers::Engine& engine, const Scope& scope, const std::string& uuid,
                        const wire::Document& request) {
  return changed(engine, scope, uuid, [&](Tags& tags) {
    for (const auto& [key, value] : wire::lambda::TagResourceRequest(request).tags()) tags[std::string(key)] = value;
  });
}

Result<wire::Reply> untag(triggers::Engine& engine, const Scope& scope, const std::string& uuid,
                          const wire::Document& request) {
  return changed(engine, scope, uuid, [&](Tags& tags) {
    for (const std::string_view key : wire::lambda::UntagResourceRequest(request).tag_keys()) {
      tags.erase(std::string(key));
    }
  });
}

Result<wire::Reply> list(triggers::Engine& engine, const Scope& scope, const std::string& uuid, const wire::Document&) {
  const auto mapping = engine.find(scope, uuid);
  if (!mapping) return Error(wire::lambda::kResourceNotFoundException, "The resource you requested does not exist.");
  wire::Document tags = wire::Document::object();
  for (const auto& [key, value] : mapping->tags) tags.set(key, value);
  wire::Reply reply;
  reply.output = wire::Document::object({{"Tags", std::move(tags)}});
  reply.after = engine.last_commit();
  return reply;
}

}  // namespace

void register_mapping_tags(wire::Service& service, triggers::Engine& engine) {
  using Operation = Result<wire::Reply> (*)(triggers::Engine&, const Scope&, const std::string&, const wire::Document&);
  const auto serve = [&](std::string_view name, Operation operation) {
    const auto* before = service.find(name);
    service.on(name,
               [&engine, operation, others = before == nullptr ? wire::Handler() : before->handler](
                   const wire::RequestContext& context, const wire::Document& request) -> Result<wire::Reply> {
                 const auto uuid = mapping_of(request);
                 if (uuid) {
                   auto reply = operation(engine, context.caller.scope, *uuid, request);
                   if (!reply.ok()) reply = std::move(reply.error()).hold_until(engine.last_commit());
                   return reply;
                 }
                 if (others) return others(context, request);
                 return Error(wire::lambda::kResourceNotFoundException, "The resource you requested does not exist.");
               });
  };
  serve("TagResource", tag);
  serve("UntagResource", untag);
  serve("ListTags", list);
}

}  // namespace millrace::api_lambda
