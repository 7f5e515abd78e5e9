// From an Error to an HTTP response, by protocol.
#include "codec/cbor.h"
#include "wire/codec.h"
#include "wire/internal/answers.h"

namespace millrace::wire {
namespace {

// The name that this service gives an error which belongs to none.
std::string_view shown_name(const Addressee& to, const Error& error) {
  const std::string_view name = error.type().name;
  const bool internal = name == kInternalError.name || name == "InternalFailure";
  if (internal && to.model != nullptr) {
    if (to.protocol == Protocol::kRestXml) return "InternalError";
    if (to.protocol == Protocol::kQuery) return "InternalFailure";
    if (to.model->id == "lambda") return "ServiceException";
    if (to.model->id == "logs") return "ServiceUnavailableException";
    if (to.model->id == "sqs") return "InternalFailure";
  }
  if (name == kNotFound.name && to.protocol == Protocol::kJson) return "ResourceNotFoundException";
  return name;
}

// AWS: errors that the frame in front of every service answers carry its own prefix.
std::string type_on_wire(const Addressee& to, std::string_view name) {
  if (to.model == nullptr) return std::string(name);
  if (to.model->find_error(name) == nullptr) {
    if (name == "ValidationException" && to.model->signing_name == "dynamodb") {
      return "com.amazon.coral.validate#" + std::string(name);
    }
    if (name == "SerializationException" || name == "UnknownOperationException" ||
        name == "MissingAuthenticationTokenException" || name == "AccessDeniedException") {
      return "com.amazon.coral.service#" + std::string(name);
    }
  }
  if (to.model->json_1_1) return std::string(name);  // AWS: json 1.1 services send the bare name
  return std::string(to.model->error_namespace) + "#" + std::string(name);
}

// AWS: the capitalisation is the shape's; the frame's own errors say "Message" (serialization) or "message".
std::string_view message_member(const Addressee& to, const Shape* shape, std::string_view name) {
  if (shape != nullptr) {
    for (const Member& member : to.model->members_of(*shape)) {
      if (http::equals_ignore_case(member.name, "message")) return member.name;
    }
  }
  return name == "SerializationException" && to.protocol == Protocol::kJson ? "Message" : "message";
}

void append_details(std::string& body, const Error& error) {
  for (const auto& [name, json] : error.details()) {
    body += ',';
    codec::append_json_string(body, name);
    body += ':';
    body += json;
  }
}

void write_json(const Addressee& to, const Error& error, std::string_view name, http::Response& response) {
  const Shape* shape = to.model == nullptr ? nullptr : to.model->find_error(name);
  const std::string_view member = message_member(to, shape, name);
  response.body = "{";
  if (to.protocol == Protocol::kJson) {
    response.fields.set("Content-Type",
                        to.model == nullptr ? "application/x-amz-json-1.0" : internal::json_content_type(*to.model));
    response.body += "\"__type\":";
    codec::append_json_string(response.body, type_on_wire(to, name));
    response.body += ',';
  } else {
    response.fields.set("Content-Type", "application/json");
    response.fields.set("x-amzn-ErrorType", name);
    // AWS: Lambda's declared errors tell whose fault it is.
    if (shape != nullptr)
      response.body += error.type().http_status >= 500 ? R"("Type":"Service",)" : R"("Type":"User",)";
  }
  codec::append_json_string(response.body, member);
  response.body += ':';
  codec::append_json_string(response.body, error.message());
  append_details(response.body, error);
  response.body += '}';
}

void write_cbor(const Addressee& to, const Error& error, std::string_view name, http::Response& response) {
  const Shape* shape = to.model == nullptr ? nullptr : to.model->find_error(name);
  codec::CborWriter writer(response.body);
  writer.map(2);
  writer.text("__type");
  writer.text(type_on_wire(to, name));
  writer.text(message_member(to, shape, name));
  writer.text(error.message());
}

// The error's code in the query protocol.
std::string_view query_code(const Addressee& to, std::string_view name) {
  const Shape* shape = to.model == nullptr ? nullptr : to.model->find_error(name);
  return shape == nullptr || shape->error_code.empty() ? name : shape->error_code;
}

void write_query(const Addressee& to, const Error& error, std::string_view name, http::Response& response) {
  codec::XmlWriter writer(response.body);
  writer.open("ErrorResponse");
  if (to.model != nullptr && !to.model->xml_namespace.empty()) writer.attribute("xmlns", to.model->xml_namespace);
  writer.open("Error").element("Type", error.type().http_status >= 500 ? "Receiver" : "Sender");
  writer.element("Code", query_code(to, name)).element("Message", error.message()).close();
  writer.element("RequestId", to.request_id).close();
}

// AWS: <Error><Code/><Message/>... without namespace. Details are further elements, e.g. BucketName, Key.
void write_s3(const Addressee& to, const Error& error, std::string_view name, http::Response& response) {
  internal::begin_xml(response);
  codec::XmlWriter writer(response.body);
  writer.open("Error").element("Code", name).element("Message", error.message());
  for (const auto& [member, json] : error.details()) {
    const auto value = codec::parse_json(json);
    writer.element(member, value.ok() && value->is_string() ? value->as_string() : json);
  }
  writer.element("Resource", to.resource).element("RequestId", to.request_id).element("HostId", to.request_id).close();
}

}  // namespace

http::Response encode_error(const Addressee& to, const Error& error) {
  http::Response response;
  response.status = error.type().http_status;
  const std::string_view name = shown_name(to, error);
  switch (to.protocol) {
    case Protocol::kQuery:
      write_query(to, error, name, response);
      break;
    case Protocol::kRestXml:
      write_s3(to, error, name, response);
      break;
    case Protocol::kCbor:
      write_cbor(to, error, name, response);
      break;
    default:
      write_json(to, error, name, response);
  }
  // Whether or not the client asks with x-amzn-query-mode: aws-sdk v2 and boto3 before 1.36 do not, and read it.
  const bool has_codes = to.protocol == Protocol::kJson || to.protocol == Protocol::kCbor;
  if (has_codes && to.model != nullptr && to.model->also_query) {
    response.fields.set("x-amzn-query-error", std::string(query_code(to, name)) +
                                                  (error.type().http_status >= 500 ? ";Receiver" : ";Sender"));
  }
  if (error.type().kind == ErrorKind::kThrottled && to.protocol == Protocol::kRestJson) {
    response.fields.set("Retry-After", "1");
  }
  if (to.head_method || response.status == 304) response.body.clear();
  internal::finish(to, response);
  return response;
}

}  // namespace millrace::wire
