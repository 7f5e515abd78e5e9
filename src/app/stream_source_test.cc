#include "app/internal/stream_source.h"

#include <gmock/gmock.h>

#include "storage/log_key.h"
#include "tables/fixture_test.h"

namespace millrace::app {
namespace {

class StreamSourceTest : public tables::TablesTest {};

// What comes before a record that cannot be decoded is delivered; then reading says which it is.
TEST_F(StreamSourceTest, ADamagedRecordIsNamedOnceAllBeforeItIsRead) {
  create_sample();
  for (const char* key : {"a", "b", "c"}) put(R"({"pk":{"S":")" + std::string(key) + R"("},"sk":{"N":"1"}})");
  std::vector<std::string> keys;
  const auto it = store_.iterate(storage::Family::kLog, {});
  for (it->seek(""); it->valid(); it->next()) keys.emplace_back(it->key());
  ASSERT_EQ(keys.size(), 3U);
  const auto damaged = storage::parse_log_record(keys[1], "12345678");
  storage::WriteBatch batch;
  const auto whole = store_.get(storage::Family::kLog, keys[1]);
  batch.put(storage::Family::kLog, keys[1], (*whole)->substr(0, storage::kLogHeaderBytes) + "nonsense");
  ASSERT_TRUE(store_.write(batch, storage::Store::Sync::kSynced).ok());

  StreamSource source(*streams_);
  triggers::ReadRequest request;
  request.stream_arn = (*tables_->info(scope_, "T"))->stream->arn;
  request.shard = damaged->shard;
  request.records_max = 10;
  request.bytes_max = 1 << 20;
  const auto first = source.read(request);
  ASSERT_TRUE(first.ok()) << first.error().message();
  ASSERT_EQ(first->records.size(), 1U);
  EXPECT_FALSE(first->at_tail);
  request.after = first->read_to;
  const auto second = source.read(request);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().message(),
            "record " + model::sequence_number(damaged->stamp) + " of " + request.stream_arn + " is damaged");
}

}  // namespace
}  // namespace millrace::app
