// What Streams is made of. Looking and waking live in engine.cc, reshaping in reshaping.cc, when that
// happens by itself in living.cc, reading in reading.cc, trimming in trimming.cc. Held by a shared_ptr; callbacks given
// away hold it weakly.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/read_mostly_map.h"
#include "storage/service_commits.h"
#include "streams/internal/catalogue.h"
#include "streams/streams.h"

namespace millrace::streams {

class Streams::Engine : public std::enable_shared_from_this<Streams::Engine> {
 public:
  Engine(storage::Store& store, storage::Commits& commits, platform::Scheduler& scheduler, platform::Random& random,
         StreamsOptions options, Catalogue catalogue);
  void start();  // once, after construction: observes commits, begins trimming
  // Makes the streams and shards in memory what the store holds.
  Result<void> restore();

  Opened open(const OpenRequest& request, storage::WriteBatch& batch);
  void close(StreamId stream, storage::WriteBatch& batch);
  Result<void> reshape(StreamId stream, const Reshape& change, storage::WriteBatch& batch);
  void set_reshaper(std::function<void(const Stream&, const Reshape&)> reshaper);
  std::optional<std::uint64_t> shard_for(StreamId stream, std::uint64_t key_hash) const;
  std::optional<Stream> find(StreamId stream) const;
  std::optional<Stream> find(std::string_view arn) const;
  std::vector<Stream> list(const Scope& scope, std::string_view table_name) const;
  Result<Page> read(ShardNumber shard, Stamp after, ReadLimits limits) const;
  Result<std::size_t> backlog(ShardNumber shard, Stamp after, std::size_t max) const;
  bool waits_for_parent(ShardNumber shard, Stamp after) const;
  void note_read_to_end(ShardNumber shard);
  Stamp head() const { return commits_.next_stamp() - 1; }
  Milliseconds retention_of(const Stream& stream) const { return stream.retention.value_or(options_.retention); }
  Result<void> set_retention(StreamId stream, std::optional<Milliseconds> retention, storage::WriteBatch& batch);
  Result<void> set_chaos(StreamId stream, const Chaos& chaos);
  bool happens(double chance) const;
  Time now() const { return scheduler_.now(); }
  Subscription subscribe(StreamId stream, std::function<void(const Wake&)> wake);

 private:
  // What changes in a shard while it is read and written. How the parts belong together: see view().
  struct Tail {
    std::atomic<Stamp> last{0};                // no record has a higher stamp, as far as seen_ goes
    std::atomic<Stamp> lost_to{0};             // dropped buckets may have held records up to here, and none above
    std::atomic<bool> was_read_to_end{false};  // by a reader of AWS's API
  };
  // What reading needs to know of a shard. Replaced, never changed; the tail stays the same.
  struct Place {
    StreamId stream;
    Stamp start = 0;
    std::optional<Stamp> end;
    Time closed = kNever;
    Time created{};
    Milliseconds retention{};
    std::optional<ShardNumber> second_parent;
    std::shared_ptr<Tail> tail = std::make_shared<Tail>();
  };
  // A shard at one moment, with what was known of the log then.
  struct View {
    std::shared_ptr<const Place> place;
    Stamp last = 0;
    Stamp seen = 0;  // commits up to here are in `last`
    Stamp head = 0;  // commits up to here are in the store
  };
  // Records that went into an open shard since the last look.
  struct Counter {
    std::atomic<std::uint64_t> low{0};
    std::atomic<std::uint64_t> high{0};
  };
  struct Route {
    std::uint64_t hash_to;
    std::uint64_t shard;
    std::uint64_t middle;
    Counter* counter;
  };
  struct Look;
  struct Scan;

