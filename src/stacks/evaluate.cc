#include "stacks/evaluate.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <set>

#include "crypto/encoding.h"
#include "stacks/errors.h"

namespace millrace::stacks {
namespace {

using Value = Result<std::optional<Document>>;

class Evaluator {
 public:
  explicit Evaluator(const Environment& environment) : environment_(environment) {}

  Value value(const Document& document) {
    if (document.is_array()) return list(document);
    if (!document.is_object()) return std::optional<Document>(document);
    const auto& members = document.as_object();
    if (members.size() == 1) {
      const auto& [name, argument] = members[0];
      if (name == "Ref") return ref(argument);
      if (name.starts_with("Fn::")) return function(name, argument);
      // Also the name of a key in policy documents: there its value is an object.
      if (name == "Condition" && argument.is_string()) {
        MR_ASSIGN_OR_RETURN(const bool holds, condition(argument.as_string()));
        return std::optional<Document>(holds);
      }
    }
    Document out = Document::object();
    for (const auto& [name, inner] : members) {
      MR_ASSIGN_OR_RETURN(auto evaluated, value(inner));
      if (evaluated) out.set(name, std::move(*evaluated));
    }
    return std::optional<Document>(std::move(out));
  }

  Result<bool> truth(const Document& document) {
    MR_ASSIGN_OR_RETURN(const auto found, value(document));
    if (found && found->is_bool()) return found->as_bool();
    if (found && found->is_string() && found->as_string() == "true") return true;
    if (found && found->is_string() && found->as_string() == "false") return false;
    return template_error("every Condition member must be a boolean.");
  }

  Result<bool> condition(const std::string& name) {
    if (const auto known = environment_.conditions.find(name); known != environment_.conditions.end()) {
      return known->second;
    }
    if (const auto known = conditions.find(name); known != conditions.end()) return known->second;
    const Document* all = environment_.document->find("Conditions");
    const Document* found = all == nullptr ? nullptr : all->find(name);
    if (found == nullptr) return format_error("Unresolved condition dependency " + name);
    if (!visiting_.insert(name).second) return format_error("Circular dependency between conditions: [" + name + "]");
    MR_ASSIGN_OR_RETURN(const bool holds, truth(*found));
    visiting_.erase(name);
    conditions[name] = holds;
    return holds;
  }

  std::map<std::string, bool> conditions;

 private:
  Value list(const Document& document) {
    Document out = Document::array();
    for (const Document& element : document.as_array()) {
      MR_ASSIGN_OR_RETURN(auto evaluated, value(element));
      if (evaluated) out.push(std::move(*evaluated));
    }
    return std::optional<Document>(std::move(out));
  }

  Value ref(const Document& argument) {
    if (!argument.is_string()) return format_error("every Ref object must have a single String value.");
    const std::string& name = argument.as_string();
    if (name == "AWS::NoValue") return std::optional<Document>();
    if (const auto parameter = environment_.parameters.find(name); parameter != environment_.parameters.end()) {
      return std::optional<Document>(parameter->second);
    }
    if (auto pseudo = pseudo_parameter(name)) return pseudo;
    if (environment_.ref) {
      if (auto found = environment_.ref(name)) return found;
    }
    return format_error("Unresolved resource dependencies [" + name + "] in the Resources block of the template");
  }

  std::optional<Document> pseudo_parameter(const std::string& name) const {
    if (name == "AWS::AccountId") return environment_.scope.account;
    if (name == "AWS::Region") return environment_.scope.region;
    if (name == "AWS::StackName") return environment_.stack_name;
    if (name == "AWS::StackId") return environment_.stack_id;
    if (name == "AWS::Partition") return "aws";
    if (name == "AWS::URLSuffix") return "amazonaws.com";
    if (name == "AWS::NotificationARNs") return Document::array();
    return std::nullopt;
  }

