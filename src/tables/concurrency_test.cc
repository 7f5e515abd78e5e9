// Many threads on few keys, with the committer of the server: no update is lost, everything stays in step.
#include <atomic>
#include <condition_variable>
#include <thread>

#include "storage/group_committer.h"
#include "tables/fixture_test.h"

namespace millrace::tables {
namespace {

class ConcurrencyTest : public ::testing::Test {
 protected:
  static constexpr int kThreads = 4;

  ConcurrencyTest() {
    const platform::Clock& clock = scheduler;
    committer = storage::Committer::start(store, clock).value();
    log = streams::Streams::load(store, *committer, scheduler, random).value();
    tables = Tables::load(store, *committer, *log, scheduler, random).value();
    CreateRequest request;
    request.name = "T";
    request.definitions = {{"pk", model::KeyType::kString}, {"g", model::KeyType::kNumber}};
    request.keys = {{"pk", true}};
    IndexRequest index;
    index.name = "by_g";
    index.keys = {{"g", true}};
    index.projection_type = "ALL";
    request.indexes = {index};
    request.billing = BillingMode::kPayPerRequest;
    request.stream = StreamRequest{true, model::ViewType::kNewAndOldImages};
    EXPECT_TRUE(tables->create(scope, request).ok());
  }

  static model::Item key(int number) { return {{"pk", AttributeValue::string("k" + std::to_string(number))}}; }
  using AttributeValue = model::AttributeValue;

  void run_threads(const std::function<void(int)>& work) {
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) threads.emplace_back([&work, i] { work(i); });
    for (std::thread& thread : threads) thread.join();
  }
  void settle(storage::CommitNumber number) {
    std::mutex mutex;
    std::condition_variable done;
    bool durable = false;
    committer->when_durable(number, [&](const Error* error) {
      EXPECT_EQ(error, nullptr);
      const std::lock_guard lock(mutex);
      durable = true;
      done.notify_one();
    });
    std::unique_lock lock(mutex);
    done.wait(lock, [&] { return durable; });
  }

  storage::MemoryStore store;
  testing::VirtualScheduler scheduler;
  platform::SeededRandom random{3};
  Scope scope;
  std::unique_ptr<storage::Committer> committer;
  std::unique_ptr<streams::Streams> log;
  std::unique_ptr<Tables> tables;
};

TEST_F(ConcurrencyTest, CountersLoseNoUpdateAndEveryChangeIsLogged) {
  constexpr int kRounds = 300;
  expressions::Substitutions with;
  ASSERT_TRUE(with.add_value(":o", AttributeValue::number(1)).ok());
  const auto update = expressions::parse_update("ADD n :o SET g = :o", with);
  std::atomic<storage::CommitNumber> last{0};
  run_threads([&](int) {
    for (int i = 0; i < kRounds; ++i) {
      WriteRequest request;
      request.kind = WriteKind::kUpdate;
      request.item = key(i % 2);
      request.update = &*update;
      const auto result = tables->write(scope, "T", request);
      ASSERT_TRUE(result.ok());
      storage::CommitNumber seen = last.load();
      while (seen < result->after_commit && !last.compare_exchange_weak(seen, result->after_commit)) {
      }
    }
  });
  settle(last.load());
  for (int i = 0; i < 2; ++i) {
    const auto stored = tables->get(scope, "T", key(i));
    EXPECT_EQ(model::stored_attribute(**stored, "n"), AttributeValue::number(kThreads * kRounds / 2));
  }
  EXPECT_EQ(tables->describe(scope, "T")->counts.items, 2);
  EXPECT_EQ(tables->describe(scope, "T")->index_counts[0].items, 2);
  const auto stream = log->find(streams::StreamId((*tables->info(scope, "T"))->stream->id));
  EXPECT_EQ(log->backlog(stream->shards[0].number, 0, 100000).value(), static_cast<std::size_t>(kThreads * kRounds));
}

TEST_F(ConcurrencyTest, TransfersKeepTheirSumWhileTheSchemaChanges) {
  expressions::Substitutions with;
  ASSERT_TRUE(with.add_value(":o", AttributeValue::number(1)).ok());
  ASSERT_TRUE(with.add_value(":m", AttributeValue::number(-1)).ok());
  const auto give = expressions::parse_update("ADD n :m", with);
  const auto take = expressions::parse_update("ADD n :o", with);
  std::atomic<storage::CommitNumber> last{0};
  run_threads([&](int thread) {
    for (int i = 0; i < 100; ++i) {
      if (thread == 0 && i % 10 == 0) {
        UpdateRequest toggle;
        const bool on = (*tables->info(scope, "T"))->stream->enabled;
        toggle.stream = StreamRequest{!on, on ? std::nullopt : std::optional(model::ViewType::kKeysOnly)};
        ASSERT_TRUE(tables->update(scope, "T", toggle).ok());
      }
      std::vector<TransactionEntry> entries(2);
      for (int side = 0; side < 2; ++side) {
        entries[static_cast<std::size_t>(side)].table = "T";
        WriteRequest& request = entries[static_cast<std::size_t>(side)].request;
        request.kind = WriteKind::kUpdate;
        request.item = key((i + side * (1 + thread)) % 5 + (side == 0 ? 0 : 5));
        request.update = side == 0 ? &*give : &*take;
      }
      const auto result = tables->transact(scope, entries, std::nullopt);
      ASSERT_TRUE(result.ok()) << result.error().message();
      storage::CommitNumber seen = last.load();
      while (seen < result->after_commit && !last.compare_exchange_weak(seen, result->after_commit)) {
      }
    }
  });
  settle(last.load());
  std::int64_t sum = 0;
  std::int64_t moved = 0;
  for (int i = 0; i < 10; ++i) {
    const auto stored = tables->get(scope, "T", key(i));
    if (!stored->has_value()) continue;
    const std::int64_t n = *model::stored_attribute(**stored, "n")->get<model::Number>().to_int64();
    sum += n;
    moved += std::max<std::int64_t>(n, 0);
  }
  EXPECT_EQ(sum, 0);
  EXPECT_EQ(moved, kThreads * 100);
}

}  // namespace
}  // namespace millrace::tables
