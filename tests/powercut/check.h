// Opens what a power cut left with the parts of a real server, and compares it with the ledger. Not thread-safe.
#pragma once

#include <string>
#include <vector>

#include "workload.h"

namespace millrace::powercut {

// What was known outside when the power went. `objects`: index of the last acknowledged and of the last submitted
// state.
struct Ledger {
  std::uint64_t submitted = 0;     // batches 0 .. submitted - 1
  std::uint64_t acknowledged = 0;  // batches 0 .. acknowledged - 1
  storage::Stamp next_stamp = 0;   // the greatest that anybody was told
  struct Object {
    std::int64_t acknowledged = -1;
    std::int64_t submitted = -1;
  };
  std::map<std::string, Object> objects;
  void read(const Operation& note);
};

// What is wrong with the directory, as sentences; none when all is well.
std::vector<std::string> check(const std::string& folder, const Ledger& ledger, const Objects& objects);

}  // namespace millrace::powercut
