// Segment documents: the JSON that tells what one service did for a trace. X-Ray's own form, from SDKs, the daemon's
// port and this server alike.
//
// Pure. What is required of a document, and the codes of what is not: AWS X-Ray Developer Guide, "Segment documents";
// the codes as the service answers them (MissingId, InvalidTraceId, InvalidName, ...), "ParseError" for what is no JSON
// object.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/json.h"

namespace millrace::traces {

using codec::Json;

inline constexpr std::size_t kSegmentBytesMax = 64 * 1024;  // AWS: of one document
inline constexpr std::size_t kNameMax = 200;                // AWS: characters of a name

// A document that can be kept.
struct Segment {
  std::string trace_id;
  std::string id;
  double start = 0;  // seconds since 1970
  double end = 0;    // its start while it is in progress
  std::string document;
};

// Why a document is refused. `code`: AWS's, without spaces; `id`: of the segment if it could be read.
struct Refusal {
  std::string id;
  std::string code;
  bool is_subsegment = false;
  std::string message() const;
};

// Takes in a document as it was sent. On success the trace id is in X-Ray's form, also within the document.
std::optional<Segment> read_segment(std::string_view document, Refusal& refusal);
// The same from a document of our own making. REQUIRES: it is complete.
Segment own_segment(const Json& document);

// The same segment `seconds` later, subsegments included.
Segment moved(const Segment& segment, double seconds);

// Documents of one trace as the service gives them back: those of type "subsegment" put into the "subsegments" of the
// one with the id of their parent, wherever that is; what has no parent here stays by itself. By start time.
std::vector<Json> assemble(const std::vector<std::string>& documents);
// Calls `visit` with the segment and all its subsegments, parents first. `depth` is 0 for the segment.
void for_each(const Json& segment, const std::function<void(const Json& each, int depth)>& visit, int depth = 0);

double number_or(const Json& json, std::string_view name, double otherwise);

}  // namespace millrace::traces
