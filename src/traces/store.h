// Traces on disk, in bounded space.
//
// A trace is what has arrived under one trace id for one account and region: segment documents, by segment id (a later
// one takes the place of an earlier). Writing goes to memory and is committed kPersistAfter later, or with flush();
// nothing waits for it: a killed server loses what was written since. Reads see both.
//
//   kText  traces/t/ be64(number)                JSON {"v":1,...}: scope, id, first and last time, bytes
//   kText  traces/d/ be64(number) text(segment)  the document
//
// Numbers are given in order of first arrival. Beyond Limits the traces that arrived first are dropped, whole; so are
// those older than Limits::age (AWS: 30 days), by the movable clock. While the disk is full, what comes is dropped and
// counted: nobody's work depends on it.
//
// Thread-safe: one mutex. The timers run on the control thread and only while there is something to do.
#pragma once

#include <atomic>
#include <cstdint>
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
#include "platform/clock.h"
#include "storage/service_commits.h"
#include "storage/store.h"
#include "traces/segment.h"

namespace millrace::traces {

struct Limits {
  std::uint64_t bytes = std::uint64_t{64} << 20;  // of all documents; replaced ones count until their trace goes
  std::size_t traces = 100'000;
  std::uint64_t trace_bytes = 500 * 1024;  // AWS: of one trace; what comes beyond is dropped and told of
  Milliseconds age = std::chrono::days(30);
};
inline constexpr Milliseconds kPersistAfter{1000};

struct Trace {
  std::string id;
  std::vector<std::string> documents;
  bool limit_exceeded = false;
};

// Which time of a trace a range is about.
enum class RangeType {
  kTraceId,  // when it began, as its id says
  kEvent,    // any time between its first and its last segment
};

struct Usage {
  std::size_t traces = 0;
  std::uint64_t bytes = 0;
  std::uint64_t dropped = 0;  // segments, since the start: beyond Limits::trace_bytes, or for want of room
};

class Store {
 public:
  Store(storage::Store& store, storage::Commits& commits, platform::Scheduler& scheduler, Limits limits = {});
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // Reads the list of traces. Once, before anything else. kStorageFailed for a damaged one.
  Result<void> load();
  // Submits what is in memory only; durable with last_commit().
  void flush();
  storage::CommitNumber last_commit() const { return commits_.last(); }

  // Keeps a segment. Without a scope (the daemon's port knows none) it joins the trace of that id in whichever account
  // it is known, else the default account's.
  void put(const std::optional<Scope>& scope, Segment segment);
  // The same with a segment that was made elsewhere, by the machine's clock: when this server's has been moved, its
  // times are moved along, so that they lie where the server's own do.
  void receive(const std::optional<Scope>& scope, Segment segment);
  // A trace is about to begin there: what comes without a scope belongs to it.
  void expect(const Scope& scope, const std::string& trace_id);
  // Where what comes without a scope goes when nobody knows its trace.
  void set_default_scope(Scope scope);
  // Called with every segment that is kept, from the thread that wrote it, without the mutex. Before the first.
  void on_segment(std::function<void(const Scope&, const Segment&)> observer) { observer_ = std::move(observer); }

  // nullopt: there is none. Error: of the disk, rather than a trace with a part of its documents.
  Result<std::optional<Trace>> find(const Scope& scope, const std::string& trace_id) const;
  // Ids of traces within [from, to], newest first to the second; those after `after` (an id of an earlier answer) if it
  // is not empty.
  std::vector<std::string> list(const Scope& scope, RangeType type, Time from, Time to, std::size_t count,
                                const std::string& after = {}) const;
  void reset(std::string_view account);
  Usage usage() const;

 private:
  struct Key {
    Scope scope;
    std::string id;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  struct Entry {
    std::uint64_t number = 0;
    Time first{};  // of its segments
    Time last{};
    std::uint64_t bytes = 0;
    std::size_t segments = 0;  // in memory's view since the start: 0 only for expected ones
    bool limit_exceeded = false;
  };
  using Entries = std::map<Key, Entry>;
  using Pending = std::map<std::pair<std::uint64_t, std::string>, std::string>;  // documents by number and segment

  Key key_of(const std::optional<Scope>& scope, const std::string& trace_id) const;  // guarded
  Entry& open(const Key& key);                                                       // guarded
  void submit();                                                                     // guarded
  void drop(Entries::iterator entry);                                                // guarded
  void shrink();                                                                     // guarded
  void arm_persist();                                                                // guarded
  void arm_sweep();                                                                  // guarded
  void sweep();

  storage::Store& store_;
  storage::ServiceCommits commits_;
  platform::Scheduler& scheduler_;
  const Limits limits_;
  std::function<void(const Scope&, const Segment&)> observer_;  // constant after the start

  mutable std::mutex mutex_;  // guards below
  Scope default_scope_{"000000000000", "us-east-1"};
  Entries entries_;
  std::map<std::uint64_t, Entries::iterator> by_number_;
  std::map<std::string, Scope, std::less<>> scopes_;        // of known trace ids
  Pending pending_;                                         // not submitted
  std::vector<std::shared_ptr<const Pending>> committing_;  // submitted, perhaps not written yet
  std::set<Key> changed_;                                   // entries whose heads are to be saved
  storage::WriteBatch erased_;                              // goes with the next submit
  std::uint64_t last_number_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t dropped_ = 0;
  std::size_t pending_bytes_ = 0;
  platform::Timer persist_timer_;
  bool persist_armed_ = false;
  platform::Timer sweep_timer_;
  bool sweep_armed_ = false;
};

}  // namespace millrace::traces
