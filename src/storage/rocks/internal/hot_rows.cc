#include "storage/rocks/internal/hot_rows.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace millrace::storage {

HotRows::HotRows(std::size_t bytes)
    : count_(std::max<std::size_t>(bytes / kSetBytes, 1)), sets_(std::make_unique<Set[]>(count_)) {}

std::uint64_t HotRows::hash_of(std::string_view key) { return std::hash<std::string_view>()(key); }

void HotRows::remove(Set& set, std::size_t at) {
  set.bytes -= set.rows[at].bytes();
  if (at + 1 != set.rows.size()) set.rows[at] = std::move(set.rows.back());
  set.rows.pop_back();
}

std::uint32_t HotRows::mark_of(std::uint64_t hash) { return static_cast<std::uint32_t>(hash >> 32) | 1; }

// Whether this key was looked for before; notes that it was now.
bool HotRows::was_missed(Set& set, std::uint64_t hash) {
  const std::uint32_t mark = mark_of(hash);
  const bool known = std::ranges::find(set.missed, mark) != set.missed.end();
  if (!known) set.missed[set.next_missed++ % set.missed.size()] = mark;
  return known;
}

std::optional<std::string> HotRows::find(std::string_view key, Place& place) {
  place.hash = hash_of(key);
  Set& set = set_of(place.hash);
  const std::unique_lock lock(set.mutex, std::try_to_lock);
  if (!lock) return std::nullopt;  // the database has it, too
  for (Row& row : set.rows) {
    if (row.hash != place.hash || row.key != key) continue;
    row.used = ++set.uses;
    ++set.hits;
    return row.value;  // copied here: sharing it costs more than the lock is held for
  }
  place.wanted = set.writing == 0 && was_missed(set, place.hash);
  place.version = set.version;
  return std::nullopt;
}

void HotRows::keep(const Place& place, std::string_view key, std::string_view value) {
  if (!place.wanted || key.size() + value.size() > kRowBytesMax) return;
  Row row{place.hash, 0, std::string(key), std::string(value)};
  Set& set = set_of(place.hash);
  const std::unique_lock lock(set.mutex, std::try_to_lock);
  if (!lock || set.version != place.version || set.writing > 0) return;
  const auto same = [&](const Row& each) { return each.hash == row.hash && each.key == row.key; };
  if (std::ranges::any_of(set.rows, same)) return;  // another reader was here first
  while (!set.rows.empty() && set.bytes + row.bytes() > kSetBytes) {
    const auto oldest = std::ranges::min_element(set.rows, {}, &Row::used);
    remove(set, static_cast<std::size_t>(oldest - set.rows.begin()));
  }
  row.used = ++set.uses;
  set.bytes += row.bytes();
  set.rows.push_back(std::move(row));
}

void HotRows::begin_write(std::string_view key) {
  const std::uint64_t hash = hash_of(key);
  Set& set = set_of(hash);
  const std::lock_guard lock(set.mutex);
  ++set.version;
  ++set.writing;
  std::ranges::replace(set.missed, mark_of(hash), 0U);
  for (std::size_t i = 0; i < set.rows.size(); ++i) {
    if (set.rows[i].hash == hash && set.rows[i].key == key) return remove(set, i);
  }
}

void HotRows::end_write(std::string_view key) {
  Set& set = set_of(hash_of(key));
  const std::lock_guard lock(set.mutex);
  --set.writing;
}

void HotRows::begin_write_of_all() {
  for (std::size_t i = 0; i < count_; ++i) {
    Set& set = sets_[i];
    const std::lock_guard lock(set.mutex);
    ++set.version;
    ++set.writing;
    set.rows.clear();
    set.bytes = 0;
  }
}

void HotRows::end_write_of_all() {
  for (std::size_t i = 0; i < count_; ++i) {
    const std::lock_guard lock(sets_[i].mutex);
    --sets_[i].writing;
  }
}

HotRows::Figures HotRows::figures() const {
  Figures all;
  for (std::size_t i = 0; i < count_; ++i) {
    const std::lock_guard lock(sets_[i].mutex);
    all.hits += sets_[i].hits;
    all.rows += sets_[i].rows.size();
    all.bytes += sets_[i].bytes;
  }
  return all;
}

}  // namespace millrace::storage
