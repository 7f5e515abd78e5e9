// CloudWatch Logs: groups, streams and events, on disk with a limit per group.
//
// Events are buffered per stream and stored in chunks: when 64 KiB have gathered, after 200 ms, before a read of their
// group, or by flush(). append() (functions' output) never waits and may lose what was not stored yet when the server
// is killed; put_events() stores at once. A group above its limit loses its oldest chunks whole; retention is executed
// by the movable clock: reads do not show what has expired, a timer removes its chunks.
//
//   kCatalogue  logs/groups/<account>/<region>/<name>    JSON, "v":1
//   kCatalogue  logs/numbers                             how far numbers were given out (storage/numbers.h)
//   kText       logs/s/ be64(group) <stream name>        be64(stream number) be64(created, ms)
//   kText       logs/i/ be64(group) be64(chunk)          ChunkInfo: what load() reads
//   kText       logs/c/ be64(group) be64(chunk)          events: be64(time) be64(ingested) be32(length) bytes
//
// Thread-safe; answers must be held until last_commit() is durable. Chunks are read without the mutex: who appends
// never waits for a reader. Subscribers are called without the mutex, on the appending thread.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/scope.h"
#include "base/time.h"
#include "logs/metric_filter.h"
#include "platform/clock.h"
#include "storage/numbers.h"
#include "storage/service_commits.h"
#include "storage/store.h"

namespace millrace::logs {

using Tags = std::map<std::string, std::string, std::less<>>;

struct Limits {
  std::size_t group_bytes = std::size_t{64} << 20;  // the oldest chunks beyond are dropped
  std::size_t chunk_bytes = 64 << 10;
  std::size_t event_bytes = 1'048'576 - 26;            // longer ones are cut by append(), refused by put_events()
  std::size_t unstored_bytes = std::size_t{64} << 20;  // append() drops (and counts) what comes on top
  std::size_t put_bytes = 1'048'576;                   // of a PutLogEvents, 26 per event included
  std::size_t answer_bytes = 1'048'576;                // of a page of events
  Milliseconds flush_after{200};
};

struct GroupName {
  Scope scope;
  std::string name;
  friend auto operator<=>(const GroupName&, const GroupName&) = default;
};

struct NewEvent {
  Time timestamp{};
  std::string message;
};

// Where an event stands: in time, and among those of the same time.
struct Position {
  Time timestamp{};
  std::uint64_t chunk = 0;
  std::uint64_t index = 0;
  friend auto operator<=>(const Position&, const Position&) = default;
};

struct Event {
  Position position;
  std::string stream;
  std::string message;
  Time ingested{};
  std::string id() const;  // 56 digits, unique and stable
};

struct GroupInfo {
  GroupName name;
  Time created{};
  std::optional<int> retention_days;
  std::string log_class = "STANDARD";  // recorded
  std::size_t stored_bytes = 0;
  Tags tags;
  std::string arn() const;  // without the ":*" at the end
};

struct StreamInfo {
  std::string name;
  Time created{};
  std::optional<Time> first_event;
  std::optional<Time> last_event;
  std::optional<Time> last_ingestion;
};

template <typename T>
struct Page {
  std::vector<T> items;
  std::string next_token;  // "" at the end
};

struct StreamQuery {
  std::string_view prefix;
  enum class Order { kName, kLastEventTime } order = Order::kName;
  enum class Direction { kAscending, kDescending } direction = Direction::kAscending;
  std::size_t limit = 50;
  std::string_view token;
};

struct EventQuery {
  std::optional<Time> start;  // inclusive
  std::optional<Time> end;    // exclusive
  std::size_t limit = 10'000;
  std::string_view token;
};

struct StreamEvents {
  std::vector<Event> events;
  std::string forward_token;   // "f/..."
  std::string backward_token;  // "b/..."
};

struct RejectedEvents {
  std::optional<std::size_t> too_new_start;
  std::optional<std::size_t> too_old_end;
  std::optional<std::size_t> expired_end;
};

class Service {
 public:
  Service(storage::Store& store, storage::Commits& commits, platform::Scheduler& scheduler, Limits limits = {});
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;
  Result<void> load();
  storage::CommitNumber last_commit() const { return commits_.last(); }

  // For functions: creates group and stream when they do not exist.
  void append(const GroupName& group, std::string_view stream, std::vector<NewEvent> events);
  // Submits all buffered events; last_commit() then covers them. To be called before stopping.
  void flush();
  // Events append() dropped as the disk could not keep up.
  std::uint64_t dropped() const { return dropped_.load(); }

  // Calls `observer` for every event added to the group from now on. Ends when the handle is destroyed; one call may
  // still be under way then.
  using Observer = std::function<void(const Event&)>;
  using Subscription = std::shared_ptr<void>;
  [[nodiscard]] Subscription subscribe(const GroupName& group, Observer observer);

