// Requests to Documents and Replies to HTTP responses, by a service's model: awsJson 1.0 and 1.1, query, REST-JSON and
// REST-XML.
//
// A decoded Document holds the members of the input shape under their model names whatever their place on the wire
// (path, query, field, body); unknown members and nulls are left out, as AWS ignores them. Timestamps are numbers
// (seconds, with fraction), blobs base64 text. Decoding checks JSON types and text forms; bounds are the validator's
// (wire/validator.h). Pure functions; thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "http/message.h"
#include "wire/service.h"
#include "wire/shapes.h"

namespace millrace::wire {

inline constexpr ErrorType kSerializationException{"SerializationException", 400, ErrorKind::kClient};
inline constexpr ErrorType kMalformedXmlError{"MalformedXML", 400, ErrorKind::kClient};
inline constexpr ErrorType kMalformedQueryString{"MalformedQueryString", 404, ErrorKind::kClient};
inline constexpr int kQueryDepthMax = 32;  // dots in a parameter's name
inline constexpr std::size_t kQueryParametersMax = 20000;

using Labels = std::vector<std::pair<std::string_view, std::string>>;  // path labels by member name, decoded
using Form = std::vector<std::pair<std::string, std::string>>;         // decoded, in order

// What of a request the codec reads. All members are borrowed.
struct Incoming {
  const http::RequestHead* head = nullptr;
  const Labels* labels = nullptr;  // REST protocols
  const Form* form = nullptr;      // query protocol
  std::string_view body;           // JSON and REST protocols
};

// Parses application/x-www-form-urlencoded text. Errors: kMalformedQueryString beyond kQueryParametersMax.
Result<Form> parse_form(std::string_view text);

// `protocol` is the one this request uses: the model's, or kQuery for a service that has both.
// Errors: kSerializationException, kMalformedXmlError or kMalformedQueryString, with a message for the caller.
Result<Document> decode_request(const ServiceModel& model, const OperationModel& operation, Protocol protocol,
                                const Incoming& incoming);
// Only the members in path, query and header fields (streamed uploads). REQUIRES: a REST protocol.
Result<Document> decode_head(const ServiceModel& model, const OperationModel& operation, const Incoming& incoming);

// Who is answered, for rendering.
struct Addressee {
  const ServiceModel* model = nullptr;        // nullptr: not even the service is known
  const OperationModel* operation = nullptr;  // nullptr: unknown
  Protocol protocol = Protocol::kJson;
  std::string_view request_id;
  std::string_view resource;  // S3: the path, for <Resource>
  bool head_method = false;   // HEAD: no body
};

// The response of a success. Adds content type, request id fields and, for DynamoDB, x-amz-crc32.
http::Response encode_reply(const Addressee& to, Reply reply);
// The response of a failure, in the form of the protocol.
http::Response encode_error(const Addressee& to, const Error& error);

}  // namespace millrace::wire
