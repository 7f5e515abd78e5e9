// A Store in memory: for unit tests and simulation, with switches that make storage fail.
//
// Iterators read a snapshot: a family's map is copied when it is written while an iterator reads it. Thread-safe.
// Iterators must not outlive the store.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "storage/store.h"

namespace millrace::storage {

class MemoryStore final : public Store {
 public:
  // What a failing write leaves behind: a real disk may have kept it.
  enum class Outcome { kNotApplied, kApplied };

  Result<void> write(const WriteBatch& batch, Sync sync) override;
  Result<std::optional<std::string>> get(Family family, std::string_view key) const override;
  std::unique_ptr<Iterator> iterate(Family family, Bounds bounds) const override;
  void reclaim(Family family, std::string_view from, std::string_view to) override;
  std::string statistics() const override;
  Room room() const override;

  // The write after `count` further successful ones fails, and every later one (as a disk's would).
  void fail_write_after(std::uint64_t count, Outcome outcome = Outcome::kNotApplied);
  // The read (get or iterate) after `count` further successful ones fails, once.
  void fail_read_after(std::uint64_t count);
  // From now on reads in a scope of NoBlocking are refused: of a key until it has been read outside of one, of
  // iterators always. With false they are answered again.
  void set_cold(bool cold);
  std::uint64_t refusals() const;
  // The write after `count` further successful ones, and all later ones, find the disk full until make_room().
  void fill_up_after(std::uint64_t count = 0);
  void make_room();
  // What room() answers while nothing else is wrong.
  void set_room(Room::Level level);
  // Ends failures, as a restart on a repaired disk does.
  void heal();
  // True once an armed failure has struck.
  bool has_failed() const;

  std::uint64_t writes() const;  // successful ones
  std::uint64_t reads() const;   // get and iterate
  std::uint64_t reclaims() const;
  std::size_t count(Family family) const;

 private:
  using Map = std::map<std::string, std::string, std::less<>>;
  class Cursor;
  Map& writable(Family family);  // REQUIRES: mutex_ held
  void apply(const WriteBatch& batch);
  bool read_fails() const;

  mutable std::mutex mutex_;
  std::array<std::shared_ptr<Map>, kFamilyCount> families_ = make_families();
  static std::array<std::shared_ptr<Map>, kFamilyCount> make_families();
  std::optional<std::uint64_t> write_fails_after_;
  std::optional<std::uint64_t> full_after_;
  Room::Level room_ = Room::Level::kPlenty;
  Outcome write_outcome_ = Outcome::kNotApplied;
  mutable std::optional<std::uint64_t> read_fails_after_;
  bool broken_ = false;
  mutable bool failed_ = false;
  bool cold_ = false;
  mutable std::set<std::pair<Family, std::string>> warm_;  // of a cold store
  mutable std::uint64_t refusals_ = 0;
  std::uint64_t writes_ = 0;
  mutable std::uint64_t reads_ = 0;
  std::uint64_t reclaims_ = 0;
};

}  // namespace millrace::storage
