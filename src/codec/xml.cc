#include "codec/xml.h"

#include <pugixml.hpp>

#include "base/assert.h"

namespace millrace::codec {
namespace {

std::string_view local_name(std::string_view name) {
  const auto colon = name.find(':');
  return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

// False: nested too deeply.
bool convert(const pugi::xml_node& node, XmlElement& out, int depth) {
  if (depth > kXmlDepthMax) return false;
  out.name = local_name(node.name());
  for (const auto& attribute : node.attributes()) out.attributes.emplace_back(attribute.name(), attribute.value());
  for (const auto& child : node.children()) {
    switch (child.type()) {
      case pugi::node_pcdata:
      case pugi::node_cdata:
        out.text += child.value();
        break;
      case pugi::node_element:
        if (!convert(child, out.children.emplace_back(), depth + 1)) return false;
        break;
      default:
        break;
    }
  }
  // White space between elements is layout, not content.
  if (!out.children.empty() && out.text.find_first_not_of(" \t\r\n") == std::string::npos) out.text.clear();
  return true;
}

}  // namespace

const XmlElement* XmlElement::child(std::string_view child_name) const {
  for (const XmlElement& each : children) {
    if (each.name == child_name) return &each;
  }
  return nullptr;
}

std::string_view XmlElement::child_text(std::string_view child_name) const {
  const XmlElement* found = child(child_name);
  return found == nullptr ? std::string_view() : std::string_view(found->text);
}

const std::string* XmlElement::attribute(std::string_view attribute_name) const {
  for (const auto& [name_, value] : attributes) {
    if (name_ == attribute_name) return &value;
  }
  return nullptr;
}

Result<XmlElement> parse_xml(std::string_view text) {
  pugi::xml_document document;
  constexpr unsigned kOptions = pugi::parse_default | pugi::parse_ws_pcdata | pugi::parse_doctype;
  const auto status = document.load_buffer(text.data(), text.size(), kOptions, pugi::encoding_utf8);
  if (!status) {
    return Error(kMalformedXml, std::string("could not parse XML at byte ") + std::to_string(status.offset) + ": " +
                                    status.description());
  }
  for (const auto& node : document.children())
    if (node.type() == pugi::node_doctype)
      return Error(kMalformedXml, "could not parse XML: document type declarations and their entities are refused");
  XmlElement root;
  if (!convert(document.document_element(), root, 1)) {
    return Error(kMalformedXml, "could not parse XML: nested more than " + std::to_string(kXmlDepthMax) + " deep");
  }
  return root;
}

void append_xml_text(std::string& out, std::string_view text) {
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        // AWS: control characters, and carriage returns that a parser would normalise, are character references.
        if (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') {
          static constexpr char kHex[] = "0123456789abcdef";
          out += "&#x";
          if (c >= 0x10) out += kHex[c >> 4];
          out += kHex[c & 15];
          out += ';';
        } else {
          out += c;
        }
    }
  }
}

XmlWriter& XmlWriter::declaration() {
  *out_ += "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
  return *this;
}

void XmlWriter::finish_start_tag() {
  if (std::exchange(in_start_tag_, false)) *out_ += '>';
}

XmlWriter& XmlWriter::open(std::string_view name) {
  finish_start_tag();
  *out_ += '<';
  *out_ += name;
  open_.emplace_back(name);
  in_start_tag_ = true;
  return *this;
}

XmlWriter& XmlWriter::attribute(std::string_view name, std::string_view value) {
  MR_ASSERT(in_start_tag_);
  *out_ += ' ';
  *out_ += name;
  *out_ += "=\"";
  append_xml_text(*out_, value);
  *out_ += '"';
  return *this;
}

XmlWriter& XmlWriter::text(std::string_view text) {
  finish_start_tag();
  append_xml_text(*out_, text);
  return *this;
}

XmlWriter& XmlWriter::close() {
  MR_ASSERT(!open_.empty());
  if (std::exchange(in_start_tag_, false)) {
    *out_ += "/>";
  } else {
    *out_ += "</";
    *out_ += open_.back();
    *out_ += '>';
  }
  open_.pop_back();
  return *this;
}

}  // namespace millrace::codec
