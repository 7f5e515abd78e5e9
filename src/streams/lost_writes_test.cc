// Whatever write or read of the store fails while a stream is opened, written, reshaped and closed: after a restart
// every acknowledged record is there once and in order, and the shards still divide all keys among them.
#include <set>

#include "streams/fixture_test.h"

namespace millrace::streams {
namespace {

using storage::MemoryStore;

class StreamFaultsTest : public StreamsFixture {
 protected:
  static constexpr std::uint64_t kHashes[] = {0, kHashMax / 3, kHashMax / 2 + 1, kHashMax};

  bool submit(storage::WriteBatch batch) {
    bool good = false;
    commits->submit(std::move(batch), [&](const storage::Committed& committed) { good = committed.error == nullptr; });
    scheduler.run_ready();
    return good;
  }
  void write_everywhere(StreamId stream) {
    for (const std::uint64_t hash : kHashes) {
      const auto number = streams->shard_for(stream, hash);
      if (!number) continue;
      const std::string value = std::to_string(hash) + "/" + std::to_string(written_++);
      storage::WriteBatch batch;
      batch.log(*number, value);
      if (submit(std::move(batch))) acknowledged_[hash].push_back(value);
    }
  }
  void reshape(StreamId stream, Reshape::Kind kind) {
    const auto found = streams->find(stream);
    const auto change = found ? choose_reshape(*found, kind, "") : Result<Reshape>(Error(kValidation, "gone"));
    storage::WriteBatch batch;
    if (change.ok() && streams->reshape(stream, *change, batch).ok()) (void)submit(std::move(batch));
  }
  // One of everything; failures are expected.
  void work() {
    acknowledged_.clear();
    storage::WriteBatch batch;
    OpenRequest request{.scope = {}, .table_name = "T", .table_id = "id", .shard_count = 2};
    request.key_schema = {{"pk", model::KeyType::kString}};
    stream_ = streams->open(request, batch).id;
    opened_ = submit(std::move(batch));
    write_everywhere(stream_);
    for (const auto kind : {Reshape::Kind::kSplit, Reshape::Kind::kRoll, Reshape::Kind::kMerge}) {
      reshape(stream_, kind);
      write_everywhere(stream_);
    }
    storage::WriteBatch retention;
    if (streams->set_retention(stream_, std::chrono::hours(48), retention).ok()) (void)submit(std::move(retention));
    write_everywhere(stream_);
  }
  // Whether the armed failure struck.
  bool check(const std::string& what) {
    const bool struck = store.has_failed();
    store.heal();
    restart();
    const auto found = streams->find(stream_);
    EXPECT_TRUE(!opened_ || found) << what << " lost the stream";
    if (!found) return struck;
    std::map<std::string, int> seen;
    std::map<std::string, Stamp> stamps;
    for (const Shard& each : found->shards) {  // parents before children
      for (const LogRecord& record : read(each.number, 0, {1000, 1 << 20}).records) {
        ++seen[record.value];
        Stamp& last = stamps[record.value.substr(0, record.value.find('/'))];
        EXPECT_GT(record.stamp, last) << what << ": " << record.value;
        last = record.stamp;
      }
    }
    for (const auto& [value, count] : seen) EXPECT_EQ(count, 1) << what << ": " << value;
    for (const auto& [hash, values] : acknowledged_)
      for (const std::string& value : values) EXPECT_EQ(seen.count(value), 1U) << what << " lost " << value;
    if (found->is_enabled()) {
      for (const std::uint64_t hash : kHashes) EXPECT_TRUE(streams->shard_for(stream_, hash).has_value()) << what;
      std::uint64_t open = 0;
      for (const Shard& each : found->shards)
        if (each.is_open()) open += each.hash_to - each.hash_from + 1;  // all keys: 2^64, which is 0
      EXPECT_EQ(open, 0U) << what << ": the open shards do not divide all keys";
    }
    const std::size_t before = acknowledged_[0].size();
    write_everywhere(stream_);
    EXPECT_EQ(acknowledged_[0].size(), before + 1) << what << ": writing does not go on";
    close(stream_);
    return struck;
  }

  StreamId stream_{};
  bool opened_ = false;
  int written_ = 0;
  std::map<std::uint64_t, std::vector<std::string>> acknowledged_;
};

TEST_F(StreamFaultsTest, AFailedWriteLeavesNoRecordAndNoShardByHalf) {
  for (const auto outcome : {MemoryStore::Outcome::kNotApplied, MemoryStore::Outcome::kApplied}) {
    bool struck = true;
    std::uint64_t n = 0;
    for (; struck && n < 200; ++n) {
      store.fail_write_after(n, outcome);
      work();
      struck = check("write " + std::to_string(n));
    }
    EXPECT_GT(n, 12U);
    EXPECT_LT(n, 200U) << "the loop ends with a round without failure";
  }
}

TEST_F(StreamFaultsTest, AFailedReadLeavesNoRecordAndNoShardByHalf) {
  bool struck = true;
  std::uint64_t n = 0;
  for (; struck && n < 200; ++n) {
    store.fail_read_after(n);
    work();
    struck = check("read " + std::to_string(n));
  }
  EXPECT_LT(n, 200U);
}

TEST_F(StreamFaultsTest, AMachineClockThatJumpsNeverMakesANumberComeAgain) {
  const Opened opened = open();
  Stamp last = 0;
  for (const int hours : {0, 1, -2, -8760, 0, 24, -1}) {
    scheduler.set_machine_offset(std::chrono::hours(hours));
    for (const bool restarted : {false, true}) {
      if (restarted) restart();
      write(opened.id, "r");
      scheduler.run_ready();
      const auto records = read(shard(opened.id).number, last).records;
      ASSERT_EQ(records.size(), 1U) << "after a jump of " << hours << " h";
      EXPECT_GT(records[0].stamp, last);
      last = records[0].stamp;
    }
  }
  Time before{};
  for (const LogRecord& record : read(shard(opened.id).number).records) {
    EXPECT_GE(record.committed, before) << "times of commits never fall";
    before = record.committed;
  }
}

}  // namespace
}  // namespace millrace::streams
