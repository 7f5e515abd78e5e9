// Looks at every item, index entry, expiry entry, counter and stream record of a store that is at rest, each against
// the others. For `millrace check`.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "storage/store.h"

namespace millrace::tables {

struct CheckCounts {
  std::uint64_t tables = 0;
  std::uint64_t items = 0;
  std::uint64_t index_entries = 0;
  std::uint64_t expiry_entries = 0;
  std::uint64_t records = 0;
};

// `problem` is told of each, as a sentence; `progress` of everything looked at, as a running number. Checked:
// - every item can be decoded and lies under its own key; every entry of an index is that of an item, and the other way
//   round (not of an index that is being built); the counters are the sums
// - every item with an expiry has its expiry entry
// - nothing belongs to a table that does not exist
// - stream records as in streams/check.h; in an enabled stream each record of an item takes up where the one before
// ended, as far as both have images, and
//   the last one says what the item is now
// Memory: some 50 bytes per item that has records. Errors: of the store; a damaged catalogue.
Result<CheckCounts> check_tables(const storage::Store& store, const std::function<void(std::string)>& problem,
                                 const std::function<void(std::uint64_t)>& progress);

}  // namespace millrace::tables
