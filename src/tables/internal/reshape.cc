// Changes of the shards of a table's stream. The exclusive lock of the table is what makes them safe: a write has
// either submitted its record to a parent before, or finds the child.

#include "tables/errors.h"
#include "tables/internal/engine.h"
#include "telemetry/log.h"

namespace millrace::tables {

Result<storage::CommitNumber> Tables::Engine::reshape(const Scope& scope, std::string_view name,
                                                      const ChooseReshape& choose) {
  MR_ASSIGN_OR_RETURN(const internal::TablePtr table, find_in_catalogue(scope, name));
  const std::unique_lock lock(table->lock);
  const auto& known = table->info->stream;
  const auto stream =
      table->deleted || !known || !known->enabled ? std::nullopt : streams_.find(streams::StreamId(known->id));
  if (!stream) return Error(kResourceNotFound, "Table " + std::string(name) + " has no enabled stream");
  MR_ASSIGN_OR_RETURN(const streams::Reshape change, choose(*stream));
  storage::WriteBatch batch;
  MR_RETURN_IF_ERROR(streams_.reshape(stream->id, change, batch));
  return submit_catalogue(std::move(batch));
}

void Tables::Engine::start_reshaping() {
  streams_.set_reshaper([weak = weak_from_this()](const streams::Stream& stream, const streams::Reshape& change) {
    const auto engine = weak.lock();
    if (engine == nullptr) return;
    const auto choose = [&](const streams::Stream& now) -> Result<streams::Reshape> {
      if (now.id != stream.id) return Error(kResourceNotFound, "the table has another stream by now");
      return change;
    };
    const auto done = engine->reshape(stream.scope, stream.table_name, choose);
    // Somebody else changed the shards, or the table, meanwhile: the next look sees that.
    if (!done.ok()) telemetry::log_debug("tables", stream.arn + " keeps its shards: " + done.error().message());
  });
}

}  // namespace millrace::tables
