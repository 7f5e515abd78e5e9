#include "triggers/event.h"

#include "codec/json.h"

namespace millrace::triggers {
namespace {

// After "Records". kWindowBytes bounds its length without the state.
void append_window(std::string& out, const Batch& batch, const Tumbling& tumbling, std::string_view shard_id,
                   std::string_view stream_arn) {
  const bool is_final = batch.records.empty();
  out += R"(,"window":{"start":")" + format_iso_s(tumbling.window.start) + R"(","end":")" +
         format_iso_s(tumbling.window.end) + R"("},"state":)" + tumbling.state + R"(,"shardId":)" +
         codec::Json(shard_id).dump() + R"(,"eventSourceARN":)" + codec::Json(stream_arn).dump() +
         R"(,"isFinalInvokeForWindow":)" + (is_final ? "true" : "false") + R"(,"isWindowTerminatedEarly":)" +
         (is_final && tumbling.early ? "true" : "false");
}

}  // namespace

std::string render_event(const Batch& batch, const std::optional<Tumbling>& tumbling, std::string_view shard_id,
                         std::string_view stream_arn) {
  std::size_t bytes = kEnvelopeBytes;
  for (const Record& record : batch.records) bytes += record.event.size() + 1;
  if (tumbling) bytes += kWindowBytes + tumbling->state.size();
  std::string out;
  out.reserve(bytes);
  out = "{\"Records\":[";
  for (const Record& record : batch.records) {
    if (out.back() != '[') out += ',';
    out += record.event;
  }
  out += ']';
  if (tumbling) append_window(out, batch, *tumbling, shard_id, stream_arn);
  return out += '}';
}

}  // namespace millrace::triggers
