#include "wire/validator.h"

#include <string>
#include <vector>

#include "wire/codec.h"
#include "wire/internal/pattern.h"

namespace millrace::wire {
namespace {

constexpr std::size_t kValueShownMax = 4096;  // bytes of a value in a message

std::string lower_first(std::string_view name) {
  std::string out(name);
  if (!out.empty() && out[0] >= 'A' && out[0] <= 'Z') out[0] = static_cast<char>(out[0] + 32);
  return out;
}

std::string join(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) {
    if (!out.empty()) out += ", ";
    out += text;
  }
  return out;
}

std::size_t characters(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  return count;
}

// A value as Java prints it: [a, b], {a=b}, Name(member=value).
void show(const ServiceModel& model, const Shape& shape, const Document& value, std::string& out) {
  if (out.size() > kValueShownMax) return;
  if (value.is_string()) {
    out += value.as_string();
  } else if (value.is_array()) {
    std::string_view separator = "[";
    for (const Document& each : value.as_array()) {
      out += std::exchange(separator, ", ");
      show(model, model.shape(model.element_of(shape).shape), each, out);
    }
    out += separator == "[" ? "[]" : "]";
  } else if (value.is_object() && shape.kind == Kind::kMap) {
    std::string_view separator = "{";
    for (const auto& [key, each] : value.as_object()) {
      out += std::exchange(separator, ", ");
      out += key;
      out += '=';
      show(model, model.shape(model.element_of(shape).shape), each, out);
    }
    out += separator == "{" ? "{}" : "}";
  } else if (value.is_object()) {
    out += shape.name;
    std::string_view separator = "(";
    for (const Member& member : model.members_of(shape)) {
      out += std::exchange(separator, ", ");
      out += lower_first(member.name);
      out += '=';
      const Document* child = value.find(member.name);
      show(model, model.shape(member.shape), child == nullptr ? Document() : *child, out);
    }
    out += separator == "(" ? "()" : ")";
  } else {
    value.dump_to(out);
  }
}

std::string enum_constraint(const ServiceModel& model, const Shape& shape) {
  std::string out = "Member must satisfy enum value set: [";
  for (std::size_t i = 0; i < shape.enum_count; ++i) {
    if (i > 0) out += ", ";
    out += model.enums_of(shape)[i];
  }
  return out + "]";
}

std::string length_constraint(std::string_view relation, std::int64_t bound) {
  return "Member must have length " + std::string(relation) + " than or equal to " + std::to_string(bound);
}

// The constraints of a scalar that an element of a list or map is told as a whole, in AWS's order.
std::vector<std::string> constraints_of(const ServiceModel& model, const Shape& shape) {
  std::vector<std::string> out;
  if (shape.has_max) out.push_back(length_constraint("less", shape.max));
  if (shape.has_min) out.push_back(length_constraint("greater", shape.min));
  if (!shape.pattern.empty())
    out.push_back("Member must satisfy regular expression pattern: " + std::string(shape.pattern));
  if (shape.enum_count > 0) out.push_back(enum_constraint(model, shape));
  return out;
}

bool in_enum(const ServiceModel& model, const Shape& shape, std::string_view text) {
  for (const std::string_view each : model.enums_of(shape)) {
    if (each == text) return true;
  }
  return false;
}

class Validation {
 public:
  explicit Validation(const ServiceModel& model) : model_(model) {}

  void structure(const Shape& shape, const Document& value, const std::string& path) {
    for (const Member& member : model_.members_of(shape)) {
      // AWS: S3 judges paths, queries and fields one by one, with errors of their own.
      if (model_.protocol == Protocol::kRestXml && member.location != Location::kBody) continue;
      const Document* child = value.find(member.name);
      const Shape& child_shape = model_.shape(member.shape);
      if (child == nullptr || child->is_null()) {
        if (member.required) {
          if (first_missing_.empty()) first_missing_ = member.name;
          violation_null(path + lower_first(member.name));
        }
      } else if (needs_check(child_shape)) {
        any(child_shape, *child, path + lower_first(member.name));
      }
    }
  }

  Result<void> result() const {
    if (violations_.empty()) return {};
    if (model_.id == "sqs" && !first_missing_.empty()) {  // AWS: SQS's own text
      return Error(kMissingParameter, "The request must contain the parameter " + first_missing_ + ".");
    }
    if (model_.protocol == Protocol::kRestXml) {
      return Error(kMalformedXmlError,
                   "The XML you provided was not well-formed or did not validate against our published schema");
    }
    std::string message = std::to_string(violations_.size()) +
                          (violations_.size() == 1 ? " validation error detected: " : " validation errors detected: ");
    for (std::size_t i = 0; i < violations_.size(); ++i) {
      if (i > 0) message += "; ";
      message += violations_[i];
    }
    const bool query = model_.protocol == Protocol::kQuery;
    const ErrorType& type = query                 ? kValidationError
                            : model_.id == "logs" ? kInvalidParameterException
                                                  : kValidationException;
    return Error(type, std::move(message));
  }

 private:
  static bool needs_check(const Shape& shape) {
    return shape.kind == Kind::kStructure || shape.kind == Kind::kList || shape.kind == Kind::kMap || shape.has_min ||
           shape.has_max || shape.enum_count > 0 || !shape.pattern.empty();
  }

