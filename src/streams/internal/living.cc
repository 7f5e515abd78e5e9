// Shards that change by themselves: rolled when old, split under load, merged when one has long been silent. What to do
// is decided by reshape.h; here is when to look, and what it is told.
//
// Nothing is looked at while nothing is written: the first record after a look opens a window, at whose end the load is
// known; from then on a timer waits for the next shard that becomes old.

#include <algorithm>

#include "streams/internal/engine.h"

namespace millrace::streams {

// What one look takes along to the pool and back.
struct Streams::Engine::Look {
  Time now{};
  Milliseconds elapsed{};
  std::vector<Stream> streams;
  std::unordered_map<StreamId, ShardLoads> loads;
  Time next = kNever;
  platform::Busy busy;
};

// Called on the committer's thread after records have been written.
void Streams::Engine::open_window() {
  if (window_open_.exchange(true)) return;
  scheduler_.post([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->window_began_ = self->scheduler_.now();
    self->window_timer_ = self->scheduler_.at(self->window_began_ + self->options_.reshaping.window, [weak] {
      const auto strong = weak.lock();
      if (!strong) return;
      strong->window_open_ = false;
      strong->look();
    });
  });
}

// On the control thread. One look at a time: what comes meanwhile is looked at once more afterwards.
void Streams::Engine::look() {
  if (looking_) {
    look_again_ = true;
    return;
  }
  if (!shape_commits_.may_write(storage::Commits::Purpose::kAdds)) {
    look_paused_ = true;
    return;
  }
  looking_ = true;
  auto look = std::make_shared<Look>();
  look->busy = platform::Busy(scheduler_.busy());
  look->now = scheduler_.now();
  look->elapsed = look->now - window_began_;
  scheduler_.offload(
      [weak = weak_from_this(), look] {
        if (const auto self = weak.lock()) self->look_on_pool(*look);
      },
      [weak = weak_from_this(), look] {
        const auto self = weak.lock();
        if (!self) return;
        self->looking_ = false;
        self->roll_timer_.cancel();
        if (look->next != kNever) {
          self->roll_timer_ = self->scheduler_.at(look->next, [weak] {
            if (const auto strong = weak.lock()) strong->look();
          });
        }
        if (std::exchange(self->look_again_, false)) self->look();
      });
}

void Streams::Engine::look_on_pool(Look& look) {
  {
    const std::shared_lock lock(mutex_);
    for (const auto& [id, stream] : streams_) {
      if (!stream.is_enabled()) continue;
      look.streams.push_back(stream);
      ShardLoads& loads = look.loads[id];
      for (const Shard& shard : stream.shards) {
        const auto counter = counters_.find(shard.number);
        if (counter == counters_.end()) continue;
        loads[shard.number] = {counter->second->low.exchange(0), counter->second->high.exchange(0),
                               place(shard.number)->tail->last.load() == 0};
      }
    }
  }
  const ReshapePolicy& policy = options_.reshaping;
  std::function<void(const Stream&, const Reshape&)> reshaper;
  {
    const std::shared_lock lock(mutex_);
    reshaper = reshaper_;
  }
  std::erase_if(empty_to_, [&](const auto& entry) {
    return std::none_of(look.loads.begin(), look.loads.end(),
                        [&](const auto& stream) { return stream.second.contains(entry.first); });
  });
  for (const Stream& stream : look.streams) {
    ShardLoads& loads = look.loads[stream.id];
    for (const Shard& shard : stream.shards) {
      const auto load = loads.find(shard.number);
      if (load == loads.end() || load->second.is_empty) continue;
      if (needs_emptiness(shard, policy, retention_of(stream), look.now)) load->second.is_empty = find_empty(shard);
    }
    const ReshapePlan plan = plan_reshapes(stream, loads, policy, retention_of(stream), look.elapsed, look.now);
    look.next = std::min(look.next, plan.next);
    for (const Reshape& change : plan.changes) {
      if (reshaper) reshaper(stream, change);
    }
  }
}

// Whether there is no record to be read in the shard. Goes on where it was found empty before.
bool Streams::Engine::find_empty(const Shard& shard) {
  Stamp& from = empty_to_[shard.number];
  for (;;) {
    const auto page = read(shard.number, from, {.records = 1, .bytes = 1});
    if (!page.ok() || !page->records.empty()) return false;
    from = page->read_to;
    if (!page->more) return true;
  }
}

}  // namespace millrace::streams
