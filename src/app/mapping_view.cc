#include "app/internal/mapping_view.h"

#include <algorithm>
#include <cstdio>

#include "model/change_record.h"

namespace millrace::app {
namespace {

using codec::Json;
using triggers::LaneStatus;
using triggers::Status;
using triggers::Waiting;

std::string when(Time time) { return time == kNever ? "-" : format_iso_ms(time); }

// How much attention a lane needs; the mapping shows the one that needs most.
int urgency(const LaneStatus& lane) {
  if (lane.blocked_since != kNever) return 5;
  switch (lane.waiting) {
    case Waiting::kInvocation:
      return 4;
    case Waiting::kBackoff:
    case Waiting::kConcurrency:
      return 4;
    case Waiting::kWindow:
    case Waiting::kTumbling:
      return 3;
    case Waiting::kReading:
      return 2;
    case Waiting::kParent:
      return 1;
    default:
      return 0;
  }
}

std::string lane_text(const LaneStatus& lane) {
  const std::string attempt =
      lane.tries.failures > 0 ? ", " + std::to_string(lane.tries.failures) + " failed attempts" : "";
  switch (lane.waiting) {
    case Waiting::kRecords:
      return "records";
    case Waiting::kReading:
      return "records being read";
    case Waiting::kWindow:
      return "batching window until " + when(lane.until);
    case Waiting::kTumbling:
      return "end of the tumbling window at " + when(lane.until);
    case Waiting::kInvocation:
      return "invocation since " + when(lane.since) + attempt;
    case Waiting::kBackoff:
      return "back-off until " + when(lane.until) + attempt;
    case Waiting::kConcurrency:
      return "concurrency of the function, next try " + when(lane.until);
    case Waiting::kParent:
      return "parent shard";
    case Waiting::kPaused:
      return "resume (it is disabled)";
    case Waiting::kShardEnd:
      return "nothing: the shard has ended";
  }
  return "";
}

const LaneStatus* most_urgent(const Status& status) {
  const LaneStatus* best = nullptr;
  for (const auto& shard : status.shards)
    for (const auto& lane : shard.lanes)
      if (best == nullptr || urgency(lane) > urgency(*best)) best = &lane;
  return best;
}

Json lane_json(const LaneStatus& lane, Time now) {
  Json json = Json::object({{"position", model::sequence_number(lane.position)}, {"waits_for", lane_text(lane)}});
  json.set("backlog", (lane.backlog_is_lower_bound ? "at least " : "") + std::to_string(lane.backlog_records));
  json.set_if(lane.oldest != kNever, "oldest_age_ms", (now - lane.oldest).count());
  if (lane.batch_records > 0) {
    json.set("batch", std::to_string(lane.batch_records) + " records, " + model::sequence_number(lane.batch_first) +
                          " to " + model::sequence_number(lane.batch_last));
    json.set("invocations_of_batch", lane.tries.invocations)
        .set("failed_attempts", lane.tries.failures)
        .set("refused", lane.tries.refusals);
    if (lane.blocked_since != kNever) json.set("blocked_since", when(lane.blocked_since));
    const bool waits = lane.waiting == Waiting::kBackoff || lane.waiting == Waiting::kConcurrency;
    if (waits) json.set("next_try", when(lane.until));
  }
  if (lane.last_error_at != kNever)
    json.set("last_error", lane.last_error).set("last_error_at", when(lane.last_error_at));
  return json;
}

std::pair<std::uint64_t, Time> backlog_of(const Status& status) {
  std::uint64_t records = 0;
  Time oldest = kNever;
  for (const auto& shard : status.shards) {
    records += shard.backlog_records;
    oldest = std::min(oldest, shard.oldest);
  }
  return {records, oldest};
}

Json cost_json(std::uint64_t invocations, double gb_seconds, const Prices& prices) {
  char money[64];
  std::snprintf(money, sizeof money, "%.6f ", prices.of(invocations, gb_seconds));
  return Json::object({{"invocations", invocations}, {"gb_seconds", gb_seconds}, {"money", money + prices.currency}});
}

Json options_json(const triggers::Mapping& mapping) {
  const auto limit = [](std::int64_t value) { return value < 0 ? std::string("none") : std::to_string(value); };
  Json json = Json::object({{"batch_size", mapping.batch_size},
                            {"window_s", mapping.window_s},
                            {"tumbling_window_s", mapping.tumbling_s},
                            {"starting_position", mapping.starting_position}});
  json.set("retries_max", limit(mapping.retries_max))
      .set("record_age_max_s", limit(mapping.record_age_max_s))
      .set("bisect", mapping.bisect);
  json.set("reports_batch_item_failures", mapping.report_failures).set("lanes", mapping.parallelization_factor);
  json.set("on_failure",
           mapping.destination.empty() ? "none: records that run out of attempts are dropped" : mapping.destination);
  json.set("payload_in_failures", mapping.payload_in_failures);
  Json filters = Json::array();
  for (const auto& filter : mapping.filters) filters.push(filter);
  return json.set("filters", filters);
}

}  // namespace

std::string function_of(std::string_view arn) {
  constexpr std::string_view kMark = ":function:";
  const auto at = arn.find(kMark);
  return std::string(at == std::string_view::npos ? arn : arn.substr(at + kMark.size()));
}

std::string table_of(const std::string& stream_arn) {
  constexpr std::string_view kMark = ":table/";
  const auto at = stream_arn.find(kMark);
  if (at == std::string::npos) {
    const auto service = stream_arn.find(":sqs:");
    return service == std::string::npos ? stream_arn : stream_arn.substr(stream_arn.rfind(':') + 1);
  }
  const auto name = stream_arn.substr(at + kMark.size());
  return name.substr(0, name.find('/'));
}

std::string shortened(const std::string& text, std::size_t bytes) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xC0) == 0x80) --bytes;
  return text.substr(0, bytes);
}

