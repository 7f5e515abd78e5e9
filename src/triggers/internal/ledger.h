// What a mapping has done and cost since it was created: totals, last error, and the history's next number. Staged into
// the batch that settles, so that sums and positions cannot disagree.
//
//   kCatalogue   mapping-totals/<UUID>   JSON
// Not thread-safe (a runner's, behind the engine's mutex).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "storage/store.h"
#include "triggers/history.h"
#include "triggers/status.h"

namespace millrace::triggers::internal {

inline constexpr std::string_view kTotalsPrefix = "mapping-totals/";

struct SavedTotals {
  Totals totals;
  std::uint64_t last_number = 0;  // of the history
  std::string last_error;
  Time last_error_at = kNever;
  friend bool operator==(const SavedTotals&, const SavedTotals&) = default;
};

std::string totals_key(std::string_view uuid);
std::string encode(const SavedTotals& saved);
// Error: damaged.
Result<SavedTotals> decode_totals(std::string_view text);

class Ledger {
 public:
  Ledger(std::string uuid, SavedTotals saved) : uuid_(std::move(uuid)), saved_(std::move(saved)) {}

  Totals& totals() { return saved_.totals; }
  const SavedTotals& saved() const { return saved_; }
  void set_error(std::string text, Time at);
  // Numbers the entry; it is written by the next stage().
  void note(HistoryEntry entry);
  bool has_entries() const { return !entries_.empty(); }
  void stage(storage::WriteBatch& batch);

 private:
  const std::string uuid_;
  SavedTotals saved_;
  std::vector<HistoryEntry> entries_;
};

}  // namespace millrace::triggers::internal
