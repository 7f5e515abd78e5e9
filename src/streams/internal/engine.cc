#include "streams/internal/engine.h"

#include <algorithm>
#include <cstdio>
#include <set>

#include "base/assert.h"
#include "codec/key.h"
#include "storage/log_key.h"

namespace millrace::streams {

using storage::WriteBatch;

namespace {

std::string label_of(Time time) {
  std::string text = format_iso_ms(time);
  text.pop_back();  // AWS: without the Z
  return text;
}

std::string shard_id(Time created, platform::Random& random) {
  char digits[24];
  std::snprintf(digits, sizeof(digits), "%020lld", static_cast<long long>(to_unix_ms(created)));
  return "shardId-" + std::string(digits) + "-" + random.hex(8);
}

}  // namespace

Streams::Engine::Engine(storage::Store& store, storage::Commits& commits, platform::Scheduler& scheduler,
                        platform::Random& random, StreamsOptions options, Catalogue catalogue)
    : store_(store),
      commits_(commits),
      scheduler_(scheduler),
      random_(random),
      options_(options),
      shape_commits_(commits, "streams"),
      seen_(head()),
      trim_floor_(catalogue.floor) {
  const std::unique_lock lock(mutex_);
  take(std::move(catalogue));
}

// On the committer's thread after a refused commit. What memory knows of records stays.
Result<void> Streams::Engine::restore() {
  MR_ASSIGN_OR_RETURN(Catalogue catalogue, load_catalogue(store_));
  const std::unique_lock lock(mutex_);
  take(std::move(catalogue));
  return {};
}

void Streams::Engine::take(Catalogue catalogue) {
  const auto before = std::exchange(streams_, std::move(catalogue.streams));
  next_id_ = std::max(next_id_, catalogue.next_id);
  by_arn_.clear();
  routes_.clear();
  std::vector<std::pair<std::string, std::shared_ptr<const Place>>> places;
  std::vector<std::pair<std::string, std::shared_ptr<const Stream>>> shown;
  std::set<ShardNumber> kept;
  for (auto& [id, stream] : streams_) {
    if (const auto known = before.find(id); known != before.end()) stream.chaos = known->second.chaos;
    by_arn_.emplace(stream.arn, id);
    shown.emplace_back(stream.arn, std::make_shared<const Stream>(stream));
    for (const Shard& shard : stream.shards) {
      const auto known = place(shard.number);
      // Which shards have recent records is not stored: assume all, reading will tell.
      auto next = std::make_shared<Place>(*place_of(stream, shard, shard.end.value_or(seen_)));
      if (known != nullptr) next->tail = known->tail;
      if (known == nullptr) bounds_[shard.number] = {next->tail->last};
      places.emplace_back(codec::be64(shard.number.value()), std::move(next));
      kept.insert(shard.number);
    }
    rebuild_routes(stream);
  }
  places_.set_all(std::move(places));
  shown_.set_all(std::move(shown));
  for (const auto& [id, stream] : before) {
    if (!by_arn_.contains(stream.arn)) shown_.erase(stream.arn);
    for (const Shard& shard : stream.shards) {
      if (!kept.contains(shard.number)) places_.erase(codec::be64(shard.number.value()));
    }
  }
  std::erase_if(bounds_, [&](const auto& entry) { return !kept.contains(entry.first); });
  std::erase_if(counters_, [&](const auto& entry) { return !kept.contains(entry.first); });
}

void Streams::Engine::start() {
  shape_commits_.set_restore([weak = weak_from_this()]() -> Result<void> {
    const auto self = weak.lock();
    return self ? self->restore() : Result<void>();
  });
  shape_commits_.set_resume(scheduler_, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->maintain_soon();
    if (std::exchange(self->look_paused_, false)) self->look();
  });
  commits_.on_logged([weak = weak_from_this()](std::span<const std::uint64_t> shards) {
    if (const auto self = weak.lock()) self->logged(shards);
  });
  {
    // What was committed between construction and here was not announced.
    const std::unique_lock lock(mutex_);
    const Stamp now_seen = head();
    for (const auto& [id, stream] : streams_) {
      for (const Shard& shard : stream.shards) {
        Tail& tail = *place(shard.number)->tail;
        if (shard.end || tail.last >= now_seen) continue;
        tail.last = now_seen;
        bounds_[shard.number].push_back(now_seen);
      }
    }
    seen_ = std::max(seen_.load(), now_seen);
  }
  maintain_soon();
}

void Streams::Engine::set_reshaper(std::function<void(const Stream&, const Reshape&)> reshaper) {
  {
    const std::unique_lock lock(mutex_);
    reshaper_ = std::move(reshaper);
  }
  open_window();
}

