#include "streams/check.h"

#include <map>
#include <utility>

#include "storage/log_key.h"
#include "storage/stamping.h"
#include "streams/internal/catalogue.h"

namespace millrace::streams {

namespace {

std::string name_of(const Stream& stream, Stamp stamp) {
  return "Record " + std::to_string(stamp) + " of stream " + stream.arn;
}

// What is wrong with a record's place; empty: nothing.
std::string misplaced(const Shard& shard, Stamp stamp, const model::ChangeRecord& record) {
  if (stamp < shard.start) return "comes before the start of its shard " + shard.id;
  if (shard.end && stamp > *shard.end) return "comes after the end of its shard " + shard.id;
  if (record.key_hash < shard.hash_from || record.key_hash > shard.hash_to) return "is not of its shard " + shard.id;
  return {};
}

}  // namespace

Result<std::uint64_t> check_log(const storage::Store& store, const LogCheck& check) {
  MR_ASSIGN_OR_RETURN(const Catalogue catalogue, load_catalogue(store));
  MR_ASSIGN_OR_RETURN(const storage::Head head, storage::load_head(store));
  std::map<std::uint64_t, std::pair<const Stream*, const Shard*>> shards;
  for (const auto& [id, stream] : catalogue.streams) {
    for (const Shard& shard : stream.shards) shards[shard.number.value()] = {&stream, &shard};
  }
  std::uint64_t count = 0;
  const auto it = store.iterate(storage::Family::kLog, {});
  for (it->seek(""); it->valid(); it->next(), ++count) {
    const auto stored = storage::parse_log_record(it->key(), it->value());
    if (!stored) {
      check.problem("A record of the log has a key or header that nobody writes");
      continue;
    }
    if (stored->stamp >= head.next_stamp) {
      check.problem("Record " + std::to_string(stored->stamp) + " of the log lies beyond its head " +
                    std::to_string(head.next_stamp));
    }
    const auto place = shards.find(stored->shard);
    if (place == shards.end()) {
      if (stored->shard >= catalogue.next_id) {
        check.problem("Record " + std::to_string(stored->stamp) + " of the log is of shard number " +
                      std::to_string(stored->shard) + ", which was never made");
      }
      continue;
    }
    const auto& [stream, shard] = place->second;
    const auto record = model::decode_change(stored->value);
    if (!record) {
      check.problem(name_of(*stream, stored->stamp) + " cannot be decoded");
      continue;
    }
    if (const std::string wrong = misplaced(*shard, stored->stamp, *record); !wrong.empty()) {
      check.problem(name_of(*stream, stored->stamp) + " " + wrong);
    }
    if (check.record) check.record(*stream, stored->stamp, *record);
  }
  MR_RETURN_IF_ERROR(it->status());
  return count;
}

}  // namespace millrace::streams
