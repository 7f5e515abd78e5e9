#include "api/ssm/operations.h"
#include "wire/generated/ssm.h"
#include "wire/generated/ssm_views.h"

namespace millrace::api_ssm {
namespace {

using codec::Json;

Result<void> check_supported(const wire::ssm::PutParameterRequest& request) {
  const auto refused = [](std::string_view what) {
    return invalid("The parameter " + std::string(what) + " is not supported by this server.");
  };
  if (request.policies() && !request.policies()->empty()) return refused("Policies");
  if (request.data_type() && *request.data_type() != "text") {
    if (request.data_type()->starts_with("aws:")) return refused("DataType " + std::string(*request.data_type()));
    return invalid("The following data type is not supported: " + std::string(*request.data_type()) +
                   " (Data type names are all lowercase.)");
  }
  if (request.overwrite().value_or(false) && !request.tags().empty()) {
    return invalid(
        "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove "
        "overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or "
        "RemoveTagsFromResource.");
  }
  if (request.key_id() && request.type() && *request.type() != "SecureString") {
    return invalid("KeyId is only allowed for parameters of type SecureString.");
  }
  return {};
}

// The version after `before`'s last (nullptr: the first), with the members that a request may leave as they are.
Result<Version> next_version(const wire::ssm::PutParameterRequest& request, const Parameter* before, Time now) {
  Version version = before != nullptr ? before->last() : Version();
  if (before != nullptr) {
    ++version.number;
    if (request.type() && *request.type() != version.type) {
      return Error(wire::ssm::kHierarchyTypeMismatchException,
                   "Parameter Store does not support changing a parameter's type. For example, you can't change a "
                   "parameter from a String type to a SecureString type. Create a new, unique parameter.");
    }
  } else {
    if (!request.type()) return invalid("A parameter type is required when you create a parameter.");
    version.type = *request.type();
  }
  version.value = request.value();
  if (request.description()) version.description = *request.description();
  if (request.allowed_pattern()) version.allowed_pattern = *request.allowed_pattern();
  if (version.type == "SecureString" && (before == nullptr || request.key_id())) {
    version.key_id = request.key_id().value_or("alias/aws/ssm");
  }
  const auto tier = request.tier().value_or(version.tier);
  if (tier == "Standard" && version.tier == "Advanced") {
    return invalid(
        "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the advanced-parameter "
        "tier to the standard-parameter tier.");
  }
  version.tier = tier;
  if (tier == "Intelligent-Tiering") {
    version.tier = version.value.size() > kStandardBytes ? "Advanced" : "Standard";
  }
  version.modified = now;
  MR_RETURN_IF_ERROR(check_version(version));
  return version;
}

// The parameter whose tags a request names.
Result<Reference> tagged(const RequestContext& context, std::string_view type, std::string_view id) {
  if (type != "Parameter") {
    return Error(wire::ssm::kInvalidResourceType,
                 "Tags of the resource type " + std::string(type) + " are not supported by this server.");
  }
  return parse_reference(context.caller.scope, id);
}

Error no_such_resource() {
  return {wire::ssm::kInvalidResourceId,
          "The resource ID is not valid. Verify that you entered the correct ID and try again."};
}

// Changes the tags of the parameter that a request names.
Result<Reply> change_tags(ParameterStore& store, const RequestContext& context, std::string_view type,
                          std::string_view id, const std::function<Result<void>(Tags&)>& change) {
  MR_ASSIGN_OR_RETURN(const auto reference, tagged(context, type, id));
  const auto step = [&](const Json* current) -> Result<Json> {
    if (current == nullptr) return no_such_resource();
    Parameter parameter = parameter_from_json(*current);
    MR_RETURN_IF_ERROR(change(parameter.tags));
    return to_json(parameter);
  };
  MR_RETURN_IF_ERROR(store.records.change(store.record(reference.scope, reference.name), step));
  return reply(store);
}

Result<void> check_tags(const Tags& tags) {
  if (tags.size() > kTagsMax) {
    return Error(wire::ssm::kTooManyTagsError, "The Targets parameter includes too many tags: at most 50.");
  }
  return {};
}

// Whether there was one.
bool remove(ParameterStore& store, const Scope& scope, std::string_view name) {
  bool found = false;
  const auto removed = store.records.change(store.record(scope, name), [&](const Json* current) -> Result<Json> {
    found = current != nullptr;
    return Json();
  });
  return removed.ok() && found;
}

}  // namespace

Result<Reply> put_parameter(ParameterStore& store, const RequestContext& context, const Document& input) {
  const wire::ssm::PutParameterRequest request(input);
  MR_RETURN_IF_ERROR(check_supported(request));
  MR_ASSIGN_OR_RETURN(const auto reference, parse_reference(context.caller.scope, request.name()));
  MR_RETURN_IF_ERROR(check_name(reference.scope, reference.name + reference.selector));
  context.resource = reference.name;
  Document output = Document::object();
  const auto step = [&](const Json* current) -> Result<Json> {
    if (current != nullptr && !request.overwrite().value_or(false)) {
      return Error(wire::ssm::kParameterAlreadyExists,
                   "The parameter already exists. To overwrite this value, set the overwrite option in the request "
                   "to true.");
    }
    Parameter parameter = current == nullptr ? Parameter() : parameter_from_json(*current);
    MR_ASSIGN_OR_RETURN(auto version,
                        next_version(request, current == nullptr ? nullptr : &parameter, store.clock.now()));
    for (auto tag : request.tags()) parameter.tags[std::string(tag.key())] = tag.value();
    MR_RETURN_IF_ERROR(check_tags(parameter.tags));
    output.set("Version", version.number).set("Tier", version.tier);
    parameter.versions.push_back(std::move(version));
    if (parameter.versions.size() > kVersionsKept) parameter.versions.erase(parameter.versions.begin());
    return to_json(parameter);
  };
  MR_RETURN_IF_ERROR(store.records.change(store.record(reference.scope, reference.name), step));
  return reply(store, std::move(output));
}

Result<Reply> delete_parameter(ParameterStore& store, const RequestContext& context, const Document& input) {
  const wire::ssm::DeleteParameterRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto reference, parse_reference(context.caller.scope, request.name()));
  if (!remove(store, reference.scope, reference.name + reference.selector)) {
    return Error(wire::ssm::kParameterNotFound, "");
  }
  return reply(store);
}

