// Metrics on disk, in bounded space: samples by the movable clock, kept as CloudWatch keeps them.
//
// Recording adds to a series' own small memory and waits for nobody (no lock, no allocation in the usual case); once a
// minute, and before a read, that is merged into chunks, and at most every kPersistEvery of machine time the changed
// chunks are committed. Nothing waits for it: a killed server loses what was recorded since (stop() loses nothing).
//
//   tier  resolution  of a chunk  kept for      then
//   0     1 s         1 min       3 h           dropped (PutMetricData with StorageResolution 1 only; tier 1 has it
//   too) 1     1 min       1 h         15 days       rolled up into tier 2 2     5 min       6 h         63 days rolled
//   up into tier 3 3     1 h         5 days      455 days      dropped                                     (AWS: the
//   same steps)
//
// Beyond Limits::bytes the oldest chunks are dropped before their time, fine ones first. Beyond Limits::series new ones
// are refused, and counted.
//
//   kCatalogue  metrics/series/ be64(number)              JSON {"v":1,...}: scope, names, unit, last
//   kCatalogue  metrics/bytes                             be64: sum of the chunks' values
//   kText       metrics/c/ u8(tier) be32(chunk) be64(number)   { u8(place) Statistics }*
//
// Thread-safe. Series live as long as the store: references stay valid. The timer runs on the control thread, and only
// while something was recorded in the minute before or is kept: an idle server has none due. Who records after such a
// quiet minute posts to the control thread; nobody else does.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/scope.h"
#include "base/time.h"
#include "metrics/statistics.h"
#include "platform/clock.h"
#include "storage/numbers.h"
#include "storage/service_commits.h"
#include "storage/store.h"

namespace millrace::metrics {

using Dimensions = std::vector<std::pair<std::string, std::string>>;  // sorted by name

struct MetricId {
  Scope scope;
  std::string space;  // "AWS/Lambda"
  std::string name;
  Dimensions dimensions;
  friend auto operator<=>(const MetricId&, const MetricId&) = default;
};

struct Limits {
  std::size_t series = 20'000;
  std::uint64_t bytes = std::uint64_t{256} << 20;
  Milliseconds persist_every{30'000};  // of machine time
};

struct Tier {
  Seconds resolution;
  Seconds span;  // of a chunk
  Seconds kept;
};
inline constexpr std::array<Tier, 4> kTiers{{{Seconds(1), Seconds(60), Seconds(3 * 3600)},
                                             {Seconds(60), Seconds(3600), Seconds(15 * 86400)},
                                             {Seconds(300), Seconds(6 * 3600), Seconds(63 * 86400)},
                                             {Seconds(3600), Seconds(5 * 86400), Seconds(455 * 86400)}}};

class Store;

// One metric in one unit. record() may be called from any thread and never waits: one thread at a time has the memory
// of the series; who finds it taken leaves his value in a list, from where the next one adds it.
class Series {
 public:
  // A value that occurred `count` times, now. Part of every drain that begins after it returned.
  void record(double value, double count = 1);
  ~Series();

 private:
  friend class Store;
  struct Pending {
    Time at;  // a whole minute, or second
    bool fine = false;
    Statistics statistics;
  };
  // What was recorded while another thread had the memory.
  struct Left {
    Time at;
    double value = 0;
    double count = 0;
    Left* next = nullptr;
  };
  void put(Time at, bool fine, const Statistics& statistics);
  std::vector<Pending> take();  // everything there is; waits for the one who adds
  bool try_claim() { return !claimed_.load(std::memory_order_relaxed) && !claimed_.exchange(true); }
  void claim();  // waits: not for those who record
  void release() { claimed_.store(false); }
  void leave(Time at, double value, double count);
  void add_left();                          // REQUIRES: claimed
  Statistics& pending_at(Time, bool fine);  // REQUIRES: claimed
  void touch();

  Series(Store& store, std::uint64_t number, MetricId id, std::string unit)
      : store_(store), number_(number), id_(std::move(id)), unit_(std::move(unit)) {}
  Store& store_;
  const std::uint64_t number_;
  const MetricId id_;
  const std::string unit_;
  std::atomic<bool> claimed_{false};  // somebody has the next
  std::vector<Pending> pending_;
  std::atomic<Left*> left_{nullptr};
  std::atomic<bool> queued_{false};  // in the store's list of those that have data
  Series* next_touched_ = nullptr;   // there
  Time last_{};                      // newest data, guarded by the store's mutex
  Time saved_last_{};                // as in the catalogue
  bool saved_ = false;
};

using Points = std::map<Time, Statistics>;  // by the start of their period

// Data of one unit.
struct Fetched {
  std::string unit;
  Points points;
};

struct FetchRequest {
  MetricId id;
  std::optional<std::string> unit;
  Time start{};  // inclusive; periods are counted from here
  Time end{};    // exclusive
  Seconds period{60};
};

struct Usage {
  std::size_t series = 0;
  std::uint64_t bytes = 0;
  std::uint64_t refused = 0;  // series beyond the limit
};

class Store {
 public:
  Store(storage::Store& store, storage::Commits& commits, platform::Scheduler& scheduler, Limits limits = {});
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  Result<void> load();
  // Submits what is in memory. To be called before the committer stops.
  void flush();
  storage::CommitNumber last_commit() const { return commits_.last(); }

