#include "storage/memory/memory_store.h"

#include <utility>

#include "base/assert.h"
#include "storage/no_blocking.h"

namespace millrace::storage {

namespace {
Error injected() { return {kStorageFailed, "injected storage failure"}; }
Error refused() { return {kWouldBlock, "not in memory"}; }
}  // namespace

// Holds a family's map as it was; lets go of it under the mutex, so that a writer sees whether it is still read.
class MemoryStore::Cursor final : public Iterator {
 public:
  Cursor(const MemoryStore& store, std::shared_ptr<const Map> map, Bounds bounds, std::optional<Error> error)
      : store_(store), map_(std::move(map)), bounds_(std::move(bounds)), error_(std::move(error)), it_(map_->end()) {}
  ~Cursor() override {
    const std::lock_guard lock(store_.mutex_);
    map_.reset();
  }

  void seek(std::string_view key) override {
    it_ = map_->lower_bound(key < bounds_.lower ? std::string_view(bounds_.lower) : key);
  }
  void seek_for_prev(std::string_view key) override {
    it_ = bounds_.upper.empty() || key < bounds_.upper ? map_->upper_bound(key) : map_->lower_bound(bounds_.upper);
    prev();
  }
  void next() override {
    MR_ASSERT(valid());
    ++it_;
  }
  void prev() override { it_ = it_ == map_->begin() ? map_->end() : std::prev(it_); }
  bool valid() const override {
    return !error_ && it_ != map_->end() && it_->first >= bounds_.lower &&
           (bounds_.upper.empty() || it_->first < bounds_.upper);
  }
  std::string_view key() const override { return it_->first; }
  std::string_view value() const override { return it_->second; }
  Result<void> status() const override { return error_ ? Result<void>(*error_) : Result<void>(); }

 private:
  const MemoryStore& store_;
  std::shared_ptr<const Map> map_;
  const Bounds bounds_;
  const std::optional<Error> error_;
  Map::const_iterator it_;
};

std::array<std::shared_ptr<MemoryStore::Map>, kFamilyCount> MemoryStore::make_families() {
  std::array<std::shared_ptr<Map>, kFamilyCount> families;
  for (auto& family : families) family = std::make_shared<Map>();
  return families;
}

MemoryStore::Map& MemoryStore::writable(Family family) {
  std::shared_ptr<Map>& map = families_[static_cast<std::size_t>(family)];
  if (map.use_count() > 1) map = std::make_shared<Map>(*map);
  return *map;
}

Result<void> MemoryStore::write(const WriteBatch& batch, Sync) {
  const std::lock_guard lock(mutex_);
  if (broken_) return injected();
  if (full_after_) {
    if (*full_after_ == 0) {
      failed_ = true;
      return Error(kStorageFull, "injected full disk");
    }
    --*full_after_;
  }
  if (write_fails_after_ && (*write_fails_after_)-- == 0) {
    write_fails_after_.reset();
    broken_ = failed_ = true;
    if (write_outcome_ == Outcome::kApplied) apply(batch);
    return injected();
  }
  apply(batch);
  ++writes_;
  return {};
}

void MemoryStore::apply(const WriteBatch& batch) {
  for (const WriteBatch::Operation& operation : batch.operations()) {
    Map& map = writable(operation.family);
    switch (operation.kind) {
      case WriteBatch::Kind::kPut:
        map.insert_or_assign(operation.key, operation.value);
        break;
      case WriteBatch::Kind::kErase:
        map.erase(operation.key);
        break;
      case WriteBatch::Kind::kEraseRange:
        if (operation.key < operation.value) {
          map.erase(map.lower_bound(operation.key), map.lower_bound(operation.value));
        }
        break;
      case WriteBatch::Kind::kLog:
      case WriteBatch::Kind::kPutStamped:
      case WriteBatch::Kind::kAdd:
        MR_ASSERT(false && "resolved by the committer");
    }
  }
}

// REQUIRES: mutex_ held.
bool MemoryStore::read_fails() const {
  ++reads_;
  if (!read_fails_after_ || (*read_fails_after_)-- != 0) return false;
  read_fails_after_.reset();
  failed_ = true;
  return true;
}

Result<std::optional<std::string>> MemoryStore::get(Family family, std::string_view key) const {
  const std::lock_guard lock(mutex_);
  if (read_fails()) return injected();
  if (cold_ && NoBlocking::active() && !warm_.contains({family, std::string(key)})) {
    ++refusals_;
    NoBlocking::refuse(family, key);
    return refused();
  }
  if (cold_) warm_.emplace(family, key);
  const Map& map = *families_[static_cast<std::size_t>(family)];
  const auto it = map.find(key);
  if (it == map.end()) return std::optional<std::string>();
  return std::optional(it->second);
}

std::unique_ptr<Iterator> MemoryStore::iterate(Family family, Bounds bounds) const {
  const std::lock_guard lock(mutex_);
  std::optional<Error> error;
  if (read_fails()) error = injected();
  if (cold_ && NoBlocking::active()) {
    ++refusals_;
    error = refused();
  }
  return std::make_unique<Cursor>(*this, families_[static_cast<std::size_t>(family)], std::move(bounds),
                                  std::move(error));
}

void MemoryStore::reclaim(Family family, std::string_view from, std::string_view to) {
  WriteBatch batch;
  batch.erase_range(family, from, to);
  const std::lock_guard lock(mutex_);
  ++reclaims_;
  if (!broken_) apply(batch);
}

std::string MemoryStore::statistics() const {
  const std::lock_guard lock(mutex_);
  return "memory store: " + std::to_string(writes_) + " writes, " + std::to_string(reads_) + " reads\n";
}

void MemoryStore::fail_write_after(std::uint64_t count, Outcome outcome) {
  const std::lock_guard lock(mutex_);
  write_fails_after_ = count;
  write_outcome_ = outcome;
  failed_ = false;
}

void MemoryStore::fail_read_after(std::uint64_t count) {
  const std::lock_guard lock(mutex_);
  read_fails_after_ = count;
  failed_ = false;
}

void MemoryStore::set_cold(bool cold) {
  const std::lock_guard lock(mutex_);
  cold_ = cold;
  warm_.clear();
}

std::uint64_t MemoryStore::refusals() const {
  const std::lock_guard lock(mutex_);
  return refusals_;
}

void MemoryStore::fill_up_after(std::uint64_t count) {
  const std::lock_guard lock(mutex_);
  full_after_ = count;
}

void MemoryStore::make_room() {
  const std::lock_guard lock(mutex_);
  full_after_.reset();
}

void MemoryStore::set_room(Room::Level level) {
  const std::lock_guard lock(mutex_);
  room_ = level;
}

Room MemoryStore::room() const {
  const std::lock_guard lock(mutex_);
  return {room_, 0, 0};
}

void MemoryStore::heal() {
  const std::lock_guard lock(mutex_);
  write_fails_after_.reset();
  read_fails_after_.reset();
  broken_ = failed_ = false;
}

bool MemoryStore::has_failed() const {
  const std::lock_guard lock(mutex_);
  return failed_;
}
std::uint64_t MemoryStore::writes() const {
  const std::lock_guard lock(mutex_);
  return writes_;
}
std::uint64_t MemoryStore::reads() const {
  const std::lock_guard lock(mutex_);
  return reads_;
}
std::uint64_t MemoryStore::reclaims() const {
  const std::lock_guard lock(mutex_);
  return reclaims_;
}
std::size_t MemoryStore::count(Family family) const {
  const std::lock_guard lock(mutex_);
  return families_[static_cast<std::size_t>(family)]->size();
}

}  // namespace millrace::storage
