#include "functions/upgrade.h"

#include <string>

#include "codec/key.h"
#include "functions/internal/event_records.h"

namespace millrace::functions {

namespace {

using storage::Family;

constexpr std::size_t kBatchBytesMax = std::size_t{4} << 20;
constexpr std::size_t kNumberBytes = 8;

// The present key of a record; empty when it has one already.
Result<std::string> present_key(std::string_view prefix, std::string_view key) {
  codec::KeyReader reader(key);
  reader.skip(prefix);
  const auto account = reader.text();
  const auto region = reader.text();
  const auto name = reader.text();
  if (account && region && name && reader.rest().size() == kNumberBytes) {
    const FunctionName function{{*account, *region}, *name};
    return internal::event_key(prefix, {function, ""}, *reader.be64());
  }
  if (name && reader.text() && reader.rest().size() == kNumberBytes) return std::string();
  return Error(storage::kStorageFailed, "damaged asynchronous event in the data directory");
}

}  // namespace

Result<void> qualify_events(storage::Store& store) {
  for (const std::string_view prefix : {internal::kEventPrefix, internal::kStatePrefix}) {
    storage::WriteBatch batch;
    const auto records = store.iterate(Family::kQueue, {std::string(prefix), storage::prefix_end(prefix)});
    for (records->seek(prefix); records->valid(); records->next()) {
      MR_ASSIGN_OR_RETURN(const std::string key, present_key(prefix, records->key()));
      if (key.empty()) continue;
      batch.put(Family::kQueue, key, records->value());
      batch.erase(Family::kQueue, records->key());
      if (batch.bytes() < kBatchBytesMax) continue;
      MR_RETURN_IF_ERROR(store.write(batch, storage::Store::Sync::kSynced));
      batch = {};
    }
    MR_RETURN_IF_ERROR(records->status());
    if (!batch.empty()) MR_RETURN_IF_ERROR(store.write(batch, storage::Store::Sync::kSynced));
  }
  return {};
}

}  // namespace millrace::functions