Shard Streams::Engine::make_shard(std::uint64_t from, std::uint64_t to, Time now) {
  Shard shard;
  shard.number = ShardNumber(next_id_++);
  shard.id = shard_id(now, random_);
  shard.hash_from = from;
  shard.hash_to = to;
  shard.start = commits_.next_stamp();  // a lower bound until the commit tells
  shard.created = now;
  shard.durable = false;
  return shard;
}

std::shared_ptr<const Streams::Engine::Place> Streams::Engine::place_of(const Stream& stream, const Shard& shard,
                                                                        Stamp last) const {
  auto place = std::make_shared<Place>();
  place->stream = stream.id;
  place->retention = retention_of(stream);
  place->start = shard.start;
  place->end = shard.end;
  place->tail->last = last;
  place->closed = shard.closed;
  place->created = shard.created;
  place->second_parent = shard.second_parent;
  return place;
}

template <typename Change>
void Streams::Engine::change_place(ShardNumber shard, const Change& change) {
  const auto known = place(shard);
  if (known == nullptr) return;
  auto next = std::make_shared<Place>(*known);
  change(*next);
  places_.set(codec::be64(shard.value()), std::move(next));
}

void Streams::Engine::show(const Stream& stream) { shown_.set(stream.arn, std::make_shared<const Stream>(stream)); }

void Streams::Engine::adopt(Stream& stream, Shard shard, WriteBatch& batch) {
  put_shard(stream.id, shard, batch);
  places_.set(codec::be64(shard.number.value()), place_of(stream, shard, 0));
  stream.shards.push_back(std::move(shard));
}

void Streams::Engine::retire(Stream& stream, Shard& shard, Time now, WriteBatch& batch) {
  shard.closed = now;
  change_place(shard.number, [&](Place& place) { place.closed = now; });
  put_end(shard, batch);
  rebuild_routes(stream);
}

void Streams::Engine::rebuild_routes(const Stream& stream) {
  std::vector<Route> routes;
  for (const Shard& shard : stream.shards) {
    if (!stream.is_enabled() || !shard.is_open()) {
      counters_.erase(shard.number);
      continue;
    }
    auto& counter = counters_[shard.number];
    if (counter == nullptr) counter = std::make_unique<Counter>();
    const std::uint64_t middle = shard.hash_from + (shard.hash_to - shard.hash_from) / 2;
    routes.push_back({shard.hash_to, shard.number.value(), middle, counter.get()});
  }
  std::sort(routes.begin(), routes.end(), [](const Route& a, const Route& b) { return a.hash_to < b.hash_to; });
  if (routes.empty()) {
    routes_.erase(stream.id);
  } else {
    routes_[stream.id] = std::move(routes);
  }
}

Shard* Streams::Engine::find_shard(Stream& stream, ShardNumber number) {
  const auto it = std::find_if(stream.shards.begin(), stream.shards.end(),
                               [&](const Shard& shard) { return shard.number == number; });
  return it == stream.shards.end() ? nullptr : &*it;
}

Opened Streams::Engine::open(const OpenRequest& request, WriteBatch& batch) {
  MR_ASSERT(request.shard_count >= 1 && request.shard_count <= kShardsMax);
  const Time now = scheduler_.now();
  std::vector<ShardNumber> opened;
  Stream stream;
  {
    const std::unique_lock lock(mutex_);
    stream.id = StreamId(next_id_++);
    stream.scope = request.scope;
    stream.table_name = request.table_name;
    stream.table_id = request.table_id;
    stream.view = request.view;
    stream.key_schema = request.key_schema;
    stream.created = now;
    stream.initial_shards = request.shard_count;
    do {
      stream.label = label_of(stream.created);
      stream.arn = stream_arn(stream.scope, stream.table_name, stream.label);
      stream.created += Milliseconds(1);
    } while (by_arn_.contains(stream.arn));
    stream.created -= Milliseconds(1);
    put_stream(stream, batch);
    const std::uint64_t count = static_cast<std::uint64_t>(request.shard_count);
    const std::uint64_t width = kHashMax / count;
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t to = i + 1 == count ? kHashMax : width * (i + 1) - 1;
      adopt(stream, make_shard(width * i, to, now), batch);
      opened.push_back(stream.shards.back().number);
    }
    put_next_id(next_id_, batch);
    by_arn_.emplace(stream.arn, stream.id);
    rebuild_routes(stream);
    show(stream);
    streams_.emplace(stream.id, stream);
  }
  tell_when_committed(stream.id, std::move(opened), {}, batch);
  return {stream.id, stream.arn, stream.label};
}

