// JSON bodies: conforming a parsed document to a shape.
#include <cmath>

#include "wire/codec.h"
#include "wire/internal/values.h"

namespace millrace::wire::internal {
namespace {

std::string_view java_class(const Document& value) {
  if (value.is_string()) return "class java.lang.String";
  if (value.is_bool()) return "class java.lang.Boolean";
  return "class com.amazon.coral.value.json.numbers.TruncatingBigNumber";
}

// AWS: recorded from awsJson services.
Error wrong_type(const Document& value, std::string_view wanted) {
  if (value.is_object()) return Error(kSerializationException, "Start of structure or map found where not expected.");
  if (value.is_array()) return Error(kSerializationException, "Start of list found where not expected");
  if (wanted == "List" || wanted == "Structure") {
    return Error(kSerializationException, "Unrecognized collection type " + std::string(java_class(value)));
  }
  const bool vowel = wanted == "Integer" || wanted == "String" || wanted == "Boolean";
  return Error(kSerializationException, std::string(java_class(value)) + " can not be converted to " +
                                            (vowel ? "an " : "a ") + std::string(wanted));
}

// Where clients may use the query protocol as well (SQS), the wire names are those of its parameters.
const Member* find_member(const ServiceModel& model, std::span<const Member> members, std::string_view name) {
  for (const Member& member : members) {
    if ((model.also_query ? member.name : member.on_wire()) == name) return &member;
  }
  return nullptr;
}

Result<void> conform_structure(const ServiceModel& model, const Shape& shape, Document& value) {
  if (!value.is_object()) return wrong_type(value, "Structure");
  const auto members = model.members_of(shape);
  auto& object = value.as_object();
  std::size_t kept = 0;
  for (auto& [name, child] : object) {
    const Member* member = child.is_null() ? nullptr : find_member(model, members, name);
    if (member == nullptr || member->location != Location::kBody) continue;  // AWS ignores what it does not know
    MR_RETURN_IF_ERROR(conform_json(model, model.shape(member->shape), child));
    if (!member->wire_name.empty()) name = member->name;
    if (&object[kept].second != &child) object[kept] = {std::move(name), std::move(child)};
    ++kept;
  }
  object.resize(kept);
  return {};
}

Result<void> conform_number(Kind kind, Document& value) {
  if (!value.is_number())
    return wrong_type(value, kind == Kind::kLong ? "Long" : kind == Kind::kDouble ? "Double" : "Integer");
  if (kind == Kind::kDouble || value.is_int()) return {};
  const double number = value.as_double();  // AWS: fractions are cut off
  constexpr double kBeyond = 9223372036854775808.0;
  if (number >= kBeyond) {
    value = INT64_MAX;
  } else if (number < -kBeyond) {
    value = INT64_MIN;
  } else {
    value = static_cast<std::int64_t>(number);
  }
  return {};
}

Result<void> conform_scalar(const Shape& shape, Document& value) {
  switch (shape.kind) {
    case Kind::kString:
      if (!value.is_string()) return wrong_type(value, "String");
      return {};
    case Kind::kBoolean:
      if (!value.is_bool()) return wrong_type(value, "Boolean");
      return {};
    case Kind::kTimestamp: {
      if (value.is_number()) return {};
      const auto seconds = value.is_string() ? seconds_from_text(value.as_string()) : std::nullopt;
      if (!seconds.has_value()) return wrong_type(value, "Timestamp");
      value = *seconds;
      return {};
    }
    case Kind::kBlob:
      if (!value.is_string()) return wrong_type(value, "Blob");
      if (!is_base64(value.as_string())) {
        return Error(kSerializationException, "Invalid Base64 in a binary member of the request");
      }
      return {};
    default:
      return conform_number(shape.kind, value);
  }
}

}  // namespace

Result<void> conform_json(const ServiceModel& model, const Shape& shape, Document& value) {
  switch (shape.kind) {
    case Kind::kStructure:
      return conform_structure(model, shape, value);
    case Kind::kList: {
      if (!value.is_array()) return wrong_type(value, "List");
      const Shape& element = model.shape(model.element_of(shape).shape);
      for (Document& each : value.as_array()) {
        if (!each.is_null()) MR_RETURN_IF_ERROR(conform_json(model, element, each));
      }
      return {};
    }
    case Kind::kMap: {
      if (!value.is_object()) return wrong_type(value, "Structure");
      const Shape& element = model.shape(model.element_of(shape).shape);
      for (auto& [key, each] : value.as_object()) {
        if (!each.is_null()) MR_RETURN_IF_ERROR(conform_json(model, element, each));
      }
      return {};
    }
    default:
      return conform_scalar(shape, value);
  }
}

}  // namespace millrace::wire::internal