Result<Reply> delete_parameters(ParameterStore& store, const RequestContext& context, const Document& input) {
  const wire::ssm::DeleteParametersRequest request(input);
  Document deleted = Document::array();
  Document unknown = Document::array();
  for (auto name : request.names()) {
    const auto reference = parse_reference(context.caller.scope, name);
    const bool found = reference.ok() && remove(store, reference->scope, reference->name + reference->selector);
    (found ? deleted : unknown).push(name);
  }
  return reply(
      store, Document::object({{"DeletedParameters", std::move(deleted)}, {"InvalidParameters", std::move(unknown)}}));
}

Result<Reply> add_tags(ParameterStore& store, const RequestContext& context, const Document& input) {
  const wire::ssm::AddTagsToResourceRequest request(input);
  return change_tags(store, context, request.resource_type(), request.resource_id(), [&](Tags& tags) -> Result<void> {
    for (auto tag : request.tags()) tags[std::string(tag.key())] = tag.value();
    return check_tags(tags);
  });
}

Result<Reply> remove_tags(ParameterStore& store, const RequestContext& context, const Document& input) {
  const wire::ssm::RemoveTagsFromResourceRequest request(input);
  return change_tags(store, context, request.resource_type(), request.resource_id(), [&](Tags& tags) -> Result<void> {
    for (auto key : request.tag_keys()) {
      if (const auto it = tags.find(key); it != tags.end()) tags.erase(it);
    }
    return {};
  });
}

Result<Reply> list_tags(ParameterStore& store, const RequestContext& context, const Document& input) {
  const wire::ssm::ListTagsForResourceRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto reference, tagged(context, request.resource_type(), request.resource_id()));
  const auto parameter = store.find(reference.scope, reference.name);
  if (!parameter) return no_such_resource();
  Document list = Document::array();
  for (const auto& [key, value] : parameter->tags) list.push(Document::object({{"Key", key}, {"Value", value}}));
  return reply(store, Document::object({{"TagList", std::move(list)}}));
}

}  // namespace millrace::api_ssm
