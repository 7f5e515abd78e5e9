// Latches of keys, and what their pending writes will make of them.
//
// A writer latches the stripes of its keys in ascending order, reads each key (pending, else store), plans, enters the
// new values as pending, submits, and releases. A pending value stays until its commit is done. The latch is never held
// over a sync; `pending_mutex` is held for lookups only and never while submitting, so the committer's callback may
// take it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "storage/committer.h"

namespace millrace::tables::internal {

// A value that is submitted and not yet durable.
struct Pending {
  std::shared_ptr<const std::string> stored;  // nullptr: deleted
  std::uint64_t token = 0;                    // who entered it
  storage::CommitNumber commit = 0;           // set before the latch is released
};

class Stripes {
 public:
  static constexpr std::size_t kStripes = 512;

  static std::size_t stripe_of(std::string_view key) { return std::hash<std::string_view>()(key) % kStripes; }

  // Holds the latches of several stripes while it lives.
  class Latch {
   public:
    Latch(Stripes& stripes, std::vector<std::size_t> wanted);

   private:
    std::vector<std::unique_lock<std::mutex>> locks_;
  };

  // REQUIRES for all but settle(): the key's stripe is latched by the caller.
  std::optional<Pending> find(const std::string& key);
  void enter(const std::string& key, std::shared_ptr<const std::string> stored, std::uint64_t token);
  void set_commit(const std::string& key, std::uint64_t token, storage::CommitNumber commit);
  // The commit of `token` is done: forgets its value unless a later writer replaced it.
  void settle(const std::string& key, std::uint64_t token);

 private:
  struct Stripe {
    std::mutex latch;
    std::mutex pending_mutex;
    std::unordered_map<std::string, Pending> pending;  // guarded by pending_mutex
  };
  Stripe& stripe(std::string_view key) { return stripes_[stripe_of(key)]; }
  std::array<Stripe, kStripes> stripes_;
};

}  // namespace millrace::tables::internal