  Result<std::string> text(const Document& document, std::string_view where) {
    MR_ASSIGN_OR_RETURN(const auto found, value(document));
    if (found && found->is_string()) return found->as_string();
    if (found && (found->is_number() || found->is_bool())) return found->dump();
    return template_error(std::string(where) + " must be a string.");
  }

  Result<Document> array(const Document& document, const std::string& where) {
    MR_ASSIGN_OR_RETURN(auto found, value(document));
    if (found && found->is_array()) return std::move(*found);
    return template_error(where + " object requires a list.");
  }

  static Result<const Document::Array*> arguments(const std::string& name, const Document& argument,
                                                  std::size_t count) {
    if (!argument.is_array() || argument.as_array().size() != count) {
      return template_error(name + " object requires a list of " + std::to_string(count) + " parameters.");
    }
    return &argument.as_array();
  }

  Value function(const std::string& name, const Document& argument) {
    if (name == "Fn::GetAtt") return get_att(argument);
    if (name == "Fn::Sub") return sub(argument);
    if (name == "Fn::Join") return join(argument);
    if (name == "Fn::If") return if_(argument);
    if (name == "Fn::Select") return select(argument);
    if (name == "Fn::Split") return split(argument);
    if (name == "Fn::FindInMap") return find_in_map(argument);
    if (name == "Fn::And" || name == "Fn::Or" || name == "Fn::Not" || name == "Fn::Equals" || name == "Fn::Contains") {
      return logic(name, argument);
    }
    if (name == "Fn::Base64") {
      MR_ASSIGN_OR_RETURN(const std::string plain, text(argument, name));
      return std::optional<Document>(crypto::base64_encode(plain));
    }
    if (name == "Fn::ImportValue") {
      MR_ASSIGN_OR_RETURN(const std::string export_name, text(argument, name));
      if (!environment_.import) return template_error("Fn::ImportValue cannot be used here.");
      MR_ASSIGN_OR_RETURN(Document found, environment_.import(export_name));
      return std::optional<Document>(std::move(found));
    }
    if (name == "Fn::Length") {
      MR_ASSIGN_OR_RETURN(const Document found, array(argument, name));
      return std::optional<Document>(static_cast<std::int64_t>(found.as_array().size()));
    }
    if (name == "Fn::ToJsonString") {
      MR_ASSIGN_OR_RETURN(const auto found, value(argument));
      return std::optional<Document>(found ? found->dump() : std::string("null"));
    }
    if (name == "Fn::GetAZs") {
      MR_ASSIGN_OR_RETURN(std::string region, text(argument, name));
      if (region.empty()) region = environment_.scope.region;
      return std::optional<Document>(Document::array({region + "a", region + "b", region + "c"}));
    }
    if (name == "Fn::Cidr") return cidr(argument);
    if (name == "Fn::Transform")
      return invalid("No transform named " + std::string(argument.string_or("Name", "")) + " found.");
    return template_error("Unsupported function " + name);
  }

  Value get_att(const Document& argument) {
    std::string id;
    std::string attribute;
    if (argument.is_string()) {
      const auto dot = argument.as_string().find('.');
      id = argument.as_string().substr(0, dot);
      if (dot != std::string::npos) attribute = argument.as_string().substr(dot + 1);
    } else if (argument.is_array() && argument.as_array().size() >= 2 && argument.as_array()[0].is_string()) {
      id = argument.as_array()[0].as_string();
      MR_ASSIGN_OR_RETURN(attribute, text(argument.as_array()[1], "Fn::GetAtt"));
    }
    if (id.empty() || attribute.empty()) {
      return template_error(
          "every Fn::GetAtt object requires two non-empty parameters, the resource name and the "
          "resource attribute");
    }
    return attribute_of(id, attribute);
  }

  Value attribute_of(const std::string& id, const std::string& attribute) {
    if (!environment_.attribute) return template_error("Fn::GetAtt cannot be used here.");
    MR_ASSIGN_OR_RETURN(Document found, environment_.attribute(id, attribute));
    return std::optional<Document>(std::move(found));
  }

