#include "traces/header.h"

#include <algorithm>
#include <charconv>

namespace millrace::traces {
namespace {

constexpr std::size_t kTraceIdSize = 35;
constexpr std::size_t kSecondsDigits = 8;

bool is_hex(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); });
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

}  // namespace

bool is_trace_id(std::string_view text) {
  return text.size() == kTraceIdSize && text.starts_with("1-") && text[10] == '-' && is_hex(text.substr(2, 8)) &&
         is_hex(text.substr(11));
}

bool is_segment_id(std::string_view text) { return text.size() == 16 && is_hex(text); }

std::optional<std::string> trace_id_of(std::string_view text) {
  if (is_trace_id(text)) return std::string(text);
  if (text.size() != 32 || !is_hex(text)) return std::nullopt;
  return "1-" + std::string(text.substr(0, kSecondsDigits)) + "-" + std::string(text.substr(kSecondsDigits));
}

TraceHeader parse_header(std::string_view text) {
  TraceHeader out;
  while (!text.empty()) {
    const std::string_view part = trimmed(text.substr(0, text.find(';')));
    text.remove_prefix(std::min(text.find(';'), text.size() - 1) + 1);
    const auto equals = part.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = trimmed(part.substr(0, equals));
    const std::string_view value = trimmed(part.substr(equals + 1));
    if (name == "Root" && is_trace_id(value)) out.root = value;
    if (name == "Parent" && is_segment_id(value)) out.parent = value;
    if (name != "Sampled") continue;
    out.sampled = value == "1"   ? TraceHeader::Sampled::kYes
                  : value == "0" ? TraceHeader::Sampled::kNo
                                 : TraceHeader::Sampled::kUnknown;
  }
  return out;
}

std::string format_header(const TraceHeader& header) {
  std::string out;
  const auto add = [&](std::string_view name, std::string_view value) {
    if (!out.empty()) out += ';';
    out.append(name).append("=").append(value);
  };
  if (!header.root.empty()) add("Root", header.root);
  if (!header.parent.empty()) add("Parent", header.parent);
  if (header.sampled != TraceHeader::Sampled::kUnknown)
    add("Sampled", header.sampled == TraceHeader::Sampled::kYes ? "1" : "0");
  return out;
}

bool says_sampled(std::string_view text) {
  constexpr std::string_view kYes = "Sampled=1";
  const auto at = text.find(kYes);
  return at != std::string_view::npos && (at + kYes.size() == text.size() || text[at + kYes.size()] == ';');
}

std::string new_trace_id(platform::Random& random, Time now) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string seconds(kSecondsDigits, '0');
  auto value = static_cast<std::uint64_t>(to_unix_s(now));
  for (auto digit = seconds.rbegin(); digit != seconds.rend(); ++digit, value >>= 4) *digit = kDigits[value & 15];
  return "1-" + seconds + "-" + random.hex(24);
}

std::string new_segment_id(platform::Random& random) { return random.hex(16); }

Time time_of_trace(std::string_view id) {
  std::uint32_t seconds = 0;
  std::from_chars(id.data() + 2, id.data() + 2 + kSecondsDigits, seconds, 16);
  return Time(Seconds(seconds));
}

}  // namespace millrace::traces