void Streams::Engine::close(StreamId id, WriteBatch& batch) {
  const Time now = scheduler_.now();
  std::vector<ShardNumber> closed;
  {
    const std::unique_lock lock(mutex_);
    const auto it = streams_.find(id);
    if (it == streams_.end() || !it->second.is_enabled()) return;
    Stream& stream = it->second;
    stream.closed = now;
    put_stream(stream, batch);
    for (Shard& shard : stream.shards) {
      if (!shard.is_open()) continue;
      retire(stream, shard, now, batch);
      closed.push_back(shard.number);
    }
    show(stream);
  }
  tell_when_committed(id, {}, std::move(closed), batch);
}

std::optional<std::uint64_t> Streams::Engine::shard_for(StreamId stream, std::uint64_t key_hash) const {
  const std::shared_lock lock(mutex_);
  const auto it = routes_.find(stream);
  if (it == routes_.end()) return std::nullopt;
  const auto route =
      std::lower_bound(it->second.begin(), it->second.end(), key_hash,
                       [](const Route& candidate, std::uint64_t hash) { return candidate.hash_to < hash; });
  MR_ASSERT(route != it->second.end());  // load_catalogue() refuses others, reshaping keeps to it
  (key_hash <= route->middle ? route->counter->low : route->counter->high).fetch_add(1, std::memory_order_relaxed);
  return route->shard;
}

// The stream as it may be seen now: without what has aged out but was not swept yet.
std::optional<Stream> Streams::Engine::visible(const Stream& stream, Time now) const {
  const Milliseconds retention = retention_of(stream);
  if (is_gone(stream.closed, retention, now)) return std::nullopt;
  Stream copy = stream;
  std::erase_if(copy.shards, [&](const Shard& shard) { return is_gone(shard.closed, retention, now); });
  return copy;
}

std::optional<Stream> Streams::Engine::find(StreamId id) const {
  const Time now = scheduler_.now();
  const std::shared_lock lock(mutex_);
  const auto it = streams_.find(id);
  return it == streams_.end() ? std::nullopt : visible(it->second, now);
}

std::optional<Stream> Streams::Engine::find(std::string_view arn) const {
  const auto stream = shown_.find(arn);
  return stream == nullptr ? std::nullopt : visible(*stream, scheduler_.now());
}

std::vector<Stream> Streams::Engine::list(const Scope& scope, std::string_view table_name) const {
  const Time now = scheduler_.now();
  std::vector<Stream> found;
  const std::shared_lock lock(mutex_);
  for (const auto& [arn, id] : by_arn_) {
    const Stream& stream = streams_.at(id);
    if (stream.scope != scope || (!table_name.empty() && stream.table_name != table_name)) continue;
    if (auto copy = visible(stream, now)) found.push_back(std::move(*copy));
  }
  return found;
}

Result<void> Streams::Engine::set_retention(StreamId id, std::optional<Milliseconds> retention, WriteBatch& batch) {
  if (retention && (*retention < kRetentionMin || *retention > kRetentionMax)) {
    return Error(kValidation, "The retention must be between 1h and 365d");
  }
  {
    const std::unique_lock lock(mutex_);
    const auto it = streams_.find(id);
    if (it == streams_.end()) return Error(kResourceNotFound, "There is no such stream");
    Stream& stream = it->second;
    stream.retention = retention;
    put_stream(stream, batch);
    for (const Shard& shard : stream.shards) {
      change_place(shard.number, [&](Place& place) { place.retention = retention_of(stream); });
    }
    show(stream);
  }
  shape_commits_.join(batch);
  maintain_soon();
  return {};
}

Result<void> Streams::Engine::set_chaos(StreamId id, const Chaos& chaos) {
  const auto is_chance = [](double value) { return value >= 0 && value <= 1; };
  if (!is_chance(chaos.duplicates) || !is_chance(chaos.throttles) || !is_chance(chaos.expired)) {
    return Error(kValidation, "A chance is a number from 0 to 1");
  }
  if (chaos.duplicates > 0.9) return Error(kValidation, "More than 0.9 of duplicates would never end");
  if (chaos.delayed_children.count() < 0) return Error(kValidation, "A delay cannot be negative");
  const std::unique_lock lock(mutex_);
  const auto it = streams_.find(id);
  if (it == streams_.end()) return Error(kResourceNotFound, "There is no such stream");
  it->second.chaos = chaos;
  show(it->second);
  return {};
}

bool Streams::Engine::happens(double chance) const {
  constexpr double kSpan = 9007199254740992.0;  // 2^53
  return chance > 0 && static_cast<double>(random_.next() >> 11) < chance * kSpan;
}