  Value sub(const Document& argument) {
    std::map<std::string, std::string> own;
    const Document* pattern = &argument;
    if (argument.is_array()) {
      MR_ASSIGN_OR_RETURN(const auto* parts, arguments("Fn::Sub", argument, 2));
      pattern = &(*parts)[0];
      if (!(*parts)[1].is_object())
        return template_error("One or more Fn::Sub intrinsic functions don't specify expected arguments.");
      for (const auto& [variable, given] : (*parts)[1].as_object()) {
        MR_ASSIGN_OR_RETURN(own[variable], text(given, "Fn::Sub"));
      }
    }
    if (!pattern->is_string()) {
      return template_error(
          "One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string "
          "as first argument, and an optional second argument to specify a mapping of values to "
          "replace in the string");
    }
    const std::string& in = pattern->as_string();
    std::string out;
    std::size_t from = 0;
    for (std::size_t at = in.find("${"); at != std::string::npos; at = in.find("${", from)) {
      const std::size_t end = in.find('}', at);
      if (end == std::string::npos) break;
      out.append(in, from, at - from);
      from = end + 1;
      const std::string variable = in.substr(at + 2, end - at - 2);
      if (variable.starts_with("!")) {
        out += "${" + variable.substr(1) + "}";
        continue;
      }
      if (const auto found = own.find(variable); found != own.end()) {
        out += found->second;
        continue;
      }
      const auto dot = variable.find('.');
      Value found = dot == std::string::npos ? ref(Document(variable))
                                             : attribute_of(variable.substr(0, dot), variable.substr(dot + 1));
      MR_ASSIGN_OR_RETURN(const auto replaced, std::move(found));
      if (!replaced) continue;
      out += replaced->is_string() ? replaced->as_string() : replaced->dump();
    }
    out.append(in, from);
    return std::optional<Document>(std::move(out));
  }

  Value join(const Document& argument) {
    MR_ASSIGN_OR_RETURN(const auto* parts, arguments("Fn::Join", argument, 2));
    MR_ASSIGN_OR_RETURN(const std::string delimiter, text((*parts)[0], "Fn::Join"));
    MR_ASSIGN_OR_RETURN(const Document elements, array((*parts)[1], "Fn::Join"));
    std::string out;
    bool first = true;
    for (const Document& element : elements.as_array()) {
      if (!first) out += delimiter;
      first = false;
      if (element.is_object() || element.is_array())
        return template_error(
            "every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be "
            "joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined.");
      out += element.is_string() ? element.as_string() : element.dump();
    }
    return std::optional<Document>(std::move(out));
  }

  Value if_(const Document& argument) {
    MR_ASSIGN_OR_RETURN(const auto* parts, arguments("Fn::If", argument, 3));
    if (!(*parts)[0].is_string()) return template_error("Fn::If requires the name of a condition.");
    MR_ASSIGN_OR_RETURN(const bool holds, condition((*parts)[0].as_string()));
    return value((*parts)[holds ? 1 : 2]);
  }

  Value select(const Document& argument) {
    MR_ASSIGN_OR_RETURN(const auto* parts, arguments("Fn::Select", argument, 2));
    MR_ASSIGN_OR_RETURN(const std::string index, text((*parts)[0], "Fn::Select"));
    MR_ASSIGN_OR_RETURN(const Document elements, array((*parts)[1], "Fn::Select"));
    const bool digits = !index.empty() && index.size() < 6 &&
                        std::ranges::all_of(index, [](unsigned char c) { return std::isdigit(c); });
    const std::size_t at = digits ? static_cast<std::size_t>(std::stoul(index)) : 0;
    if (!digits || at >= elements.as_array().size()) {
      return template_error("Fn::Select cannot select nonexistent value at index " + index);
    }
    return std::optional<Document>(elements.as_array()[at]);
  }