std::string_view waiting_word(Waiting waiting) {
  switch (waiting) {
    case Waiting::kRecords:
      return "records";
    case Waiting::kReading:
      return "reading";
    case Waiting::kWindow:
      return "window";
    case Waiting::kTumbling:
      return "tumbling_window";
    case Waiting::kInvocation:
      return "invocation";
    case Waiting::kBackoff:
      return "backoff";
    case Waiting::kConcurrency:
      return "concurrency";
    case Waiting::kParent:
      return "parent";
    case Waiting::kPaused:
      return "paused";
    case Waiting::kShardEnd:
      return "shard_end";
  }
  return "";
}

Json history_json(const triggers::HistoryEntry& entry) {
  const auto number = [](triggers::SequenceNumber sequence) { return model::sequence_number(sequence); };
  Json json = Json::object({{"number", entry.number}, {"time", when(entry.time)}, {"what", entry.what}});
  json.set("result", entry.result).set_if(!entry.shard.empty(), "shard", entry.shard).set("lane", entry.lane);
  if (entry.first != 0) json.set("first", number(entry.first));
  if (entry.last != 0) json.set("last", number(entry.last));
  json.set("records", entry.records).set("done", entry.done).set("attempt", entry.attempt);
  json.set("duration_ms", entry.duration.count()).set_if(!entry.function.empty(), "function", entry.function);
  json.set_if(!entry.request_id.empty(), "request_id", entry.request_id);
  return json.set_if(!entry.text.empty(), "message", entry.text);
}

std::string waiting_text(const Status& status) {
  if (!status.mapping.enabled) return "resume (it is disabled)";
  const LaneStatus* lane = most_urgent(status);
  return lane == nullptr ? "records" : lane_text(*lane);
}

