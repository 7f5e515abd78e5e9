#include "stacks/template.h"

#include <algorithm>
#include <charconv>
#include <functional>

#include <yaml-cpp/yaml.h>

#include "stacks/errors.h"
#include "stacks/transform.h"

namespace millrace::stacks {
namespace {

constexpr int kDepthMax = 100;
constexpr std::string_view kPseudoParameters[] = {"AWS::AccountId", "AWS::NotificationARNs", "AWS::NoValue",
                                                  "AWS::Partition", "AWS::Region",           "AWS::StackId",
                                                  "AWS::StackName", "AWS::URLSuffix"};

bool is_pseudo(std::string_view name) {
  return std::ranges::find(kPseudoParameters, name) != std::end(kPseudoParameters);
}

// AWS: dates and numbers with leading zeros stay text.
Document plain_scalar(const std::string& text) {
  if (text.empty() || text == "~" || text == "null") return nullptr;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  const std::string_view digits = std::string_view(text).substr(text[0] == '-' ? 1 : 0);
  if (digits.empty() || !std::isdigit(static_cast<unsigned char>(digits[0]))) return text;
  if (digits.size() > 1 && digits[0] == '0' && digits[1] != '.') return text;
  std::int64_t whole = 0;
  const char* end = text.data() + text.size();
  if (const auto read = std::from_chars(text.data(), end, whole); read.ec == std::errc() && read.ptr == end)
    return whole;
  double number = 0;
  if (const auto read = std::from_chars(text.data(), end, number); read.ec == std::errc() && read.ptr == end) {
    return number;
  }
  return text;
}

std::string long_name(const std::string& tag) {
  if (tag == "!Ref" || tag == "!Condition") return tag.substr(1);
  return "Fn::" + tag.substr(1);
}

Result<Document> from_yaml(const YAML::Node& node, int depth) {
  if (depth > kDepthMax) return format_error("YAML nested too deeply");
  Document value;
  if (node.IsScalar()) {
    value = node.Tag() == "?" || node.Tag().empty() ? plain_scalar(node.Scalar()) : Document(node.Scalar());
  } else if (node.IsSequence()) {
    value = Document::array();
    for (const auto& element : node) {
      MR_ASSIGN_OR_RETURN(Document inner, from_yaml(element, depth + 1));
      value.push(std::move(inner));
    }
  } else if (node.IsMap()) {
    value = Document::object();
    for (const auto& member : node) {
      if (!member.first.IsScalar()) return format_error("YAML keys must be text");
      MR_ASSIGN_OR_RETURN(Document inner, from_yaml(member.second, depth + 1));
      value.set(member.first.Scalar(), std::move(inner));
    }
  }
  const std::string& tag = node.Tag();
  if (tag.size() < 2 || tag[0] != '!') return value;
  if (tag == "!GetAtt" && value.is_string()) {
    const std::string text = value.as_string();
    const auto dot = text.find('.');
    if (dot == std::string::npos) return format_error("YAML: !GetAtt " + text + " names no attribute");
    value = Document::array({text.substr(0, dot), text.substr(dot + 1)});
  }
  Document call = Document::object();
  call.set(long_name(tag), std::move(value));
  return call;
}

void collect(const Document& value, std::set<std::string>& names) {
  if (value.is_array()) {
    for (const Document& element : value.as_array()) collect(element, names);
    return;
  }
  if (!value.is_object()) return;
  for (const auto& [name, inner] : value.as_object()) {
    if (name == "Ref" && inner.is_string() && value.as_object().size() == 1) {
      names.insert(inner.as_string());
    } else if (name == "Fn::GetAtt" && value.as_object().size() == 1) {
      if (inner.is_string()) names.insert(inner.as_string().substr(0, inner.as_string().find('.')));
      if (inner.is_array() && !inner.as_array().empty() && inner.as_array()[0].is_string()) {
        names.insert(inner.as_array()[0].as_string());
      }
      collect(inner, names);
    } else if (name == "Fn::Sub") {
      const Document* text = &inner;
      std::set<std::string> own;
      if (inner.is_array() && !inner.as_array().empty()) {
        text = &inner.as_array()[0];
        if (inner.as_array().size() > 1 && inner.as_array()[1].is_object()) {
          for (const auto& [variable, given] : inner.as_array()[1].as_object()) own.insert(variable);
          collect(inner.as_array()[1], names);
        }
      }
      if (!text->is_string()) continue;
      const std::string& pattern = text->as_string();
      for (std::size_t at = pattern.find("${"); at != std::string::npos; at = pattern.find("${", at + 2)) {
        const std::size_t end = pattern.find('}', at);
        if (end == std::string::npos) break;
        const std::string variable = pattern.substr(at + 2, end - at - 2);
        if (variable.starts_with("!") || own.contains(variable)) continue;
        names.insert(variable.substr(0, variable.find('.')));
      }
    } else {
      collect(inner, names);
    }
  }
}

bool has_member(const Document& document, std::string_view section, std::string_view name) {
  const Document* found = document.find(section);
  return found != nullptr && found->find(name) != nullptr;
}

std::string joined(const std::set<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

// Every {"Fn::GetAtt": [resource, attribute]} in `value`.
void each_attribute(const Document& value, const std::function<void(const std::string&, const std::string&)>& told) {
  if (value.is_array()) {
    for (const Document& element : value.as_array()) each_attribute(element, told);
  } else if (value.is_object()) {
    for (const auto& [name, inner] : value.as_object()) {
      if (name == "Fn::GetAtt" && inner.is_array() && inner.as_array().size() == 2 && inner.as_array()[0].is_string() &&
          inner.as_array()[1].is_string()) {
        told(inner.as_array()[0].as_string(), inner.as_array()[1].as_string());
      }
      each_attribute(inner, told);
    }
  }
}

// AWS knows nothing of it; a template that holds it deploys there, too.
Result<void> check_skips(const Document& document) {
  const Document* metadata = document.find("Metadata");
  const Document* patterns = metadata == nullptr ? nullptr : metadata->find(kSkipMetadata);
  if (patterns == nullptr) return {};
  const bool good = patterns->is_array() && std::ranges::all_of(patterns->as_array(), [](const Document& pattern) {
                      return pattern.is_string() && pattern.as_string().find("::") != std::string::npos;
                    });
  if (good) return {};
  return template_error("Metadata " + std::string(kSkipMetadata) +
                        " must be a list of resource types such as AWS::EC2::VPC or AWS::EC2::*");
}

// Metadata is the user's own.
Result<void> check_nulls(const Document& value, const std::string& path) {
  if (value.is_null()) return invalid("[" + path + "] 'null' values are not allowed in templates");
  if (value.is_array()) {
    for (std::size_t i = 0; i < value.as_array().size(); ++i) {
      MR_RETURN_IF_ERROR(check_nulls(value.as_array()[i], path + "/" + std::to_string(i)));
    }
  } else if (value.is_object()) {
    for (const auto& [name, inner] : value.as_object()) {
      if (name != "Metadata") MR_RETURN_IF_ERROR(check_nulls(inner, path + "/" + name));
    }
  }
  return {};
}

Result<void> check_resource(const std::string& id, const Document& resource, const ResourceType* type) {
  if (!std::ranges::all_of(id, [](unsigned char c) { return std::isalnum(c); })) {
    return format_error("Resource name " + id + " is non alphanumeric.");
  }
  if (!resource.is_object()) return format_error("Every Resources member must be an object.");
  if (resource.string_or("Type", "").empty()) {
    return format_error("[/Resources/" + id + "] Every Resources object must contain a Type member.");
  }
  constexpr std::string_view kAttributes[] = {"Type",      "Properties",     "DependsOn",          "Metadata",
                                              "Condition", "DeletionPolicy", "UpdateReplacePolicy"};
  for (const auto& [name, value] : resource.as_object()) {
    if (std::ranges::find(kAttributes, name) == std::end(kAttributes)) {
      if (name == "CreationPolicy" || name == "UpdatePolicy") {
        return template_error("the attribute " + name + " of resource " + id + " is not supported by millrace.");
      }
      return format_error("Invalid template resource property '" + name + "'");
    }
  }
  for (const std::string_view policy : {"DeletionPolicy", "UpdateReplacePolicy"}) {
    const Document* value = resource.find(policy);
    if (value == nullptr) continue;
    const std::string text = value->is_string() ? value->as_string() : std::string();
    if (text == "Snapshot") {
      return template_error(std::string(policy) + " Snapshot of resource " + id + " is not supported by millrace.");
    }
    if (text != "Delete" && text != "Retain" && !(text == "RetainExceptOnCreate" && policy == "DeletionPolicy")) {
      return template_error("Unrecognized " + std::string(policy) + " " + value->dump() + " for resource " + id);
    }
  }
  const Document* properties = resource.find("Properties");
  if (properties != nullptr && !properties->is_object()) {
    return format_error("[/Resources/" + id + "/Properties] must be an object.");
  }
  if (type == nullptr) return {};
  for (const auto& [name, value] : properties == nullptr ? Document::Object{} : properties->as_object()) {
    if (type->is_open() || name.starts_with("Fn::")) continue;
    const auto known = type->properties();
    if (std::ranges::none_of(known, [&](const Property& property) { return property.name == name; })) {
      return invalid("Properties validation failed for resource " + id + " with message:\n#: extraneous key [" + name +
                     "] is not permitted");
    }
  }
  for (const Property& property : type->properties()) {
    if (property.required && (properties == nullptr || properties->find(property.name) == nullptr)) {
      return invalid("Properties validation failed for resource " + id + " with message:\n#: required key [" +
                     std::string(property.name) + "] not found");
    }
  }
  return {};
}

Result<void> check_references(const Document& document, const TypeRegistry& types) {
  std::set<std::string> unknown;
  const auto look = [&](const Document* value) {
    if (value == nullptr) return;
    for (const std::string& name : references(*value)) {
      if (!is_pseudo(name) && !has_member(document, "Parameters", name) && !has_member(document, "Resources", name)) {
        unknown.insert(name);
      }
    }
  };
  for (const auto& [id, resource] : document.find("Resources")->as_object()) look(resource.find("Properties"));
  if (!unknown.empty()) {
    return format_error("Unresolved resource dependencies [" + joined(unknown) +
                        "] in the Resources block of the template");
  }
  if (const Document* outputs = document.find("Outputs")) look(outputs);
  if (!unknown.empty()) {
    return format_error("Unresolved resource dependencies [" + joined(unknown) +
                        "] in the Outputs block of the template");
  }
  for (const auto& [id, resource] : document.find("Resources")->as_object()) {
    if (const Document* on = resource.find("DependsOn")) {
      const Document::Array one = on->is_array() ? on->as_array() : Document::Array{*on};
      for (const Document& each : one) {
        if (!each.is_string() || !has_member(document, "Resources", each.as_string())) {
          return format_error("Unresolved resource dependencies [" +
                              (each.is_string() ? each.as_string() : each.dump()) +
                              "] in the Resources block of the template");
        }
      }
    }
    if (const Document* condition = resource.find("Condition")) {
      if (!condition->is_string() || !has_member(document, "Conditions", condition->as_string())) {
        return format_error("Unresolved condition dependency " +
                            (condition->is_string() ? condition->as_string() : condition->dump()) +
                            " in the Resources block of the template");
      }
    }
  }
  std::optional<Error> wrong;
  each_attribute(document, [&](const std::string& id, const std::string& attribute) {
    const Document* resource = document.find("Resources")->find(id);
    const ResourceType* type = resource == nullptr ? nullptr : types.find_in(document, resource->string_or("Type", ""));
    if (type == nullptr || wrong) return;
    const auto known = type->attributes();
    if (!known.empty() && std::ranges::find(known, attribute) == known.end()) {
      wrong = template_error("resource " + id + " does not support attribute type " + attribute + " in Fn::GetAtt");
    }
  });
  if (wrong) return *wrong;
  return {};
}

}  // namespace

Result<Document> parse_template(std::string_view text) {
  if (text.size() > kTemplateBytesMax) {
    return invalid(
        "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must have "
        "length less than or equal to 1000000");
  }
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return format_error("unsupported structure.");
  if (text[first] == '{') {
    auto parsed = codec::parse_json(text);
    if (!parsed.ok()) return format_error("JSON not well-formed. (" + parsed.error().message() + ")");
    return parsed;
  }
  try {
    MR_ASSIGN_OR_RETURN(Document document, from_yaml(YAML::Load(std::string(text)), 0));
    if (!document.is_object()) return format_error("unsupported structure.");
    return document;
  } catch (const YAML::Exception& exception) {
    return format_error("YAML not well-formed. (line " + std::to_string(exception.mark.line + 1) + ", column " +
                        std::to_string(exception.mark.column + 1) + ")");
  }
}

std::set<std::string> references(const Document& value) {
  std::set<std::string> names;
  collect(value, names);
  return names;
}

std::set<std::string> dependencies(const Document& document, const Document& resource) {
  std::set<std::string> names;
  if (const Document* properties = resource.find("Properties")) names = references(*properties);
  if (const Document* on = resource.find("DependsOn")) {
    if (on->is_string()) names.insert(on->as_string());
    if (on->is_array()) {
      for (const Document& each : on->as_array()) {
        if (each.is_string()) names.insert(each.as_string());
      }
    }
  }
  std::erase_if(names, [&](const std::string& name) { return !has_member(document, "Resources", name); });
  return names;
}

Result<std::vector<std::string>> in_order(const Document& document, const std::set<std::string>& wanted) {
  const Document& resources = *document.find("Resources");
  std::map<std::string, std::set<std::string>> waits;
  for (const auto& [id, resource] : resources.as_object()) {
    if (!wanted.contains(id)) continue;
    auto& names = waits[id] = dependencies(document, resource);
    std::erase_if(names, [&](const std::string& name) { return !wanted.contains(name); });
  }
  std::vector<std::string> order;
  std::set<std::string> done;
  while (order.size() < waits.size()) {
    const std::size_t before = order.size();
    for (const auto& [id, resource] : resources.as_object()) {
      if (!waits.contains(id) || done.contains(id)) continue;
      if (std::ranges::all_of(waits[id], [&](const std::string& name) { return done.contains(name); })) {
        order.push_back(id);
        done.insert(id);
      }
    }
    if (order.size() > before) continue;
    // Those that wait for a cycle without being on one are no part of the answer.
    std::set<std::string> left;
    for (const auto& [id, names] : waits) {
      if (!done.contains(id)) left.insert(id);
    }
    for (bool changed = true; changed;) {
      changed =
          std::erase_if(left, [&](const std::string& id) {
            return std::ranges::none_of(left, [&](const std::string& other) { return waits[other].contains(id); });
          }) > 0;
    }
    return invalid("Circular dependency between resources: [" + joined(left) + "]");
  }
  return order;
}

std::string needed_capability(const Document& document) {
  std::string needed;
  const Document* resources = document.find("Resources");
  if (resources == nullptr || !resources->is_object()) return needed;
  for (const auto& [id, resource] : resources->as_object()) {
    const std::string_view type = resource.string_or("Type", "");
    if (!type.starts_with("AWS::IAM::")) continue;
    if (needed.empty()) needed = "CAPABILITY_IAM";
    const Document* properties = resource.find("Properties");
    for (const std::string_view name :
         {"RoleName", "UserName", "GroupName", "ManagedPolicyName", "InstanceProfileName"}) {
      if (properties != nullptr && properties->find(name) != nullptr) needed = "CAPABILITY_NAMED_IAM";
    }
  }
  return needed;
}

Result<void> check_template(const Document& document, const TypeRegistry& types) {
  constexpr std::string_view kSections[] = {"AWSTemplateFormatVersion",
                                            "Description",
                                            "Metadata",
                                            "Parameters",
                                            "Rules",
                                            "Mappings",
                                            "Conditions",
                                            "Transform",
                                            "Resources",
                                            "Outputs"};
  if (!document.is_object()) return format_error("unsupported structure.");
  for (const auto& [name, value] : document.as_object()) {
    if (std::ranges::find(kSections, name) == std::end(kSections)) {
      return invalid("Invalid template property or properties [" + name + "]");
    }
  }
  if (const Document* version = document.find("AWSTemplateFormatVersion")) {
    if (!version->is_string() || version->as_string() != "2010-09-09") {
      return format_error("unsupported value for AWSTemplateFormatVersion.");
    }
  }
  MR_RETURN_IF_ERROR(asks_for_serverless(document));
  MR_RETURN_IF_ERROR(check_nulls(document, ""));
  const Document* resources = document.find("Resources");
  if (resources == nullptr || !resources->is_object() || resources->as_object().empty()) {
    return format_error("At least one Resources member must be defined.");
  }
  for (const std::string_view section : {"Parameters", "Mappings", "Conditions", "Outputs", "Rules"}) {
    const Document* found = document.find(section);
    if (found != nullptr && !found->is_object())
      return format_error("[/" + std::string(section) + "] must be an object.");
  }
  if (resources->as_object().size() > kResourcesMax) {
    return format_error("Number of resources, " + std::to_string(resources->as_object().size()) +
                        ", is greater than maximum allowed, " + std::to_string(kResourcesMax));
  }
  MR_RETURN_IF_ERROR(check_skips(document));
  std::set<std::string> unknown;
  std::set<std::string> all;
  for (const auto& [id, resource] : resources->as_object()) {
    const std::string type_name(resource.string_or("Type", ""));
    const ResourceType* type = types.find_in(document, type_name);
    MR_RETURN_IF_ERROR(check_resource(id, resource, type));
    if (type == nullptr) unknown.insert(type_name);
    all.insert(id);
  }
  if (!unknown.empty()) return format_error("Unrecognized resource types: [" + joined(unknown) + "]");
  MR_RETURN_IF_ERROR(check_references(document, types));
  MR_RETURN_IF_ERROR(in_order(document, all));
  return {};
}

}  // namespace millrace::stacks