void Streams::Engine::tell_when_committed(StreamId stream, std::vector<ShardNumber> opened,
                                          std::vector<ShardNumber> closed, WriteBatch& batch) {
  shape_commits_.join(batch);
  batch.on_commit([weak = weak_from_this(), stream, opened = std::move(opened),
                   closed = std::move(closed)](const storage::Committed& committed) {
    const auto self = weak.lock();
    if (self && committed.error == nullptr) self->reshaped(stream, opened, closed, committed.next_stamp);
  });
}

void Streams::Engine::reshaped(StreamId id, const std::vector<ShardNumber>& opened,
                               const std::vector<ShardNumber>& closed, Stamp next_stamp) {
  {
    const std::unique_lock lock(mutex_);
    const auto it = streams_.find(id);
    if (it == streams_.end()) return;
    for (const ShardNumber number : opened) {
      Shard* shard = find_shard(it->second, number);
      if (shard == nullptr) continue;
      shard->start = next_stamp;
      shard->durable = true;
      change_place(number, [&](Place& place) { place.start = next_stamp; });
    }
    for (const ShardNumber number : closed) {
      Shard* shard = find_shard(it->second, number);
      if (shard == nullptr) continue;
      shard->end = std::max(shard->start, next_stamp - 1);
      change_place(number, [&](Place& place) { place.end = shard->end; });
    }
    show(it->second);
  }
  wake({id, {}, true});
  if (!closed.empty()) maintain_soon();
}

void Streams::Engine::logged(std::span<const std::uint64_t> shards) {
  std::vector<std::pair<StreamId, ShardNumber>> touched;
  bool new_bucket = false;
  bool is_living = false;
  {
    const std::unique_lock lock(mutex_);
    const Stamp seen_before = seen_;
    const Stamp seen = head();
    for (const std::uint64_t number : shards) {
      const ShardNumber shard(number);
      const auto known = place(shard);
      if (known == nullptr) continue;
      known->tail->last = seen;
      note_record(shard, seen_before, seen);
      touched.emplace_back(known->stream, shard);
    }
    seen_ = seen;  // last, see view()
    is_living = reshaper_ != nullptr && !touched.empty();
    new_bucket = storage::log_bucket(seen) > examined_bucket_;
    if (new_bucket) examined_bucket_ = storage::log_bucket(seen);
  }
  std::sort(touched.begin(), touched.end());
  for (auto first = touched.begin(); first != touched.end();) {
    std::vector<ShardNumber> numbers;
    const StreamId stream = first->first;
    for (; first != touched.end() && first->first == stream; ++first) numbers.push_back(first->second);
    wake({stream, numbers, false});
  }
  if (new_bucket) maintain_soon();
  if (is_living) open_window();
}

void Streams::Engine::note_record(ShardNumber shard, Stamp seen_before, Stamp seen) {
  std::vector<Stamp>& bounds = bounds_[shard];
  const auto note = [&](Stamp bound) {
    if (!bounds.empty() && storage::log_bucket(bounds.back()) == storage::log_bucket(bound)) {
      bounds.back() = bound;
    } else {
      bounds.push_back(bound);
    }
  };
  // A group that fills one bucket and begins the next may have put the record into either.
  const std::uint64_t bucket = storage::log_bucket(seen);
  if (storage::log_bucket(seen_before + 1) < bucket) note((bucket << storage::kLogBucketBits) - 1);
  note(seen);
}

void Streams::Engine::note_dropped(std::uint64_t bucket) {
  for (auto& [shard, bounds] : bounds_) {
    const auto live =
        std::find_if(bounds.begin(), bounds.end(), [&](Stamp bound) { return storage::log_bucket(bound) >= bucket; });
    if (live == bounds.begin()) continue;
    if (const auto known = place(shard)) known->tail->lost_to = *std::prev(live);
    bounds.erase(bounds.begin(), live);
  }
}

void Streams::Engine::wake(const Wake& wake) {
  const std::lock_guard lock(wake_mutex_);
  for (auto it = subscribers_.lower_bound({wake.stream, 0}); it != subscribers_.end(); ++it) {
    if (it->first.first != wake.stream) break;
    it->second(wake);
  }
}

Subscription Streams::Engine::subscribe(StreamId stream, std::function<void(const Wake&)> wake) {
  const std::lock_guard lock(wake_mutex_);
  const std::pair key(stream, ++last_subscriber_);
  subscribers_.emplace(key, std::move(wake));
  return Subscription([weak = weak_from_this(), key] {
    if (const auto self = weak.lock()) {
      const std::lock_guard inner(self->wake_mutex_);
      self->subscribers_.erase(key);
    }
  });
}

}  // namespace millrace::streams
