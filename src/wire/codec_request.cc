// From an HTTP request to the Document of its input shape, by protocol.
#include "crypto/encoding.h"
#include "wire/codec.h"
#include "wire/internal/values.h"

namespace millrace::wire {
namespace {

using internal::scalar_from_text;

Error bad_text(const Member& member, std::string_view text) {
  return Error(kSerializationException,
               "The value '" + std::string(text) + "' of '" + std::string(member.on_wire()) + "' is not well-formed");
}

Result<Document> scalar(const ServiceModel& model, const Member& member, std::string_view text) {
  auto value = scalar_from_text(model.shape(member.shape).kind, text);
  if (!value.has_value()) return bad_text(member, text);
  return std::move(*value);
}

Result<std::optional<Document>> from_query(const ServiceModel& model, const Member& member,
                                           const http::RequestHead& head) {
  const Shape& shape = model.shape(member.shape);
  if (shape.kind != Kind::kList) {
    const auto text = head.query_value(member.on_wire());
    if (!text.has_value()) return std::optional<Document>();
    if (text->empty() && shape.kind != Kind::kString) return std::optional<Document>();
    MR_ASSIGN_OR_RETURN(Document value, scalar(model, member, *text));
    return std::optional<Document>(std::move(value));
  }
  Document list;
  for (const auto& [name, text] : head.query) {
    if (name != member.on_wire()) continue;
    MR_ASSIGN_OR_RETURN(Document value, scalar(model, model.element_of(shape), text));
    list.push(std::move(value));
  }
  return list.is_null() ? std::optional<Document>() : std::optional<Document>(std::move(list));
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

Result<std::optional<Document>> from_field(const ServiceModel& model, const Member& member,
                                           const http::RequestHead& head) {
  const auto text = head.fields.find(member.on_wire());
  if (!text.has_value()) return std::optional<Document>();
  const Shape& shape = model.shape(member.shape);
  if (shape.kind != Kind::kList) {
    if (text->empty() && shape.kind != Kind::kString) return std::optional<Document>();
    MR_ASSIGN_OR_RETURN(Document value, scalar(model, member, *text));
    return std::optional<Document>(std::move(value));
  }
  Document list = Document::array();
  std::string_view rest = *text;
  while (!rest.empty()) {
    const std::string_view piece = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(piece.size() + 1, rest.size()));
    MR_ASSIGN_OR_RETURN(Document value, scalar(model, model.element_of(shape), trimmed(piece)));
    list.push(std::move(value));
  }
  return std::optional<Document>(std::move(list));
}

// Fields with the member's prefix, e.g. x-amz-meta-; the keys are the rest of their names in lower case.
std::optional<Document> from_prefixed_fields(const Member& member, const http::RequestHead& head) {
  const std::string_view prefix = member.on_wire();
  Document map;
  for (const auto& [name, value] : head.fields.all()) {
    if (name.size() <= prefix.size() || !http::equals_ignore_case(name.substr(0, prefix.size()), prefix)) continue;
    std::string key(name.substr(prefix.size()));
    for (char& c : key) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    if (const Document* before = map.find(key)) {
      map.set(key, std::string(before->as_string()).append(",").append(value));  // AWS: S3 joins repeated metadata
    } else {
      map.set(key, std::string(value));
    }
  }
  return map.is_null() ? std::nullopt : std::optional<Document>(std::move(map));
}

Result<std::optional<Document>> from_label(const ServiceModel& model, const Member& member, const Labels& labels) {
  for (const auto& [name, text] : labels) {
    if (name != member.on_wire()) continue;
    MR_ASSIGN_OR_RETURN(Document value, scalar(model, member, text));
    return std::optional<Document>(std::move(value));
  }
  return std::optional<Document>();
}

Result<std::optional<Document>> from_head(const ServiceModel& model, const Member& member, const Incoming& incoming) {
  switch (member.location) {
    case Location::kUri:
      return from_label(model, member, *incoming.labels);
    case Location::kQuery:
      return from_query(model, member, *incoming.head);
    case Location::kHeader:
      return from_field(model, member, *incoming.head);
    case Location::kHeaders:
      return from_prefixed_fields(member, *incoming.head);
    default:
      return std::optional<Document>();
  }
}

// The body of REST operations without payload member, or of a payload structure.
Result<Document> structured_body(const ServiceModel& model, const Shape& shape, Protocol protocol,
                                 std::string_view body) {
  if (protocol == Protocol::kRestXml) return internal::decode_xml_body(model, shape, body);
  MR_ASSIGN_OR_RETURN(Document document, codec::parse_json(body));
  MR_RETURN_IF_ERROR(internal::conform_json(model, shape, document));
  return document;
}

bool takes_body_members(const ServiceModel& model, const Shape& shape) {
  for (const Member& member : model.members_of(shape)) {
    if (member.location == Location::kBody) return true;
  }
  return false;
}

Result<void> add_rest_body(const ServiceModel& model, const Shape& input, Protocol protocol, std::string_view body,
                           Document& document) {
  if (input.payload < 0) {
    if (body.empty() || !takes_body_members(model, input)) return {};
    MR_ASSIGN_OR_RETURN(Document members, structured_body(model, input, protocol, body));
    for (auto& member : members.as_object()) document.as_object().push_back(std::move(member));
    return {};
  }
  const Member& payload = model.members_of(input)[static_cast<std::size_t>(input.payload)];
  const Shape& shape = model.shape(payload.shape);
  if (shape.kind == Kind::kBlob) {
    document.set(payload.name, crypto::base64_encode(body));
  } else if (shape.kind == Kind::kString) {
    document.set(payload.name, body);
  } else if (!body.empty()) {
    MR_ASSIGN_OR_RETURN(Document value, structured_body(model, shape, protocol, body));
    document.set(payload.name, std::move(value));
  }
  return {};
}

}  // namespace

Result<Document> decode_head(const ServiceModel& model, const OperationModel& operation, const Incoming& incoming) {
  Document document = Document::object();
  if (operation.input == kNoShape) return document;
  for (const Member& member : model.members_of(model.shape(operation.input))) {
    if (member.location == Location::kBody) continue;
    MR_ASSIGN_OR_RETURN(std::optional<Document> value, from_head(model, member, incoming));
    if (value.has_value()) document.as_object().emplace_back(std::string(member.name), std::move(*value));
  }
  return document;
}

Result<Document> decode_request(const ServiceModel& model, const OperationModel& operation, Protocol protocol,
                                const Incoming& incoming) {
  if (operation.input == kNoShape) return Document::object();
  const Shape& input = model.shape(operation.input);
  switch (protocol) {
    case Protocol::kJson: {
      if (incoming.body.empty()) return Document::object();
      MR_ASSIGN_OR_RETURN(Document document, codec::parse_json(incoming.body));
      MR_RETURN_IF_ERROR(internal::conform_json(model, input, document));
      return document;
    }
    case Protocol::kCbor:
      if (incoming.body.empty()) return Document::object();
      return internal::decode_cbor(model, input, incoming.body);
    case Protocol::kQuery:
      return internal::decode_query(model, input, *incoming.form);
    default: {
      MR_ASSIGN_OR_RETURN(Document document, decode_head(model, operation, incoming));
      MR_RETURN_IF_ERROR(add_rest_body(model, input, protocol, incoming.body, document));
      return document;
    }
  }
}

}  // namespace millrace::wire
