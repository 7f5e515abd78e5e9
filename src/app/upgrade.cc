#include "app/upgrade.h"

#include <string>

#include "functions/upgrade.h"
#include "tables/keys.h"
#include "tables/table.h"
#include "telemetry/log.h"

namespace millrace::app {

namespace {

using storage::Family;

// 1 to 2: records of tables say which number a new index gets.
Result<void> number_indexes(storage::Store& store) {
  const std::string prefix(tables::kTablePrefix);
  storage::WriteBatch batch;
  const auto records = store.iterate(Family::kCatalogue, {prefix, storage::prefix_end(prefix)});
  for (records->seek(prefix); records->valid(); records->next()) {
    MR_ASSIGN_OR_RETURN(const tables::TableInfo info, tables::from_catalogue(records->value()));
    batch.put(Family::kCatalogue, records->key(), tables::to_catalogue(info));
  }
  MR_RETURN_IF_ERROR(records->status());
  return batch.empty() ? Result<void>() : store.write(batch, storage::Store::Sync::kSynced);
}

using Step = Result<void> (*)(storage::Store&);
constexpr Step kSteps[] = {number_indexes, functions::qualify_events};  // kSteps[i] leads from format i + 1 to i + 2
static_assert(std::size(kSteps) + 1 == storage::kDataFormat);

}  // namespace

Result<void> upgrade(storage::DataDirectory& directory, storage::Store& store) {
  const int from = directory.format();
  if (from == storage::kDataFormat) return {};
  telemetry::log_info("app", "upgrading " + directory.path() + " from format " + std::to_string(from) + " to " +
                                 std::to_string(storage::kDataFormat));
  for (int format = from; format < storage::kDataFormat; ++format) {
    MR_RETURN_IF_ERROR(kSteps[format - 1](store));
  }
  return directory.upgraded();
}

}  // namespace millrace::app
