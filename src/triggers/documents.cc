#include "triggers/documents.h"

#include <algorithm>

#include "codec/json.h"
#include "model/change_record.h"

namespace millrace::triggers {

std::string render(const FailureDocument& document) {
  using codec::Json;
  const bool exhausted = document.reason == Reason::kRetryAttemptsExhausted;
  Json request = Json::object({{"requestId", document.request_id},
                               {"functionArn", document.function_arn},
                               {"condition", exhausted ? "RetryAttemptsExhausted" : "RecordAgeExceeded"},
                               {"approximateInvokeCount", std::max(1, document.invocations)}});
  Json out = Json::object({{"requestContext", std::move(request)}});
  if (document.response) {
    const std::string& error = document.response->function_error;
    out.set("responseContext", Json::object({{"statusCode", document.response->status_code},
                                             {"executedVersion", document.response->executed_version},
                                             {"functionError", error.empty() ? Json() : Json(error)}}));
  }
  out.set("version", "1.0");
  out.set_if(!document.payload.empty(), "payload", document.payload);
  out.set("timestamp", format_iso_ms(document.now));
  Json batch = Json::object({{"shardId", document.shard_id}});
  if (document.batch_size > 0) {
    batch.set("startSequenceNumber", model::sequence_number(document.first))
        .set("endSequenceNumber", model::sequence_number(document.last))
        .set("approximateArrivalOfFirstRecord", format_iso_s(document.first_created))
        .set("approximateArrivalOfLastRecord", format_iso_s(document.last_created))
        .set("batchSize", static_cast<std::int64_t>(document.batch_size));
  }
  out.set("DDBStreamBatchInfo", std::move(batch.set("streamArn", document.stream_arn)));
  if (document.window) {
    const Window& window = document.window->window;
    out.set("timeWindowInfo",
            Json::object(
                {{"window", Json::object({{"start", format_iso_s(window.start)}, {"end", format_iso_s(window.end)}})},
                 {"isFinalInvokeForWindow", document.window->is_final},
                 {"isWindowTerminatedEarly", document.window->is_early}}));
  }
  return out.dump();
}

}  // namespace millrace::triggers
