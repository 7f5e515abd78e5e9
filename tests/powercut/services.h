// The second recording: tables with indexes, expiry, a stream whose shards split and roll, conditions, transactions,
// and queues, through the real services; and its ledger. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "recorder.h"
#include "storage/store.h"
#include "testing/virtual_scheduler.h"

namespace millrace::powercut {

// What a write of an item was asked to do: to put item_of() with its own index as the number, or to delete.
struct ItemState {
  bool put = false;
  std::int64_t until = 0;  // of an item that expires while the load runs, else 0
};
using ItemStates = std::map<std::string, std::vector<ItemState>>;

struct RecordedServices {
  std::vector<Operation> operations;
  ItemStates items;
};

// What was known outside when the power went. Known is what an answer said or rested on: that a write succeeded, and
// also the item that a condition failed for, that a write found unchanged, or that was read.
struct ServiceLedger {
  struct Range {
    std::int64_t acknowledged = -1;
    std::int64_t submitted = -1;
  };
  struct Message {
    bool sent = false;  // and acknowledged
    bool deleting = false;
    bool deleted = false;  // and acknowledged
  };
  std::map<std::string, Range> items;                              // states by index
  std::map<std::string, std::set<std::uint64_t>> expired;          // states that somebody was told are gone
  std::map<std::string, std::map<std::uint64_t, Message>> queues;  // by number, all that were submitted
  storage::Stamp next_stamp = 0;                                   // the greatest that anybody was told
  Time now = millrace::testing::kVirtualStart;
  void read(const Operation& note);
};

// Runs `steps` steps in `folder` and records them. Exits with a message when the services do not do their work.
RecordedServices record_services(const std::string& folder, std::uint64_t seed, std::uint64_t steps);

// What is wrong with what a cut left, as sentences: opened by the real services, compared with the ledger, and each of
// its items, index entries, expiry entries, counters, records and messages against the others.
std::vector<std::string> check_services(const std::string& folder, const ServiceLedger& ledger,
                                        const ItemStates& items);

}  // namespace millrace::powercut
