// Whatever write of the store fails while mappings are created, work, and are removed: after a restart every record has
// been delivered, every failed one is told of once, and the mappings' records fit together.
#include "triggers/check.h"
#include "triggers/engine_test.h"

namespace millrace::triggers {
namespace {

using storage::MemoryStore;

// All that does not survive a restart.
struct Process {
  Process(MemoryStore& store, FakeStreams& streams, FakeFunctions& functions, FakeQueue& queue,
          platform::Random& random, Time now)
      : scheduler(now), commits(store, scheduler) {
    delivery.add("sqs", queue);
    engine = std::make_unique<Engine>(Engine::Resources{scheduler, random, registry, store, commits},
                                      Ports{streams, functions, settlement});
    EXPECT_TRUE(engine->start().ok());
    scheduler.run_ready();
  }
  ~Process() {
    engine.reset();
    scheduler.run_ready();
  }
  bool is_durable(storage::CommitNumber number) {
    scheduler.run_ready();
    bool good = false;
    commits.when_durable(number, [&](const Error* error) { good = error == nullptr; });
    return good;
  }

  VirtualScheduler scheduler;
  TestCommits commits;
  telemetry::Registry registry;
  delivery::Delivery delivery;
  CommitSettlement settlement{commits, delivery};
  std::unique_ptr<Engine> engine;
};

class FaultLoopTest : public ::testing::Test {
 protected:
  FaultLoopTest() {
    telemetry::set_log_sink([](telemetry::Level, std::string_view, std::string_view) {});
    streams_.streams[kStream][1].info = {"shardId-00000000000000000001", 1, 0};
    functions_.functions[kFunction] = [](const Ids& ids) { return ids[0] % 2 == 0 ? throwing() : InvokeResult{}; };
    restart();
  }
  ~FaultLoopTest() override {
    process_.reset();
    telemetry::set_log_sink({});
  }
  void restart() {
    const Time now = process_ ? process_->scheduler.now() : testing::kVirtualStart;
    process_.reset();
    store_.heal();
    process_ = std::make_unique<Process>(store_, streams_, functions_, queue_, random_, now);
  }

  static Mapping mapping(const std::string& function) {
    Mapping mapping;
    mapping.stream_arn = kStream;
    mapping.function_arn = function;
    mapping.starting_position = "LATEST";
    mapping.batch_size = 1;
    mapping.retries_max = 1;
    mapping.destination = kQueue;
    return mapping;
  }
  void write() {
    const int id = ++last_id_;
    storage::WriteBatch batch;
    batch.log(1, "");
    process_->commits.submit(std::move(batch), [this, id](const storage::Committed& committed) {
      if (committed.error != nullptr) return;
      const std::string text = R"({"id":)" + std::to_string(id) + R"(,"eventName":"INSERT"})";
      streams_.streams[kStream][1].records.push_back({{committed.first_stamp, process_->scheduler.now(), text}, 0});
      written_[id] = committed.first_stamp;
      streams_.tell(kStream, 1);
    });
    process_->scheduler.run_ready();
  }

  // Creates, works and removes. Failures are expected; what was acknowledged is noted.
  void work() {
    written_.clear();
    kept_.clear();
    removed_.clear();
    if (const auto made = process_->engine->create(mapping(kFunction)); made.ok() && process_->is_durable(made->after))
      kept_ = made->mapping.uuid;
    for (int i = 0; i < 3; ++i) write();
    process_->scheduler.advance(Seconds(60));
    const auto other = process_->engine->create(mapping(std::string(kFunction) + "2"));
    process_->scheduler.run_ready();
    write();
    process_->scheduler.advance(Seconds(60));
    if (!other.ok()) return;
    const auto removed = process_->engine->remove({}, other->mapping.uuid);
    if (removed.ok() && process_->is_durable(removed->after)) removed_ = other->mapping.uuid;
  }

  std::map<std::string, int> letters() {
    std::map<std::string, int> found;
    const std::string prefix = std::string(kQueue) + "/";
    const auto it = store_.iterate(storage::Family::kQueue, {prefix, storage::prefix_end(prefix)});
    for (it->seek(prefix); it->valid(); it->next()) {
      const auto letter = codec::parse_json(it->value());
      ++found[std::string(letter->find("DDBStreamBatchInfo")->string_or("startSequenceNumber", ""))];
    }
    return found;
  }

  void check(const std::string& what) {
    process_->scheduler.advance(Seconds(120));
    std::vector<std::string> problems;
    const auto checked = check_mappings(store_, [&](std::string text) { problems.push_back(std::move(text)); });
    EXPECT_TRUE(checked.ok());
    EXPECT_THAT(problems, IsEmpty()) << what;
    if (!removed_.empty()) {
      EXPECT_FALSE(process_->engine->find({}, removed_)) << what;
    }
    const auto told = letters();
    for (const auto& [sequence, count] : told) EXPECT_EQ(count, 1) << what << ": " << sequence;
    if (!kept_.empty()) {
      ASSERT_TRUE(process_->engine->find({}, kept_)) << what;
      std::set<int> delivered;
      for (const Ids& ids : functions_.calls[kFunction]) delivered.insert(ids.begin(), ids.end());
      for (const auto& [id, sequence] : written_) {
        EXPECT_TRUE(delivered.contains(id)) << what << ": record " << id;
        if (id % 2 == 0) {
          EXPECT_TRUE(told.contains(model::sequence_number(sequence))) << what << ": record " << id;
        }
      }
    }
    process_->engine->remove_all({});
    process_->scheduler.run_ready();
    EXPECT_EQ(store_.count(storage::Family::kText), 0U) << what << ": histories go with their mapping";
  }

  MemoryStore store_;
  FakeStreams streams_;
  FakeFunctions functions_;
  FakeQueue queue_;
  platform::SeededRandom random_{5};
  std::unique_ptr<Process> process_;
  int last_id_ = 0;
  std::map<int, SequenceNumber> written_;
  std::string kept_;
  std::string removed_;
};

TEST_F(FaultLoopTest, AFailedWriteLosesNoRecordAndDoublesNoLetter) {
  for (const auto outcome : {MemoryStore::Outcome::kNotApplied, MemoryStore::Outcome::kApplied}) {
    bool struck = true;
    std::uint64_t n = 0;
    for (; struck && n < 100; ++n) {
      store_.fail_write_after(n, outcome);
      work();
      struck = store_.has_failed();
      restart();
      check("write " + std::to_string(n));
    }
    EXPECT_GT(n, 8U);
    EXPECT_LT(n, 100U) << "the loop ends with a round without failure";
  }
}

}  // namespace
}  // namespace millrace::triggers
