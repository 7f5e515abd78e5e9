// Invocations, changes and the queue of asynchronous events on real threads, for the thread sanitizer.
#include <condition_variable>
#include <filesystem>
#include <future>

#include <gtest/gtest.h>
#include <unistd.h>

#include "functions/service.h"
#include "testing/live_world.h"
#include "testing/zip.h"

namespace millrace::functions {
namespace {

namespace fs = std::filesystem;

// Answers on the pool.
class PoolRuntimes final : public runtimes::RuntimeFactory {
 public:
  explicit PoolRuntimes(platform::Scheduler& scheduler) : scheduler_(scheduler) {}
  std::shared_ptr<runtimes::Runtime> create(runtimes::FunctionSpec) override {
    return std::make_shared<One>(scheduler_);
  }
  std::string describe(std::string_view) override { return ""; }

 private:
  class One final : public runtimes::Runtime {
   public:
    explicit One(platform::Scheduler& scheduler) : scheduler_(scheduler) {}
    void invoke(runtimes::Invocation invocation, std::function<void(runtimes::Outcome)> done) override {
      scheduler_.offload([done = std::move(done), payload = invocation.payload] { done({.payload = payload}); }, [] {});
    }
    void stop() override {}

   private:
    platform::Scheduler& scheduler_;
  };
  platform::Scheduler& scheduler_;
};

TEST(FunctionsThreadsTest, EveryInvocationIsAnsweredWhileTheFunctionChanges) {
  constexpr int kRounds = 40;
  std::string folder = (fs::temp_directory_path() / "millrace-functions-XXXXXX").string();
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  testing::LiveWorld world;
  telemetry::Registry registry;
  delivery::Delivery delivery;
  PoolRuntimes runtimes(world.loop);
  Options options;
  options.folder = fs::path(folder) / "functions";
  Functions functions({world.store, world.commits(), world.loop, world.random, registry, delivery, runtimes}, options);
  ASSERT_TRUE(functions.load().ok());
  world.start();

  const FunctionName name{Scope{}, "f"};
  CreateRequest create{.name = name, .code = {.archive = testing::zip_of("index.js", "code")}};
  create.settings.runtime = "nodejs20.x";
  create.settings.handler = "index.handler";
  create.settings.role = "arn:aws:iam::000000000000:role/r";
  std::promise<bool> made;
  functions.create(std::move(create), [&](Result<Function> result) { made.set_value(result.ok()); });
  ASSERT_TRUE(made.get_future().get());

  const auto invoke = [&](int round) {
    std::promise<std::string> answer;
    functions.invoke({.target = {name, ""}, .payload = std::to_string(round)},
                     [&](Result<InvokeResult> result) { answer.set_value(result.ok() ? result->payload : "error"); });
    EXPECT_EQ(answer.get_future().get(), std::to_string(round));
  };
  const auto send = [&](int round) {
    EXPECT_TRUE(functions.invoke_async({.target = {name, ""}, .payload = std::to_string(round)}).ok());
  };
  const auto change = [&](int round) {
    SettingsChange settings;
    settings.description = std::to_string(round);
    EXPECT_TRUE(functions.update_settings(name, settings, std::nullopt).ok());
    (void)functions.publish({.name = name});
    (void)functions.create_alias(name, "a", {.version = "1"});
    (void)functions.put_event_invoke({name, ""}, {.retries_max = round % 2});
    (void)functions.remove_alias(name, "a");
  };
  const auto read = [&](int) {
    (void)functions.list_all();
    (void)functions.versions(name);
    (void)functions.aliases(name);
    (void)functions.last_commit();
  };
  testing::together(kRounds, {invoke, invoke, send, change, read});
  world.stop();
  fs::remove_all(folder);
}

}  // namespace
}  // namespace millrace::functions
