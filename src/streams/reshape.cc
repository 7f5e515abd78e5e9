#include "streams/reshape.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

namespace millrace::streams {

namespace {

// By range.
std::vector<Shard> open_shards(const Stream& stream) {
  std::vector<Shard> open;
  std::copy_if(stream.shards.begin(), stream.shards.end(), std::back_inserter(open),
               [](const Shard& shard) { return shard.is_open(); });
  std::sort(open.begin(), open.end(), [](const Shard& a, const Shard& b) { return a.hash_from < b.hash_from; });
  return open;
}

}  // namespace

Result<Reshape> choose_reshape(const Stream& stream, Reshape::Kind kind, std::string_view shard_id) {
  const std::vector<Shard> open = open_shards(stream);
  const auto named = std::find_if(open.begin(), open.end(), [&](const Shard& shard) { return shard.id == shard_id; });
  if (!shard_id.empty() && named == open.end()) {
    return Error(kValidation, "The stream has no open shard " + std::string(shard_id));
  }
  const auto width = [](const Shard& from, const Shard& to) { return to.hash_to - from.hash_from; };
  if (kind == Reshape::Kind::kRoll) {
    return shard_id.empty() ? Reshape{kind, {}} : Reshape{kind, {named->number}};
  }
  if (kind == Reshape::Kind::kSplit) {
    const auto widest = std::max_element(open.begin(), open.end(),
                                         [&](const Shard& a, const Shard& b) { return width(a, a) < width(b, b); });
    return Reshape{kind, {shard_id.empty() ? widest->number : named->number}};
  }
  if (open.size() < 2) return Error(kValidation, "The stream has one open shard: there is nothing to merge");
  std::size_t first = 0;
  if (!shard_id.empty()) {
    first = std::min(static_cast<std::size_t>(named - open.begin()), open.size() - 2);
  } else {
    for (std::size_t i = 1; i + 1 < open.size(); ++i) {
      if (width(open[i], open[i + 1]) < width(open[first], open[first + 1])) first = i;
    }
  }
  // The last one is the parent that readers are told. Who reads shards in the order in which they are listed, each
  // after the one it names, has then read both.
  const bool in_order = open[first].id < open[first + 1].id;
  return Reshape{kind, {open[in_order ? first : first + 1].number, open[in_order ? first + 1 : first].number}};
}

namespace {

class Planner {
 public:
  Planner(const Stream& stream, const ShardLoads& loads, const ReshapePolicy& policy, Milliseconds retention,
          Milliseconds elapsed, Time now)
      : stream_(stream),
        loads_(loads),
        policy_(policy),
        retention_(retention),
        seconds_(std::max<double>(static_cast<double>(elapsed.count()) / 1000, 0.001)),
        now_(now),
        open_(open_shards(stream)) {}

  ReshapePlan plan() {
    if (!stream_.is_enabled()) return {};
    split();
    merge();
    roll();
    return std::move(plan_);
  }

 private:
  ShardLoad load(const Shard& shard) const {
    const auto found = loads_.find(shard.number);
    return found == loads_.end() ? ShardLoad() : found->second;
  }
  double rate(const Shard& shard) const { return static_cast<double>(load(shard).low + load(shard).high) / seconds_; }
  void take(Reshape::Kind kind, std::vector<ShardNumber> shards) {
    taken_.insert(shards.begin(), shards.end());
    plan_.changes.push_back({kind, std::move(shards)});
  }
  // Whether `since` + `wait` has come; if not, the plan is to be looked at again then.
  bool is_due(Time since, Milliseconds wait) {
    if (since + wait <= now_) return true;
    plan_.next = std::min(plan_.next, since + wait);
    return false;
  }

  void split() {
    auto count = static_cast<int>(open_.size());
    for (const Shard& shard : open_) {
      const ShardLoad here = load(shard);
      const bool helps = std::min(here.low, here.high) * 10 >= here.low + here.high;
      if (policy_.split_rate == 0 || count >= policy_.shards_max || !helps) continue;
      if (rate(shard) <= static_cast<double>(policy_.split_rate)) continue;
      take(Reshape::Kind::kSplit, {shard.number});
      ++count;
    }
  }

  bool is_spent(const Shard& shard) { return is_due(shard.created, retention_) && load(shard).is_empty; }

  void merge() {
    if (policy_.split_rate == 0) return;
    std::size_t count = open_.size();
    for (std::size_t i = 0; i + 1 < open_.size() && count > static_cast<std::size_t>(stream_.initial_shards); ++i) {
      const Shard& low = open_[i];
      const Shard& high = open_[i + 1];
      if (taken_.contains(low.number) || taken_.contains(high.number)) continue;
      const bool low_spent = is_spent(low);
      if (!low_spent && !is_spent(high)) continue;
      if (2 * (rate(low) + rate(high)) >= static_cast<double>(policy_.split_rate)) continue;
      // The last one is the parent that readers are told.
      if (low_spent) {
        take(Reshape::Kind::kMerge, {low.number, high.number});
      } else {
        take(Reshape::Kind::kMerge, {high.number, low.number});
      }
      --count;
    }
  }

  void roll() {
    if (policy_.roll_after.count() == 0) return;
    std::vector<ShardNumber> due;
    for (const Shard& shard : open_) {
      if (load(shard).is_empty || taken_.contains(shard.number)) continue;
      if (is_due(shard.created, policy_.roll_after)) due.push_back(shard.number);
    }
    if (!due.empty()) take(Reshape::Kind::kRoll, std::move(due));
  }

  const Stream& stream_;
  const ShardLoads& loads_;
  const ReshapePolicy& policy_;
  const Milliseconds retention_;
  const double seconds_;
  const Time now_;
  const std::vector<Shard> open_;
  std::set<ShardNumber> taken_;
  ReshapePlan plan_;
};

}  // namespace

ReshapePlan plan_reshapes(const Stream& stream, const ShardLoads& loads, const ReshapePolicy& policy,
                          Milliseconds retention, Milliseconds elapsed, Time now) {
  return Planner(stream, loads, policy, retention, elapsed, now).plan();
}

bool needs_emptiness(const Shard& shard, const ReshapePolicy& policy, Milliseconds retention, Time now) {
  const bool may_roll = policy.roll_after.count() > 0 && shard.created + policy.roll_after <= now;
  return shard.is_open() && (may_roll || shard.created + retention <= now);
}

}  // namespace millrace::streams
