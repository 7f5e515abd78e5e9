// What happened, kept outside the simulated server, and the rules that it must obey (STYLE: invariants of the
// simulation). The ledger sees every batch that reaches the disk, every call of a function and every answer; it knows
// nothing of the code that it judges but the form in which positions are saved.
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

class Ledger {
 public:
  // --- The world tells ---
  void set_retention(Milliseconds retention) { retention_ = retention; }
  // `look`: calls shard_exists for all there are; asked when a record is in one that is not known.
  void set_lookup(std::function<void()> look) { look_ = std::move(look); }
  void shard_exists(std::uint64_t shard, std::vector<std::uint64_t> parents, const std::string& table);
  void mapping_created(const triggers::Mapping& mapping, int table, bool pure);
  void mapping_changed(const triggers::Mapping& mapping);
  void acknowledged(const std::string& table, const std::string& key, std::int64_t version, bool is_delete);
  // A batch has reached the disk, at `now`.
  void written(const storage::WriteBatch& batch, Time now);
  void killed();

  // --- Functions tell ---
  // The records of an event in the order given. `bytes`: of the whole event.
  void invoked(const std::string& uuid, const std::vector<Stamp>& stamps, std::size_t bytes, Time now);
  // The function has answered: the first `done` of them are done; false in `attempted` when it was not reached.
  void answered(const std::string& uuid, const std::vector<Stamp>& stamps, std::size_t done, bool attempted);

  // --- At the end, when no fault has struck for long ---
  void check_settled(Time now) const;
  // `stored`: the version each item has in the table, by table and key.
  void check_items(const std::map<std::pair<std::string, std::string>, std::int64_t>& stored) const;

  const Change* find(Stamp stamp) const;
  std::map<std::string, std::uint64_t> counters;  // what the run has been through, for people

 private:
  enum class Fate { kPending, kDone, kInLetter };
  struct Book {  // of a mapping
    triggers::Mapping now;
    std::vector<triggers::Mapping> history;  // every configuration it has had
    std::string table;
    bool pure = false;  // only poison makes the function fail
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
  void check_predecessors(const Book& book, const Change& change, const std::set<Stamp>& batch, Time now) const;
  void check_ancestors(const Book& book, const Change& change, std::uint64_t shard, Time now) const;
  [[noreturn]] void fail(const std::string& text) const;

  std::function<void()> look_;
  Milliseconds retention_{0};
  std::map<Stamp, Change> changes_;
  std::map<std::uint64_t, std::vector<Stamp>> by_shard_;
  std::map<std::uint64_t, std::vector<std::uint64_t>> parents_;
  std::map<std::uint64_t, std::string> tables_;
  std::map<std::pair<std::string, std::string>, std::int64_t> current_;  // version by table and key
  std::set<std::int64_t> written_versions_, removed_versions_;
  std::map<std::string, Book> books_;
  bool killed_ = false;
};

}  // namespace millrace::simulation
