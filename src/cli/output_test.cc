#include "cli/internal/output.h"

#include <iostream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/cli.h"

namespace millrace::cli {
namespace {

using codec::Json;

Json tables() {
  Json document = Json::object();
  Json rows = Json::array();
  rows.push(Json::object({{"name", "posts"}, {"items", 12}, {"stream", nullptr}}));
  rows.push(Json::object({{"name", "größe"}, {"items", 3}, {"stream", "NEW_IMAGE"}}));
  return document.set("tables", rows);
}

const std::vector<Column> kColumns = {{"TABLE", "name"}, {"ITEMS", "items", true}, {"STREAM", "stream"}};

TEST(Output, AlignsByWhatIsSeenNotByBytes) {
  testing::internal::CaptureStdout();
  Output(false, false).table(tables(), "tables", kColumns, "none");
  EXPECT_EQ(testing::internal::GetCapturedStdout(),
            "TABLE  ITEMS  STREAM\n"
            "posts     12  -\n"
            "größe      3  NEW_IMAGE\n");
}

TEST(Output, SaysWhenThereIsNothing) {
  testing::internal::CaptureStdout();
  Output(false, false).table(Json::object({{"tables", Json::array()}}), "tables", kColumns, "No tables.");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "No tables.\n");
}

TEST(Output, PrintsTheDocumentForPrograms) {
  testing::internal::CaptureStdout();
  Output(true, false).table(tables(), "tables", kColumns, "none");
  EXPECT_EQ(codec::parse_json(testing::internal::GetCapturedStdout()).value(), tables());
}

TEST(Output, NestsDetails) {
  testing::internal::CaptureStdout();
  Output(false, false).details(Json::object({{"state", "Enabled"}, {"last_error", Json::object({{"text", "boom"}})}}));
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "state  Enabled\nlast error:\n  text  boom\n");
}

int run_with(std::vector<const char*> arguments, Callbacks callbacks = {}) {
  arguments.insert(arguments.begin(), "millrace");
  return run(static_cast<int>(arguments.size()), arguments.data(), callbacks);
}

TEST(CommandLine, ToldWrongExitsWithTwo) {
  EXPECT_EQ(run_with({"tables"}), kUsage);
  EXPECT_EQ(run_with({"tables", "frobnicate"}), kUsage);
  EXPECT_EQ(run_with({"serve", "--port", "70000"}), kUsage);
  EXPECT_EQ(run_with({"serve", "--durability", "maybe"}), kUsage);
  EXPECT_EQ(run_with({}), kUsage);
}

TEST(CommandLine, ExitsWithThreeWhenNoServerAnswers) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(run_with({"--endpoint", "http://127.0.0.1:1", "status"}), kUnreachable);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), testing::HasSubstr("millrace serve"));
}

TEST(CommandLine, HandsServeItsOptions) {
  ServeOptions seen;
  Callbacks callbacks;
  callbacks.serve = [&seen](const ServeOptions& options) {
    seen = options;
    return 7;
  };
  EXPECT_EQ(run_with({"serve", "--port", "0", "--ephemeral", "--data", "/tmp/x"}, callbacks), 7);
  EXPECT_EQ(seen.port, 0);
  EXPECT_TRUE(seen.ephemeral);
  EXPECT_EQ(seen.data, "/tmp/x");
}

TEST(CommandLine, GivesRunEverythingAfterTheDashes) {
  std::vector<std::string> seen;
  Callbacks callbacks;
  callbacks.run = [&seen](const ServeOptions&, const std::vector<std::string>& command) {
    seen = command;
    return 3;
  };
  EXPECT_EQ(run_with({"run", "--", "pytest", "-k", "x", "--json"}, callbacks), 3);
  EXPECT_THAT(seen, testing::ElementsAre("pytest", "-k", "x", "--json"));
}

}  // namespace
}  // namespace millrace::cli
