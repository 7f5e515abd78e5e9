// What a power cut may undo must neither run nor be missed afterwards: code, its folders, invocations, measurements.
#include <fstream>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "functions/errors.h"
#include "functions/internal/event_records.h"
#include "functions/service.h"
#include "storage/memory/memory_store.h"
#include "telemetry/log.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"
#include "testing/zip.h"

namespace {
std::vector<std::string>* synced = nullptr;  // what fsync() is told of, while a test wants to know
}  // namespace

// Instead of the C library's, in this program.
extern "C" int fsync(int fd) {
  if (synced != nullptr) {
    std::string path(4096, '\0');
    const auto link = "/proc/self/fd/" + std::to_string(fd);
    const auto length = ::readlink(link.c_str(), path.data(), path.size());
    if (length > 0) synced->push_back(path.substr(0, static_cast<std::size_t>(length)));
  }
  return static_cast<int>(::syscall(SYS_fsync, fd));
}

namespace millrace::functions {
namespace {

namespace fs = std::filesystem;
using std::chrono::minutes;
using storage::Family;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string text_of(const fs::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

std::string zip_of(const std::string& content) { return testing::zip_of("code.txt", content); }

// Answers with the code that it finds: its file code.txt, and that of its layers.
class ReadingRuntimes final : public runtimes::RuntimeFactory {
 public:
  explicit ReadingRuntimes(platform::Scheduler& scheduler) : scheduler_(scheduler) {}
  std::shared_ptr<runtimes::Runtime> create(runtimes::FunctionSpec spec) override {
    return std::make_shared<One>(scheduler_, std::move(spec));
  }
  std::string describe(std::string_view) override { return ""; }

 private:
  class One final : public runtimes::Runtime {
   public:
    One(platform::Scheduler& scheduler, runtimes::FunctionSpec spec) : scheduler_(scheduler), spec_(std::move(spec)) {}
    void invoke(runtimes::Invocation, std::function<void(runtimes::Outcome)> done) override {
      std::string found = text_of(fs::path(spec_.code_folder) / "code.txt");
      if (!spec_.layer_folder.empty()) found += "+" + text_of(fs::path(spec_.layer_folder) / "code.txt");
      scheduler_.post([done = std::move(done), found] { done({.payload = found}); });
    }
    void stop() override {}

   private:
    platform::Scheduler& scheduler_;
    const runtimes::FunctionSpec spec_;
  };
  platform::Scheduler& scheduler_;
};

class Counts final : public Observer {
 public:
  void observe(const Measurement& one) override { ++counts[std::string(metric_name(one.metric))]; }
  std::map<std::string, int> counts;
};

class DurabilityTest : public ::testing::Test {
 protected:
  DurabilityTest() {
    telemetry::set_log_sink([this](telemetry::Level level, std::string_view, std::string_view text) {
      if (level == telemetry::Level::kError) errors_.emplace_back(text);
    });
    std::string pattern = (fs::temp_directory_path() / "millrace-functions-XXXXXX").string();
    folder_ = fs::canonical(::mkdtemp(pattern.data()));
    restart();
  }
  ~DurabilityTest() override {
    synced = nullptr;
    functions_.reset();
    fs::remove_all(folder_);
    telemetry::set_log_sink({});
  }

  // What is not committed is lost, as at a power cut.
  void restart() { ASSERT_TRUE(load().ok()); }
  Result<void> load() {
    functions_.reset();
    commits_.reset();
    store_.heal();
    scheduler_ = std::make_unique<testing::VirtualScheduler>();
    runtimes_ = std::make_unique<ReadingRuntimes>(*scheduler_);
    commits_ = std::make_unique<testing::TestCommits>(store_, *scheduler_);
    functions_ =
        std::make_unique<Functions>(Services{store_, *commits_, *scheduler_, random_, registry_, delivery_, *runtimes_},
                                    Options{.folder = folder_ / "functions"});
    functions_->set_observer(counts_);
    auto loaded = functions_->load();
    scheduler_->run_ready();
    return loaded;
  }

  static FunctionName name() { return {Scope{}, "f"}; }
  void create(const std::string& code, std::vector<std::string> layers = {}) {
    CreateRequest request{.name = name(), .code = {.archive = zip_of(code)}};
    request.settings.runtime = "nodejs20.x";
    request.settings.handler = "index.handler";
    request.settings.role = "arn:aws:iam::000000000000:role/r";
    request.settings.layers = std::move(layers);
    functions_->create(std::move(request), [](Result<Function> made) { EXPECT_TRUE(made.ok()); });
    scheduler_->run_ready();
  }
  void update(const std::string& code) {
    functions_->update_code({.name = name(), .code = {.archive = zip_of(code)}},
                            [](Result<Function> updated) { EXPECT_TRUE(updated.ok()); });
    scheduler_->run_ready();
  }
  // The code that ran; nothing while the invocation waits.
  std::shared_ptr<std::string> invoke() {
    auto answer = std::make_shared<std::string>();
    functions_->invoke({.target = {name(), ""}, .payload = "{}"}, [answer](Result<InvokeResult> result) {
      *answer = result.ok() ? result->payload : "error: " + result.error().message();
    });
    scheduler_->run_ready();
    return answer;
  }
  void send() {
    ASSERT_TRUE(functions_->invoke_async({.target = {name(), ""}, .payload = "{}"}).ok());
    scheduler_->run_ready();
  }
  std::vector<std::string> keys(std::string_view prefix) {
    std::vector<std::string> all;
    const auto it = store_.iterate(Family::kQueue, {std::string(prefix), storage::prefix_end(prefix)});
    for (it->seek(prefix); it->valid(); it->next()) all.emplace_back(it->key());
    return all;
  }
  std::size_t archives() {
    std::size_t count = 0;
    for (const auto& entry : fs::recursive_directory_iterator(folder_)) count += entry.path().extension() == ".zip";
    return count;
  }
  // As a power cut leaves files that nobody has synced.
  void empty_unpacked_files() {
    for (const auto& entry : fs::recursive_directory_iterator(folder_)) {
      if (entry.path().filename() == "code.txt") fs::resize_file(entry.path(), 0);
    }
  }

  fs::path folder_;
  storage::MemoryStore store_;
  platform::SeededRandom random_{7};
  telemetry::Registry registry_;
  delivery::Delivery delivery_;
  Counts counts_;
  std::vector<std::string> errors_;
  std::unique_ptr<testing::VirtualScheduler> scheduler_;
  std::unique_ptr<ReadingRuntimes> runtimes_;
  std::unique_ptr<testing::TestCommits> commits_;
  std::unique_ptr<Functions> functions_;
};

// ---- code

TEST_F(DurabilityTest, ReplacedCodeStaysUntilItsReplacementIsDurable) {
  create("old");
  commits_->hold();
  update("new");
  scheduler_->advance(minutes(60));
  restart();
  EXPECT_EQ(*invoke(), "old");
  update("new");
  scheduler_->advance(minutes(60));
  EXPECT_EQ(archives(), 1U) << "removed once nobody can need it";
}

TEST_F(DurabilityTest, DeletedCodeStaysUntilTheDeletionIsDurable) {
  create("code");
  ASSERT_TRUE(functions_->publish({.name = name()}).ok());
  scheduler_->run_ready();
  for (const auto outcome : {storage::MemoryStore::Outcome::kNotApplied, storage::MemoryStore::Outcome::kApplied}) {
    store_.fail_write_after(0, outcome);
    ASSERT_TRUE(functions_->remove(name()).ok());
    scheduler_->advance(minutes(60));
    EXPECT_EQ(archives(), 1U) << "whether the record is there is known at the next start";
    restart();
    if (outcome == storage::MemoryStore::Outcome::kNotApplied) {
      EXPECT_EQ(*invoke(), "code");
    }
  }
  EXPECT_EQ(archives(), 0U);
}

TEST_F(DurabilityTest, FilesThatAPowerCutHasEmptiedAreUnpackedAgain) {
  functions_->publish_layer({.layer = {Scope{}, "l"}}, {.archive = zip_of("layer")},
                            [](Result<LayerVersion> made) { EXPECT_TRUE(made.ok()); });
  scheduler_->run_ready();
  create("code", {"arn:aws:lambda:us-east-1:000000000000:layer:l:1"});
  EXPECT_EQ(*invoke(), "code+layer");
  empty_unpacked_files();
  restart();
  EXPECT_EQ(*invoke(), "code+layer");
}

TEST_F(DurabilityTest, AnArchiveThatIsGoneIsNamedInTheAnswer) {
  create("code");
  for (const auto& entry : fs::recursive_directory_iterator(folder_)) {
    if (entry.path().extension() == ".zip") fs::resize_file(entry.path(), 10);
  }
  restart();
  EXPECT_THAT(*invoke(), HasSubstr("cannot be unpacked from " + folder_.string()));
  EXPECT_THAT(*invoke(), HasSubstr("cannot be unpacked from")) << "it does not count as running";
  EXPECT_EQ(functions_->running(name()), 0);
}

TEST_F(DurabilityTest, TheNamesOfAllFoldersAboveAnArchiveAreSynced) {
  std::vector<std::string> seen;
  synced = &seen;
  create("code");
  functions_->publish_layer({.layer = {Scope{}, "l"}}, {.archive = zip_of("layer")},
                            [](Result<LayerVersion> made) { EXPECT_TRUE(made.ok()); });
  scheduler_->run_ready();
  synced = nullptr;
  const std::string root = folder_.string();
  for (const std::string& folder :
       {root, root + "/functions", root + "/functions/000000000000", root + "/functions/000000000000/us-east-1",
        root + "/functions/000000000000/us-east-1/f", root + "/functions/.layers",
        root + "/functions/.layers/000000000000", root + "/functions/.layers/000000000000/us-east-1",
        root + "/functions/.layers/000000000000/us-east-1/l"}) {
    EXPECT_THAT(seen, Contains(folder));
  }
}

// ---- invocations

TEST_F(DurabilityTest, AnInvocationWaitsForTheChangeOfItsFunction) {
  commits_->hold();
  create("old");
  const auto first = invoke();
  EXPECT_EQ(*first, "") << "a function that a power cut could take back does not run";
  EXPECT_GT(scheduler_->busy().count(), 0) << "and counts as work in progress";
  commits_->commit_all();
  scheduler_->run_ready();
  EXPECT_EQ(*first, "old");
  update("new");
  const auto second = invoke();
  EXPECT_EQ(*second, "");
  commits_->release();
  scheduler_->run_ready();
  EXPECT_EQ(*second, "new");
  EXPECT_EQ(*invoke(), "new") << "at once, when nothing is pending";
  EXPECT_EQ(scheduler_->busy().count(), 0);
}

TEST_F(DurabilityTest, AnInvocationAfterAChangeThatFailedRunsWhatIsStored) {
  create("old");
  store_.fail_write_after(0, storage::MemoryStore::Outcome::kNotApplied);
  update("new");
  EXPECT_EQ(*invoke(), "old");
  EXPECT_EQ(functions_->running(name()), 0);
  restart();
  EXPECT_EQ(*invoke(), "old");
}

// ---- events

TEST_F(DurabilityTest, EventsAreCountedOnceTheyAreDurable) {
  create("code");
  commits_->hold();
  send();
  EXPECT_EQ(counts_.counts["AsyncEventsReceived"], 0);
  EXPECT_EQ(
      registry_.counter("lambda_async_events_received_total", {{"function", "f"}, {"region", "us-east-1"}}).value(),
      0U);
  commits_->release();
  scheduler_->run_ready();
  EXPECT_EQ(counts_.counts["AsyncEventsReceived"], 1);
  ASSERT_TRUE(functions_->put_concurrency(name(), 0).ok());
  scheduler_->run_ready();
  send();
  EXPECT_EQ(counts_.counts["AsyncEventsDropped"], 1) << "no concurrency: dropped, and that is durable";
}

TEST_F(DurabilityTest, ADropIsCountedOnceItIsDurable) {
  create("code");
  ASSERT_TRUE(functions_->put_concurrency(name(), 0).ok());
  scheduler_->run_ready();
  commits_->hold();
  send();
  commits_->commit_one();
  scheduler_->run_ready();
  EXPECT_EQ(counts_.counts["AsyncEventsReceived"], 1);
  EXPECT_EQ(counts_.counts["AsyncEventsDropped"], 0);
  commits_->release();
  scheduler_->run_ready();
  EXPECT_EQ(counts_.counts["AsyncEventsDropped"], 1);
}

TEST_F(DurabilityTest, AnEventThatCannotBeDecodedIsKeptAndNamed) {
  create("code");
  ASSERT_TRUE(functions_->put_event_invoke({name(), ""}, {.replace = true, .retries_max = 0}).ok());
  scheduler_->run_ready();
  for (const auto& [number, bytes] : std::map<std::uint64_t, std::string>{{1, "{\"v\":1,\"id"}, {2, ""}}) {
    storage::WriteBatch batch;
    batch.put(Family::kQueue, internal::event_key(internal::kEventPrefix, {name(), ""}, number), bytes);
    ASSERT_TRUE(store_.write(batch, storage::Store::Sync::kSynced).ok());
  }
  restart();
  scheduler_->advance(std::chrono::hours(24));
  EXPECT_THAT(keys(internal::kEventPrefix), IsEmpty());
  EXPECT_THAT(keys(internal::kDamagedPrefix),
              ElementsAre(internal::event_key(internal::kDamagedPrefix, {name(), ""}, 1),
                          internal::event_key(internal::kDamagedPrefix, {name(), ""}, 2)));
  EXPECT_THAT(errors_, Contains(HasSubstr("function:f: the stored asynchronous event 1 (10 bytes) cannot be decoded")));
  EXPECT_EQ(counts_.counts["AsyncEventsDropped"], 2);
  EXPECT_EQ(counts_.counts["Invocations"], 0);
  restart();
  EXPECT_EQ(keys(internal::kDamagedPrefix).size(), 2U);
}

TEST_F(DurabilityTest, AVersionNumberThatIsTooLargeIsADamagedRecord) {
  create("code");
  Function version = functions_->get(name()).value();
  version.version = "99999999999999999999";
  storage::WriteBatch batch;
  batch.put(Family::kCatalogue, "function-versions/000000000000/us-east-1/f/1", to_json(version).dump());
  ASSERT_TRUE(store_.write(batch, storage::Store::Sync::kSynced).ok());
  const auto loaded = load();
  ASSERT_FALSE(loaded.ok());
  EXPECT_THAT(loaded.error().message(), HasSubstr("damaged record of a version"));
}

}  // namespace
}  // namespace millrace::functions
