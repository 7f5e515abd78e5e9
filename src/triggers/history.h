// What a mapping has done, invocation by invocation: a ring of the last kHistoryMax entries per mapping, on disk.
//
// Entries are staged into the batch that settles what they tell of (internal/ledger.h): an entry is durable exactly
// when its effect is, and costs no write of its own. Throttled and refused attempts settle nothing and are written by
// themselves, at the pace of the back-off. After a kill an invocation that was in flight is missing; it comes again.
//
//   kText   mappings/history/<UUID>/<4 digits: number modulo kHistoryMax>   JSON, see encode()
// Pure but for read_history(), which reads the disk (not on the control thread). Thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "storage/store.h"
#include "triggers/lane.h"

namespace millrace::triggers {

inline constexpr std::uint64_t kHistoryMax = 1000;   // entries per mapping
inline constexpr std::size_t kHistoryTextMax = 300;  // bytes of an error or a reason
inline constexpr std::string_view kHistoryPrefix = "mappings/history/";

struct HistoryEntry {
  std::uint64_t number = 0;     // counts up from 1
  std::string what = "invoke";  // "invoke", "discard", "try", "replay", "redrive", "skip", "rewind"
  std::string result;  // "ok", "partial", "failed", "throttled", "refused"; "sent", "dropped"; "skipped"; "rewound"
  Time time{};         // of its end
  std::string shard;   // shardId-...; "": of no one shard
  unsigned lane = 0;
  SequenceNumber first = 0;
  SequenceNumber last = 0;
  std::uint64_t records = 0;
  std::uint64_t done = 0;  // leading records that are done
  int attempt = 1;         // of this batch
  Milliseconds duration{0};
  std::string function;  // name and qualifier, when another than the mapping's
  std::string request_id;
  std::string text;  // the function's own message, or the reason of a skip
  friend bool operator==(const HistoryEntry&, const HistoryEntry&) = default;
};

std::string history_key(std::string_view uuid, std::uint64_t number);
std::string history_range(std::string_view uuid);  // the common prefix of its keys
std::string encode(const HistoryEntry& entry);
// Error: damaged.
Result<HistoryEntry> decode_history(std::string_view text);

// The last `limit` entries, newest first. Error: of the store.
Result<std::vector<HistoryEntry>> read_history(const storage::Store& store, std::string_view uuid, std::size_t limit);

}  // namespace millrace::triggers
