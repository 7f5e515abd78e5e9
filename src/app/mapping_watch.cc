#include "app/internal/mapping_watch.h"

#include <algorithm>

#include "app/internal/mapping_view.h"
#include "app/internal/self_writes.h"
#include "functions/service.h"
#include "model/change_record.h"
#include "streams/streams.h"
#include "triggers/ports.h"

namespace millrace::app {
namespace {

using triggers::LaneStatus;
using triggers::ShardStatus;
using triggers::Status;

// "arn:aws:lambda:REGION:ACCOUNT:function:NAME[:QUALIFIER]"
functions::FunctionName name_of(const triggers::Mapping& mapping) {
  const std::string function = function_of(mapping.function_arn);
  return {mapping.scope, function.substr(0, function.find(':'))};
}

void share_out(const streams::Streams& streams, ShardStatus& shard) {
  const auto lowest = std::min_element(shard.lanes.begin(), shard.lanes.end(),
                                       [](const auto& a, const auto& b) { return a.position < b.position; });
  streams::Stamp after = lowest->position;
  bool more = true;
  for (std::size_t seen = 0; more && seen < kLaneBacklogMax;) {
    const auto page = streams.read(streams::ShardNumber(shard.number), after);
    if (!page.ok()) return;
    for (const auto& record : page->records) {
      const auto header = model::decode_change_header(record.value);
      if (!header) continue;
      LaneStatus& lane = shard.lanes[triggers::lane_of(header->key_hash, static_cast<unsigned>(shard.lanes.size()))];
      if (record.stamp <= lane.position) continue;
      ++lane.backlog_records;
      lane.oldest = std::min(lane.oldest, record.committed);
    }
    seen += std::max<std::size_t>(1, page->records.size());
    after = page->read_to;
    more = page->more;
  }
  for (LaneStatus& lane : shard.lanes) lane.backlog_is_lower_bound = more;
}

}  // namespace

std::vector<std::string> warnings_of(const Parts& parts, const Status& status) {
  std::vector<std::string> out;
  const std::string function = function_of(status.mapping.function_arn);
  if (status.is_blocked)
    out.push_back("to " + function + " is blocked: it waits for " + waiting_text(status) + "; " + status.last_error);
  if (status.totals.lost > 0)
    out.push_back("lost " + std::to_string(status.totals.lost) +
                  " records that were trimmed before they were delivered");
  if (const Time seen = parts.self_writes->seen(status.mapping.uuid); seen != kNever)
    out.push_back("triggers itself: function " + function + " has written to table " +
                  table_of(status.mapping.stream_arn) + ", first at " + format_iso_ms(seen) +
                  "; each batch may cause another");
  const auto settings = parts.functions->get(name_of(status.mapping));
  if (!status.queue && settings.ok() && !settings->settings.dead_letter_arn.empty() &&
      status.mapping.destination.empty())
    out.push_back("has no on-failure destination, and the dead letter queue of " + function +
                  " is never used for stream batches: records that run out of attempts are dropped");
  return out;
}

void add_lane_backlogs(const streams::Streams& streams, Status& status) {
  for (ShardStatus& shard : status.shards) {
    if (shard.lanes.size() > 1 && shard.backlog_records > 0) {
      share_out(streams, shard);
    } else if (shard.lanes.size() == 1) {
      shard.lanes[0].backlog_records = shard.backlog_records;
      shard.lanes[0].backlog_is_lower_bound = shard.backlog_is_lower_bound;
      shard.lanes[0].oldest = shard.oldest;
    }
  }
}

}  // namespace millrace::app
