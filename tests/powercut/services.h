// The second recording: tables with indexes, expiry, a stream whose shards split and roll, transactions, and queues,
// through the real services; and its ledger. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "recorder.h"
#include "storage/store.h"

namespace millrace::powercut {

// What was asked for, in order: of each key whether its n-th write put it (with the number n) or deleted it.
using ItemStates = std::map<std::string, std::vector<bool>>;

struct RecordedServices {
  std::vector<Operation> operations;
  ItemStates items;
};

// What was known outside when the power went.
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
  std::map<std::string, std::map<std::uint64_t, Message>> queues;  // by number, all that were submitted
  storage::Stamp next_stamp = 0;                                   // the greatest that anybody was told
  void read(const Operation& note);
};

// Runs `steps` steps in `folder` and records them. Exits with a message when the services do not do their work.
RecordedServices record_services(const std::string& folder, std::uint64_t seed, std::uint64_t steps);

// What is wrong with what a cut left, as sentences: opened by the real services, compared with the ledger, and each of
// its items, index entries, expiry entries, counters, records and messages against the others.
std::vector<std::string> check_services(const std::string& folder, const ServiceLedger& ledger,
                                        const ItemStates& items);

}  // namespace millrace::powercut