  Value split(const Document& argument) {
    MR_ASSIGN_OR_RETURN(const auto* parts, arguments("Fn::Split", argument, 2));
    MR_ASSIGN_OR_RETURN(const std::string delimiter, text((*parts)[0], "Fn::Split"));
    MR_ASSIGN_OR_RETURN(const std::string whole, text((*parts)[1], "Fn::Split"));
    if (delimiter.empty()) return template_error("Fn::Split delimiter cannot be empty.");
    Document out = Document::array();
    std::size_t from = 0;
    for (std::size_t at = whole.find(delimiter); at != std::string::npos; at = whole.find(delimiter, from)) {
      out.push(whole.substr(from, at - from));
      from = at + delimiter.size();
    }
    out.push(whole.substr(from));
    return std::optional<Document>(std::move(out));
  }

  // Blocks of the same size from the beginning of another one; `bits` are those of a block's own addresses.
  Value cidr(const Document& argument) {
    if (!argument.is_array() || argument.as_array().size() < 2 || argument.as_array().size() > 3) {
      return template_error("Fn::Cidr object requires a list of 2 or 3 parameters.");
    }
    const auto& parts = argument.as_array();
    MR_ASSIGN_OR_RETURN(const std::string block, text(parts[0], "Fn::Cidr"));
    MR_ASSIGN_OR_RETURN(const std::string count_text, text(parts[1], "Fn::Cidr"));
    std::string bits_text = "8";
    if (parts.size() == 3) {
      MR_ASSIGN_OR_RETURN(bits_text, text(parts[2], "Fn::Cidr"));
    }
    if (block.find(':') != std::string::npos) {
      return template_error("Fn::Cidr of IPv6 blocks is not supported by millrace.");
    }
    unsigned a = 0, b = 0, c = 0, d = 0, prefix = 0;
    int read = 0;
    const long count = std::strtol(count_text.c_str(), nullptr, 10);
    const long bits = std::strtol(bits_text.c_str(), nullptr, 10);
    if (std::sscanf(block.c_str(), "%3u.%3u.%3u.%3u/%2u%n", &a, &b, &c, &d, &prefix, &read) != 5 ||
        static_cast<std::size_t>(read) != block.size() || a > 255 || b > 255 || c > 255 || d > 255 || prefix > 32) {
      return template_error("Fn::Cidr requires an address block such as 10.0.0.0/16, not " + block);
    }
    const std::uint64_t room = std::uint64_t{1} << (32 - prefix);
    if (count < 1 || count > 256 || bits < 1 || bits > 32 ||
        static_cast<std::uint64_t>(count) << static_cast<unsigned>(bits) > room) {
      return template_error("Fn::Cidr cannot divide " + block + " into " + count_text + " blocks of " + bits_text +
                            " bits");
    }
    std::uint64_t address = ((std::uint64_t{a} << 24) | (b << 16) | (c << 8) | d) & ~(room - 1);
    Document list = Document::array();
    for (long i = 0; i < count; ++i, address += std::uint64_t{1} << bits) {
      list.push(std::to_string(address >> 24 & 255) + "." + std::to_string(address >> 16 & 255) + "." +
                std::to_string(address >> 8 & 255) + "." + std::to_string(address & 255) + "/" +
                std::to_string(32 - bits));
    }
    return std::optional<Document>(std::move(list));
  }

  // With a fourth member, {"DefaultValue": ...}, as AWS::LanguageExtensions adds it.
  Value find_in_map(const Document& argument) {
    const Document* otherwise = nullptr;
    Document keys = argument;
    if (argument.is_array() && argument.as_array().size() == 4) {
      otherwise = argument.as_array()[3].find("DefaultValue");
      keys.as_array().pop_back();
    }
    MR_ASSIGN_OR_RETURN(const auto* parts, arguments("Fn::FindInMap", keys, 3));
    const Document* found = environment_.document->find("Mappings");
    std::string path;
    for (const Document& part : *parts) {
      MR_ASSIGN_OR_RETURN(const std::string key, text(part, "Fn::FindInMap"));
      path += (path.empty() ? "" : "::") + key;
      found = found == nullptr ? nullptr : found->find(key);
    }
    if (found == nullptr && otherwise != nullptr) return value(*otherwise);
    if (found == nullptr) return template_error("Unable to get mapping for " + path);
    return std::optional<Document>(*found);
  }

