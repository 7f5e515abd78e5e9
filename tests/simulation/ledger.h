// What happened, kept outside the simulated server, and the rules that it must
// obey (STYLE: invariants of the simulation). The ledger sees every batch that
// reaches the disk, every call of a function and every answer; it knows nothing
// of the code that it judges but the form in which positions are saved.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/time.h"
#include "model/change_record.h"
#include "storage/store.h"
#include "triggers/internal/shard.h"
#include "triggers/mapping.h"
#include "triggers/ports.h"

namespace millrace::simulation {

using storage::Stamp;

// A rule was broken.
class Violation : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct Change {
  Stamp stamp = 0;
  std::uint64_t shard = 0;
  std::string table;
  std::string stream;
  std::string key;
  std::uint64_t key_hash = 0;
  model::ChangeEvent event{};
  model::ChangeOrigin origin{};
  std::int64_t before = 0;  // the version of the item; 0: there was none
  std::int64_t after = 0;
  bool poison = false;
  std::string group;  // attribute "g" of the new image
  Time committed{};
};

// What an event says about its tumbling window.
struct WindowCall {
  Time start{}, end{};
  std::vector<Stamp> state;  // the records that are in it already
  std::string shard_id;
  bool is_final = false;
  bool is_early = false;
};

// One call of a function.
struct Call {
  std::string uuid;
  std::vector<Stamp> stamps;  // the records of the event in the order given
  std::size_t bytes = 0;      // of the whole event
  std::optional<WindowCall> window;
};

struct CallEnd {
  std::size_t done = 0;     // leading records
  bool attempted = true;    // false: the function was not reached
  bool final_done = false;  // a final invocation went well
};

class Ledger {
 public:
  // --- The world tells ---
  void set_retention(Milliseconds retention) { retention_ = retention; }
  // `look`: calls shard_exists for all there are; asked when a record is in one
  // that is not known.
  void set_lookup(std::function<void()> look) { look_ = std::move(look); }
  // `take_effect`: called when a mapping has reached the disk, before the
  // engine hears of it.
  void set_mapping_listener(std::function<void(const triggers::Mapping&)> take_effect) {
    mapping_written_ = std::move(take_effect);
  }
  struct Shard {
    std::string id;
    std::vector<std::uint64_t> parents;
    std::string table;
    std::string stream;
    bool is_open = true;
  };
  void shard_exists(std::uint64_t number, const Shard& shard);
  void table_gone(const std::string& table);  // with its items; what is in its stream stays
  void mapping_created(const triggers::Mapping& mapping, bool pure);
  void mapping_removed(const std::string& uuid);
  void function_replaced(const std::string& uuid);  // from now on it may fail as it likes
  // From now on the engine works by these options.
  void mapping_changed(const triggers::Mapping& mapping);
  // A rewind has been asked for; its end: positions may move back between the
  // two.
  void rewind_begins(const std::string& uuid);
  void rewind_ends(const std::string& uuid);
  // The record may be left out from the first on, and must be from the second
  // on.
  void skip_begins(const std::string& uuid, Stamp stamp);
  void skip_ends(const std::string& uuid, Stamp stamp);
  void acknowledged(const std::string& table, const std::string& key, std::int64_t version, bool is_delete);
  // A batch has reached the disk, at `now`.
  void written(const storage::WriteBatch& batch, Time now);
  void killed();

  // --- Functions tell ---
  void invoked(const Call& call, Time now);
  void answered(const Call& call, const CallEnd& end);

  // --- At the end, when no fault has struck for long ---
  void check_settled(Time now) const;
  // `stored`: the version each item has in the table, by table and key.
  void check_items(const std::map<std::pair<std::string, std::string>, std::int64_t>& stored) const;

  const Change* find(Stamp stamp) const;
  const std::map<Stamp, Change>& changes() const { return changes_; }
  std::map<std::string, std::uint64_t> counters;  // what the run has been through, for people

 private:
  enum class Fate { kPending, kDone, kInLetter };
  // A tumbling window of one shard, by its start.
  struct WindowBook {
    std::vector<Stamp> accepted;  // what its state must hold
    bool final_seen = false, closed = false, early = false;
    bool may_restart = false;  // an early final invocation of it has failed
  };
  using Windows = std::map<Time, WindowBook>;
  struct Book {  // of a mapping
    triggers::Mapping now;
    std::vector<triggers::Mapping> history;  // every configuration it has had
    bool pure = false;                       // only poison makes the function fail
    bool removed = false;
    bool intervened = false;  // rewound, or a record was let go
    int rewinding = 0;
    std::set<Stamp> skipping, skipped,
        seen;  // seen: sent to the function, at least once
    std::map<std::uint64_t, Windows> windows;
    std::map<Stamp, Fate> fates;
    std::map<Stamp, int> failures;  // attempts in vain
    std::map<std::uint64_t, triggers::internal::SavedShard> saved;
  };

  void change_written(const Change& change);
  void position_written(Book& book, std::uint64_t shard, const std::string& text, Time now);
  void letter_written(const std::string& text, Time now);
  Book& book_of(const std::string& uuid);
  bool is_settled(const Book& book, const Change& change, Time now) const;
  bool may_be_discarded(const Book& book, const Change& change, Time now) const;
  static bool is_covered(const triggers::internal::SavedShard& saved, const Change& change);
  static bool may_match(const Book& book, const Change& change);
  static bool may_be_filtered(const Book& book, const Change& change);
  // Nothing has happened after which more than one history explains what is
  // seen.
  bool is_exact(const Book& book) const { return book.history.size() == 1 && !killed_ && !book.intervened; }
  void forget(Book& book, const Change& change);
  void check_record(const Book& book, const Change& change, const std::set<Stamp>& batch, Time now);
  void check_batching_window(const Book& book, const Call& call, Time now);
  void check_tumbling(Book& book, const Call& call, Time now);
  void check_state(const Book& book, const WindowBook& window, const Call& call, Time now) const;
  void check_final(Book& book, WindowBook& window, const Call& call, std::uint64_t shard, Time now);
  void check_predecessors(const Book& book, const Change& change, const std::set<Stamp>& batch, Time now) const;
  void check_ancestors(const Book& book, const Change& change, std::uint64_t shard, Time now) const;
  [[noreturn]] void fail(const std::string& text) const;

  std::function<void()> look_;
  std::function<void(const triggers::Mapping&)> mapping_written_;
  Milliseconds retention_{0};
  std::map<Stamp, Change> changes_;
  std::map<std::uint64_t, std::vector<Stamp>> by_shard_;
  std::map<std::uint64_t, Shard> shards_;
  std::map<std::string, std::uint64_t> shard_numbers_;
  std::map<std::pair<std::string, std::string>, std::int64_t> current_;  // version by table and key
  std::set<std::int64_t> written_versions_, removed_versions_;
  std::map<std::string, Book> books_;
  bool killed_ = false;
};

}  // namespace millrace::simulation
