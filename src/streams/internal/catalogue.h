// The stored form of streams and shards (grammar in streams/streams.h). Pure functions, but load_catalogue reads.
#pragma once

#include <map>
#include <string>

#include "base/result.h"
#include "storage/store.h"
#include "streams/types.h"

namespace millrace::streams {

std::string stream_arn(const Scope& scope, const std::string& table, const std::string& label);

void put_stream(const Stream& stream, storage::WriteBatch& batch);
void put_shard(StreamId stream, const Shard& shard, storage::WriteBatch& batch);  // and its start, stamped
void put_end(const Shard& shard, storage::WriteBatch& batch);                     // stamped
void put_next_id(std::uint64_t next, storage::WriteBatch& batch);
void put_floor(Stamp floor, storage::WriteBatch& batch);
void erase_stream(const Stream& stream, storage::WriteBatch& batch);
void erase_shard(const Shard& shard, storage::WriteBatch& batch);

struct Catalogue {
  std::uint64_t next_id = 1;
  Stamp floor = 0;
  std::map<StreamId, Stream> streams;
};
// Errors: of the store; kStorageFailed names a record that is damaged.
Result<Catalogue> load_catalogue(const storage::Store& store);

}  // namespace millrace::streams
