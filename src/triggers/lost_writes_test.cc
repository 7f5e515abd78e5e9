// Whatever write or read of the store fails while mappings are made, changed and at work: after a restart every record
// reaches the function, in order per key, and a record that always fails has exactly one failure document.
#include "triggers/engine_test.h"

namespace millrace::triggers {
namespace {

using storage::MemoryStore;

constexpr int kPoison = 3;

// One life of a server: the fixture as an object, so that a test can have two, one after the other.
class Life final : public EngineTest {
 public:
  void TestBody() override {}

  Life() {
    functions.functions[kFunction] = [](const Ids& ids) {
      const bool poisoned = std::find(ids.begin(), ids.end(), kPoison) != ids.end();
      return poisoned ? throwing() : InvokeResult{.payload = "null"};
    };
  }
  MemoryStore& disk() { return store; }

  // One of everything; failures are expected.
  void work() {
    Mapping mapping = options();
    mapping.batch_size = 2;
    mapping.retries_max = 0;
    mapping.bisect = true;
    mapping.destination = kQueue;
    const auto created = engine->create(mapping);
    scheduler.run_ready();
    const std::string uuid = created.ok() ? created->mapping.uuid : "";
    for (int i = 0; i < 5; ++i) append(static_cast<std::uint64_t>(i % 2));
    scheduler.run_ready();
    (void)engine->update({}, uuid, [](Mapping& changed) -> Result<void> {
      changed.batch_size = 3;
      changed.parallelization_factor = 2;
      return {};
    });
    scheduler.run_ready();
    for (int i = 0; i < 4; ++i) append(static_cast<std::uint64_t>(i % 2));
    scheduler.advance(std::chrono::minutes(5));
  }

  // Goes on with what `before` has left on its disk and in its streams.
  void take_over(Life& before) {
    engine.reset();
    before.engine.reset();
    before.scheduler.run_ready();
    before.store.heal();
    storage::WriteBatch copy;
    for (int family = 0; family < storage::kFamilyCount; ++family) {
      const auto at = before.store.iterate(static_cast<storage::Family>(family), {});
      for (at->seek(""); at->valid(); at->next())
        copy.put(static_cast<storage::Family>(family), at->key(), at->value());
    }
    ASSERT_TRUE(store.write(copy, storage::Store::Sync::kSynced).ok());
    streams.streams = before.streams.streams;
    queue.staged = before.queue.staged;
    functions.calls = before.functions.calls;
    scheduler.advance(std::chrono::minutes(5));
    restart();
    if (engine->list({}).empty()) {
      Mapping mapping = options();
      mapping.retries_max = 0;
      mapping.bisect = true;
      mapping.destination = kQueue;
      create(mapping);
    }
    scheduler.advance(std::chrono::hours(1));
  }

  void check(const std::string& what) {
    std::map<int, std::uint64_t> keys;
    for (const SourceRecord& each : streams.streams[kStream][1].records)
      keys[static_cast<int>(codec::parse_json(each.record.event)->int_or("id", -1))] = each.key_hash;
    std::map<std::uint64_t, int> last;
    std::set<int> seen;
    for (const Ids& ids : calls()) {
      for (const int id : ids) {
        EXPECT_EQ(keys.count(id), 1U) << what << ": record " << id << " was shown and is not there";
        if (!seen.insert(id).second) continue;
        EXPECT_GT(id, last[keys[id]]) << what << ": out of order";
        last[keys[id]] = id;
      }
    }
    EXPECT_EQ(seen.size(), keys.size()) << what << ": records were left out";
    EXPECT_EQ(sent().size(), keys.count(kPoison)) << what << ": failure documents";
  }

 private:
  void append(std::uint64_t key) {
    const int id = ++last_id;
    storage::WriteBatch batch;
    batch.log(1, "");
    commits.submit(std::move(batch), [=, this](const storage::Committed& committed) {
      if (committed.error != nullptr) return;
      const std::string text = R"({"id":)" + std::to_string(id) + R"(,"eventName":"INSERT"})";
      streams.streams[kStream][1].records.push_back({{committed.first_stamp, scheduler.now(), text}, key});
      streams.tell(kStream, 1);
    });
    scheduler.run_ready();
  }
};

TEST(EngineFaults, AFailedWriteLeavesNothingOutAndSendsNoDocumentTwice) {
  bool struck = true;
  std::uint64_t n = 0;
  for (; struck && n < 200; ++n) {
    Life before;
    before.disk().fail_write_after(n);
    before.work();
    struck = before.disk().has_failed();
    Life after;
    after.take_over(before);
    after.check("write " + std::to_string(n));
  }
  EXPECT_GT(n, 8U);
  EXPECT_LT(n, 200U) << "the loop ends with a round without failure";
}

TEST(EngineFaults, AFailedReadLeavesNothingOutAndSendsNoDocumentTwice) {
  bool struck = true;
  std::uint64_t n = 0;
  for (; struck && n < 200; ++n) {
    Life before;
    before.disk().fail_read_after(n);
    before.work();
    struck = before.disk().has_failed();
    Life after;
    after.take_over(before);
    after.check("read " + std::to_string(n));
  }
  EXPECT_LT(n, 200U);
}

}  // namespace
}  // namespace millrace::triggers
