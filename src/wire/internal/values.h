// Single values between text and Documents, shared by the protocols.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "wire/codec.h"
#include "wire/shapes.h"

namespace millrace::wire::internal {

// The value of a scalar shape from its text in a path, query, field or XML element; nullopt: not of that form.
std::optional<Document> scalar_from_text(Kind kind, std::string_view text);
// The text of a scalar: `otherwise` is the timestamp format where the member has none of its own.
std::string scalar_to_text(const ServiceModel& model, const Member& member, const Document& value,
                           TimestampFormat otherwise);
bool is_base64(std::string_view text);  // standard alphabet with padding
// Time from any of AWS's forms: ISO 8601 with or without fraction, HTTP date, seconds. nullopt: none of them.
std::optional<double> seconds_from_text(std::string_view text);

// Drops unknown members and nulls of `value` and checks JSON types, recursively. Error: kSerializationException.
Result<void> conform_json(const ServiceModel& model, const Shape& shape, Document& value);

// Body decoders and encoders of the protocols.
Result<Document> decode_query(const ServiceModel& model, const Shape& input, const Form& form);
Result<Document> decode_cbor(const ServiceModel& model, const Shape& input, std::string_view body);
std::string encode_cbor(const ServiceModel& model, const Shape& output, const Document& value);
Result<Document> decode_xml_body(const ServiceModel& model, const Shape& shape, std::string_view body);
// Appends the element `name` with the members of `value` that are in the body.
void write_xml_structure(std::string& out, const ServiceModel& model, const Shape& shape, std::string_view name,
                         std::string_view xml_namespace, const Document& value);

}  // namespace millrace::wire::internal
