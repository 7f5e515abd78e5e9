// Segments as spans of OpenTelemetry: the JSON form of OTLP's ExportTraceServiceRequest. Pure.
//
// A segment and each of its subsegments becomes a span under the same ids (a trace id without its dashes and version).
// Name, times, http, aws, annotations and failure are carried over by OpenTelemetry's semantic conventions, as its own
// X-Ray translation does; metadata is left out. What is in progress is no span yet.
// Source: opentelemetry-proto, trace.proto and "OTLP/HTTP JSON encoding"; times are texts of nanoseconds there.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "codec/json.h"
#include "traces/segment.h"

namespace millrace::traces {

// Spans of one document.
std::vector<Json> spans_of(const Json& segment);
// One export request. Resources: a service name each, in order of first appearance.
class ExportRequest {
 public:
  void add(const Json& segment, std::string_view account, std::string_view region);
  std::size_t spans() const { return spans_; }
  // Empties it.
  Json take();

 private:
  struct Resource {
    std::string service, account, region, origin;
    Json::Array spans;
  };
  std::vector<Resource> resources_;
  std::size_t spans_ = 0;
};

}  // namespace millrace::traces
