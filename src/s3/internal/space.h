// What uploads in progress will still write: several of them may not eat the disk's reserve together.
//
// A claim is made before the bytes come and shrinks as they reach the file system, whose own count of free bytes then
// has them. Thread-safe; a claim belongs to one thread at a time. The space outlives its claims.
#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/result.h"
#include "storage/store.h"

namespace millrace::s3::internal {

class Space {
 public:
  explicit Space(const storage::Store& store) : store_(store) {}

  class Claim {
   public:
    Claim() = default;
    Claim(Claim&& other) noexcept : space_(other.space_), bytes_(std::exchange(other.bytes_, 0)) {}
    Claim& operator=(Claim&& other) noexcept {
      shrink(bytes_);
      space_ = other.space_;
      bytes_ = std::exchange(other.bytes_, 0);
      return *this;
    }
    ~Claim() { shrink(bytes_); }
    std::uint64_t bytes() const { return bytes_; }
    // Error: kUnavailable, so many more bytes would touch the reserve.
    Result<void> grow(std::uint64_t bytes) {
      if (space_ != nullptr) MR_RETURN_IF_ERROR(space_->take(bytes));
      bytes_ += bytes;
      return {};
    }
    void shrink(std::uint64_t bytes) {
      bytes = std::min(bytes, bytes_);
      bytes_ -= bytes;
      if (space_ != nullptr && bytes > 0) space_->give(bytes);
    }

   private:
    friend class Space;
    explicit Claim(Space& space) : space_(&space) {}
    Space* space_ = nullptr;
    std::uint64_t bytes_ = 0;
  };
  Claim claim() { return Claim(*this); }

 private:
  Result<void> take(std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    const storage::Room room = store_.room();
    if (room.reserve_bytes > 0 && room.free_bytes < room.reserve_bytes + claimed_ + bytes) {
      return Error(kUnavailable, "The disk has no room for " + std::to_string(bytes) +
                                     " more bytes of an upload: " + storage::room_text(room) +
                                     ", and uploads in progress will take " + std::to_string(claimed_) + " bytes");
    }
    claimed_ += bytes;
    return {};
  }
  void give(std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    claimed_ -= bytes;
  }

  const storage::Store& store_;
  std::mutex mutex_;
  std::uint64_t claimed_ = 0;
};

}  // namespace millrace::s3::internal
