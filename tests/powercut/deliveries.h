// The third recording: what a server delivers. Event source mappings of a stream, whose failures go to a queue, a topic
// and a bucket, one of a queue, messages of a topic, and asynchronous events with destinations and without, through the
// real services and a function that answers when the load says so; and its ledger. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "recorder.h"
#include "storage/store.h"
#include "testing/virtual_scheduler.h"

namespace millrace::powercut {

// What was known outside when the power went: of "records" by the number in their item, of "news" what was published,
// and of each function by what it is handed: "bisected", "voiced" and "whole" sequence numbers, "worker" messages,
// "told", "aired", "kept", "plain" and "chained" events, "after" those that tell of what "chained" has done, "listener"
// news.
struct DeliveryLedger {
  struct Thing {
    bool submitted = false;
    bool acknowledged = false;
    int handed = 0;     // to the function
    bool done = false;  // the function has answered, without an error
  };
  std::map<std::string, std::map<std::uint64_t, Thing>> things;
  bool created = false;  // and acknowledged: all that things are sent to
  Time now = millrace::testing::kVirtualStart;
  void read(const Operation& note);
};

std::vector<Operation> record_deliveries(const std::string& folder, std::uint64_t seed, std::uint64_t steps);

// What is wrong with what a cut left, as sentences. Looked at before anything goes on, and once everything is
// delivered.
std::vector<std::string> check_deliveries(const std::string& folder, const DeliveryLedger& ledger);

}  // namespace millrace::powercut
