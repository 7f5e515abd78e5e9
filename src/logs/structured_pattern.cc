#include "logs/structured_pattern.h"

#include <algorithm>
#include <charconv>

#include "codec/wildcard.h"
#include "logs/errors.h"

namespace millrace::logs {

struct StructuredPattern::Node {
  enum class Kind { kAnd, kOr, kCompare, kNull, kTrue, kFalse, kMissing };
  Kind kind = Kind::kCompare;
  std::string selector;
  std::string op;
  std::string value;
  bool quoted = false;
  std::vector<std::shared_ptr<const Node>> parts;
};

namespace {

using codec::Json;
using Node = StructuredPattern::Node;
using NodePointer = std::shared_ptr<const Node>;

Error invalid_structure(const std::string& why) { return Error(kInvalidParameter, "Invalid filter pattern: " + why); }

std::optional<double> number_of(std::string_view text) {
  double value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || end.ec != std::errc() || end.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

bool compare(std::string_view actual, const Node& node) {
  if (node.op == "=" || node.op == "!=") {
    const auto left = number_of(actual);
    const auto right = node.quoted ? std::nullopt : number_of(node.value);
    const bool same = left && right ? *left == *right : codec::matches_wildcard(node.value, actual);
    return same == (node.op == "=");
  }
  const auto left = number_of(actual);
  const auto right = number_of(node.value);
  if (!left || !right) return false;
  if (node.op == "<") return *left < *right;
  if (node.op == "<=") return *left <= *right;
  if (node.op == ">") return *left > *right;
  return *left >= *right;
}

std::string text_of(const Json& value) { return value.is_string() ? value.as_string() : value.dump(); }

class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  bool take(std::string_view token) {
    skip_space();
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }
  bool at_end() {
    skip_space();
    return rest_.empty();
  }

  Result<NodePointer> any(int depth) { return joined("||", Node::Kind::kOr, depth); }

  // "name", "name = 4* && name != 404", "..."
  Result<std::pair<std::string, NodePointer>> field() {
    if (take("...")) return std::pair(std::string("..."), NodePointer());
    const Parser before = *this;
    std::string name = word(",]=!<>&|");
    if (name.empty()) return invalid_structure("a field has no name.");
    skip_space();
    if (rest_.empty() || rest_.front() == ',' || rest_.front() == ']') return std::pair(std::move(name), NodePointer());
    *this = before;
    field_ = name;
    MR_ASSIGN_OR_RETURN(NodePointer condition, any(0));
    return std::pair(std::move(name), std::move(condition));
  }

 private:
  void skip_space() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t' || rest_.front() == '\n'))
      rest_.remove_prefix(1);
  }
  std::string word(std::string_view ends) {
    skip_space();
    const auto end = std::min(rest_.find_first_of(std::string(ends) + " \t\n"), rest_.size());
    std::string out(rest_.substr(0, end));
    rest_.remove_prefix(end);
    return out;
  }

  Result<NodePointer> joined(std::string_view token, Node::Kind kind, int depth) {
    if (depth > kPatternDepthMax) return invalid_structure("it is nested too deeply.");
    const auto part = [&] { return kind == Node::Kind::kOr ? joined("&&", Node::Kind::kAnd, depth) : one(depth); };
    MR_ASSIGN_OR_RETURN(NodePointer first, part());
    Node node;
    node.kind = kind;
    node.parts.push_back(std::move(first));
    while (take(token)) {
      MR_ASSIGN_OR_RETURN(NodePointer next, part());
      node.parts.push_back(std::move(next));
    }
    if (node.parts.size() == 1) return node.parts.front();
    return NodePointer(std::make_shared<const Node>(std::move(node)));
  }

