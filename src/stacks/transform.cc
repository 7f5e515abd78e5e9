#include "stacks/transform.h"

#include "stacks/errors.h"

namespace millrace::stacks {

Result<bool> asks_for_serverless(const Document& document) {
  const Document* transform = document.find("Transform");
  if (transform == nullptr) return false;
  const Document::Array names = transform->is_array() ? transform->as_array() : Document::Array{*transform};
  bool asked = false;
  for (const Document& name : names) {
    if (!name.is_string()) {
      const std::string_view macro = name.string_or("Name", "");
      if (macro.empty()) return format_error("every Transform must be a name, or an object with a Name.");
      return invalid("Transform " + std::string(macro) + " is not supported by millrace.");
    }
    if (name.as_string() == kServerlessTransform) {
      asked = true;
    } else if (name.as_string().starts_with("AWS::")) {
      return invalid("Transform " + name.as_string() + " is not supported by millrace.");
    } else {
      return invalid("No transform named " + name.as_string() + " found.");
    }
  }
  return asked;
}

std::map<std::string, std::string> parameter_texts(const Document& document,
                                                   const std::map<std::string, std::string>& given) {
  std::map<std::string, std::string> texts;
  const Document* declared = document.find("Parameters");
  if (declared != nullptr && declared->is_object()) {
    for (const auto& [name, declaration] : declared->as_object()) {
      const Document* value = declaration.find("Default");
      if (value != nullptr) texts[name] = value->is_string() ? value->as_string() : value->dump();
    }
  }
  for (const auto& [name, text] : given) texts[name] = text;
  return texts;
}

}  // namespace millrace::stacks
