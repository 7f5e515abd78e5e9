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

Json encode_lane(const SavedLane& lane) {
  Json out = Json::object({{"position", lane.settled}});
  if (lane.planned.empty()) return out;
  Json planned = Json::array();
  for (const Planned& plan : lane.planned) {
    planned.push(Json::object({{"last", plan.last},
                               {"invocations", plan.tries.invocations},
                               {"failures", plan.tries.failures},
                               {"refusals", plan.tries.refusals},
                               {"notBefore", to_unix_ms(plan.tries.not_before)},
                               {"failingSince", to_unix_ms(plan.tries.failing_since)}}));
  }
  return out.set("planned", std::move(planned));
}

SavedLane decode_lane(const Json& json) {
  SavedLane out;
  out.settled = static_cast<SequenceNumber>(json.int_or("position", 0));
  const Json* planned = json.find("planned");
  if (planned == nullptr || !planned->is_array()) return out;
  for (const Json& plan : planned->as_array()) {
    Planned each;
    each.last = static_cast<SequenceNumber>(plan.int_or("last", 0));
    each.tries.invocations = static_cast<int>(plan.int_or("invocations", 0));
    each.tries.failures = static_cast<int>(plan.int_or("failures", 0));
    each.tries.refusals = static_cast<int>(plan.int_or("refusals", 0));
    each.tries.not_before = from_unix_ms(plan.int_or("notBefore", 0));
    each.tries.failing_since = from_unix_ms(plan.int_or("failingSince", 0));
    out.planned.push_back(each);
  }
  return out;
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
    return Error(kInternalError, "a position of an event source mapping is damaged or of a newer version");
  }
  SavedShard out;
  for (const Json& lane : lanes->as_array()) out.lanes.push_back(decode_lane(lane));
  if (const Json* previous = json.find("previous"); previous != nullptr && previous->is_array()) {
    for (const Json& list : previous->as_array()) {
      LanePositions positions;
      for (const Json& position : list.as_array()) positions.push_back(static_cast<SequenceNumber>(position.as_int()));
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
  out.lanes.assign(factor, SavedLane{.settled = lowest(shard), .planned = {}});
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
