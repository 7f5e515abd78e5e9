// Values that were read lately, whole and by key: what a point read finds here costs a tenth of a read through
// RocksDB's memtables, filters, index and data blocks.
//
// A set-associative table of a fixed size. A row is kept from the second read after its last write on, so that neither
// a long run over cold keys pushes out warm ones nor a key that is read to be written is copied for nothing; the oldest
// of its set goes first. Shows what the database shows and nothing older: a writer announces the keys before it writes,
// which takes their rows out and refuses new ones, and allows them again when the database shows the write. So nobody
// sees an older value after somebody saw a newer one. Thread-safe; one short lock per call, of one set. A reader
// does not wait for it: while another thread has it, the row counts as absent, since the database has the value, too.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::storage {

class HotRows {
 public:
  static constexpr std::size_t kSetBytes = 16 * 1024;  // of rows in one set, keys included
  static constexpr std::size_t kRowBytesMax = kSetBytes / 4;

  // Holds at most `bytes`, but no less than one set.
  explicit HotRows(std::size_t bytes);

  // Where a read that found nothing here stands; for keep().
  struct Place {
    std::uint64_t hash = 0;
    std::uint64_t version = 0;
    bool wanted = false;
  };
  std::optional<std::string> find(std::string_view key, Place& place);
  // What the database had for `key` after find() left `place`. Does nothing if the key's set was written since.
  void keep(const Place& place, std::string_view key, std::string_view value);

  // Around each write to the database, by any number of writers; every begin needs its end, also of a failed write.
  void begin_write(std::string_view key);
  void end_write(std::string_view key);
  void begin_write_of_all();
  void end_write_of_all();

  struct Figures {
    std::uint64_t hits = 0;
    std::uint64_t rows = 0;
    std::uint64_t bytes = 0;
  };
  Figures figures() const;

 private:
  struct Row {
    std::uint64_t hash = 0;
    std::uint64_t used = 0;
    std::string key;
    std::string value;
    std::size_t bytes() const { return key.size() + value.size(); }
  };
  struct Set {
    mutable std::mutex mutex;
    std::uint64_t version = 0;  // counts writes
    std::uint64_t writing = 0;  // writes begun and not ended
    std::uint64_t uses = 0;
    std::uint64_t hits = 0;
    std::size_t bytes = 0;
    std::vector<Row> rows;
    std::array<std::uint32_t, 64> missed{};  // marks of keys that were looked for, the latest
    std::size_t next_missed = 0;
  };
  Set& set_of(std::uint64_t hash) { return sets_[hash % count_]; }
  static std::uint64_t hash_of(std::string_view key);
  static std::uint32_t mark_of(std::uint64_t hash);  // never 0
  static bool was_missed(Set& set, std::uint64_t hash);
  static void remove(Set& set, std::size_t at);

  const std::size_t count_;
  const std::unique_ptr<Set[]> sets_;
};

}  // namespace millrace::storage
