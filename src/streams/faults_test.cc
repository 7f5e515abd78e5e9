// Whatever write or read of the store fails, in whatever operation: after a restart the log and its shape fit together.
#include <algorithm>
#include <set>

#include "model/change_record.h"
#include "streams/check.h"
#include "streams/fixture_test.h"

namespace millrace::streams {
namespace {

using storage::MemoryStore;
using ::testing::IsEmpty;

class FaultLoopTest : public StreamsFixture {
 protected:
  // A record that check_log() takes for sound; acknowledged ones are noted.
  void write_change(StreamId stream, std::uint64_t hash, const std::string& name) {
    const auto shard = streams->shard_for(stream, hash);
    if (!shard) return;
    model::ChangeRecord record;
    record.key_hash = hash;
    record.keys = name;
    storage::WriteBatch batch;
    batch.log(*shard, model::encode_change(record));
    commits->submit(std::move(batch), [this, name](const storage::Committed& committed) {
      if (committed.error == nullptr) acknowledged_.push_back(name);
    });
  }
  void reshape(StreamId stream, Reshape::Kind kind, const std::vector<ShardNumber>& shards) {
    storage::WriteBatch batch;
    if (streams->reshape(stream, {kind, shards}, batch).ok()) commits->submit(std::move(batch));
    scheduler.run_ready();
  }

  // One of everything that writes. Failures are expected.
  void work() {
    acknowledged_.clear();
    stream_ = open(2, "T" + std::to_string(++round_)).id;
    for (int i = 0; i < 3; ++i) write_change(stream_, i == 0 ? ~0ULL : 5, "a" + std::to_string(i));
    const auto first = streams->find(stream_);
    if (first) reshape(stream_, Reshape::Kind::kSplit, {first->shards[0].number});
    write_change(stream_, 5, "b");
    const auto second = streams->find(stream_);
    if (second && second->shards.size() == 4)
      reshape(stream_, Reshape::Kind::kMerge, {second->shards[2].number, second->shards[3].number});
    write_change(stream_, 5, "c");
    storage::WriteBatch batch;
    if (streams->set_retention(stream_, std::chrono::hours(2), batch).ok()) commits->submit(std::move(batch));
    close(open(1, "U" + std::to_string(round_)).id);
  }

  std::vector<std::string> found() {
    std::vector<std::string> names;
    const auto stream = streams->find(stream_);
    if (!stream) return names;
    std::set<Stamp> stamps;
    for (const Shard& each : stream->shards) {
      Stamp last = 0;
      for (const LogRecord& record : read(each.number).records) {
        EXPECT_GT(record.stamp, last);
        EXPECT_TRUE(stamps.insert(record.stamp).second) << "a number that is used twice";
        last = record.stamp;
        names.emplace_back(model::decode_change(record.value)->keys);
      }
    }
    return names;
  }

  // Open shards of an enabled stream cover all hashes, each once.
  void expect_whole(const Stream& stream, const std::string& what) {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
    for (const Shard& each : stream.shards) {
      if (each.is_open()) ranges.emplace_back(each.hash_from, each.hash_to);
    }
    std::sort(ranges.begin(), ranges.end());
    ASSERT_FALSE(ranges.empty()) << what;
    EXPECT_EQ(ranges.front().first, 0U) << what;
    EXPECT_EQ(ranges.back().second, ~0ULL) << what;
    for (std::size_t i = 1; i < ranges.size(); ++i) EXPECT_EQ(ranges[i].first, ranges[i - 1].second + 1) << what;
  }

  // Whether the armed failure struck.
  bool check(const std::string& what) {
    const bool struck = store.has_failed();
    store.heal();
    const std::vector<std::string> acknowledged = acknowledged_;
    restart();
    const auto names = found();
    for (const std::string& name : acknowledged) {
      EXPECT_EQ(std::count(names.begin(), names.end(), name), 1) << what << ": " << name;
    }
    for (const Stream& stream : streams->list({})) {
      if (stream.is_enabled()) expect_whole(stream, what);
    }
    std::vector<std::string> problems;
    const auto checked =
        check_log(store, {.problem = [&](std::string text) { problems.push_back(std::move(text)); }, .record = {}});
    EXPECT_TRUE(checked.ok()) << what;
    EXPECT_THAT(problems, IsEmpty()) << what;
    if (streams->find(stream_)) {
      write_change(stream_, 5, "goes on");
      const auto after = found();
      EXPECT_EQ(std::count(after.begin(), after.end(), "goes on"), 1) << what;
      close(stream_);
    }
    return struck;
  }

  StreamId stream_;
  int round_ = 0;
  std::vector<std::string> acknowledged_;
};

TEST_F(FaultLoopTest, AFailedWriteLeavesNothingByHalf) {
  for (const auto outcome : {MemoryStore::Outcome::kNotApplied, MemoryStore::Outcome::kApplied}) {
    bool struck = true;
    std::uint64_t n = 0;
    for (; struck && n < 100; ++n) {
      store.fail_write_after(n, outcome);
      work();
      struck = check("write " + std::to_string(n));
    }
    EXPECT_GT(n, 8U);
    EXPECT_LT(n, 100U) << "the loop ends with a round without failure";
  }
}

TEST_F(FaultLoopTest, AFailedReadOfAStartLosesNothing) {
  stream_ = open(2).id;
  write_change(stream_, 5, "a");
  write_change(stream_, ~0ULL, "b");
  bool failed = true;
  std::uint64_t n = 0;
  for (; failed && n < 100; ++n) {
    store.fail_read_after(n);
    failed = !Streams::load(store, *commits, scheduler, random).ok();
    EXPECT_EQ(failed, store.has_failed()) << "a start that has seen half of the catalogue is none";
    store.heal();
  }
  EXPECT_GT(n, 1U);
  restart();
  EXPECT_EQ(found().size(), 2U);
}

}  // namespace
}  // namespace millrace::streams
