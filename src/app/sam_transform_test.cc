#include "app/internal/sam_transform.h"

#include <filesystem>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "platform/machine_clock.h"

namespace millrace::app {
namespace {

using codec::Json;

// A stand-in for Python: a shell script.
class Helper : public testing::Test {
 protected:
  void SetUp() override { ::signal(SIGPIPE, SIG_IGN); }
  std::string script(const std::string& body) {
    const auto path = std::filesystem::path(testing::TempDir()) / "millrace_sam_helper.sh";
    std::filesystem::remove(path);
    std::ofstream(path) << "#!/bin/sh\n" << body;
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    return path.string();
  }
  Result<Json> run(const std::string& python) {
    SamTransform transform(python, clock_);
    return transform.serverless(Json::object({{"Resources", Json::object()}}), {{"Stage", "dev"}}, {"1", "eu-west-1"});
  }
  platform::MachineClock clock_;
};

TEST_F(Helper, AnswersWithTheTemplate) {
  const auto made = run(script("cat > /dev/null; echo '{\"template\": {\"Region\": \"'$AWS_DEFAULT_REGION'\"}}'\n"));
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_EQ(made->string_or("Region", ""), "eu-west-1");
}

TEST_F(Helper, IsGivenTheTemplateAndTheParameters) {
  const auto made = run(script("printf '{\"template\": '; cat; echo '}'\n"));
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_EQ(made->dump(), R"({"template":{"Resources":{}},"parameters":{"Stage":"dev"}})");
}

TEST_F(Helper, SaysWhatIsWrong) {
  const auto text = [this](const std::string& body) { return run(script(body)).error().message(); };
  EXPECT_EQ(text("echo '{\"error\": \"Resource with id [F] is invalid.\"}'\n"),
            "Transform AWS::Serverless-2016-10-31 failed with: Resource with id [F] is invalid.");
  EXPECT_THAT(text("echo '{\"missing\": \"x\"}'\n"), testing::HasSubstr("-m pip install aws-sam-translator"));
  EXPECT_THAT(text("echo one >&2; echo two >&2; exit 1\n"), testing::EndsWith("failed with: two"));
  EXPECT_THAT(text("exit 1\n"), testing::HasSubstr("ended without an answer"));
  EXPECT_THAT(text("echo '{}'\n"), testing::HasSubstr("no template came back"));
}

TEST_F(Helper, ThatIsNotThereIsNamed) {
  EXPECT_THAT(run("/nowhere/python3").error().message(), testing::HasSubstr("/nowhere/python3 cannot be run"));
}

TEST_F(Helper, IsEndedWhenTheServerStops) {
  SamTransform transform(script("exec sleep 60\n"), clock_);
  std::thread running([&] { EXPECT_FALSE(transform.serverless(Json::object(), {}, {"1", "eu-west-1"}).ok()); });
  std::this_thread::yield();
  transform.stop();  // before or after it has begun
  running.join();
  EXPECT_FALSE(transform.serverless(Json::object(), {}, {"1", "eu-west-1"}).ok());
}

}  // namespace
}  // namespace millrace::app
