// The query protocol's requests: `Entries.member.1.Id=a` becomes a tree of names, then a Document.
#include <algorithm>
#include <charconv>
#include <map>

#include "wire/codec.h"
#include "wire/internal/values.h"

namespace millrace::wire {

Result<Form> parse_form(std::string_view text) {
  Form form;
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(pair.size() + 1, text.size()));
    if (pair.empty()) continue;
    if (form.size() == kQueryParametersMax) return Error(kMalformedQueryString, "Too many parameters in the request.");
    const auto equals = std::min(pair.find('='), pair.size());
    const auto value = pair.substr(std::min(equals + 1, pair.size()));
    form.emplace_back(http::url_decode(pair.substr(0, equals), true), http::url_decode(value, true));
  }
  return form;
}

namespace internal {
namespace {

struct Node {
  std::string_view value;
  bool has_value = false;
  std::map<std::string_view, Node> children;  // views into the form

  const Node* child(std::string_view name) const {
    const auto it = children.find(name);
    return it == children.end() ? nullptr : &it->second;
  }
};

Result<Node> tree_of(const Form& form) {
  Node root;
  for (const auto& [name, value] : form) {
    Node* node = &root;
    std::string_view rest = name;
    for (int depth = 0;; ++depth) {
      if (depth == kQueryDepthMax)
        return Error(kMalformedQueryString, "The parameter " + name + " is nested too deeply.");
      const auto dot = rest.find('.');
      node = &node->children[rest.substr(0, dot)];
      if (dot == std::string_view::npos) break;
      rest.remove_prefix(dot + 1);
    }
    node->value = value;
    node->has_value = true;
  }
  return root;
}

Result<Document> read(const ServiceModel& model, const Member& member, const Node& node, std::string_view path);

// The children named 1, 2, 3, ... in numeric order; gaps are closed, as AWS does.
std::vector<const Node*> numbered(const Node& node) {
  std::vector<std::pair<int, const Node*>> found;
  for (const auto& [name, child] : node.children) {
    int number = 0;
    const auto end = std::from_chars(name.data(), name.data() + name.size(), number);
    if (end.ec == std::errc() && end.ptr == name.data() + name.size()) found.emplace_back(number, &child);
  }
  std::ranges::sort(found, {}, [](const auto& each) { return each.first; });
  std::vector<const Node*> out;
  for (const auto& each : found) out.push_back(each.second);
  return out;
}

Result<Document> read_list(const ServiceModel& model, const Member& member, const Shape& shape, const Node& node,
                           std::string_view path) {
  const Member& element = model.element_of(shape);
  const Node* elements = &node;
  if (!member.flattened) {
    elements = node.child(element.wire_name.empty() ? std::string_view("member") : element.wire_name);
    if (elements == nullptr) return Document::array();  // "Tags=": an empty list
  }
  Document list = Document::array();
  for (const Node* each : numbered(*elements)) {
    MR_ASSIGN_OR_RETURN(Document value, read(model, element, *each, path));
    list.push(std::move(value));
  }
  return list;
}

Result<Document> read_map(const ServiceModel& model, const Member& member, const Shape& shape, const Node& node,
                          std::string_view path) {
  const auto members = model.members_of(shape);
  const Node* entries = member.flattened ? &node : node.child("entry");
  Document map = Document::object();
  if (entries == nullptr) return map;
  for (const Node* each : numbered(*entries)) {
    const Node* key = each->child(members[0].on_wire());
    const Node* value = each->child(members[1].on_wire());
    if (key == nullptr) return Error(kMalformedQueryString, "A map entry of " + std::string(path) + " has no key.");
    if (value == nullptr) continue;
    MR_ASSIGN_OR_RETURN(Document read_value, read(model, members[1], *value, path));
    map.set(key->value, std::move(read_value));
  }
  return map;
}

// Where a member is found: flattened lists go by the name of their elements.
std::string_view name_in_query(const ServiceModel& model, const Member& member) {
  const Shape& shape = model.shape(member.shape);
  if (shape.kind == Kind::kList && member.flattened) {
    const Member& element = model.element_of(shape);
    if (!element.wire_name.empty()) return element.wire_name;
  }
  return member.on_wire();
}

Result<Document> read_structure(const ServiceModel& model, const Shape& shape, const Node& node) {
  Document document = Document::object();
  for (const Member& member : model.members_of(shape)) {
    const std::string_view name = name_in_query(model, member);
    const Node* child = node.child(name);
    if (child == nullptr) continue;
    MR_ASSIGN_OR_RETURN(Document value, read(model, member, *child, name));
    document.as_object().emplace_back(std::string(member.name), std::move(value));
  }
  return document;
}

Result<Document> read(const ServiceModel& model, const Member& member, const Node& node, std::string_view path) {
  const Shape& shape = model.shape(member.shape);
  switch (shape.kind) {
    case Kind::kStructure:
      return read_structure(model, shape, node);
    case Kind::kList:
      return read_list(model, member, shape, node, path);
    case Kind::kMap:
      return read_map(model, member, shape, node, path);
    default: {
      auto value = scalar_from_text(shape.kind, node.value);
      if (!value.has_value()) {
        return Error(kMalformedQueryString, "The value " + std::string(node.value) + " of the parameter " +
                                                std::string(path) + " is not well-formed.");
      }
      return std::move(*value);
    }
  }
}

}  // namespace

Result<Document> decode_query(const ServiceModel& model, const Shape& input, const Form& form) {
  MR_ASSIGN_OR_RETURN(const Node root, tree_of(form));
  return read_structure(model, input, root);
}

}  // namespace internal
}  // namespace millrace::wire
