// The shapes of AWS services as constexpr tables: what requests, answers and errors may look like.
//
// tools/generate_shapes.py writes one `ServiceModel` per service into wire/generated/ from the public service models.
// Everything is plain data with static lifetime that refers to other rows by index; nothing is built at run time.
// Thread-safe: immutable.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/error.h"

namespace millrace::wire {

// kCbor (Smithy's RPC v2) is no model's own here: clients choose it for services that also speak kJson.
enum class Protocol : std::uint8_t { kJson, kQuery, kRestJson, kRestXml, kCbor };

enum class Kind : std::uint8_t {
  kStructure,
  kList,
  kMap,
  kString,
  kInteger,  // 32 bits
  kLong,     // 64 bits
  kDouble,   // float and double
  kBoolean,
  kTimestamp,  // in a Document: a number, seconds since the epoch with fraction
  kBlob,       // in a Document: base64 text
};

enum class Location : std::uint8_t { kBody, kUri, kQuery, kHeader, kHeaders, kStatusCode };
enum class TimestampFormat : std::uint8_t { kDefault, kUnix, kIso8601, kRfc822 };  // kDefault: by protocol and location

inline constexpr std::uint16_t kNoShape = 0xffff;

struct Member {
  std::string_view name;       // in Documents, and on the wire unless wire_name is set
  std::string_view wire_name;  // element, field, query parameter, or prefix of fields; "" = name
  std::uint16_t shape = 0;     // index into ServiceModel::shapes
  Location location = Location::kBody;
  TimestampFormat timestamp = TimestampFormat::kDefault;
  bool required = false;
  bool flattened = false;
  bool xml_attribute = false;
  bool idempotency_token = false;
  bool streaming = false;
  std::string_view on_wire() const { return wire_name.empty() ? name : wire_name; }
};

struct Shape {
  std::string_view name;
  Kind kind = Kind::kStructure;
  std::uint16_t first_member = 0;  // structures: their members; lists: the element; maps: key, value
  std::uint16_t member_count = 0;
  std::uint16_t first_enum = 0;  // strings: the allowed values, in AWS's printed order where that is recorded
  std::uint16_t enum_count = 0;
  std::int16_t payload = -1;  // structures: which member is the body itself
  bool has_min = false;
  bool has_max = false;
  bool flattened = false;
  bool exception = false;
  TimestampFormat timestamp = TimestampFormat::kDefault;
  std::uint16_t http_status = 0;  // exceptions
  std::int64_t min = 0;           // numbers: value; strings, blobs: length; lists, maps: count
  std::int64_t max = 0;
  std::string_view pattern;     // strings; the whole value must match
  std::string_view wire_name;   // root element of XML bodies
  std::string_view error_code;  // exceptions: as the query and XML protocols name them; "" = name
};

struct OperationModel {
  std::string_view name;
  std::string_view method;     // "POST"
  std::string_view path;       // "/2015-03-31/functions/{FunctionName}", "/{Bucket}/{Key+}"
  std::string_view query;      // fixed part: "tagging", "list-type=2"; "" = none
  std::uint16_t status = 200;  // of a success
  std::uint16_t input = kNoShape;
  std::uint16_t output = kNoShape;
  std::string_view body_root;  // root element of XML request bodies, where the input shape itself is the body
  bool deprecated = false;
};

struct ServiceModel {
  std::string_view id;               // "dynamodb": namespace and file name here
  std::string_view full_name;        // "Amazon DynamoDB"
  std::string_view signing_name;     // in credential scopes
  std::string_view endpoint_prefix;  // first labels of host names: "streams.dynamodb"
  std::string_view api_version;      // "2012-08-10"
  std::string_view target_prefix;    // of X-Amz-Target: "DynamoDB_20120810"; "" = none
  std::string_view xml_namespace;
  std::string_view error_namespace;  // prefix of __type: "com.amazonaws.dynamodb.v20120810"
  Protocol protocol = Protocol::kJson;
  bool also_query = false;                     // JSON service that old clients still call by the query protocol (SQS)
  bool json_1_1 = false;                       // content type application/x-amz-json-1.1
  std::span<const OperationModel> operations;  // sorted by name
  std::span<const Shape> shapes;
  std::span<const Member> members;
  std::span<const std::string_view> enums;

  const OperationModel* find_operation(std::string_view name) const;  // nullptr: the service has none of that name
  // The exception shape that this error is rendered as, by its name or its error code; nullptr: not in the model.
  const Shape* find_error(std::string_view name) const;
  const Shape& shape(std::uint16_t index) const { return shapes[index]; }
  std::span<const Member> members_of(const Shape& shape) const {
    return members.subspan(shape.first_member, shape.member_count);
  }
  std::span<const std::string_view> enums_of(const Shape& shape) const {
    return enums.subspan(shape.first_enum, shape.enum_count);
  }
  // REQUIRES: a list, or a map (whose value it is).
  const Member& element_of(const Shape& shape) const { return members[shape.first_member + shape.member_count - 1u]; }
};

}  // namespace millrace::wire
