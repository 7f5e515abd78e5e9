// Faults on request: throttling, errors, delays and lost answers, so that clients' own handling can be tested.
//
// The dispatcher asks for the next fault once per request that reached a handler's door (decoded and valid). A rule
// matches by service, operation and resource; the first rule that is due acts. Rates are counted, not drawn: a rate of
// one third hits exactly every third matching request. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace millrace::wire {

inline constexpr std::size_t kFaultsMax = 1000;

enum class FaultAction {
  kThrottle,    // the service's throttling error; nothing is done
  kError,       // the service's internal error, 500; nothing is done
  kDelay,       // the operation runs after a delay
  kLoseAnswer,  // the operation is done, the connection breaks instead of an answer
  // Of DynamoDB's writes and transactions, as if another transaction held the item; nothing is done. A single write
  // answers TransactionConflictException, a transaction is cancelled with TransactionConflict as its reasons.
  kConflict,
  kInProgress,  // TransactWriteItems: TransactionInProgressException; nothing is done
};

struct Fault {
  std::uint64_t id = 0;   // given by add()
  std::string service;    // model id: "dynamodb", "s3"; "" = all
  std::string operation;  // "PutItem"; "" = all
  std::string resource;   // glob with * and ?: table, function or queue name, bucket/key; "" = all
  FaultAction action = FaultAction::kThrottle;
  Milliseconds delay{0};               // kDelay: by millrace's clock
  double rate = 1.0;                   // (0, 1]: the share of matching requests
  std::optional<std::uint64_t> count;  // acts so many times, then is removed
  std::uint64_t matched = 0;           // requests that matched so far
  std::uint64_t hits = 0;              // times it acted
};

class FaultPlan {
 public:
  // Returns its id; nullopt: kFaultsMax rules are there, or the rate is not in (0, 1].
  std::optional<std::uint64_t> add(Fault fault);
  bool remove(std::uint64_t id);
  void clear();
  std::vector<Fault> list() const;
  bool empty() const { return size_.load(std::memory_order_relaxed) == 0; }
  // Whether the action means something to the operation; "" = all.
  static bool applies(FaultAction action, std::string_view service, std::string_view operation);
  // Counts the request and returns the rule that acts on it, if any.
  std::optional<Fault> next(std::string_view service, std::string_view operation, std::string_view resource);

 private:
  mutable std::mutex mutex_;
  std::vector<Fault> faults_;  // guarded by mutex_
  std::uint64_t last_id_ = 0;  // guarded by mutex_
  std::atomic<std::size_t> size_{0};
};

}  // namespace millrace::wire
