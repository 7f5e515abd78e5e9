// What the tests of this folder share: a Streams over memory under virtual time. Not part of the library.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "platform/random.h"
#include "storage/memory/memory_store.h"
#include "streams/streams.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"

namespace millrace::streams {

class StreamsFixture : public ::testing::Test {
 protected:
  StreamsFixture() { restart(); }

  // A new Streams (and committer) over what the store holds.
  void restart() {
    streams.reset();
    commits = std::make_unique<millrace::testing::TestCommits>(store, static_cast<const platform::Clock&>(scheduler));
    auto loaded = Streams::load(store, *commits, scheduler, random);
    ASSERT_TRUE(loaded.ok()) << loaded.error().message();
    streams = std::move(loaded).value();
    scheduler.run_ready();
  }

  Opened open(int shards = 1, std::string table = "Orders") {
    storage::WriteBatch batch;
    OpenRequest request{.scope = {}, .table_name = std::move(table), .table_id = "id", .shard_count = shards};
    request.key_schema = {{"pk", model::KeyType::kString}, model::KeyAttribute{"sk", model::KeyType::kNumber}};
    Opened opened = streams->open(request, batch);
    commits->submit(std::move(batch));
    return opened;
  }
  void close(StreamId stream) {
    storage::WriteBatch batch;
    streams->close(stream, batch);
    commits->submit(std::move(batch));
    scheduler.run_ready();
  }
  Shard shard(StreamId stream, std::size_t index = 0) const { return streams->find(stream)->shards.at(index); }
  void write(StreamId stream, const std::string& value, std::uint64_t hash = 0) {
    storage::WriteBatch batch;
    batch.log(*streams->shard_for(stream, hash), value);
    commits->submit(std::move(batch));
  }
  // `count` records in large batches.
  void fill(StreamId stream, int count, std::uint64_t hash = 0) {
    const std::uint64_t number = *streams->shard_for(stream, hash);
    for (int done = 0; done < count;) {
      storage::WriteBatch batch;
      for (int i = 0; i < 1000 && done < count; ++i, ++done) batch.log(number, "fill");
      commits->submit(std::move(batch));
    }
    scheduler.run_ready();
  }
  Page read(ShardNumber number, Stamp after = 0, ReadLimits limits = {}) const {
    auto page = streams->read(number, after, limits);
    EXPECT_TRUE(page.ok()) << (page.ok() ? "" : page.error().message());
    return page.ok() ? std::move(page).value() : Page();
  }
  static std::vector<std::string> values(const Page& page) {
    std::vector<std::string> out;
    for (const LogRecord& record : page.records) out.push_back(record.value);
    return out;
  }

  storage::MemoryStore store;
  millrace::testing::VirtualScheduler scheduler;
  platform::SeededRandom random{42};
  std::unique_ptr<millrace::testing::TestCommits> commits;
  std::unique_ptr<Streams> streams;
};

}  // namespace millrace::streams