  // The series, made if there is none; nullptr beyond Limits::series.
  Series* series(const MetricId& id, std::string_view unit);
  // Values measured elsewhere, at `at`. false: beyond Limits::series.
  bool put(const MetricId& id, std::string_view unit, Time at, bool fine, const Statistics& statistics);

  // By unit. Only what tier 0 has when the period is below a minute.
  std::vector<Fetched> fetch(const FetchRequest& request);
  // By name. `wanted` is called with the mutex held. Metrics without data since `active_since` are left out.
  std::vector<MetricId> list(const Scope& scope, Time active_since, const std::function<bool(const MetricId&)>& wanted);
  // Units in use of a metric, by name.
  std::vector<std::string> units(const MetricId& id);
  Usage usage();
  // Forgets every metric of an account.
  void reset(std::string_view account);

  // `observer` is called on the control thread, at the start of the minute after, with the metrics that received data.
  void on_data(std::function<void(const std::set<MetricId>&)> observer);
  // `source` is called on the control thread at each full minute at which something wants to be measured; it records
  // gauges and tells whether it wants to be called a minute later (else it has to call measure_soon()).
  void on_minute(std::function<bool()> source);
  void measure_soon();

 private:
  friend class Series;
  struct ChunkKey {
    std::uint8_t tier = 1;
    std::uint32_t chunk = 0;
    std::uint64_t number = 0;
    friend auto operator<=>(const ChunkKey&, const ChunkKey&) = default;
  };
  struct Chunk {
    std::map<std::uint8_t, Statistics> points;
    bool dirty = false;
    std::size_t stored_bytes = 0;
    storage::CommitNumber commit = 0;
  };
  struct Entry {
    std::map<std::string, std::unique_ptr<Series>, std::less<>> units;
  };

  static std::string key_of(const ChunkKey& key);
  std::map<std::uint8_t, Statistics> decode(const ChunkKey& key, std::string_view data) const;  // as far as it can be
  void touched(Series& series);  // has pending data, and is not in the list
  void wake();                   // the minute's timer is to run
  void arm();                    // guarded
  void rest();                   // guarded; after a minute
  void run_minute();
  void drain();                                                             // guarded
  Chunk& open(const ChunkKey& key);                                         // guarded
  void add(Series& series, std::uint8_t tier, Time at, const Statistics&);  // guarded
  void persist(storage::WriteBatch batch);                                  // guarded
  void save(Series& series, storage::WriteBatch& batch);                    // guarded
  void close_old();                                                         // guarded
  void arm_sweep();                                                         // guarded
  void sweep();
  void retire(const ChunkKey& key, storage::WriteBatch& batch);  // guarded
  std::optional<ChunkKey> oldest(std::uint8_t tier) const;
  void shrink(storage::WriteBatch& batch);  // guarded
  void read_tier(const Series& series, std::uint8_t tier, const FetchRequest& request, Points& points);

  storage::Store& store_;
  storage::ServiceCommits commits_;
  platform::Scheduler& scheduler_;
  const Limits limits_;

  std::atomic<Series*> touched_{nullptr};  // the first of those that have pending data
  std::atomic<bool> measuring_{false};     // measure_soon() was called since the last minute
  std::atomic<bool> awake_{false};         // the minute's timer is armed, or about to be

  std::mutex mutex_;  // guards below; no thread that records takes it
  std::map<MetricId, Entry> metrics_;
  std::map<std::uint64_t, Series*> by_number_;
  std::map<ChunkKey, Chunk> chunks_;  // those in memory
  std::set<MetricId> news_;           // since the last call of the observer
  storage::Numbers numbers_{storage::Series::kMetrics};
  storage::WriteBatch marks_;  // of numbers_, for the batch that brings the metrics
  std::uint64_t bytes_ = 0;
  std::uint64_t refused_ = 0;
  std::size_t series_count_ = 0;
  Deadline last_persist_{};
  bool has_dirty_ = false;
  std::function<void(const std::set<MetricId>&)> observer_;
  std::function<bool()> source_;
  platform::Timer timer_;
  bool armed_ = false;
  platform::Timer sweep_timer_;
  bool sweep_armed_ = false;
};

}  // namespace millrace::metrics
