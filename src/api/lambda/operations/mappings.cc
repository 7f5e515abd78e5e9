// CreateEventSourceMapping, GetEventSourceMapping, ListEventSourceMappings, UpdateEventSourceMapping and
// DeleteEventSourceMapping.
#include "api/lambda/mappings.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "api/lambda/internal/mapping_document.h"
#include "api/lambda/internal/mapping_request.h"
#include "api/lambda/internal/mapping_tags.h"
#include "api/lambda/internal/queue_mapping.h"
#include "wire/generated/lambda.h"
#include "wire/generated/lambda_views.h"
#include "wire/refusals.h"

namespace millrace::api_lambda {
namespace {

constexpr std::int64_t kMappingsPageMax = 100;  // AWS: whatever MaxItems says

struct MappingFace {
  triggers::Engine& engine;
  MappingLookups lookups;
};

// Every answer waits for the commits it may have seen.
wire::Reply mapping_reply(const MappingFace& face, wire::Document output) {
  wire::Reply reply;
  reply.output = std::move(output);
  reply.after = face.engine.last_commit();
  return reply;
}

wire::Reply shown(const MappingFace& face, const triggers::Mapping& mapping, std::string_view state,
                  ModifiedPrecision precision) {
  return mapping_reply(face, mapping_document(mapping, state, face.engine.last_result(mapping.uuid), precision));
}

Result<wire::Reply> create_event_source_mapping(const MappingFace& face, const wire::RequestContext& context,
                                                const wire::Document& request) {
  MR_ASSIGN_OR_RETURN(triggers::Mapping mapping, parse_create(context.caller.scope, request, face.lookups));
  MR_ASSIGN_OR_RETURN(const triggers::Changed created, face.engine.create(std::move(mapping)));
  return shown(face, created.mapping, "Creating", ModifiedPrecision::kMilliseconds);
}

Result<wire::Reply> get_event_source_mapping(const MappingFace& face, const wire::RequestContext& context,
                                             const wire::Document& request) {
  const wire::lambda::GetEventSourceMappingRequest view(request);
  const auto mapping = face.engine.find(context.caller.scope, view.uuid());
  if (!mapping) {
    return Error(wire::lambda::kResourceNotFoundException, "The resource you requested does not exist.");
  }
  return shown(face, *mapping, settled_state(*mapping), ModifiedPrecision::kMinutes);
}

// AWS: unknown functions and sources give an empty list; an unqualified name does not find mappings of aliases. The
// marker is the UUID of the last mapping shown.
Result<wire::Reply> list_event_source_mappings(const MappingFace& face, const wire::RequestContext& context,
                                               const wire::Document& request) {
  const wire::lambda::ListEventSourceMappingsRequest view(request);
  const auto source = view.event_source_arn();
  const std::string function =
      view.function_name() ? function_arn_of(context.caller.scope, *view.function_name()) : std::string();
  const std::string_view marker = view.marker().value_or("");
  const auto page = static_cast<std::size_t>(std::min(view.max_items().value_or(kMappingsPageMax), kMappingsPageMax));
  wire::Document mappings = wire::Document::array();
  wire::Document output = wire::Document::object();
  std::string last;
  for (const triggers::Mapping& mapping : face.engine.list(context.caller.scope)) {
    if (mapping.uuid <= marker || (source && mapping.stream_arn != *source)) continue;
    if (!function.empty() && mapping.function_arn != function) continue;
    if (mappings.as_array().size() == page) {
      output.set("NextMarker", last);
      break;
    }
    last = mapping.uuid;
    mappings.push(mapping_document(mapping, settled_state(mapping), face.engine.last_result(mapping.uuid),
                                   ModifiedPrecision::kMinutes));
  }
  output.set("EventSourceMappings", std::move(mappings));
  return mapping_reply(face, std::move(output));
}

Result<wire::Reply> update_event_source_mapping(const MappingFace& face, const wire::RequestContext& context,
                                                const wire::Document& request) {
  const wire::lambda::UpdateEventSourceMappingRequest view(request);
  const Scope& scope = context.caller.scope;
  auto draft = face.engine.find(scope, view.uuid());
  if (!draft) {
    return Error(wire::lambda::kResourceNotFoundException, "The resource you requested does not exist.");
  }
  // Checked on a copy first: the lookups take other services' locks, which the engine must not be holding then.
  MR_RETURN_IF_ERROR(apply_settings(request, face.lookups, *draft));
  if (view.function_name()) MR_RETURN_IF_ERROR(apply_function(*view.function_name(), face.lookups, *draft));
  if (is_queue_mapping(*draft)) MR_RETURN_IF_ERROR(check_queue_mapping(face.lookups, *draft));
  const MappingLookups checked{.function_exists = [](const std::string&) { return true; },
                               .stream_exists = [](const std::string&) { return true; },
                               .check_destination = [](const std::string&) { return Result<void>(); }};
  std::string_view state = "Updating";
  MR_ASSIGN_OR_RETURN(const triggers::Changed changed,
                      face.engine.update(scope, view.uuid(), [&](triggers::Mapping& mapping) -> Result<void> {
                        const bool was_enabled = mapping.enabled;
                        MR_RETURN_IF_ERROR(apply_settings(request, checked, mapping));
                        if (view.function_name()) {
                          MR_RETURN_IF_ERROR(apply_function(*view.function_name(), checked, mapping));
                        }
                        if (mapping.enabled != was_enabled) state = mapping.enabled ? "Enabling" : "Disabling";
                        return {};
                      }));
  return shown(face, changed.mapping, state, ModifiedPrecision::kMilliseconds);
}

Result<wire::Reply> delete_event_source_mapping(const MappingFace& face, const wire::RequestContext& context,
                                                const wire::Document& request) {
  const wire::lambda::DeleteEventSourceMappingRequest view(request);
  const std::string last_result = face.engine.last_result(view.uuid());
  MR_ASSIGN_OR_RETURN(const triggers::Changed removed, face.engine.remove(context.caller.scope, view.uuid()));
  return mapping_reply(face, mapping_document(removed.mapping, "Deleting", last_result, ModifiedPrecision::kMinutes));
}

}  // namespace

void register_mapping_operations(wire::Service& service, triggers::Engine& engine, MappingLookups lookups) {
  const auto face = std::make_shared<const MappingFace>(MappingFace{engine, std::move(lookups)});
  const auto serve = [&](std::string_view operation, auto function) {
    service.on(operation, wire::hold_refusals(
                              [face, function](const wire::RequestContext& context, const wire::Document& request) {
                                return function(*face, context, request);
                              },
                              [face] {
                                const storage::CommitNumber asked =
                                    face->lookups.last_commit ? face->lookups.last_commit() : 0;
                                return std::max(face->engine.last_commit(), asked);
                              }));
  };
  serve("CreateEventSourceMapping", create_event_source_mapping);
  serve("GetEventSourceMapping", get_event_source_mapping);
  serve("ListEventSourceMappings", list_event_source_mappings);
  serve("UpdateEventSourceMapping", update_event_source_mapping);
  serve("DeleteEventSourceMapping", delete_event_source_mapping);
  register_mapping_tags(service, engine);
}

}  // namespace millrace::api_lambda