namespace {

// Of a mapping of a queue: what the queue holds, and what of it is in this mapping's hands.
Json queue_json(const Status& status) {
  const auto& queue = *status.queue;
  const auto& lane = status.shards.front().lanes.front();
  Json json = Json::object({{"exists", queue.exists},
                            {"ready", queue.ready},
                            {"delayed", queue.delayed},
                            {"in_flight", queue.in_flight},
                            {"invocations_running", queue.invocations},
                            {"messages_in_batches", queue.batched},
                            {"messages_buffered", queue.buffered},
                            {"concurrency_now", queue.concurrency}});
  return json.set("failures_in_a_row", lane.tries.failures).set("waits_for", lane_text(lane));
}

Json queue_options(const triggers::Mapping& mapping) {
  Json json = Json::object({{"batch_size", mapping.batch_size}, {"window_s", mapping.window_s}});
  json.set("maximum_concurrency",
           mapping.maximum_concurrency == 0 ? "none" : std::to_string(mapping.maximum_concurrency))
      .set("reports_batch_item_failures", mapping.report_failures);
  Json filters = Json::array();
  for (const auto& filter : mapping.filters) filters.push(filter);
  return json.set("filters", filters);
}

}  // namespace

Json mapping_summary(const Status& status, Time now) {
  const auto [records, oldest] = backlog_of(status);
  Json json = Json::object({{"uuid", status.mapping.uuid},
                            {"function", function_of(status.mapping.function_arn)},
                            {"source", status.mapping.stream_arn}});
  json.set("source", table_of(status.mapping.stream_arn));
  json.set("state", status.is_blocked        ? "BLOCKED"
                    : status.mapping.enabled ? "Enabled"
                                             : "Disabled")
      .set("blocked", status.is_blocked);
  json.set("backlog", records).set_if(oldest != kNever, "oldest_age_ms", (now - oldest).count());
  return json.set("waits_for", waiting_text(status)).set("last_result", status.last_result);
}

Json mapping_details(const Status& status, const Prices& prices, Time now) {
  const auto& totals = status.totals;
  Json json = mapping_summary(status, now);
  json.set("source", status.mapping.stream_arn);
  const auto [records, oldest] = backlog_of(status);
  if (oldest != kNever)
    json.set("oldest_record", format_iso_ms(oldest) + ", " + format_duration(now - oldest) + " old");
  if (!status.last_error.empty())
    json.set("last_error", status.last_error).set("last_error_at", when(status.last_error_at));
  json.set("invocations", totals.invocations).set("failures", totals.failures).set("refusals", totals.refusals);
  json.set("records", totals.settled).set("records_read", totals.polled).set("records_filtered", totals.filtered);
  json.set("records_dropped", totals.dropped)
      .set("records_sent_to_destination", totals.sent_to_destination)
      .set("records_lost", totals.lost);
  json.set("records_skipped", totals.skipped);
  json.set("batch_records_max", totals.batch_records_max)
      .set("duration_ms", totals.duration.count())
      .set("gb_seconds", totals.gb_seconds);
  json.set("cost", cost_json(totals.invocations, totals.gb_seconds, prices));
  json.set("retry_cost", cost_json(totals.retries, totals.retry_gb_seconds, prices));
  if (status.latency.samples > 0)
    json.set("latency_ms", Json::object({{"p50", status.latency.p50_ms},
                                         {"p99", status.latency.p99_ms},
                                         {"samples", status.latency.samples}}));
  if (status.queue) return json.set("options", queue_options(status.mapping)).set("queue", queue_json(status));
  json.set("options", options_json(status.mapping));
  Json shards = Json::array();
  for (const auto& shard : status.shards)
    for (std::size_t lane = 0; lane < shard.lanes.size(); ++lane) {
      Json entry = Json::object({{"shard", shard.id}});
      if (shard.lanes.size() > 1) entry.set("lane", lane);
      const Json fields = lane_json(shard.lanes[lane], now);
      for (const auto& [name, value] : fields.as_object()) entry.set(name, value);
      shards.push(std::move(entry));
    }
  return json.set("shards", shards);
}

}  // namespace millrace::app
