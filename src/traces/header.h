// Trace ids, segment ids, and the header that carries them from service to service:
//
//   X-Amzn-Trace-Id: Root=1-67891233-abcdef012345678912345678;Parent=463ac35c9f6413ad;Sampled=1
//
// Pure. Source of the forms: AWS X-Ray Developer Guide, "Tracing header" and "Trace ID format".
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "platform/random.h"

namespace millrace::traces {

inline constexpr std::string_view kHeaderField = "X-Amzn-Trace-Id";

struct TraceHeader {
  enum class Sampled { kUnknown, kNo, kYes };  // kUnknown: absent or "?": who reads it decides
  std::string root;                            // a trace id, or "" when there was none, or none that is one
  std::string parent;                          // a segment id, or ""
  Sampled sampled = Sampled::kUnknown;
  friend bool operator==(const TraceHeader&, const TraceHeader&) = default;
};

// Fields in any order, unknown ones (Self, Lineage) left out, malformed values taken as absent.
TraceHeader parse_header(std::string_view text);
// "Root=...;Parent=...;Sampled=0|1"; what is empty or unknown is left out.
std::string format_header(const TraceHeader& header);
// Whether the text of a header says Sampled=1, without taking it apart.
bool says_sampled(std::string_view text);

// "1-" 8 hex digits (seconds since 1970) "-" 24 hex digits.
bool is_trace_id(std::string_view text);
// 16 hex digits.
bool is_segment_id(std::string_view text);
// In the form above; 32 hex digits (as W3C and OpenTelemetry write them) are brought into it. nullopt: neither.
std::optional<std::string> trace_id_of(std::string_view text);
std::string new_trace_id(platform::Random& random, Time now);
std::string new_segment_id(platform::Random& random);
// When the trace with this id began, to the second. REQUIRES: is_trace_id(id).
Time time_of_trace(std::string_view id);

}  // namespace millrace::traces
