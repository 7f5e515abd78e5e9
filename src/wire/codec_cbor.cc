// CBOR bodies (Smithy's RPC v2): a Document by its shape. Requests are conformed as JSON's are.
#include <algorithm>

#include "codec/cbor.h"
#include "crypto/encoding.h"
#include "wire/internal/values.h"

namespace millrace::wire::internal {
namespace {

void write(codec::CborWriter& writer, const ServiceModel& model, const Shape& shape, const Document& value);

void write_structure(codec::CborWriter& writer, const ServiceModel& model, const Shape& shape, const Document& value) {
  std::size_t count = 0;
  for (const auto& [name, each] : value.as_object()) count += each.is_null() ? 0 : 1;
  writer.map(count);
  const auto members = model.members_of(shape);
  for (const auto& [name, each] : value.as_object()) {
    if (each.is_null()) continue;
    writer.text(name);
    const auto member = std::ranges::find(members, std::string_view(name), &Member::name);
    if (member == members.end()) {
      writer.document(each);
    } else {
      write(writer, model, model.shape(member->shape), each);
    }
  }
}

void write_collection(codec::CborWriter& writer, const ServiceModel& model, const Shape& shape, const Document& value) {
  const Shape& element = model.shape(model.element_of(shape).shape);
  if (value.is_array()) {
    writer.list(value.as_array().size());
    for (const auto& each : value.as_array()) write(writer, model, element, each);
    return;
  }
  writer.map(value.as_object().size());
  for (const auto& [key, each] : value.as_object()) {
    writer.text(key);
    write(writer, model, element, each);
  }
}

void write(codec::CborWriter& writer, const ServiceModel& model, const Shape& shape, const Document& value) {
  if (shape.kind == Kind::kStructure && value.is_object()) return write_structure(writer, model, shape, value);
  const bool collection =
      (shape.kind == Kind::kList && value.is_array()) || (shape.kind == Kind::kMap && value.is_object());
  if (collection) return write_collection(writer, model, shape, value);
  if (shape.kind == Kind::kTimestamp && value.is_number()) return writer.timestamp(value.as_double());
  if (shape.kind == Kind::kDouble && value.is_number()) return writer.number(value.as_double());
  if (shape.kind == Kind::kBlob && value.is_string())
    return writer.bytes(crypto::base64_decode(value.as_string()).value_or(""));
  writer.document(value);
}

}  // namespace

Result<Document> decode_cbor(const ServiceModel& model, const Shape& input, std::string_view body) {
  MR_ASSIGN_OR_RETURN(Document document,
                      codec::parse_cbor(body, [](std::string_view bytes) { return crypto::base64_encode(bytes); }));
  MR_RETURN_IF_ERROR(conform_json(model, input, document));
  return document;
}

std::string encode_cbor(const ServiceModel& model, const Shape& output, const Document& value) {
  std::string out;
  codec::CborWriter writer(out);
  write(writer, model, output, value);
  return out;
}

}  // namespace millrace::wire::internal
