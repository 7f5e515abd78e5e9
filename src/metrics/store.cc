#include "metrics/store.h"

#include <algorithm>
#include <thread>

#include "codec/json.h"
#include "codec/key.h"
#include "storage/scan.h"
#include "telemetry/log.h"

namespace millrace::metrics {
namespace {

using codec::Json;
using storage::Family;
using storage::WriteBatch;

constexpr std::string_view kSeriesPrefix = "metrics/series/";
constexpr std::string_view kBytesKey = "metrics/bytes";
constexpr std::string_view kChunkPrefix = "metrics/c/";
constexpr std::size_t kSweepStep = 500;
constexpr std::size_t kDirtyMax = 4000;  // chunks in memory before they are written early

Time floor_to(Time time, Seconds step) {
  const std::int64_t seconds = to_unix_s(time);
  return from_unix_ms((seconds - seconds % step.count()) * 1000);
}

std::string series_key(std::uint64_t number) { return codec::KeyWriter(kSeriesPrefix).be64(number).str(); }

Time chunk_start(std::uint8_t tier, std::uint32_t chunk) {
  return from_unix_ms(static_cast<std::int64_t>(chunk) * kTiers[tier].span.count() * 1000);
}

// nullopt: not what save() wrote.
std::optional<MetricId> metric_from_json(const Json& json) {
  MetricId id{{std::string(json.string_or("account", "")), std::string(json.string_or("region", ""))},
              std::string(json.string_or("space", "")),
              std::string(json.string_or("name", "")),
              {}};
  const Json* dimensions = json.find("dimensions");
  if (json.int_or("v", 0) != 1 || id.name.empty() || dimensions == nullptr || !dimensions->is_array()) {
    return std::nullopt;
  }
  for (const Json& each : dimensions->as_array()) {
    if (!each.is_array() || each.as_array().size() != 2) return std::nullopt;
    const Json& name = each.as_array()[0];
    const Json& value = each.as_array()[1];
    if (!name.is_string() || !value.is_string()) return std::nullopt;
    id.dimensions.emplace_back(name.as_string(), value.as_string());
  }
  return id;
}

}  // namespace

// --- recording ---

void Series::record(double value, double count) {
  const Time at = floor_to(store_.scheduler_.now(), Seconds(60));
  if (try_claim()) {
    add_left();
    pending_at(at, false).add(value, count);
    release();
  } else {
    leave(at, value, count);
  }
  touch();
}

void Series::put(Time at, bool fine, const Statistics& statistics) {
  claim();
  pending_at(at, fine).merge(statistics);
  release();
  touch();
}

std::vector<Series::Pending> Series::take() {
  claim();
  add_left();
  std::vector<Pending> taken = std::exchange(pending_, {});
  release();
  return taken;
}

void Series::claim() {
  while (!try_claim()) std::this_thread::yield();
}

void Series::leave(Time at, double value, double count) {
  Left* const mine = new Left{at, value, count, left_.load(std::memory_order_relaxed)};
  while (!left_.compare_exchange_weak(mine->next, mine)) {
  }
}

void Series::add_left() {
  if (left_.load() == nullptr) return;
  for (Left* each = left_.exchange(nullptr); each != nullptr;) {
    const std::unique_ptr<Left> mine(each);
    each = mine->next;
    pending_at(mine->at, false).add(mine->value, mine->count);
  }
}

Statistics& Series::pending_at(Time at, bool fine) {
  const auto is_same = [&](const Pending& each) { return each.at == at && each.fine == fine; };
  const auto same = std::find_if(pending_.rbegin(), pending_.rend(), is_same);
  if (same != pending_.rend()) return same->statistics;
  return pending_.emplace_back(Pending{at, fine, {}}).statistics;
}

// After the data is there: either drain(), which first says that the series is not queued, finds it, or this sees that.
void Series::touch() {
  if (!queued_.load() && !queued_.exchange(true)) store_.touched(*this);
}

Series::~Series() {
  for (Left* each = left_.load(); each != nullptr;) delete std::exchange(each, each->next);
}

void Store::touched(Series& series) {
  series.next_touched_ = touched_.load(std::memory_order_relaxed);
  while (!touched_.compare_exchange_weak(series.next_touched_, &series)) {
  }
  wake();
}

void Store::drain() {
  for (Series* next = touched_.exchange(nullptr); next != nullptr;) {
    Series& series = *next;
    next = series.next_touched_;
    series.queued_.store(false);  // from here on it may be in the list again
    for (const auto& each : series.take()) {
      if (each.fine) add(series, 0, each.at, each.statistics);
      add(series, 1, floor_to(each.at, Seconds(60)), each.statistics);
      series.last_ = std::max(series.last_, each.at);
    }
    news_.insert(series.id_);
  }
}

void Store::add(Series& series, std::uint8_t tier, Time at, const Statistics& statistics) {
  const Tier& shape = kTiers[tier];
  const std::int64_t seconds = to_unix_s(at);
  if (seconds < 0) return;
  const ChunkKey key{tier, static_cast<std::uint32_t>(seconds / shape.span.count()), series.number_};
  Chunk& chunk = open(key);
  chunk.points[static_cast<std::uint8_t>(seconds % shape.span.count() / shape.resolution.count())].merge(statistics);
  chunk.dirty = true;
  has_dirty_ = true;
}

Store::Chunk& Store::open(const ChunkKey& key) {
  const auto [it, is_new] = chunks_.try_emplace(key);
  if (!is_new) return it->second;
  const auto stored = store_.get(Family::kText, key_of(key));
  if (stored.ok() && stored->has_value()) {
    it->second.points = decode(key, **stored);
    it->second.stored_bytes = (*stored)->size();
  }
  return it->second;
}

std::string Store::key_of(const ChunkKey& key) {
  return codec::KeyWriter(kChunkPrefix).u8(key.tier).be32(key.chunk).be64(key.number).str();
}

std::map<std::uint8_t, Statistics> Store::decode(const ChunkKey& key, std::string_view data) const {
  std::map<std::uint8_t, Statistics> points;
  while (!data.empty()) {
    const auto place = static_cast<std::uint8_t>(data.front());
    data.remove_prefix(1);
    auto statistics = Statistics::take(data);
    if (!statistics) {
      store_.damage().note("metrics", storage::damaged("samples, which are cut there,", key_of(key)));
      break;
    }
    points[place] = std::move(*statistics);
  }
  return points;
}

// --- the minute ---

void Store::arm() {
  if (std::exchange(armed_, true)) return;
  timer_ = scheduler_.at(floor_to(scheduler_.now(), Seconds(60)) + Seconds(60), [this] { run_minute(); });
}

void Store::wake() {
  if (awake_.load() || awake_.exchange(true)) return;
  scheduler_.post([this] {
    const std::scoped_lock lock(mutex_);
    arm();
  });
}

void Store::measure_soon() {
  if (!measuring_.load(std::memory_order_relaxed)) measuring_.store(true);
  wake();
}

// Once a minute has passed without anything, the next one who records wakes the timer.
void Store::rest() {
  awake_.store(false);
  // Who came meanwhile may have seen it awake.
  if (touched_.load() == nullptr && !measuring_.load()) return;
  if (!awake_.exchange(true)) arm();
}

void Store::run_minute() {
  std::function<bool()> source;
  std::function<void(const std::set<MetricId>&)> observer;
  std::set<MetricId> news;
  bool was_used = false;
  {
    const std::scoped_lock lock(mutex_);
    armed_ = false;
    was_used = measuring_.exchange(false);
    source = source_;
    observer = observer_;
    drain();
    news.swap(news_);
  }
  if (observer && !news.empty()) observer(news);
  const bool again = source && source();
  const std::scoped_lock lock(mutex_);
  const bool due = scheduler_.monotonic_now() - last_persist_ >= limits_.persist_every || chunks_.size() > kDirtyMax;
  const bool may_write = commits_.may_write(storage::Commits::Purpose::kFrees);
  if (has_dirty_ && due && may_write) persist({});
  close_old();
  arm_sweep();
  if (again || was_used || !news.empty() || (has_dirty_ && may_write)) return arm();
  rest();
}

void Store::persist(WriteBatch batch) {
  batch.append(std::exchange(marks_, {}));
  std::vector<Chunk*> written;
  for (auto& [key, chunk] : chunks_) {
    if (!chunk.dirty) continue;
    std::string value;
    for (const auto& [place, statistics] : chunk.points) {
      value += static_cast<char>(place);
      statistics.encode(value);
    }
    bytes_ += value.size();
    bytes_ -= std::min<std::uint64_t>(bytes_, std::exchange(chunk.stored_bytes, value.size()));
    batch.put(Family::kText, key_of(key), value);
    chunk.dirty = false;
    written.push_back(&chunk);
  }
  for (auto& [number, series] : by_number_) {
    if (series->last_ == Time{}) continue;
    if (!series->saved_ || series->last_ - series->saved_last_ > std::chrono::hours(1)) save(*series, batch);
  }
  if (bytes_ > limits_.bytes) shrink(batch);
  batch.put(Family::kCatalogue, kBytesKey, codec::be64(bytes_));
  const auto number = commits_.submit(std::move(batch));
  for (Chunk* chunk : written) chunk->commit = number;
  has_dirty_ = false;
  last_persist_ = scheduler_.monotonic_now();
}

void Store::save(Series& series, WriteBatch& batch) {
  Json dimensions = Json::array();
  for (const auto& [name, value] : series.id_.dimensions) dimensions.push(Json::array({name, value}));
  const Json record = Json::object({{"v", 1},
                                    {"account", series.id_.scope.account},
                                    {"region", series.id_.scope.region},
                                    {"space", series.id_.space},
                                    {"name", series.id_.name},
                                    {"dimensions", std::move(dimensions)},
                                    {"unit", series.unit_},
                                    {"last", to_unix_ms(series.last_)}});
  batch.put(Family::kCatalogue, series_key(series.number_), record.dump());
  series.saved_ = true;
  series.saved_last_ = series.last_;
}

// Chunks that are on disk and that nothing is added to any more, usually.
void Store::close_old() {
  const Time now = scheduler_.now();
  const auto durable = commits_.commits().durable();
  std::erase_if(chunks_, [&](const auto& each) {
    const auto& [key, chunk] = each;
    return !chunk.dirty && chunk.commit <= durable &&
           chunk_start(key.tier, key.chunk) + kTiers[key.tier].span + std::chrono::minutes(10) < now;
  });
}

void Store::flush() {
  const std::scoped_lock lock(mutex_);
  drain();
  if (has_dirty_ && commits_.may_write(storage::Commits::Purpose::kFrees)) persist({});
}

// --- retention ---

std::optional<Store::ChunkKey> Store::oldest(std::uint8_t tier) const {
  const std::string prefix = codec::KeyWriter(kChunkPrefix).u8(tier).str();
  auto it = store_.iterate(Family::kText, {prefix, storage::prefix_end(prefix)});
  it->seek(prefix);
  if (!it->valid()) return std::nullopt;
  codec::KeyReader reader(it->key());
  reader.skip(prefix);
  const auto chunk = reader.be32();
  const auto number = reader.be64();
  if (!chunk || !number) return std::nullopt;
  return ChunkKey{tier, *chunk, *number};
}

void Store::arm_sweep() {
  if (sweep_armed_) return;
  Time due = kNever;
  for (std::uint8_t tier = 0; tier < kTiers.size(); ++tier) {
    if (const auto key = oldest(tier))
      due = std::min(due, chunk_start(tier, key->chunk) + kTiers[tier].span + kTiers[tier].kept);
  }
  if (due == kNever) return;
  sweep_armed_ = true;
  // Not more often than once an hour.
  sweep_timer_ = scheduler_.at(std::max(due, scheduler_.now()) + std::chrono::hours(1), [this] { sweep(); });
}

// Moves a chunk into the next tier, or drops it.
void Store::retire(const ChunkKey& key, WriteBatch& batch) {
  const Chunk source = open(key);
  chunks_.erase(key);
  bytes_ -= std::min<std::uint64_t>(bytes_, source.stored_bytes);
  batch.erase(Family::kText, key_of(key));
  const auto series = by_number_.find(key.number);
  if (key.tier == 0 || key.tier + 1u == kTiers.size() || series == by_number_.end()) return;
  for (const auto& [place, statistics] : source.points) {
    const Time at = chunk_start(key.tier, key.chunk) + place * kTiers[key.tier].resolution;
    add(*series->second, static_cast<std::uint8_t>(key.tier + 1), at, statistics);
  }
}

void Store::sweep() {
  const std::scoped_lock lock(mutex_);
  sweep_armed_ = false;
  if (!commits_.may_write(storage::Commits::Purpose::kFrees)) return;
  WriteBatch batch;
  std::size_t done = 0;
  for (std::uint8_t tier = 0; tier < kTiers.size(); ++tier) {
    const std::string prefix = codec::KeyWriter(kChunkPrefix).u8(tier).str();
    const Time until = scheduler_.now() - kTiers[tier].kept - kTiers[tier].span;
    auto it = store_.iterate(Family::kText, {prefix, storage::prefix_end(prefix)});
    for (it->seek(prefix); it->valid() && done < kSweepStep; it->next(), ++done) {
      codec::KeyReader reader(it->key());
      reader.skip(prefix);
      const auto chunk = reader.be32();
      const auto number = reader.be64();
      if (!chunk || !number || chunk_start(tier, *chunk) > until) break;
      retire({tier, *chunk, *number}, batch);
    }
  }
  for (auto& [number, series] : by_number_) {
    if (!series->saved_ || series->last_ + kTiers.back().kept > scheduler_.now()) continue;
    batch.erase(Family::kCatalogue, series_key(number));
    series->last_ = series->saved_last_ = Time{};
    series->saved_ = false;
  }
  persist(std::move(batch));
  if (done < kSweepStep) return arm_sweep();
  sweep_armed_ = true;  // the rest, once this much is on disk
  sweep_timer_ = scheduler_.at(scheduler_.now() + Seconds(1), [this] { sweep(); });
}

void Store::shrink(WriteBatch& batch) {
  // Old detail first, then old summaries. What stands in memory is never dropped: it is the newest.
  for (const std::uint8_t tier : {std::uint8_t{0}, std::uint8_t{1}, std::uint8_t{2}, std::uint8_t{3}}) {
    const std::string prefix = codec::KeyWriter(kChunkPrefix).u8(tier).str();
    auto it = store_.iterate(Family::kText, {prefix, storage::prefix_end(prefix)});
    std::size_t dropped = 0;
    for (it->seek(prefix); it->valid() && dropped < kSweepStep && bytes_ > limits_.bytes; it->next()) {
      codec::KeyReader reader(it->key());
      reader.skip(prefix);
      const auto chunk = reader.be32();
      const auto number = reader.be64();
      if (!chunk || !number) continue;
      if (chunks_.contains({tier, *chunk, *number})) continue;
      // Room has to be made now: this much is not rolled up.
      bytes_ -= std::min<std::uint64_t>(bytes_, it->value().size());
      batch.erase(Family::kText, it->key());
      ++dropped;
    }
  }
}

// --- series ---

Series* Store::series(const MetricId& id, std::string_view unit) {
  const std::scoped_lock lock(mutex_);
  Entry& entry = metrics_[id];
  if (const auto it = entry.units.find(unit); it != entry.units.end()) return it->second.get();
  if (series_count_ >= limits_.series) {
    if (entry.units.empty()) metrics_.erase(id);
    if (refused_++ == 0)
      telemetry::log_warning("metrics", "there are " + std::to_string(limits_.series) +
                                            " metrics: new ones are not recorded, from " + id.space + " " + id.name);
    return nullptr;
  }
  ++series_count_;
  auto series = std::unique_ptr<Series>(new Series(*this, numbers_.take(marks_), id, std::string(unit)));
  Series* out = series.get();
  by_number_[out->number_] = out;
  entry.units.emplace(std::string(unit), std::move(series));
  return out;
}

bool Store::put(const MetricId& id, std::string_view unit, Time at, bool fine, const Statistics& statistics) {
  Series* target = series(id, unit);
  if (target == nullptr) return false;
  target->put(floor_to(at, fine ? Seconds(1) : Seconds(60)), fine, statistics);
  return true;
}

std::vector<MetricId> Store::list(const Scope& scope, Time active_since,
                                  const std::function<bool(const MetricId&)>& wanted) {
  const std::scoped_lock lock(mutex_);
  drain();
  std::vector<MetricId> out;
  for (auto it = metrics_.lower_bound(MetricId{scope, "", "", {}}); it != metrics_.end() && it->first.scope == scope;
       ++it) {
    Time last{};
    for (const auto& [unit, series] : it->second.units) last = std::max(last, series->last_);
    if (last >= active_since && last != Time{} && wanted(it->first)) out.push_back(it->first);
  }
  return out;
}

std::vector<std::string> Store::units(const MetricId& id) {
  const std::scoped_lock lock(mutex_);
  std::vector<std::string> out;
  if (const auto it = metrics_.find(id); it != metrics_.end())
    for (const auto& [unit, series] : it->second.units) out.push_back(unit);
  return out;
}

Usage Store::usage() {
  const std::scoped_lock lock(mutex_);
  return {series_count_, bytes_, refused_};
}

void Store::reset(std::string_view account) {
  const std::scoped_lock lock(mutex_);
  drain();
  WriteBatch batch;
  std::set<std::uint64_t> gone;
  for (auto& [number, series] : by_number_) {
    if (series->id_.scope.account != account) continue;
    gone.insert(number);
    series->last_ = series->saved_last_ = Time{};
    series->saved_ = false;
    batch.erase(Family::kCatalogue, series_key(number));
  }
  std::erase_if(chunks_, [&](const auto& each) { return gone.contains(each.first.number); });
  const std::string prefix(kChunkPrefix);
  auto it = store_.iterate(Family::kText, {prefix, storage::prefix_end(prefix)});
  for (it->seek(prefix); it->valid(); it->next()) {
    codec::KeyReader reader(it->key());
    reader.skip(prefix);
    reader.u8();
    reader.be32();
    if (!gone.contains(reader.be64().value_or(0))) continue;
    bytes_ -= std::min<std::uint64_t>(bytes_, it->value().size());
    batch.erase(Family::kText, it->key());
  }
  std::erase_if(news_, [&](const MetricId& id) { return id.scope.account == account; });
  batch.put(Family::kCatalogue, kBytesKey, codec::be64(bytes_));
  commits_.submit(std::move(batch));
}

void Store::on_data(std::function<void(const std::set<MetricId>&)> observer) {
  const std::scoped_lock lock(mutex_);
  observer_ = std::move(observer);
}

void Store::on_minute(std::function<bool()> source) {
  const std::scoped_lock lock(mutex_);
  source_ = std::move(source);
}

// --- reading ---

void Store::read_tier(const Series& series, std::uint8_t tier, const FetchRequest& request, Points& points) {
  const Tier& shape = kTiers[tier];
  const auto number_of = [&](Time time) { return std::max<std::int64_t>(0, to_unix_s(time)) / shape.span.count(); };
  // Outside of what can be there nothing is looked for.
  const Time floor = scheduler_.now() - shape.kept - 2 * shape.span;
  const std::int64_t first = number_of(std::max(request.start - shape.resolution, floor));
  const std::int64_t last = number_of(std::min(request.end, series.last_ + shape.span));
  for (std::int64_t chunk = first; chunk <= last; ++chunk) {
    const ChunkKey key{tier, static_cast<std::uint32_t>(chunk), series.number_};
    std::map<std::uint8_t, Statistics> found;
    if (const auto it = chunks_.find(key); it != chunks_.end()) {
      found = it->second.points;
    } else if (const auto stored = store_.get(Family::kText, key_of(key)); stored.ok() && stored->has_value()) {
      found = decode(key, **stored);
    }
    for (const auto& [place, statistics] : found) {
      const Time at = chunk_start(tier, key.chunk) + place * shape.resolution;
      if (at < request.start || at >= request.end) continue;
      const auto periods = (at - request.start) / Milliseconds(request.period);
      points[request.start + periods * Milliseconds(request.period)].merge(statistics);
    }
  }
}

std::vector<Fetched> Store::fetch(const FetchRequest& request) {
  const std::scoped_lock lock(mutex_);
  drain();
  std::vector<Fetched> out;
  const auto it = metrics_.find(request.id);
  if (it == metrics_.end()) return out;
  for (const auto& [unit, series] : it->second.units) {
    if (request.unit && *request.unit != unit) continue;
    Fetched fetched{unit, {}};
    if (request.period < Seconds(60)) {
      read_tier(*series, 0, request, fetched.points);
    } else {
      for (std::uint8_t tier = 1; tier < kTiers.size(); ++tier) read_tier(*series, tier, request, fetched.points);
    }
    if (!fetched.points.empty()) out.push_back(std::move(fetched));
  }
  return out;
}

// --- start ---

Store::Store(storage::Store& store, storage::Commits& commits, platform::Scheduler& scheduler, Limits limits)
    : store_(store), commits_(commits, "metrics"), scheduler_(scheduler), limits_(limits) {
  commits_.set_resume(scheduler, [this] {
    const std::scoped_lock lock(mutex_);
    arm();
  });
}

Store::~Store() = default;

Result<void> Store::load() {
  const std::scoped_lock lock(mutex_);
  // Above every number that was ever given out: chunks of a metric that is forgotten may be there a while longer.
  MR_RETURN_IF_ERROR(numbers_.load(store_, scheduler_));
  const std::string prefix(kSeriesPrefix);
  auto it = store_.iterate(Family::kCatalogue, {prefix, storage::prefix_end(prefix)});
  for (it->seek(prefix); it->valid(); it->next()) {
    codec::KeyReader reader(it->key());
    reader.skip(prefix);
    const auto number = reader.be64();
    const auto json = codec::parse_json(it->value());
    auto id = json.ok() ? metric_from_json(*json) : std::nullopt;
    if (!number || !reader.empty() || !id) return storage::damaged("metric", it->key());
    const Time last = from_unix_ms(json->int_or("last", 0));
    numbers_.pass(*number);
    const std::string unit(json->string_or("unit", "None"));
    Entry& entry = metrics_[*id];
    if (entry.units.contains(unit)) return storage::damaged("metric, there is another of its name,", it->key());
    auto series = std::unique_ptr<Series>(new Series(*this, *number, *std::move(id), unit));
    // The catalogue may be an hour behind the chunks.
    series->last_ = last + std::chrono::hours(2);
    series->last_ = std::min(series->last_, scheduler_.now());
    series->saved_last_ = last;
    series->saved_ = true;
    by_number_[*number] = series.get();
    entry.units[unit] = std::move(series);
    ++series_count_;
  }
  MR_RETURN_IF_ERROR(it->status());
  MR_ASSIGN_OR_RETURN(const auto bytes, store_.get(Family::kCatalogue, kBytesKey));
  if (bytes) bytes_ = codec::KeyReader(*bytes).be64().value_or(0);
  arm_sweep();
  return {};
}

}  // namespace millrace::metrics
