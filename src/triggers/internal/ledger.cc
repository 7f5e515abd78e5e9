#include "triggers/internal/ledger.h"

#include <array>
#include <utility>

#include "codec/json.h"

namespace millrace::triggers::internal {
namespace {

using codec::Json;

struct CountMember {
  std::string_view name;
  std::uint64_t Totals::*member;
};

constexpr std::array<CountMember, 15> kCounts{{{"polled", &Totals::polled},
                                               {"filtered", &Totals::filtered},
                                               {"invoked", &Totals::invoked},
                                               {"failed", &Totals::failed},
                                               {"settled", &Totals::settled},
                                               {"dropped", &Totals::dropped},
                                               {"sent", &Totals::sent_to_destination},
                                               {"lost", &Totals::lost},
                                               {"invocations", &Totals::invocations},
                                               {"failures", &Totals::failures},
                                               {"refusals", &Totals::refusals},
                                               {"destinationFailures", &Totals::destination_failures},
                                               {"batchMax", &Totals::batch_records_max},
                                               {"skipped", &Totals::skipped},
                                               {"retries", &Totals::retries}}};

}  // namespace

std::string totals_key(std::string_view uuid) { return std::string(kTotalsPrefix) + std::string(uuid); }

std::string encode(const SavedTotals& saved) {
  Json out = Json::object({{"v", 1}, {"history", saved.last_number}});
  for (const auto& [name, member] : kCounts) {
    if (saved.totals.*member != 0) out.set(name, saved.totals.*member);
  }
  out.set("ms", saved.totals.duration.count()).set("gbs", saved.totals.gb_seconds);
  out.set_if(saved.totals.retries > 0, "retryGbs", saved.totals.retry_gb_seconds);
  if (saved.last_error_at != kNever) out.set("error", saved.last_error).set("errorAt", to_unix_ms(saved.last_error_at));
  return out.dump();
}

Result<SavedTotals> decode_totals(std::string_view text) {
  MR_ASSIGN_OR_RETURN(const Json json, codec::parse_json(text));
  if (json.int_or("v", 0) != 1) {
    return Error(kInternalError, "the totals of an event source mapping are damaged or of a newer version");
  }
  const auto number = [&](std::string_view name) {
    const Json* value = json.find(name);
    return value != nullptr && value->is_number() ? value->as_double() : 0;
  };
  SavedTotals out;
  out.last_number = static_cast<std::uint64_t>(json.int_or("history", 0));
  for (const auto& [name, member] : kCounts) out.totals.*member = static_cast<std::uint64_t>(json.int_or(name, 0));
  out.totals.duration = Milliseconds(json.int_or("ms", 0));
  out.totals.gb_seconds = number("gbs");
  out.totals.retry_gb_seconds = number("retryGbs");
  if (json.find("errorAt") != nullptr) {
    out.last_error = json.string_or("error", "");
    out.last_error_at = from_unix_ms(json.int_or("errorAt", 0));
  }
  return out;
}

void Ledger::set_error(std::string text, Time at) {
  saved_.last_error = std::move(text);
  saved_.last_error_at = at;
}

void Ledger::note(HistoryEntry entry) {
  entry.number = ++saved_.last_number;
  entries_.push_back(std::move(entry));
}

void Ledger::stage(storage::WriteBatch& batch) {
  for (const HistoryEntry& entry : std::exchange(entries_, {})) {
    batch.put(storage::Family::kText, history_key(uuid_, entry.number), encode(entry));
  }
  batch.put(storage::Family::kCatalogue, totals_key(uuid_), encode(saved_));
}

}  // namespace millrace::triggers::internal