  Result<NodePointer> one(int depth) {
    if (take("(")) {
      MR_ASSIGN_OR_RETURN(NodePointer inner, any(depth + 1));
      if (!take(")")) return invalid_structure("a ')' is missing.");
      return inner;
    }
    Node node;
    node.selector = word("=!<>)&|},]");
    // In a selector brackets belong to it: $.a[0], $['a b'].
    while (node.selector.starts_with('$') &&
           std::ranges::count(node.selector, '[') > std::ranges::count(node.selector, ']')) {
      const auto end = rest_.find(']');
      if (end == std::string_view::npos) return invalid_structure("a ']' is missing.");
      node.selector += rest_.substr(0, end + 1);
      rest_.remove_prefix(end + 1);
      node.selector += word("=!<>)&|},");
    }
    if (field_.empty() && !node.selector.starts_with('$'))
      return invalid_structure("a property selector starts with '$', found '" + node.selector + "'.");
    if (!field_.empty() && node.selector != field_)
      return invalid_structure("the conditions of the field " + field_ + " must be about it.");
    if (take("IS")) {
      const std::string what = word(")&|},]");
      if (what != "NULL" && what != "TRUE" && what != "FALSE")
        return invalid_structure("IS takes NULL, TRUE or FALSE.");
      node.kind = what == "NULL" ? Node::Kind::kNull : what == "TRUE" ? Node::Kind::kTrue : Node::Kind::kFalse;
    } else if (take("NOT")) {
      if (!take("EXISTS")) return invalid_structure("NOT must be followed by EXISTS.");
      node.kind = Node::Kind::kMissing;
    } else {
      MR_RETURN_IF_ERROR(read_comparison(node));
    }
    return NodePointer(std::make_shared<const Node>(std::move(node)));
  }

  Result<void> read_comparison(Node& node) {
    for (const std::string_view op : {"!=", "<=", ">=", "=", "<", ">"}) {
      if (!take(op)) continue;
      node.op = op;
      break;
    }
    if (node.op.empty()) return invalid_structure("a comparison of '" + node.selector + "' is missing.");
    skip_space();
    if (rest_.starts_with('%')) return invalid_structure("regular expressions are not supported by this server.");
    if (rest_.starts_with('"')) {
      const auto end = rest_.find('"', 1);
      if (end == std::string_view::npos) return invalid_structure("a quote is not closed.");
      node.quoted = true;
      node.value = rest_.substr(1, end - 1);
      rest_.remove_prefix(end + 1);
      return {};
    }
    node.value = word(")&|},]");
    if (node.value.empty()) return invalid_structure("the value of a comparison is missing.");
    if (node.op != "=" && node.op != "!=" && !number_of(node.value))
      return invalid_structure("the operator " + node.op + " compares with numbers.");
    return {};
  }

  std::string_view rest_;
  std::string field_;  // whose conditions are read; "" of JSON
};

bool holds(const Node& node, const Json& document, Extracted& found) {
  if (node.kind == Node::Kind::kAnd)
    return std::ranges::all_of(node.parts, [&](const auto& each) { return holds(*each, document, found); });
  if (node.kind == Node::Kind::kOr)
    return std::ranges::any_of(node.parts, [&](const auto& each) { return holds(*each, document, found); });
  const Json* value = select(document, node.selector);
  if (node.kind == Node::Kind::kMissing) return value == nullptr;
  if (value == nullptr) return false;
  found.emplace_back(node.selector, text_of(*value));
  switch (node.kind) {
    case Node::Kind::kNull:
      return value->is_null();
    case Node::Kind::kTrue:
      return value->is_bool() && value->as_bool();
    case Node::Kind::kFalse:
      return value->is_bool() && !value->as_bool();
    default:
      return !value->is_array() && !value->is_object() && !value->is_null() && compare(text_of(*value), node);
  }
}

bool holds(const Node& node, std::string_view field) {
  if (node.kind == Node::Kind::kAnd)
    return std::ranges::all_of(node.parts, [&](const auto& each) { return holds(*each, field); });
  if (node.kind == Node::Kind::kOr)
    return std::ranges::any_of(node.parts, [&](const auto& each) { return holds(*each, field); });
  return node.kind == Node::Kind::kCompare && compare(field, node);
}

// AWS: words, and what stands in quotes or brackets as one.
std::vector<std::string> split(std::string_view message) {
  std::vector<std::string> out;
  while (true) {
    while (!message.empty() && (message.front() == ' ' || message.front() == '\t' || message.front() == '\n'))
      message.remove_prefix(1);
    if (message.empty()) return out;
    const char open = message.front();
    const char close = open == '"' ? '"' : open == '[' ? ']' : ' ';
    const auto end = close == ' ' ? message.find_first_of(" \t\n") : message.find(close, 1);
    const std::size_t skip = close == ' ' || end == std::string_view::npos ? 0 : 1;
    const auto length = std::min(end, message.size());
    out.emplace_back(message.substr(skip, length - skip));
    message.remove_prefix(std::min(length + skip, message.size()));
  }
}

}  // namespace