  void add(std::string text) {
    if (violations_.size() < kViolationsShownMax) violations_.push_back(std::move(text));
  }

  void violation_null(const std::string& path) {
    add("Value null at '" + path + "' failed to satisfy constraint: Member must not be null");
  }

  void violation(const Shape& shape, const Document& value, const std::string& path, const std::string& constraint) {
    std::string shown;
    show(model_, shape, value, shown);
    add("Value '" + shown + "' at '" + path + "' failed to satisfy constraint: " + constraint);
  }

  void any(const Shape& shape, const Document& value, const std::string& path) {
    switch (shape.kind) {
      case Kind::kStructure:
        return structure(shape, value, path + ".");
      case Kind::kList:
        return list(shape, value, path);
      case Kind::kMap:
        return map(shape, value, path);
      case Kind::kString:
        return string(shape, value, path);
      case Kind::kBlob:
        if (value.is_string()) length(shape, value, value.as_string().size() / 4 * 3, path);
        return;
      case Kind::kInteger:
      case Kind::kLong:
      case Kind::kDouble:
        return number(shape, value, path);
      default:
        return;
    }
  }

  void length(const Shape& shape, const Document& value, std::size_t length, const std::string& path) {
    const auto size = static_cast<std::int64_t>(length);
    if (shape.has_max && size > shape.max) violation(shape, value, path, length_constraint("less", shape.max));
    if (shape.has_min && size < shape.min) violation(shape, value, path, length_constraint("greater", shape.min));
  }

  void number(const Shape& shape, const Document& value, const std::string& path) {
    const auto text = [](std::string_view relation, std::int64_t bound) {
      return "Member must have value " + std::string(relation) + " than or equal to " + std::to_string(bound);
    };
    if (shape.has_max && value.as_double() > static_cast<double>(shape.max)) {
      violation(shape, value, path, text("less", shape.max));
    }
    if (shape.has_min && value.as_double() < static_cast<double>(shape.min)) {
      violation(shape, value, path, text("greater", shape.min));
    }
  }

  void string(const Shape& shape, const Document& value, const std::string& path) {
    const std::string& text = value.as_string();
    if (!shape.pattern.empty() && !internal::matches_pattern(shape.pattern, text)) {
      violation(shape, value, path, "Member must satisfy regular expression pattern: " + std::string(shape.pattern));
    }
    length(shape, value, characters(text), path);
    if (shape.enum_count > 0 && !in_enum(model_, shape, text))
      violation(shape, value, path, enum_constraint(model_, shape));
  }

  // Whether one scalar element keeps its constraints.
  bool element_ok(const Shape& shape, const Document& value) {
    if (value.is_null()) return false;
    if (!needs_check(shape)) return true;
    Validation nested(model_);
    nested.any(shape, value, "");
    return nested.violations_.empty();
  }

  void list(const Shape& shape, const Document& value, const std::string& path) {
    length(shape, value, value.as_array().size(), path);
    const Shape& element = model_.shape(model_.element_of(shape).shape);
    const bool scalar = element.kind != Kind::kStructure && element.kind != Kind::kList && element.kind != Kind::kMap;
    if (scalar && !needs_check(element)) return;
    std::size_t index = 0;
    for (const Document& each : value.as_array()) {
      ++index;
      if (scalar) {  // AWS: told once, of the whole list
        if (element_ok(element, each)) continue;
        auto constraints = constraints_of(model_, element);
        constraints.emplace_back("Member must not be null");
        return violation(shape, value, path, "Member must satisfy constraint: [" + join(constraints) + "]");
      }
      const std::string each_path = path + "." + std::to_string(index) + ".member";
      if (each.is_null()) {
        violation_null(each_path);
      } else {
        any(element, each, each_path);
      }
      if (violations_.size() >= kViolationsShownMax) return;
    }
  }

  void map(const Shape& shape, const Document& value, const std::string& path) {
    length(shape, value, value.as_object().size(), path);
    const Shape& key_shape = model_.shape(model_.members_of(shape)[0].shape);
    const Shape& element = model_.shape(model_.element_of(shape).shape);
    const bool scalar = element.kind != Kind::kStructure && element.kind != Kind::kList && element.kind != Kind::kMap;
    for (const auto& [key, each] : value.as_object()) {
      if (needs_check(key_shape) && !element_ok(key_shape, Document(key))) {
        return violation(shape, value, path,
                         "Map keys must satisfy constraint: [" + join(constraints_of(model_, key_shape)) + "]");
      }
      if (scalar && !element_ok(element, each)) {
        return violation(shape, value, path,
                         "Map value must satisfy constraint: [" + join(constraints_of(model_, element)) + "]");
      }
      if (!scalar && !each.is_null()) any(element, each, path + "." + key + ".member");
      if (violations_.size() >= kViolationsShownMax) return;
    }
  }

  const ServiceModel& model_;
  std::vector<std::string> violations_;
  std::string first_missing_;
};

}  // namespace

Result<void> validate(const ServiceModel& model, const Shape& shape, const Document& document) {
  Validation validation(model);
  validation.structure(shape, document, "");
  return validation.result();
}

}  // namespace millrace::wire
