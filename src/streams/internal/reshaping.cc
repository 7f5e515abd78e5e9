// Rolling, splitting and merging: parents are closed and children opened in one batch, so that there is no moment, not
// even after a crash, in which a key has no shard or two.

#include <algorithm>

#include "streams/internal/engine.h"

namespace millrace::streams {

using storage::WriteBatch;

namespace {

// Why the shards cannot be changed so; nullopt: they can.
std::optional<Error> refusal(Reshape::Kind kind, const std::vector<Shard>& shards) {
  if (kind == Reshape::Kind::kSplit) {
    const bool is_narrow =
        std::any_of(shards.begin(), shards.end(), [](const Shard& shard) { return shard.hash_from == shard.hash_to; });
    if (is_narrow) return Error(kValidation, "The shard's hash range cannot be split");
  }
  if (kind == Reshape::Kind::kMerge) {
    if (shards.size() != 2) return Error(kValidation, "A merge takes two shards");
    const auto [low, high] = std::minmax(shards[0].hash_from, shards[1].hash_from);
    const std::uint64_t low_end = shards[0].hash_from == low ? shards[0].hash_to : shards[1].hash_to;
    if (low == high || low_end + 1 != high) return Error(kValidation, "The shards are not neighbours");
  }
  return std::nullopt;
}

}  // namespace

void Streams::Engine::adopt_child(Stream& stream, const std::vector<Shard>& parents, std::uint64_t from,
                                  std::uint64_t to, WriteBatch& batch) {
  Shard child = make_shard(from, to, scheduler_.now());
  child.parent = parents.back().number;
  child.parent_id = parents.back().id;
  if (parents.size() == 2) {
    child.second_parent = parents.front().number;
    child.second_parent_id = parents.front().id;
  }
  adopt(stream, std::move(child), batch);
}

Result<void> Streams::Engine::reshape(StreamId id, const Reshape& change, WriteBatch& batch) {
  std::vector<ShardNumber> closed = change.shards;
  std::vector<ShardNumber> opened;
  {
    const std::unique_lock lock(mutex_);
    const auto it = streams_.find(id);
    if (it == streams_.end() || !it->second.is_enabled()) return Error(kResourceNotFound, "The stream is not enabled");
    Stream& stream = it->second;
    if (change.kind == Reshape::Kind::kRoll && closed.empty()) {
      for (const Shard& shard : stream.shards) {
        if (shard.is_open()) closed.push_back(shard.number);
      }
    }
    std::vector<Shard> parents;  // copies: adopt() moves the vector
    for (const ShardNumber number : closed) {
      const Shard* shard = find_shard(stream, number);
      if (shard == nullptr || !shard->is_open()) return Error(kResourceNotFound, "There is no such open shard");
      parents.push_back(*shard);
    }
    if (auto refused = refusal(change.kind, parents)) return *std::move(refused);
    const Time now = scheduler_.now();
    for (const ShardNumber number : closed) retire(stream, *find_shard(stream, number), now, batch);
    const std::size_t before = stream.shards.size();
    if (change.kind == Reshape::Kind::kMerge) {
      adopt_child(stream, parents, std::min(parents[0].hash_from, parents[1].hash_from),
                  std::max(parents[0].hash_to, parents[1].hash_to), batch);
    } else {
      for (const Shard& parent : parents) {
        const std::uint64_t middle = parent.hash_from + (parent.hash_to - parent.hash_from) / 2;
        const bool halves = change.kind == Reshape::Kind::kSplit;
        adopt_child(stream, {parent}, parent.hash_from, halves ? middle : parent.hash_to, batch);
        if (halves) adopt_child(stream, {parent}, middle + 1, parent.hash_to, batch);
      }
    }
    for (std::size_t i = before; i < stream.shards.size(); ++i) opened.push_back(stream.shards[i].number);
    put_next_id(next_id_, batch);
    rebuild_routes(stream);
    show(stream);
  }
  tell_when_committed(id, std::move(opened), std::move(closed), batch);
  return {};
}

bool Streams::Engine::waits_for_parent(ShardNumber shard, Stamp after) const {
  const Time now = scheduler_.now();
  const auto child = place(shard);
  if (child == nullptr || !child->second_parent) return false;
  if (after >= child->start || now >= child->created + kMergeHold) return false;
  const auto parent = place(*child->second_parent);
  if (parent == nullptr || is_gone(*parent, now) || parent->tail->was_read_to_end.load()) return false;
  const auto first = read(*child->second_parent, 0, {.records = 1, .bytes = 1});
  return first.ok() && (!first->records.empty() || first->more);
}

void Streams::Engine::note_read_to_end(ShardNumber shard) {
  if (const auto known = place(shard)) known->tail->was_read_to_end.store(true);
}

}  // namespace millrace::streams