const Json* select(const Json& document, std::string_view selector) {
  const Json* value = &document;
  if (selector.starts_with('$')) selector.remove_prefix(1);
  while (!selector.empty() && value != nullptr) {
    if (selector.front() == '.') {
      selector.remove_prefix(1);
      if (selector.starts_with('[')) continue;
      const auto end = std::min(selector.find_first_of(".["), selector.size());
      value = value->find(selector.substr(0, end));
      selector.remove_prefix(end);
    } else if (selector.front() == '[') {
      const auto end = selector.find(']');
      if (end == std::string_view::npos) return nullptr;
      const auto inner = selector.substr(1, end - 1);
      selector.remove_prefix(end + 1);
      if (inner.size() >= 2 && (inner.front() == '\'' || inner.front() == '"')) {
        value = value->find(inner.substr(1, inner.size() - 2));
        continue;
      }
      const auto index = number_of(inner);
      const bool there =
          index && value->is_array() && *index >= 0 && *index < static_cast<double>(value->as_array().size());
      value = there ? &value->as_array()[static_cast<std::size_t>(*index)] : nullptr;
    } else {
      return nullptr;
    }
  }
  return value;
}

Result<StructuredPattern> StructuredPattern::parse(std::string_view text) {
  StructuredPattern pattern;
  Parser parser(text);
  if (parser.take("{")) {
    pattern.is_json_ = true;
    MR_ASSIGN_OR_RETURN(pattern.condition_, parser.any(0));
    if (!parser.take("}")) return invalid_structure("a '}' is missing.");
  } else {
    if (!parser.take("[")) return invalid_structure("it starts with neither '{' nor '['.");
    do {
      MR_ASSIGN_OR_RETURN(auto field, parser.field());
      pattern.fields_.push_back({std::move(field.first), std::move(field.second)});
    } while (parser.take(","));
    if (!parser.take("]")) return invalid_structure("a ']' is missing.");
    if (std::ranges::count(pattern.fields_, std::string("..."), &Field::name) > 1)
      return invalid_structure("it has more than one '...'.");
  }
  if (!parser.at_end()) return invalid_structure("something follows its end.");
  return pattern;
}

// The text of each field, an ellipsis having none. nullopt: other fields than the message has.
std::optional<std::vector<std::string>> StructuredPattern::assign(std::string_view message) const {
  const auto words = split(message);
  const auto ellipsis = std::ranges::find(fields_, std::string("..."), &Field::name);
  const bool open = ellipsis != fields_.end();
  const std::size_t named = fields_.size() - (open ? 1 : 0);
  if (open ? words.size() < named : words.size() != named) return std::nullopt;
  const auto before = static_cast<std::size_t>(ellipsis - fields_.begin());
  std::vector<std::string> out;
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    if (open && i == before) {
      out.emplace_back();
    } else {
      out.push_back(words[open && i > before ? words.size() - (fields_.size() - i) : i]);
    }
  }
  return out;
}

std::optional<Extracted> StructuredPattern::match(std::string_view message) const {
  Extracted found;
  if (is_json_) {
    const auto document = codec::parse_json(message);
    if (!document.ok() || !document->is_object() || !holds(*condition_, *document, found)) return std::nullopt;
    std::ranges::sort(found);
    const auto same = std::ranges::unique(found);
    found.erase(same.begin(), same.end());
    return found;
  }
  const auto texts = assign(message);
  if (!texts) return std::nullopt;
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    if (fields_[i].name == "...") continue;
    if (fields_[i].condition && !holds(*fields_[i].condition, (*texts)[i])) return std::nullopt;
    found.emplace_back("$" + fields_[i].name, (*texts)[i]);
  }
  return found;
}

std::optional<std::string> StructuredPattern::value_of(std::string_view selector, std::string_view message) const {
  if (is_json_) {
    const auto document = codec::parse_json(message);
    if (!document.ok()) return std::nullopt;
    const Json* value = select(*document, selector);
    return value == nullptr ? std::nullopt : std::optional(text_of(*value));
  }
  const auto texts = assign(message);
  if (!texts || !selector.starts_with('$')) return std::nullopt;
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    if (fields_[i].name == selector.substr(1)) return (*texts)[i];
  }
  return std::nullopt;
}

}  // namespace millrace::logs
