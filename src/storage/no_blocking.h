// Reading without waiting for the disk: what threads that serve many clients at once do.
//
//   const storage::NoBlocking here;
//   auto item = store.get(family, key);         kWouldBlock instead of a wait for the disk
//
// While a NoBlocking lives, reads of its thread are answered from memory (the store's own and the system's page cache)
// or refused: get() and Iterator::status() then say kWouldBlock, having changed nothing. Whoever is refused does the
// whole of its work again on a thread that may wait. Stores that keep everything in memory refuse nothing. A refusal is
// always of the thread's innermost scope; other threads, RocksDB's own included, are not concerned.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/store.h"

namespace millrace::storage {

// Never seen by clients.
inline constexpr ErrorType kWouldBlock{"WouldBlock", 500, ErrorKind::kServer};

class NoBlocking {
 public:
  NoBlocking() : outer_(current_) { current_ = this; }
  ~NoBlocking() { current_ = outer_; }
  NoBlocking(const NoBlocking&) = delete;
  NoBlocking& operator=(const NoBlocking&) = delete;

  // Whether this thread is in such a scope.
  static bool active() { return current_ != nullptr; }

  // For stores: notes a key that was asked for in vain, so that it can be read before the next try.
  static void refuse(Family family, std::string_view key) {
    if (current_ != nullptr) current_->refused_.emplace_back(family, key);
  }
  using Refused = std::vector<std::pair<Family, std::string>>;
  Refused take_refused() { return std::move(refused_); }

 private:
  friend class Blocking;
  static inline thread_local constinit NoBlocking* current_ = nullptr;
  NoBlocking* const outer_;
  Refused refused_;
};

// Suspends the thread's scope: for what is another thread's work and runs here by chance (test committers).
class Blocking {
 public:
  Blocking() : suspended_(std::exchange(NoBlocking::current_, nullptr)) {}
  ~Blocking() { NoBlocking::current_ = suspended_; }
  Blocking(const Blocking&) = delete;
  Blocking& operator=(const Blocking&) = delete;

 private:
  NoBlocking* const suspended_;
};

// For work that holds locks for which others must not wait as long as a disk takes: runs `attempt` (which takes and
// releases those locks itself, and changes nothing before it fails with kWouldBlock) without waiting for the disk, and
// when it was refused reads what it asked for, without its locks, and runs it again. What memory does not hold that
// long is read with the locks held in the end. On a thread that must not wait: `attempt`, once.
template <typename Attempt>
auto read_ahead(const Store& store, const Attempt& attempt) -> decltype(attempt()) {
  constexpr int kAttemptsMax = 8;
  if (NoBlocking::active()) return attempt();
  for (int i = 0; i < kAttemptsMax; ++i) {
    NoBlocking::Refused refused;
    {
      NoBlocking here;
      auto result = attempt();
      if (result.ok() || !result.error().is(kWouldBlock)) return result;
      refused = here.take_refused();
    }
    // An error of the disk comes again with the attempt that is allowed to wait.
    for (const auto& [family, key] : refused) static_cast<void>(store.get(family, key).ok());
  }
  return attempt();
}

}  // namespace millrace::storage
