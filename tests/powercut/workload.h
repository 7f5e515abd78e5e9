// What is recorded, and the ledger of it: batches as the services write them (items, index entries, stream records,
// counters, short-lived rows) through the real committer and store, and objects small and large through the real object
// store. Not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "recorder.h"
#include "storage/store.h"

namespace millrace::powercut {

struct Row {
  storage::Family family;
  std::string key;
};

// What batch `number` does; the same every time it is asked for.
storage::WriteBatch batch_of(std::uint64_t number);

// The contents of a store after the batches 0 .. count - 1, without the counter and the log's head.
class Model {
 public:
  void advance_to(std::uint64_t count);
  std::uint64_t count() const { return count_; }
  const std::map<std::string, std::string>& rows(storage::Family family) const {
    return rows_[static_cast<std::size_t>(family)];
  }
  const std::vector<std::pair<std::uint64_t, std::string>>& log() const { return log_; }  // shard, value

 private:
  std::uint64_t count_ = 0;
  std::array<std::map<std::string, std::string>, storage::kFamilyCount> rows_;
  std::vector<std::pair<std::uint64_t, std::string>> log_;
};

// Every state an object was asked to have, in order: its bytes, "" for deleted.
using Objects = std::map<std::string, std::vector<std::string>>;

// The counter in kCatalogue that every batch raises by one.
inline constexpr const char* kCounter = "powercut/count";
// Notes in the recording. "submitted" and "acknowledged": batch number; "stamp": the next one, known to somebody;
// "object submitted NAME" and "object acknowledged NAME": index of the state in Objects.
struct Recorded {
  std::vector<Operation> operations;
  Objects objects;
};

// Runs `steps` steps in `folder` and records them. Exits with a message when the server's parts do not do their work.
Recorded record(const std::string& folder, std::uint64_t seed, std::uint64_t steps);

}  // namespace millrace::powercut
