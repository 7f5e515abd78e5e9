#include "stacks/transform.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "stacks/internal/worker.h"
#include "stacks/template.h"

namespace millrace::stacks {
namespace {

Result<bool> asked(std::string_view transform) {
  return asks_for_serverless(*parse_template(R"({"Transform": )" + std::string(transform) + "}"));
}

TEST(Transforms, OnlyTheServerlessOneIsTaken) {
  EXPECT_TRUE(*asked(R"("AWS::Serverless-2016-10-31")"));
  EXPECT_TRUE(*asked(R"(["AWS::Serverless-2016-10-31"])"));
  EXPECT_FALSE(*asks_for_serverless(*parse_template("{}")));
  EXPECT_EQ(asked(R"(["AWS::Serverless-2016-10-31", "AWS::LanguageExtensions"])").error().message(),
            "Transform AWS::LanguageExtensions is not supported by millrace.");
  EXPECT_EQ(asked(R"("Mine")").error().message(), "No transform named Mine found.");
  EXPECT_EQ(asked(R"({"Name": "AWS::Include", "Parameters": {}})").error().message(),
            "Transform AWS::Include is not supported by millrace.");
  EXPECT_FALSE(asked("[1]").ok());
}

TEST(Transforms, GetDefaultsOfParametersThatAreNotGiven) {
  const Document document = *parse_template(
      R"({"Parameters": {"A": {"Type": "Number", "Default": 5}, "B": {"Type": "String", "Default": "b"}, "C": {"Type": "String"}}})");
  const std::map<std::string, std::string> wanted{{"A", "5"}, {"B", "given"}};
  EXPECT_EQ(parameter_texts(document, {{"B", "given"}}), wanted);
}

TEST(Worker, RunsInOrderAndDropsWhatWaitsWhenItStops) {
  Worker worker;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<int> ran;
  bool go = false;
  const auto note = [&](int number) {
    const std::lock_guard lock(mutex);
    ran.push_back(number);
    changed.notify_all();
  };
  ASSERT_TRUE(worker.add([&] {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return go; });
  }));
  for (std::size_t i = 1; i <= kWaitingCallsMax; ++i) worker.add([&, i] { note(static_cast<int>(i)); });
  EXPECT_FALSE([&] {  // the first may or may not have been taken out of the queue yet
    worker.add([] {});
    return worker.add([] {});
  }());
  {
    const std::lock_guard lock(mutex);
    go = true;
    changed.notify_all();
  }
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return ran.size() >= kWaitingCallsMax - 1; });
    EXPECT_TRUE(std::ranges::is_sorted(ran));
  }
  worker.stop();
  EXPECT_FALSE(worker.add([] {}));
}

}  // namespace
}  // namespace millrace::stacks
