// XML bodies in both directions: REST-XML requests and answers, query answers.
#include "codec/xml.h"
#include "wire/codec.h"
#include "wire/internal/values.h"

namespace millrace::wire::internal {
namespace {

using codec::XmlElement;
using codec::XmlWriter;

Error malformed() {
  // AWS: S3's text.
  return Error(kMalformedXmlError,
               "The XML you provided was not well-formed or did not validate against our published schema");
}

// Elements of a flattened list go by the element's own name where it has one.
std::string_view flattened_name(const ServiceModel& model, const Member& member) {
  const Member& element = model.element_of(model.shape(member.shape));
  return element.wire_name.empty() ? member.on_wire() : element.wire_name;
}

Result<Document> read(const ServiceModel& model, const Shape& shape, const XmlElement& element);

Result<Document> read_list(const ServiceModel& model, const Shape& shape, const XmlElement& parent,
                           std::string_view name) {
  Document list = Document::array();
  for (const XmlElement& child : parent.children) {
    if (child.name != name) continue;
    MR_ASSIGN_OR_RETURN(Document value, read(model, model.shape(model.element_of(shape).shape), child));
    list.push(std::move(value));
  }
  return list;
}

Result<Document> read_map(const ServiceModel& model, const Shape& shape, const XmlElement& parent,
                          std::string_view entry_name) {
  const auto members = model.members_of(shape);
  Document map = Document::object();
  for (const XmlElement& entry : parent.children) {
    if (entry.name != entry_name) continue;
    const XmlElement* value = entry.child(members[1].on_wire());
    if (value == nullptr) return malformed();
    MR_ASSIGN_OR_RETURN(Document read_value, read(model, model.shape(members[1].shape), *value));
    map.set(entry.child_text(members[0].on_wire()), std::move(read_value));
  }
  return map;
}

// nullopt: the member is not there.
Result<std::optional<Document>> read_member(const ServiceModel& model, const Member& member, const XmlElement& parent) {
  const Shape& shape = model.shape(member.shape);
  if (member.xml_attribute) {
    const std::string* text = parent.attribute(member.on_wire());
    return text == nullptr ? std::nullopt : scalar_from_text(shape.kind, *text);
  }
  const auto wrap = [](Result<Document> value) -> Result<std::optional<Document>> {
    if (!value.ok()) return std::move(value).error();
    return std::optional<Document>(std::move(value).value());
  };
  if (member.flattened && shape.kind == Kind::kList) {
    const std::string_view name = flattened_name(model, member);
    if (parent.child(name) == nullptr) return std::optional<Document>();
    return wrap(read_list(model, shape, parent, name));
  }
  const XmlElement* element = parent.child(member.on_wire());
  if (element == nullptr) return std::optional<Document>();
  if (member.flattened && shape.kind == Kind::kMap) return wrap(read_map(model, shape, parent, member.on_wire()));
  return wrap(read(model, shape, *element));
}

Result<Document> read(const ServiceModel& model, const Shape& shape, const XmlElement& element) {
  switch (shape.kind) {
    case Kind::kStructure: {
      Document document = Document::object();
      for (const Member& member : model.members_of(shape)) {
        if (member.location != Location::kBody) continue;
        MR_ASSIGN_OR_RETURN(std::optional<Document> value, read_member(model, member, element));
        if (value.has_value()) document.as_object().emplace_back(std::string(member.name), std::move(*value));
      }
      return document;
    }
    case Kind::kList: {
      const Member& each = model.element_of(shape);
      return read_list(model, shape, element, each.wire_name.empty() ? std::string_view("member") : each.wire_name);
    }
    case Kind::kMap:
      return read_map(model, shape, element, "entry");
    default: {
      auto value = scalar_from_text(shape.kind, element.text);
      if (!value.has_value()) return malformed();
      return std::move(*value);
    }
  }
}

void write(XmlWriter& writer, const ServiceModel& model, const Member& member, std::string_view name,
           const Document& value);

void write_members(XmlWriter& writer, const ServiceModel& model, const Shape& shape, const Document& value) {
  for (const Member& member : model.members_of(shape)) {
    if (member.xml_attribute || member.location != Location::kBody) continue;
    const Document* child = value.find(member.name);
    if (child != nullptr && !child->is_null()) write(writer, model, member, member.on_wire(), *child);
  }
}

void write_attributes(XmlWriter& writer, const ServiceModel& model, const Shape& shape, const Document& value) {
  for (const Member& member : model.members_of(shape)) {
    const Document* child = member.xml_attribute ? value.find(member.name) : nullptr;
    if (child == nullptr || child->is_null()) continue;
    if (member.on_wire().starts_with("xsi:")) {
      writer.attribute("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance");
    }
    writer.attribute(member.on_wire(), scalar_to_text(model, member, *child, TimestampFormat::kIso8601));
  }
}

void write_list(XmlWriter& writer, const ServiceModel& model, const Member& member, std::string_view name,
                const Document& value) {
  const Member& element = model.element_of(model.shape(member.shape));
  if (!value.is_array()) return;
  if (member.flattened) {
    const std::string_view each_name = element.wire_name.empty() ? name : element.wire_name;
    for (const Document& each : value.as_array()) write(writer, model, element, each_name, each);
    return;
  }
  writer.open(name);
  const std::string_view each_name = element.wire_name.empty() ? std::string_view("member") : element.wire_name;
  for (const Document& each : value.as_array()) write(writer, model, element, each_name, each);
  writer.close();
}

void write_map(XmlWriter& writer, const ServiceModel& model, const Member& member, std::string_view name,
               const Document& value) {
  const auto members = model.members_of(model.shape(member.shape));
  if (!value.is_object()) return;
  if (!member.flattened) writer.open(name);
  for (const auto& [key, each] : value.as_object()) {
    writer.open(member.flattened ? name : std::string_view("entry"));
    writer.element(members[0].on_wire(), key);
    write(writer, model, members[1], members[1].on_wire(), each);
    writer.close();
  }
  if (!member.flattened) writer.close();
}

void write(XmlWriter& writer, const ServiceModel& model, const Member& member, std::string_view name,
           const Document& value) {
  const Shape& shape = model.shape(member.shape);
  switch (shape.kind) {
    case Kind::kStructure:
      writer.open(name);
      write_attributes(writer, model, shape, value);
      write_members(writer, model, shape, value);
      writer.close();
      return;
    case Kind::kList:
      return write_list(writer, model, member, name, value);
    case Kind::kMap:
      return write_map(writer, model, member, name, value);
    default:
      writer.element(name, scalar_to_text(model, member, value, TimestampFormat::kIso8601));
  }
}

}  // namespace

Result<Document> decode_xml_body(const ServiceModel& model, const Shape& shape, std::string_view body) {
  const auto root = codec::parse_xml(body);
  if (!root.ok()) return malformed();
  return read(model, shape, *root);
}

void write_xml_structure(std::string& out, const ServiceModel& model, const Shape& shape, std::string_view name,
                         std::string_view xml_namespace, const Document& value) {
  XmlWriter writer(out);
  writer.open(name);
  if (!xml_namespace.empty()) writer.attribute("xmlns", xml_namespace);
  write_attributes(writer, model, shape, value);
  write_members(writer, model, shape, value);
  writer.close();
}

}  // namespace millrace::wire::internal
