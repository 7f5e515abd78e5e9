#include "wire/internal/values.h"

#include <charconv>
#include <cmath>

#include "codec/json.h"

namespace millrace::wire::internal {
namespace {

template <typename T>
std::optional<T> number_from_text(std::string_view text) {
  T value{};
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end.ec != std::errc() || end.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

Time time_of(const Document& value) { return from_unix_ms(std::llround(value.as_double() * 1000.0)); }

std::string timestamp_to_text(const Document& value, TimestampFormat format) {
  if (value.is_string()) return value.as_string();  // already in its form
  if (!value.is_number()) return {};
  switch (format) {
    case TimestampFormat::kRfc822:
      return format_http_date(time_of(value));
    case TimestampFormat::kUnix:
      return value.dump();
    default:
      return format_iso_ms(time_of(value));
  }
}

}  // namespace

std::optional<double> seconds_from_text(std::string_view text) {
  if (const auto number = number_from_text<double>(text); number.has_value() && std::isfinite(*number)) return number;
  // An ISO text with a fraction that has not three digits: cut or fill it.
  std::string iso(text);
  if (const auto dot = iso.find('.'); dot != std::string::npos) {
    const auto end = std::min(iso.find_first_not_of("0123456789", dot + 1), iso.size());
    std::string fraction = iso.substr(dot + 1, std::min<std::size_t>(end - dot - 1, 3));
    fraction.resize(3, '0');
    iso.replace(dot + 1, end - dot - 1, fraction);
  }
  auto time = parse_iso(iso);
  if (!time.has_value()) time = parse_http_date(text);
  if (!time.has_value()) return std::nullopt;
  return static_cast<double>(to_unix_ms(*time)) / 1000.0;
}

bool is_base64(std::string_view text) {
  if (text.size() % 4 != 0) return false;
  if (text.ends_with("==")) {
    text.remove_suffix(2);
  } else if (text.ends_with('=')) {
    text.remove_suffix(1);
  }
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!letter && !(c >= '0' && c <= '9') && c != '+' && c != '/') return false;
  }
  return true;
}

std::optional<Document> scalar_from_text(Kind kind, std::string_view text) {
  switch (kind) {
    case Kind::kString:
      return Document(text);
    case Kind::kInteger:
    case Kind::kLong: {
      const auto value = number_from_text<std::int64_t>(text);
      return value.has_value() ? std::optional<Document>(*value) : std::nullopt;
    }
    case Kind::kDouble: {
      const auto value = number_from_text<double>(text);
      return value.has_value() ? std::optional<Document>(*value) : std::nullopt;
    }
    case Kind::kBoolean:
      if (text == "true" || text == "1" || text == "True") return Document(true);
      if (text == "false" || text == "0" || text == "False") return Document(false);
      return std::nullopt;
    case Kind::kTimestamp: {
      const auto seconds = seconds_from_text(text);
      return seconds.has_value() ? std::optional<Document>(*seconds) : std::nullopt;
    }
    case Kind::kBlob:
      return is_base64(text) ? std::optional<Document>(text) : std::nullopt;
    default:
      return std::nullopt;
  }
}

std::string scalar_to_text(const ServiceModel& model, const Member& member, const Document& value,
                           TimestampFormat otherwise) {
  const Shape& shape = model.shape(member.shape);
  if (shape.kind == Kind::kTimestamp) {
    const auto own = member.timestamp != TimestampFormat::kDefault ? member.timestamp : shape.timestamp;
    return timestamp_to_text(value, own != TimestampFormat::kDefault ? own : otherwise);
  }
  if (value.is_string()) return value.as_string();
  if (value.is_null()) return {};
  return value.dump();
}

}  // namespace millrace::wire::internal