  Value logic(const std::string& name, const Document& argument) {
    if (!argument.is_array() || argument.as_array().empty()) return template_error(name + " requires a list.");
    const auto& parts = argument.as_array();
    if (name == "Fn::Equals" || name == "Fn::Contains") {
      MR_ASSIGN_OR_RETURN(const auto* pair, arguments(name, argument, 2));
      MR_ASSIGN_OR_RETURN(const auto left, value((*pair)[0]));
      MR_ASSIGN_OR_RETURN(const auto right, value((*pair)[1]));
      const auto same = [](const Document& a, const Document& b) {
        return a == b || (!a.is_object() && !b.is_object() &&
                          (a.is_string() ? a.as_string() : a.dump()) == (b.is_string() ? b.as_string() : b.dump()));
      };
      if (!left || !right) return std::optional<Document>(!left && !right);
      if (name == "Fn::Equals") return std::optional<Document>(same(*left, *right));
      if (!left->is_array()) return template_error("Fn::Contains requires a list.");
      return std::optional<Document>(
          std::ranges::any_of(left->as_array(), [&](const Document& each) { return same(each, *right); }));
    }
    if (name == "Fn::Not") {
      MR_RETURN_IF_ERROR(arguments(name, argument, 1));
      MR_ASSIGN_OR_RETURN(const bool holds, truth(parts[0]));
      return std::optional<Document>(!holds);
    }
    if (parts.size() < 2 || parts.size() > 10) {
      return template_error("every " + name +
                            " object requires a list of at least 2 and at most 10 boolean parameters.");
    }
    bool all = true;
    bool any = false;
    for (const Document& part : parts) {
      MR_ASSIGN_OR_RETURN(const bool holds, truth(part));
      all = all && holds;
      any = any || holds;
    }
    return std::optional<Document>(name == "Fn::And" ? all : any);
  }

  const Environment& environment_;
  std::set<std::string> visiting_;
};

}  // namespace

Result<std::optional<Document>> evaluate(const Environment& environment, const Document& value) {
  return Evaluator(environment).value(value);
}

Result<std::map<std::string, bool>> evaluate_conditions(const Environment& environment) {
  Evaluator evaluator(environment);
  if (const Document* all = environment.document->find("Conditions")) {
    for (const auto& [name, value] : all->as_object()) MR_RETURN_IF_ERROR(evaluator.condition(name));
  }
  return evaluator.conditions;
}

Result<void> check_rules(const Environment& environment) {
  const Document* rules = environment.document->find("Rules");
  if (rules == nullptr) return {};
  Evaluator evaluator(environment);
  for (const auto& [name, rule] : rules->as_object()) {
    if (const Document* when = rule.find("RuleCondition")) {
      MR_ASSIGN_OR_RETURN(const bool applies, evaluator.truth(*when));
      if (!applies) continue;
    }
    const Document* assertions = rule.find("Assertions");
    if (assertions == nullptr || !assertions->is_array()) return format_error("Rule " + name + " has no Assertions.");
    for (const Document& assertion : assertions->as_array()) {
      const Document* asserted = assertion.find("Assert");
      if (asserted == nullptr) return format_error("Rule " + name + " has an assertion without Assert.");
      MR_ASSIGN_OR_RETURN(const bool holds, evaluator.truth(*asserted));
      if (!holds) {
        return invalid("Template validation error: Rule " + name + ": " +
                       std::string(assertion.string_or("AssertDescription", "the assertion does not hold")));
      }
    }
  }
  return {};
}

}  // namespace millrace::stacks