  // REQUIRES of all of these: mutex_ held.
  void take(Catalogue catalogue);  // as the streams and shards there are
  Shard make_shard(std::uint64_t from, std::uint64_t to, Time now);
  std::shared_ptr<const Place> place_of(const Stream& stream, const Shard& shard, Stamp last) const;
  template <typename Change>
  void change_place(ShardNumber shard, const Change& change);
  void show(const Stream& stream);  // after each change of it
  void adopt(Stream& stream, Shard shard, storage::WriteBatch& batch);
  void retire(Stream& stream, Shard& shard, Time now, storage::WriteBatch& batch);
  // Opens a child of `parents` (one or two) with the range [from, to].
  void adopt_child(Stream& stream, const std::vector<Shard>& parents, std::uint64_t from, std::uint64_t to,
                   storage::WriteBatch& batch);
  void rebuild_routes(const Stream& stream);
  Shard* find_shard(Stream& stream, ShardNumber number);
  static bool is_gone(Time closed, Milliseconds retention, Time now) {
    return closed != kNever && closed + retention <= now;
  }
  static bool is_gone(const Place& place, Time now) { return is_gone(place.closed, place.retention, now); }
  std::optional<Stream> visible(const Stream& stream, Time now) const;

  void tell_when_committed(StreamId stream, std::vector<ShardNumber> opened, std::vector<ShardNumber> closed,
                           storage::WriteBatch& batch);
  void reshaped(StreamId stream, const std::vector<ShardNumber>& opened, const std::vector<ShardNumber>& closed,
                Stamp next_stamp);
  void logged(std::span<const std::uint64_t> shards);
  void wake(const Wake& wake);
  void note_record(ShardNumber shard, Stamp seen_before, Stamp seen);  // REQUIRES: mutex_ held
  void note_dropped(std::uint64_t bucket);                             // REQUIRES: mutex_ held

  std::shared_ptr<const Place> place(ShardNumber shard) const;
  Result<View> view(ShardNumber shard) const;
  Result<Page> scan(const View& view, Scan& scan) const;

  void open_window();
  void look();
  void look_on_pool(Look& look);
  bool find_empty(const Shard& shard);

  void maintain_soon();
  void maintain();
  Time forget_expired();
  void cut_to_size(std::uint64_t floor);
  void note_floor(Stamp floor);
  void reclaim_below(std::uint64_t bucket);
  void trim_finished(Stamp floor, std::uint64_t examined, Time due);

  // Constant after construction.
  storage::Store& store_;
  storage::Commits& commits_;
  platform::Scheduler& scheduler_;
  platform::Random& random_;
  const StreamsOptions options_;
  storage::ServiceCommits shape_commits_;  // synchronises itself

  // What is read without a lock: changed with mutex_ held, in the order that view() and scan() tell. Streams by ARN.
  ReadMostlyMap<const Place> places_;
  ReadMostlyMap<const Stream> shown_;
  std::atomic<Stamp> seen_;
  std::atomic<Stamp> trim_floor_;  // buckets below this stamp may be gone

  // Guarded by mutex_. Never held while submitting or calling out.
  mutable std::shared_mutex mutex_;
  std::uint64_t next_id_ = 1;
  std::map<StreamId, Stream> streams_;
  std::map<std::string, StreamId, std::less<>> by_arn_;
  std::unordered_map<StreamId, std::vector<Route>> routes_;  // of enabled streams, by hash
  // Per shard and bucket that has records of it, a bound of their stamps, ascending. For lost_to when buckets go.
  std::unordered_map<ShardNumber, std::vector<Stamp>> bounds_;
  std::unordered_map<ShardNumber, std::unique_ptr<Counter>> counters_;  // of open shards
  std::function<void(const Stream&, const Reshape&)> reshaper_;
  std::uint64_t examined_bucket_ = 0;  // the trimmer has nothing to do before a later bucket is begun, or its timer
  bool maintaining_ = false;           // maintain() is posted or under way
  bool maintain_again_ = false;

  // Guarded by wake_mutex_, which is held while callbacks run.
  std::mutex wake_mutex_;
  std::map<std::pair<StreamId, std::uint64_t>, std::function<void(const Wake&)>> subscribers_;
  std::uint64_t last_subscriber_ = 0;

  std::atomic<bool> window_open_{false};
  // Touched by one look at a time, on the pool.
  std::unordered_map<ShardNumber, Stamp> empty_to_;

  // Touched on the control thread only.
  platform::Timer timer_;
  platform::Timer window_timer_;
  platform::Timer roll_timer_;
  Time window_began_{};
  bool looking_ = false;
  bool look_again_ = false;
  bool look_paused_ = false;
};

}  // namespace millrace::streams
