#include "api/xray/operations.h"
#include "telemetry/log.h"
#include "wire/generated/xray.h"
#include "wire/generated/xray_views.h"

namespace millrace::api_xray {

Result<Reply> put_trace_segments(const Parts& parts, const RequestContext& context, const Document& input) {
  const wire::xray::PutTraceSegmentsRequest request(input);
  Document unprocessed = Document::array();
  for (const std::string_view document : request.trace_segment_documents()) {
    traces::Refusal refusal;
    if (auto segment = traces::read_segment(document, refusal)) {
      parts.store.receive(context.caller.scope, std::move(*segment));
      continue;
    }
    Document one = Document::object({{"ErrorCode", refusal.code}, {"Message", refusal.message()}});
    unprocessed.push(one.set_if(!refusal.id.empty(), "Id", refusal.id));
  }
  parts.store.flush();
  Reply reply;
  reply.output.set("UnprocessedTraceSegments", std::move(unprocessed));
  reply.after = parts.store.last_commit();
  return reply;
}

// The daemon's own figures. AWS keeps them to itself, too; they go to the log.
Result<Reply> put_telemetry_records(const Parts&, const RequestContext& context, const Document& input) {
  const wire::xray::PutTelemetryRecordsRequest request(input);
  for (const auto& record : request.telemetry_records()) {
    telemetry::log_debug("xray", "a daemon of " + context.caller.scope.account + " received " +
                                     std::to_string(record.segments_received_count().value_or(0)) + " segments, sent " +
                                     std::to_string(record.segments_sent_count().value_or(0)) + ", had " +
                                     std::to_string(record.segments_rejected_count().value_or(0)) + " rejected");
  }
  return Reply();
}

}  // namespace millrace::api_xray
