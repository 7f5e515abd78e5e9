#include "s3/conditions.h"

#include <algorithm>
#include <charconv>

namespace millrace::s3 {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool matches(std::string_view list, std::string_view etag) {
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    std::string_view one = trimmed(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
    if (one == "*") return true;
    if (one.starts_with("W/")) one.remove_prefix(2);
    if (one.size() >= 2 && one.front() == '"' && one.back() == '"') one = one.substr(1, one.size() - 2);
    if (one == etag) return true;
  }
  return false;
}

Error precondition_failed(std::string condition) {
  std::string json = "\"" + condition + "\"";
  return Error(kPreconditionFailed, "At least one of the pre-conditions you specified did not hold")
      .with("Condition", std::move(json));
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

Result<void> check_conditions(const ReadConditions& conditions, std::string_view etag, Time modified,
                              ConditionalRequest request) {
  // HTTP dates have whole seconds.
  const std::int64_t modified_s = to_unix_s(modified);
  if (!conditions.if_match.empty()) {
    if (!matches(conditions.if_match, etag)) return precondition_failed("If-Match");
  } else if (conditions.if_unmodified_since && modified_s > to_unix_s(*conditions.if_unmodified_since)) {
    return precondition_failed("If-Unmodified-Since");
  }
  std::string failed;
  if (!conditions.if_none_match.empty()) {
    if (matches(conditions.if_none_match, etag)) failed = "If-None-Match";
  } else if (conditions.if_modified_since && modified_s <= to_unix_s(*conditions.if_modified_since)) {
    failed = "If-Modified-Since";
  }
  if (failed.empty()) return {};
  if (request == ConditionalRequest::kCopySource) return precondition_failed(std::move(failed));
  return Error(kNotModified, "Not Modified");
}

Result<void> check_conditions(const WriteConditions& conditions, std::optional<std::string_view> etag) {
  if (conditions.if_none_match && etag) return precondition_failed("If-None-Match");
  if (conditions.if_match.empty()) return {};
  if (!etag) return Error(kNoSuchKey, "The specified key does not exist.");
  if (!matches(conditions.if_match, *etag)) return precondition_failed("If-Match");
  return {};
}

Result<std::optional<ByteRange>> parse_range(std::string_view field, std::uint64_t bytes) {
  field = trimmed(field);
  const std::optional<ByteRange> everything;
  if (!field.starts_with("bytes=")) return everything;
  field = trimmed(field.substr(6));
  const std::size_t dash = field.find('-');
  if (dash == std::string_view::npos || field.find(',') != std::string_view::npos) return everything;
  const auto first = number(trimmed(field.substr(0, dash)));
  const auto last = number(trimmed(field.substr(dash + 1)));
  const bool has_first = dash > 0;
  const bool has_last = dash + 1 < field.size();
  if (has_first != first.has_value() || has_last != last.has_value() || (!has_first && !has_last)) return everything;
  if (has_first && has_last && *last < *first) return everything;
  const Error none(kInvalidRange, "The requested range is not satisfiable");
  if (!has_first) {
    if (*last == 0 || bytes == 0) return none;
    const std::uint64_t count = std::min(*last, bytes);
    return std::optional(ByteRange{bytes - count, count});
  }
  if (*first >= bytes) return none;
  const std::uint64_t end = has_last ? std::min(*last, bytes - 1) : bytes - 1;
  return std::optional(ByteRange{*first, end - *first + 1});
}

Result<ByteRange> parse_copy_range(std::string_view field, std::uint64_t bytes) {
  const Error malformed(kInvalidArgument,
                        "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last "
                        "are the zero-based offsets of the first and last bytes to copy");
  if (!field.starts_with("bytes=")) return malformed;
  field.remove_prefix(6);
  const std::size_t dash = field.find('-');
  if (dash == std::string_view::npos) return malformed;
  const auto first = number(field.substr(0, dash));
  const auto last = number(field.substr(dash + 1));
  if (!first || !last || *last < *first) return malformed;
  if (*last >= bytes) {
    return Error(kInvalidArgument, "Range specified is not valid for source object of size: " + std::to_string(bytes));
  }
  return ByteRange{*first, *last - *first + 1};
}

}  // namespace millrace::s3
