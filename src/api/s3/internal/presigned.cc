#include "api/s3/internal/presigned.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include "codec/json.h"
#include "s3/errors.h"

namespace millrace::api_s3 {
namespace {

constexpr ErrorType kBadParameters{"AuthorizationQueryParametersError", 400};
constexpr std::int64_t kExpiresMax = 7 * 24 * 3600;  // AWS: "must be less than a week (in seconds)"

std::optional<std::int64_t> number_of(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "20260102T030405Z".
std::optional<Time> basic_time(std::string_view text) {
  if (text.size() != 16 || text[8] != 'T') return std::nullopt;
  const std::string t(text);
  return parse_iso(t.substr(0, 4) + "-" + t.substr(4, 2) + "-" + t.substr(6, 5) + ":" + t.substr(11, 2) + ":" +
                   t.substr(13));
}

Error expired(Time end, Time now) {
  return Error(millrace::s3::kAccessDenied, "Request has expired")
      .with("Expires", codec::Json(format_iso_s(end)).dump())
      .with("ServerTime", codec::Json(format_iso_s(now)).dump());
}

Result<void> check_version_4(const http::RequestHead& head, Time now) {
  const auto signed_at = basic_time(head.query_value("X-Amz-Date").value_or(""));
  if (!signed_at) {
    return Error(kBadParameters, "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"");
  }
  const auto seconds = number_of(head.query_value("X-Amz-Expires").value_or(""));
  if (!seconds) return Error(kBadParameters, "X-Amz-Expires should be a number");
  if (*seconds < 0) return Error(kBadParameters, "X-Amz-Expires must be non-negative");
  if (*seconds > kExpiresMax) {
    return Error(kBadParameters,
                 "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less "
                 "than 604800 seconds");
  }
  const Time end = *signed_at + std::chrono::seconds(*seconds);
  if (end < now) return expired(end, now);
  return {};
}

}  // namespace

Result<void> check_presigned(const http::RequestHead& head, Time now) {
  if (head.query_value("X-Amz-Signature")) return check_version_4(head, now);
  if (!head.query_value("Signature") || !head.query_value("AWSAccessKeyId")) return {};
  const auto seconds = number_of(head.query_value("Expires").value_or(""));
  if (!seconds) {
    return Error(millrace::s3::kAccessDenied, "Invalid date (should be seconds since epoch): " +
                                                  std::string(head.query_value("Expires").value_or("")));
  }
  if (*seconds >= to_unix_s(now)) return {};
  return expired(from_unix_ms(std::max<std::int64_t>(*seconds, 0) * 1000), now);
}

}  // namespace millrace::api_s3