  Result<void> create_group(const GroupName& group, std::string log_class, const Tags& tags);
  Result<void> delete_group(const GroupName& group);
  Result<void> create_stream(const GroupName& group, std::string_view stream);
  Result<void> delete_stream(const GroupName& group, std::string_view stream);
  Result<void> set_retention(const GroupName& group, std::optional<int> days);
  Result<RejectedEvents> put_events(const GroupName& group, std::string_view stream, std::vector<NewEvent> events);
  // kLimitExceeded beyond kMetricFiltersMax. Replaces the filter of that name.
  Result<void> put_metric_filter(const GroupName& group, MetricFilter filter);
  Result<void> delete_metric_filter(const GroupName& group, std::string_view name);
  Result<std::vector<MetricFilter>> metric_filters(const GroupName& group);                  // by name
  std::vector<std::pair<std::string, MetricFilter>> all_metric_filters(const Scope& scope);  // by group and name
  // Takes what metric filters find, on the appending thread, without the mutex. Once, before the first event.
  using MetricSink = std::function<void(const Scope&, const MetricFilter&, const MetricDatum&, Time at)>;
  void set_metric_sink(MetricSink sink) { metric_sink_ = std::move(sink); }
  Result<void> tag(const GroupName& group, const Tags& tags);
  Result<void> untag(const GroupName& group, const std::vector<std::string>& keys);
  void reset(std::string_view account);

  Result<GroupInfo> describe_group(const GroupName& group);
  // By name, those for which `wanted` is true.
  Result<Page<GroupInfo>> list_groups(const Scope& scope, const std::function<bool(const GroupInfo&)>& wanted,
                                      std::size_t limit, std::string_view token);
  Result<Page<StreamInfo>> list_streams(const GroupName& group, const StreamQuery& query);
  // Without a token: the first events when `from_head`, else the last.
  enum class From { kHead, kTail };
  Result<StreamEvents> stream_events(const GroupName& group, std::string_view stream, const EventQuery& query,
                                     From from);
  // Of all streams for which `wanted_stream` is true, those events for which `wanted` is true, in order of time.
  Result<Page<Event>> filter_events(const GroupName& group, const EventQuery& query,
                                    const std::function<bool(std::string_view)>& wanted_stream,
                                    const std::function<bool(std::string_view)>& wanted);

 private:
  struct Chunk;
  struct Stream;
  struct Group;
  struct Range;
  struct Source;

  Result<Group*> find(const GroupName& name);
  Result<Stream*> find_stream(Group& group, std::string_view stream);
  Group& make_group(const GroupName& name, std::string log_class, const Tags& tags, storage::WriteBatch& batch);
  Stream& make_stream(Group& group, std::string_view name, storage::WriteBatch& batch);
  void save(const Group& group, storage::WriteBatch& batch) const;
  Result<void> restore();
  void resume();
  Result<void> read_all();
  Result<void> load_groups();
  Result<void> load_streams();
  Result<void> load_chunks();

  Event add_event(Group& group, Stream& stream, NewEvent event, Time now, storage::WriteBatch& batch);
  void seal(Group& group, Stream& stream, storage::WriteBatch& batch);
  void seal_all(Group& group);
  // For a batch that seal() wrote chunks into.
  void submit_chunks(storage::WriteBatch batch);
  void chunks_stored(const std::vector<std::pair<std::uint64_t, std::uint64_t>>& chunks);
  void discard_open(Group& group, Stream& stream);
  void drop_chunk(Group& group, std::uint64_t number, storage::WriteBatch& batch);
  void trim(Group& group, storage::WriteBatch& batch);
  void erase_group(Group& group, storage::WriteBatch& batch);
  void arm_flush();
  void arm_retention(Group& group);
  void on_retention(std::uint64_t number);
  using MetricFilters = std::map<std::string, MetricFilter, std::less<>>;
  void feed_metrics(const Scope& scope, const std::shared_ptr<const MetricFilters>& filters,
                    const std::vector<Event>& events);
  bool has_observers(const GroupName& group);  // forgets those that are gone
  void notify(const GroupName& group, const std::vector<Event>& events);

  Range range_of(const Group& group, const EventQuery& query) const;
  std::vector<Source> sources(const Group& group, const Range& range) const;
  // Without the mutex.
  Result<void> read_source(const Source& source, const Range& range, std::vector<Event>& events) const;
  Result<std::vector<Event>> merge(const std::vector<Source>& chunks, const Range& range) const;

  storage::Store& store_;
  storage::ServiceCommits commits_;
  platform::Scheduler& scheduler_;
  const Limits limits_;
  std::atomic<std::size_t> unstored_bytes_{0};
  std::atomic<std::uint64_t> dropped_{0};
  MetricSink metric_sink_;  // constant after the start

  std::mutex mutex_;  // guards below
  std::map<GroupName, std::unique_ptr<Group>> groups_;
  std::map<std::uint64_t, Group*> by_number_;
  storage::Numbers numbers_{storage::Series::kLogs};  // of groups, streams and chunks
  platform::Timer flush_timer_;
  bool flush_armed_ = false;
  std::set<std::pair<std::uint64_t, std::string>> open_;         // group, stream: has events not yet in a chunk
  std::vector<std::pair<std::uint64_t, std::uint64_t>> sealed_;  // group, chunk: not yet submitted
  std::size_t sealed_bytes_ = 0;                                 // of these
  std::multimap<GroupName, std::weak_ptr<Observer>> observers_;
};

}  // namespace millrace::logs
