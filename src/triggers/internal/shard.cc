#include "triggers/internal/shard.h"

#include <algorithm>
#include <charconv>

#include "codec/json.h"
#include "triggers/mapping.h"
#include "triggers/ports.h"

namespace millrace::triggers::internal {
namespace {

using codec::Json;

constexpr std::size_t kUuidLength = 36;
constexpr std::size_t kShardDigits = 16;

void add_tries(Json& out, const Tries& tries) {
  out.set("invocations", tries.invocations)
      .set("failures", tries.failures)
      .set("refusals", tries.refusals)
      .set("notBefore", to_unix_ms(tries.not_before))
      .set("failingSince", to_unix_ms(tries.failing_since));
}

Tries tries_of(const Json& json) {
  Tries out;
  out.invocations = static_cast<int>(json.int_or("invocations", 0));
  out.failures = static_cast<int>(json.int_or("failures", 0));
  out.refusals = static_cast<int>(json.int_or("refusals", 0));
  out.not_before = from_unix_ms(json.int_or("notBefore", 0));
  out.failing_since = from_unix_ms(json.int_or("failingSince", 0));
  return out;
}

Json encode_tumbling(const Tumbling& tumbling) {
  Json out = Json::object({{"start", to_unix_ms(tumbling.window.start)},
                           {"end", to_unix_ms(tumbling.window.end)},
                           {"state", tumbling.state},
                           {"closing", tumbling.closing},
                           {"early", tumbling.early}});
  if (tumbling.tries != Tries{}) add_tries(out, tumbling.tries);
  return out;
}

Tumbling tumbling_of(const Json& json) {
  Tumbling out;
  out.window = {from_unix_ms(json.int_or("start", 0)), from_unix_ms(json.int_or("end", 0))};
  out.state = json.string_or("state", kEmptyState);
  out.closing = json.bool_or("closing", false);
  out.early = json.bool_or("early", false);
  out.tries = tries_of(json);
  return out;
}

Json encode_lane(const SavedLane& lane) {
  Json out = Json::object({{"position", lane.settled}});
  out.set_if(lane.window_opened != Time{}, "windowOpened", to_unix_ms(lane.window_opened));
  if (lane.tumbling) out.set("tumbling", encode_tumbling(*lane.tumbling));
  out.set_if(lane.tumbled_to != Time{}, "tumbledTo", to_unix_ms(lane.tumbled_to));
  if (lane.planned.empty()) return out;
  Json planned = Json::array();
  for (const Planned& plan : lane.planned) {
    Json each = Json::object({{"last", plan.last}});
    add_tries(each, plan.tries);
    each.set_if(plan.filters != 0, "filters", plan.filters);
    planned.push(std::move(each));
  }
  return out.set("planned", std::move(planned));
}

SavedLane decode_lane(const Json& json) {
  SavedLane out;
  out.settled = static_cast<SequenceNumber>(json.int_or("position", 0));
  out.window_opened = from_unix_ms(json.int_or("windowOpened", 0));
  if (const Json* tumbling = json.find("tumbling"); tumbling != nullptr) out.tumbling = tumbling_of(*tumbling);
  out.tumbled_to = from_unix_ms(json.int_or("tumbledTo", 0));
  const Json* planned = json.find("planned");
  if (planned == nullptr || !planned->is_array()) return out;
  for (const Json& plan : planned->as_array()) {
    out.planned.push_back({static_cast<SequenceNumber>(plan.int_or("last", 0)), tries_of(plan),
                           static_cast<std::uint64_t>(plan.int_or("filters", 0))});
  }
  return out;
}

Error damaged() {
  return Error(kInternalError, "a position of an event source mapping is damaged or of a newer version");
}

SequenceNumber lowest(const SavedShard& shard) {
  return std::min_element(shard.lanes.begin(), shard.lanes.end(),
                          [](const SavedLane& a, const SavedLane& b) { return a.settled < b.settled; })
      ->settled;
}

}  // namespace

std::string shard_key(std::string_view uuid, std::uint64_t shard) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string hex(kShardDigits, '0');
  for (std::size_t i = kShardDigits; i-- > 0; shard >>= 4) hex[i] = digits[shard & 15];
  return std::string(kMappingPrefix) + std::string(uuid) + "/" + hex;
}

