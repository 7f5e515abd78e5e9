#include "app/internal/mapping_metrics.h"

#include <utility>

#include "app/internal/mapping_view.h"
#include "codec/json.h"

namespace millrace::app {
namespace {

using triggers::LaneStatus;
using triggers::Status;

constexpr std::size_t kErrorMax = 120;

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"')
      out += {'\\', c};
    else if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out;
}

// One metric: its head once, then a sample per mapping or lane.
class Family {
 public:
  Family(std::string_view name, std::string_view type, std::string_view help) : name_(name) {
    text_ = "# HELP " + name_ + " " + std::string(help) + "\n# TYPE " + name_ + " " + std::string(type) + "\n";
  }
  void add(const std::string& labels, double value) {
    text_ += name_ + "{" + labels + "} ";
    codec::append_json_number(text_, value);
    text_ += '\n';
    used_ = true;
  }
  std::string text() && { return used_ ? std::move(text_) : std::string(); }

 private:
  std::string name_;
  std::string text_;
  bool used_ = false;
};

std::string label(std::string_view name, std::string_view value) {
  return std::string(name) + "=\"" + escaped(value) + "\"";
}

struct LaneFamilies {
  Family position{"millrace_mapping_position", "gauge", "Everything up to this sequence number is settled"};
  Family records{"millrace_mapping_backlog_records", "gauge", "Records behind the position, before filters"};
  Family seconds{"millrace_mapping_backlog_seconds", "gauge", "Age of the oldest of them"};
  Family waiting{"millrace_mapping_waits_for", "gauge", "1 for what the lane waits for now"};
  Family until{"millrace_mapping_waits_until_seconds", "gauge", "Unix time when a window or back-off ends"};
  Family attempts{"millrace_mapping_attempts", "gauge", "Failed or refused attempts of the batch in hand"};
  Family error{"millrace_mapping_last_error_timestamp_seconds", "gauge", "When the lane failed last, and with what"};

  void add(const std::string& where, const LaneStatus& lane, Time now) {
    position.add(where, static_cast<double>(lane.position));
    records.add(where, static_cast<double>(lane.backlog_records));
    const bool has_oldest = lane.oldest != kNever;
    seconds.add(where, has_oldest ? static_cast<double>((now - lane.oldest).count()) / 1000 : 0);
    waiting.add(where + "," + label("for", waiting_word(lane.waiting)), 1);
    if (lane.until != kNever) until.add(where, static_cast<double>(to_unix_ms(lane.until)) / 1000);
    attempts.add(where, lane.tries.failures + lane.tries.refusals);
    if (lane.last_error_at == kNever) return;
    error.add(where + "," + label("error", shortened(lane.last_error, kErrorMax)),
              static_cast<double>(to_unix_ms(lane.last_error_at)) / 1000);
  }
  std::string text() && {
    std::string out;
    for (Family* family : {&position, &records, &seconds, &waiting, &until, &attempts, &error})
      out += std::move(*family).text();
    return out;
  }
};

}  // namespace

std::string mapping_metrics(const std::vector<Status>& mappings, const Prices& prices, Time now) {
  LaneFamilies lanes;
  Family blocked("millrace_mapping_blocked", "gauge", "1 while a batch is being tried for the third time or more");
  Family invocations("millrace_mapping_invocations_total", "counter", "Since the mapping was created");
  Family retries("millrace_mapping_retries_total", "counter", "Invocations with records that were sent before");
  Family gb_seconds("millrace_mapping_retry_gb_seconds_total", "counter", "What those used");
  Family money("millrace_mapping_retry_cost_total", "counter", "What those would cost by the table of prices");
  for (const Status& status : mappings) {
    const std::string mapping =
        label("mapping", status.mapping.uuid) + "," + label("function", function_of(status.mapping.function_arn));
    blocked.add(mapping, status.is_blocked ? 1 : 0);
    invocations.add(mapping, static_cast<double>(status.totals.invocations));
    retries.add(mapping, static_cast<double>(status.totals.retries));
    gb_seconds.add(mapping, status.totals.retry_gb_seconds);
    money.add(mapping + "," + label("currency", prices.currency),
              prices.of(status.totals.retries, status.totals.retry_gb_seconds));
    for (const auto& shard : status.shards)
      for (std::size_t i = 0; i < shard.lanes.size(); ++i)
        lanes.add(mapping + "," + label("shard", shard.id) + "," + label("lane", std::to_string(i)), shard.lanes[i],
                  now);
  }
  std::string out;
  for (Family* family : {&blocked, &invocations, &retries, &gb_seconds, &money}) out += std::move(*family).text();
  return out + std::move(lanes).text();
}

}  // namespace millrace::app
