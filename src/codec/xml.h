// XML documents as a small element tree, parsed by pugixml and printed by our own writer.
//
// For the query and REST-XML protocols: no namespaces (prefixes of element names are dropped), no processing
// instructions, no entities but the predefined ones and character references; a DOCTYPE is skipped, never followed.
// Thread-safety: none, like any value.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace millrace::codec {

inline constexpr ErrorType kMalformedXml{"MalformedXML", 400, ErrorKind::kClient};
inline constexpr int kXmlDepthMax = 64;  // deeper documents are refused by parse_xml

struct XmlElement {
  std::string name;                                             // local name
  std::string text;                                             // all character data of this element, concatenated
  std::vector<std::pair<std::string, std::string>> attributes;  // names with prefix, as written ("xsi:type")
  std::vector<XmlElement> children;                             // in document order

  // The first child of that name, or nullptr.
  const XmlElement* child(std::string_view child_name) const;
  // The text of the first child of that name, or "".
  std::string_view child_text(std::string_view child_name) const;
  // The attribute of that name, or nullptr.
  const std::string* attribute(std::string_view attribute_name) const;
};

// Parses one XML document and returns its root element. Errors: kMalformedXml.
Result<XmlElement> parse_xml(std::string_view text);

// Appends `text` with & < > " and control characters escaped, for element content and attribute values.
void append_xml_text(std::string& out, std::string_view text);

// Writes elements in order. Appends to a string owned by the caller; element names are written as given.
class XmlWriter {
 public:
  explicit XmlWriter(std::string& out) : out_(&out) {}
  XmlWriter& declaration();  // <?xml version="1.0" encoding="UTF-8"?> and a newline
  XmlWriter& open(std::string_view name);
  // REQUIRES: called directly after open() or another attribute().
  XmlWriter& attribute(std::string_view name, std::string_view value);
  XmlWriter& text(std::string_view text);
  XmlWriter& close();  // the innermost open element. REQUIRES: there is one
  XmlWriter& element(std::string_view name, std::string_view text) { return open(name).XmlWriter::text(text).close(); }

 private:
  void finish_start_tag();
  std::string* out_;
  std::vector<std::string> open_;
  bool in_start_tag_ = false;
};

}  // namespace millrace::codec
