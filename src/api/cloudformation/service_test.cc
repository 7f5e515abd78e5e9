#include "api/cloudformation/service.h"

#include <chrono>
#include <optional>
#include <thread>

#include <gtest/gtest.h>

#include "storage/memory/memory_store.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"

namespace millrace::api_cloudformation {
namespace {

using wire::Document;

class NoCalls final : public wire::Calls {
 public:
  Result<Document> call(std::string_view, std::string_view, const wire::Caller&, Document) override {
    return Error(kNotFound, "nothing is served");
  }
};

// Something that a stack can have.
class Thing final : public stacks::ResourceType {
 public:
  std::string_view name() const override { return "Test::Thing"; }
  std::span<const stacks::Property> properties() const override { return {}; }
  Result<stacks::Resource> create(const stacks::Work&) const override {
    return stacks::Resource{"thing", Document::object(), ""};
  }
  Result<stacks::Resource> update(const stacks::Work& work) const override { return create(work); }
  Result<void> remove(const stacks::Work&) const override { return {}; }
};

class CloudFormationServiceTest : public ::testing::Test {
 protected:
  CloudFormationServiceTest() {
    types_.add(std::make_unique<Thing>());
    EXPECT_TRUE(stacks_.load().ok());
    stacks_.start();
  }
  ~CloudFormationServiceTest() override { stacks_.stop(); }

  // Threads of the engine are real.
  Result<wire::Reply> call(const std::string& operation, const std::string& input) {
    const auto* entry = service_->find(operation);
    const auto answer = std::make_shared<std::optional<Result<wire::Reply>>>();
    entry->async({}, *codec::parse_json(input),
                 {[answer](Result<wire::Reply> reply) { *answer = std::move(reply); }, [] { return false; },
                  [](std::function<void()>) {}});
    while (!answer->has_value()) {
      scheduler_.run_ready();
      std::this_thread::yield();
    }
    return std::move(**answer);
  }

  storage::MemoryStore store_;
  millrace::testing::VirtualScheduler scheduler_;
  millrace::testing::TestCommits commits_{store_, static_cast<const platform::Clock&>(scheduler_)};
  platform::SeededRandom random_{1};
  NoCalls calls_;
  stacks::TypeRegistry types_;
  stacks::Stacks stacks_{
      stacks::Services{store_, commits_, scheduler_, random_, calls_, types_,
                       [](const Scope&, const std::string&, const std::string&) -> Result<std::string> {
                         return Error(kNotFound, "Access Denied");
                       }}};
  std::unique_ptr<wire::Service> service_ = make_cloudformation_service(stacks_, scheduler_);
};

TEST_F(CloudFormationServiceTest, ARefusalIsHeldUntilWhatItRestsOnIsDurable) {
  commits_.hold();
  const std::string input = R"({"StackName":"s","TemplateBody":"{\"Resources\":{\"A\":{\"Type\":\"Test::Thing\"}}}"})";
  const auto made = call("CreateStack", input);
  ASSERT_TRUE(made.ok()) << made.error().message();
  ASSERT_GT(made->after, commits_.durable());
  const auto refused = call("CreateStack", input);
  ASSERT_FALSE(refused.ok());
  EXPECT_GE(refused.error().held_until(), made->after) << refused.error().message();
}

}  // namespace
}  // namespace millrace::api_cloudformation
