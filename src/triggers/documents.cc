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
  out.set("timestamp", format_iso_ms(document.now));
  out.set("DDBStreamBatchInfo", Json::object({{"shardId", document.shard_id},
                                              {"startSequenceNumber", model::sequence_number(document.first)},
                                              {"endSequenceNumber", model::sequence_number(document.last)},
                                              {"approximateArrivalOfFirstRecord", format_iso_s(document.first_created)},
                                              {"approximateArrivalOfLastRecord", format_iso_s(document.last_created)},
                                              {"batchSize", static_cast<std::int64_t>(document.batch_size)},
                                              {"streamArn", document.stream_arn}}));
  return out.dump();
}

}  // namespace millrace::triggers
