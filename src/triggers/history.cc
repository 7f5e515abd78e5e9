#include "triggers/history.h"

#include <algorithm>

#include "codec/json.h"

namespace millrace::triggers {
namespace {

using codec::Json;

constexpr std::size_t kSlotDigits = 4;

// Cut between characters, so that the text stays valid UTF-8.
std::string shortened(const std::string& text) {
  if (text.size() <= kHistoryTextMax) return text;
  std::size_t end = kHistoryTextMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

}  // namespace

std::string history_range(std::string_view uuid) { return std::string(kHistoryPrefix) + std::string(uuid) + "/"; }

std::string history_key(std::string_view uuid, std::uint64_t number) {
  std::string slot = std::to_string(number % kHistoryMax);
  slot.insert(0, kSlotDigits - slot.size(), '0');
  return history_range(uuid) + slot;
}

std::string encode(const HistoryEntry& entry) {
  Json out = Json::object({{"n", entry.number}, {"what", entry.what}, {"result", entry.result}});
  out.set("time", to_unix_ms(entry.time)).set_if(!entry.shard.empty(), "shard", entry.shard);
  out.set_if(entry.lane != 0, "lane", entry.lane);
  out.set_if(entry.first != 0, "first", entry.first).set_if(entry.last != 0, "last", entry.last);
  out.set("records", entry.records).set("done", entry.done).set("attempt", entry.attempt);
  out.set("ms", entry.duration.count());
  out.set_if(!entry.function.empty(), "function", entry.function);
  out.set_if(!entry.request_id.empty(), "request", entry.request_id);
  out.set_if(!entry.text.empty(), "text", shortened(entry.text));
  return out.dump();
}

Result<HistoryEntry> decode_history(std::string_view text) {
  MR_ASSIGN_OR_RETURN(const Json json, codec::parse_json(text));
  HistoryEntry out;
  out.number = static_cast<std::uint64_t>(json.int_or("n", 0));
  if (out.number == 0) return Error(kInternalError, "an entry of a mapping's history is damaged");
  out.what = json.string_or("what", "invoke");
  out.result = json.string_or("result", "");
  out.time = from_unix_ms(json.int_or("time", 0));
  out.shard = json.string_or("shard", "");
  out.lane = static_cast<unsigned>(json.int_or("lane", 0));
  out.first = static_cast<SequenceNumber>(json.int_or("first", 0));
  out.last = static_cast<SequenceNumber>(json.int_or("last", 0));
  out.records = static_cast<std::uint64_t>(json.int_or("records", 0));
  out.done = static_cast<std::uint64_t>(json.int_or("done", 0));
  out.attempt = static_cast<int>(json.int_or("attempt", 1));
  out.duration = Milliseconds(json.int_or("ms", 0));
  out.function = json.string_or("function", "");
  out.request_id = json.string_or("request", "");
  out.text = json.string_or("text", "");
  return out;
}

Result<std::vector<HistoryEntry>> read_history(const storage::Store& store, std::string_view uuid, std::size_t limit) {
  const std::string prefix = history_range(uuid);
  std::vector<HistoryEntry> out;
  const auto it = store.iterate(storage::Family::kText, {prefix, storage::prefix_end(prefix)});
  for (it->seek(prefix); it->valid(); it->next()) {
    MR_ASSIGN_OR_RETURN(HistoryEntry entry, decode_history(it->value()));
    out.push_back(std::move(entry));
  }
  MR_RETURN_IF_ERROR(it->status());
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.number > b.number; });
  if (out.size() > limit) out.resize(limit);
  return out;
}

}  // namespace millrace::triggers
