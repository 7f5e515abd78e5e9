#include "app/config.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::app {
namespace {

class ConfigFile : public testing::Test {
 protected:
  Result<void> load(const std::string& text) {
    const auto path = std::filesystem::path(testing::TempDir()) / "millrace_config_test.yaml";
    std::ofstream(path) << text;
    return load_config(path, config_);
  }
  std::string refusal(const std::string& text) {
    const auto result = load(text);
    return result.ok() ? "accepted" : result.error().message();
  }
  Config config_;
};

TEST_F(ConfigFile, SetsWhatItNames) {
  ASSERT_TRUE(
      load("server: {port: 8000, durability: os}\nstreams:\n  retention: 48h\nfunctions: {interpreters: [/a, /b]}\n")
          .ok());
  EXPECT_EQ(config_.port, 8000);
  EXPECT_FALSE(config_.durable);
  EXPECT_EQ(config_.retention, std::chrono::hours(48));
  EXPECT_EQ(config_.interpreters.size(), 2u);
  EXPECT_EQ(config_.threads, 2u);
}

TEST_F(ConfigFile, NamesTypesThatStacksSkip) {
  ASSERT_TRUE(load("stacks:\n  skip: [AWS::EC2::VPC, 'AWS::EC2::*']\n  python: /opt/python\n").ok());
  EXPECT_THAT(config_.skipped_types, testing::ElementsAre("AWS::EC2::VPC", "AWS::EC2::*"));
  EXPECT_EQ(config_.sam_python, "/opt/python");
  EXPECT_TRUE(check_config(config_).ok());
  config_.skipped_types.push_back("vpc");
  EXPECT_THAT(check_config(config_).error().message(), testing::HasSubstr("not vpc"));
}

TEST_F(ConfigFile, RefusesWhatItDoesNotKnowWithItsPlace) {
  EXPECT_THAT(refusal("server:\n  prot: 1\n"), testing::HasSubstr(":2: server has no key 'prot'"));
  EXPECT_THAT(refusal("sever: {}\n"), testing::HasSubstr("no section 'sever'"));
  EXPECT_THAT(refusal("server: {port: many}\n"), testing::HasSubstr("server.port has a value of the wrong kind"));
  EXPECT_THAT(refusal("server: {port: 70000}\n"), testing::HasSubstr("wrong kind"));
  EXPECT_THAT(refusal("streams: {retention: long}\n"), testing::HasSubstr("is no duration"));
  EXPECT_THAT(refusal("server: {durability: maybe}\n"), testing::HasSubstr("neither synced nor os"));
  EXPECT_THAT(refusal("server: [\n"), testing::HasSubstr("millrace_config_test.yaml"));
  EXPECT_EQ(load_config("/nonexistent/file", config_).error().message(), "/nonexistent/file: cannot be read");
}

TEST_F(ConfigFile, TakesATableOfPrices) {
  ASSERT_TRUE(load("prices: {currency: EUR, per_million_invocations: 2, per_gb_second: 0.5}\n").ok());
  EXPECT_TRUE(check_config(config_).ok());
  EXPECT_EQ(config_.prices.currency, "EUR");
  EXPECT_DOUBLE_EQ(config_.prices.of(1'000'000, 3), 3.5);
  config_.prices.per_gb_second = -1;
  EXPECT_THAT(check_config(config_).error().message(), testing::HasSubstr("prices must be 0 or more"));
}

TEST(Config, RefusesOtherAddressesWithoutAWord) {
  Config config;
  EXPECT_TRUE(check_config(config).ok());
  config.address = "0.0.0.0";
  EXPECT_THAT(check_config(config).error().message(), testing::HasSubstr("--allow-anyone"));
  config.allow_anyone = true;
  EXPECT_TRUE(check_config(config).ok());
}

}  // namespace
}  // namespace millrace::app