std::uint64_t shard_of_key(std::string_view key) {
  const std::size_t start = kMappingPrefix.size() + kUuidLength + 1;
  if (key.size() != start + kShardDigits || key[start - 1] != '/') return 0;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(key.data() + start, key.data() + key.size(), number, 16);
  return error == std::errc() && end == key.data() + key.size() ? number : 0;
}

std::string encode(const SavedShard& shard) {
  Json lanes = Json::array();
  for (const SavedLane& lane : shard.lanes) lanes.push(encode_lane(lane));
  Json out = Json::object({{"v", 1}, {"lanes", std::move(lanes)}});
  if (!shard.previous.empty()) {
    Json previous = Json::array();
    for (const LanePositions& positions : shard.previous) {
      Json list = Json::array();
      for (const SequenceNumber position : positions) list.push(position);
      previous.push(std::move(list));
    }
    out.set("previous", std::move(previous));
  }
  out.set_if(shard.finished, "finished", true);
  out.set_if(!shard.last_result.empty(), "result", shard.last_result);
  return out.dump();
}

Result<SavedShard> decode_shard(std::string_view text) {
  MR_ASSIGN_OR_RETURN(const Json json, codec::parse_json(text));
  const Json* lanes = json.find("lanes");
  if (json.int_or("v", 0) != 1 || lanes == nullptr || !lanes->is_array() || lanes->as_array().empty()) {
    return damaged();
  }
  SavedShard out;
  for (const Json& lane : lanes->as_array()) out.lanes.push_back(decode_lane(lane));
  if (const Json* previous = json.find("previous"); previous != nullptr && previous->is_array()) {
    for (const Json& list : previous->as_array()) {
      LanePositions positions;
      if (list.is_array()) {
        for (const Json& position : list.as_array())
          if (position.is_int()) positions.push_back(static_cast<SequenceNumber>(position.as_int()));
      }
      // Which lane had which position must be certain.
      if (positions.empty() || positions.size() != list.as_array().size()) return damaged();
      out.previous.push_back(std::move(positions));
    }
  }
  out.finished = json.bool_or("finished", false);
  out.last_result = json.string_or("result", "");
  return out;
}

bool is_settled_before(const std::vector<LanePositions>& previous, std::uint64_t key_hash, SequenceNumber sequence) {
  return std::any_of(previous.begin(), previous.end(), [&](const LanePositions& positions) {
    return sequence <= positions[lane_of(key_hash, static_cast<unsigned>(positions.size()))];
  });
}

SavedShard rearranged(const SavedShard& shard, unsigned factor) {
  SavedShard out = shard;
  LanePositions positions;
  for (const SavedLane& lane : shard.lanes) positions.push_back(lane.settled);
  out.previous.push_back(std::move(positions));
  // Open windows stay open: the earliest batching window for all, the one tumbling window in the first lane.
  SavedLane fresh{.settled = lowest(shard)};
  std::optional<Tumbling> tumbling;
  for (const SavedLane& lane : shard.lanes) {
    const bool earlier = fresh.window_opened == Time{} || lane.window_opened < fresh.window_opened;
    if (lane.window_opened != Time{} && earlier) fresh.window_opened = lane.window_opened;
    fresh.tumbled_to = std::max(fresh.tumbled_to, lane.tumbled_to);
    if (lane.tumbling) tumbling = lane.tumbling;
  }
  out.lanes.assign(factor, fresh);
  out.lanes.front().tumbling = std::move(tumbling);
  drop_passed(out);
  return out;
}

void drop_passed(SavedShard& shard) {
  const SequenceNumber settled = lowest(shard);
  std::erase_if(shard.previous, [&](const LanePositions& positions) {
    return settled >= *std::max_element(positions.begin(), positions.end());
  });
}

}  // namespace millrace::triggers::internal
