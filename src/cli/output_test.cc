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

TEST(Output, ReadsUnitsOfNames) {
  testing::internal::CaptureStdout();
  Output(false, false)
      .details(
          Json::object({{"oldest_age_ms", 90'000}, {"window_s", 5}, {"memory_mb", 256}, {"record_age_max_s", "none"}}));
  EXPECT_EQ(testing::internal::GetCapturedStdout(),
            "oldest age      1m 30s\nwindow          5 s\nmemory          256 MB\nrecord age max  none\n");
}

TEST(Output, KeepsCellsOnOneLineWithinTheirWidth) {
  Json document = Json::object();
  Json rows = Json::array();
  rows.push(Json::object({{"body", "größe\nand\x1b[2J"}, {"age", 1500}}));
  rows.push(Json::object({{"body", "0123456789abc"}}));
  testing::internal::CaptureStdout();
  Output(false, false)
      .table(document.set("rows", rows), "rows",
             {{"BODY", "body", false, Form::kText, 9}, {"AGE", "age", true, Form::kDuration}}, "none");
  EXPECT_EQ(testing::internal::GetCapturedStdout(),
            "BODY         AGE\n"
            "größe\\na…  1.5 s\n"
            "01234567…      -\n");
}

TEST(Output, MarksWhatIsAlarming) {
  Json document = Json::object();
  Json rows = Json::array();
  rows.push(Json::object({{"state", "BLOCKED"}}));
  rows.push(Json::object({{"state", "Enabled"}}));
  testing::internal::CaptureStdout();
  Output(false, true).table(document.set("rows", rows), "rows", {{"STATE", "state", false, Form::kState}}, "none");
  const std::string text = testing::internal::GetCapturedStdout();
  EXPECT_THAT(text, testing::HasSubstr("\033[33mBLOCKED\033[0m\n"));
  EXPECT_THAT(text, testing::HasSubstr("\nEnabled\n"));
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
