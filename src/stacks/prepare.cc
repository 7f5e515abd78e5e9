#include <algorithm>

#include "stacks/errors.h"
#include "stacks/internal/documents.h"
#include "stacks/internal/impl.h"
#include "stacks/template.h"

namespace millrace::stacks {
namespace {

// Bucket and key of any address of an S3 object: path style, virtual-hosted, this server's own. Key decoded.
std::optional<std::pair<std::string, std::string>> object_of(std::string_view url) {
  const auto scheme = url.find("://");
  if (scheme == std::string_view::npos) return std::nullopt;
  url.remove_prefix(scheme + 3);
  url = url.substr(0, url.find('?'));
  const auto slash = url.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::string_view host = url.substr(0, slash);
  std::string path;
  const std::string_view encoded = url.substr(slash + 1);
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    if (encoded[i] == '%' && i + 2 < encoded.size()) {
      path += static_cast<char>(std::strtol(std::string(encoded.substr(i + 1, 2)).c_str(), nullptr, 16));
      i += 2;
    } else {
      path += encoded[i];
    }
  }
  const auto s3 = host.find(".s3");
  if (s3 != std::string_view::npos) return std::pair(std::string(host.substr(0, s3)), path);
  const auto split = path.find('/');
  if (split == std::string::npos) return std::nullopt;
  return std::pair(path.substr(0, split), path.substr(split + 1));
}

}  // namespace

Result<std::string> Stacks::Impl::template_text(const wire::Caller& caller, const Document& input,
                                                const Stack* previous) {
  const std::string body(input.string_or("TemplateBody", ""));
  const std::string url(input.string_or("TemplateURL", ""));
  if (!body.empty() && !url.empty()) return invalid("Either Template URL or Template Body must be specified.");
  if (!body.empty()) return body;
  if (!url.empty()) {
    const auto object = object_of(url);
    if (!object) return invalid("S3 error: Domain name specified in " + url + " is not a valid S3 domain");
    auto text = services.read_object(caller.scope, object->first, object->second);
    if (!text.ok()) return invalid("S3 error: " + text.error().message());
    if (text->size() > kTemplateBytesMax) return invalid("Template may not exceed 1000000 bytes in size.");
    return text;
  }
  if (input.bool_or("UsePreviousTemplate", false) && previous != nullptr && !previous->inputs.template_text.empty()) {
    return previous->inputs.written_text();
  }
  return invalid("Either Template URL or Template Body must be specified.");
}

Result<Environment> Stacks::Impl::environment_of(const Stack& stack, const Document& document,
                                                 const std::vector<Parameter>& parameters) {
  Environment environment;
  environment.document = &document;
  for (const Parameter& parameter : parameters) environment.parameters[parameter.key] = parameter.value;
  environment.scope = stack.scope;
  environment.stack_name = stack.name;
  environment.stack_id = stack.id;
  environment.import = [this, scope = stack.scope](const std::string& name) { return exported(scope, name); };
  MR_ASSIGN_OR_RETURN(environment.conditions, evaluate_conditions(environment));
  return environment;
}

Result<Document> Stacks::Impl::transformed(const Scope& scope, const Document& document,
                                           const std::map<std::string, std::string>& parameters) {
  MR_ASSIGN_OR_RETURN(const bool asked, asks_for_serverless(document));
  if (!asked) return document;
  if (services.transformer == nullptr) {
    return invalid("Transform " + std::string(kServerlessTransform) + " is not supported by millrace.");
  }
  return services.transformer->serverless(document, parameter_texts(document, parameters), scope);
}

namespace {

bool has_capability(const Document& input, std::initializer_list<std::string_view> wanted) {
  const Document* capabilities = input.find("Capabilities");
  if (capabilities == nullptr || !capabilities->is_array()) return false;
  return std::ranges::any_of(capabilities->as_array(), [&](const Document& each) {
    return each.is_string() && std::ranges::find(wanted, each.as_string()) != wanted.end();
  });
}

}  // namespace

// Everything that can be refused before anything is done.
Result<Stacks::Impl::Prepared> Stacks::Impl::prepare(const wire::Caller& caller, const Document& input,
                                                     const Stack& stack) {
  Prepared prepared;
  Inputs& inputs = prepared.inputs;
  MR_ASSIGN_OR_RETURN(inputs.template_text, template_text(caller, input, &stack));
  MR_ASSIGN_OR_RETURN(prepared.document, parse_template(inputs.template_text));
  MR_ASSIGN_OR_RETURN(const bool transforms, asks_for_serverless(prepared.document));
  const auto ssm = [&](const std::string& name) -> Result<std::string> {
    MR_ASSIGN_OR_RETURN(const Document found,
                        services.calls.call("ssm", "GetParameter", caller, Document::object({{"Name", name}})));
    const Document* parameter = found.find("Parameter");
    return std::string(parameter == nullptr ? "" : parameter->string_or("Value", ""));
  };
  const Document none = Document::array();
  const Document* given = input.find("Parameters");
  if (transforms) {
    // AWS: who does not look at a change set first has to accept what transforms make of a template.
    if (input.string_or("ChangeSetName", "").empty() && !has_capability(input, {"CAPABILITY_AUTO_EXPAND"})) {
      return Error(kInsufficientCapabilities, "Requires capabilities : [CAPABILITY_AUTO_EXPAND]");
    }
    MR_ASSIGN_OR_RETURN(const auto parameters, resolve_parameters(prepared.document, given == nullptr ? none : *given,
                                                                  stack.inputs.parameters, ssm));
    std::map<std::string, std::string> texts;
    for (const Parameter& parameter : parameters) texts[parameter.key] = parameter.text;
    MR_ASSIGN_OR_RETURN(prepared.document, transformed(caller.scope, prepared.document, texts));
    inputs.original_text = std::exchange(inputs.template_text, prepared.document.dump());
  }
  MR_RETURN_IF_ERROR(check_template(prepared.document, services.types));
  MR_ASSIGN_OR_RETURN(inputs.parameters, resolve_parameters(prepared.document, given == nullptr ? none : *given,
                                                            stack.inputs.parameters, ssm));
  const std::string needed = needed_capability(prepared.document);
  if (!needed.empty() && !has_capability(input, {needed, "CAPABILITY_NAMED_IAM"})) {
    return Error(kInsufficientCapabilities, "Requires capabilities : [" + needed + "]");
  }
  MR_ASSIGN_OR_RETURN(const Environment environment, environment_of(stack, prepared.document, inputs.parameters));
  MR_RETURN_IF_ERROR(check_rules(environment));
  inputs.tags = input.find("Tags") == nullptr ? stack.inputs.tags : tags_of(input);
  inputs.capabilities = capabilities_of(input);
  inputs.role = input.string_or("RoleARN", stack.inputs.role);
  std::string retyped;
  for (const std::string& id : wanted_resources(environment)) {
    const auto owned = stack.resources.find(id);
    if (owned == stack.resources.end() || owned->second.is_unmade) continue;
    const std::string_view type = prepared.document.find("Resources")->find(id)->string_or("Type", "");
    if (owned->second.type != type) retyped += (retyped.empty() ? "" : ", ") + id;
  }
  if (!retyped.empty()) {
    return invalid(
        "Update of resource type is not permitted. The new template modifies resource type of the following resources: "
        "[" +
        retyped + "]");
  }
  MR_ASSIGN_OR_RETURN(prepared.changes, plan(environment, stack.resources, services.types, inputs.tags));
  const auto before = parse_template(stack.inputs.template_text.empty() ? "{}" : stack.inputs.template_text);
  const Document* old_outputs = before.ok() ? before->find("Outputs") : nullptr;
  const Document* new_outputs = prepared.document.find("Outputs");
  bool outputs_differ =
      (old_outputs == nullptr ? "" : old_outputs->dump()) != (new_outputs == nullptr ? "" : new_outputs->dump());
  // Outputs may also change by their parameters and conditions.
  for (const Parameter& parameter : inputs.parameters) {
    const auto old = std::ranges::find(stack.inputs.parameters, parameter.key, &Parameter::key);
    if (new_outputs != nullptr && (old == stack.inputs.parameters.end() || !(old->value == parameter.value))) {
      outputs_differ = true;
    }
  }
  prepared.is_same = prepared.changes.empty() && !outputs_differ && inputs.tags == stack.inputs.tags;
  return prepared;
}

std::map<std::string, std::string> tags_of(const Document& input) {
  std::map<std::string, std::string> tags;
  const Document* list = input.find("Tags");
  for (const Document& tag : list == nullptr ? Document::Array{} : list->as_array()) {
    tags[std::string(tag.string_or("Key", ""))] = tag.string_or("Value", "");
  }
  return tags;
}

Stack Stacks::Impl::new_stack(const wire::Caller& caller, const std::string& name) {
  Stack stack;
  stack.uuid = services.random.uuid();
  stack.name = name;
  stack.scope = caller.scope;
  stack.id = "arn:aws:cloudformation:" + caller.scope.region + ":" + caller.scope.account + ":stack/" + name + "/" +
             stack.uuid;
  stack.created = services.scheduler.now();
  return stack;
}

}  // namespace millrace::stacks
