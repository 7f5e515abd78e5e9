// The pure parts: which interpreter, which request, which lines, which texts.
#include <csignal>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtimes/internal/output.h"
#include "runtimes/internal/platform_text.h"
#include "runtimes/internal/request_parser.h"
#include "runtimes/internal/sandbox.h"
#include "runtimes/interpreters.h"

namespace millrace::runtimes {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<Interpreter> installed() {
  return {{.language = Language::kNode, .major = 18, .path = "/18"},
          {.language = Language::kNode, .major = 22, .path = "/22"},
          {.language = Language::kNode, .major = 22, .path = "/x"},
          {.language = Language::kPython, .major = 3, .minor = 9, .path = "/9"},
          {.language = Language::kPython, .major = 3, .minor = 11, .path = "/11"}};
}

std::string chosen(std::string_view id) {
  const auto all = installed();
  const auto* found = choose(all, *parse_runtime(id));
  return found == nullptr ? "" : found->path;
}

TEST(Interpreters, TheExactOneElseTheNearestNewerElseTheNewestOlder) {
  EXPECT_EQ(chosen("nodejs18.x"), "/18");
  EXPECT_EQ(chosen("nodejs20.x"), "/22");
  EXPECT_EQ(chosen("nodejs14.x"), "/18");
  EXPECT_EQ(chosen("nodejs24.x"), "/22");
  EXPECT_EQ(chosen("python3.6"), "/9");
  EXPECT_EQ(chosen("python3.10"), "/11");
  EXPECT_EQ(chosen("python3.13"), "/11");
  EXPECT_EQ(choose({}, *parse_runtime("python3.13")), nullptr);
}

TEST(Interpreters, UnknownRuntimeIdsAreNone) {
  EXPECT_FALSE(parse_runtime("java21").has_value());
  EXPECT_FALSE(parse_runtime("python").has_value());
  EXPECT_FALSE(parse_runtime("nodejsx").has_value());
  EXPECT_EQ(parse_runtime("provided.al2023")->language, Language::kProvided);
  EXPECT_EQ(parse_runtime("nodejs4.3-edge").has_value(), true);
}

TEST(Interpreters, WithoutOneTheErrorNamesWhatToInstall) {
  const auto none = Interpreters::of({});
  EXPECT_THAT(none->resolve("nodejs20.x").error().message(),
              AllOf(HasSubstr("nodejs20.x"), HasSubstr("install the Debian package nodejs")));
  EXPECT_THAT(none->resolve("python3.12").error().message(),
              AllOf(HasSubstr("python3.12"), HasSubstr("install the Debian package python3")));
  EXPECT_TRUE(none->resolve("provided.al2023").ok());
  EXPECT_EQ(Interpreters::of(installed())->resolve("nodejs20.x")->path, "/22");
}

TEST(RequestParser, ReadsPiecesInAnyCut) {
  const std::string text =
      "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
      "POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: v\r\n\r\n"
      "GET /c HTTP/1.1\r\n\r\n";
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    internal::RequestParser parser(100);
    std::vector<std::string> seen;
    std::string input;
    for (std::size_t at = 0; at < text.size(); at += piece) {
      input += text.substr(at, piece);
      while (parser.feed(input) == internal::RequestParser::Status::kComplete) {
        const auto request = parser.take();
        seen.push_back(request.method + request.path + "=" + request.body);
        if (input.empty()) break;
      }
    }
    EXPECT_THAT(seen, ElementsAre("POST/a=hello", "POST/b=abcde", "GET/c=")) << piece;
  }
}

TEST(RequestParser, CountsWhatIsBeyondTheLimit) {
  internal::RequestParser parser(4);
  std::string input = "POST / HTTP/1.1\r\nContent-Length: 6\r\n\r\nabcdef";
  ASSERT_EQ(parser.feed(input), internal::RequestParser::Status::kComplete);
  const auto request = parser.take();
  EXPECT_EQ(request.body, "abcd");
  EXPECT_EQ(request.body_bytes, 6u);
}

TEST(RequestParser, RefusesNonsense) {
  for (std::string input :
       {"hello\r\n\r\n", "GET / HTTP/1.1\r\nno colon\r\n\r\n", "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
    internal::RequestParser parser(100);
    EXPECT_EQ(parser.feed(input), internal::RequestParser::Status::kMalformed);
  }
  internal::RequestParser parser(100);
  std::string endless(internal::kHeadBytesMax + 1, 'x');
  EXPECT_EQ(parser.feed(endless), internal::RequestParser::Status::kMalformed);
}

TEST(Output, CutsLinesAndRestoresTheLineEndsOfOneMessage) {
  internal::Output output(1000);
  std::vector<std::string> lines;
  output.append("one\ntw", lines);
  output.append("o\rmore\r\nrest", lines);
  EXPECT_THAT(lines, ElementsAre("one", "two\nmore"));
  output.finish(lines);
  EXPECT_EQ(lines.back(), "rest");
  EXPECT_EQ(output.tail(), "one\ntwo\nmore\nrest\n");
}

TEST(Output, DropsAndCountsBeyondTheBudgetAndBoundsLinesAndTail) {
  internal::Output output(10);
  std::vector<std::string> lines;
  output.append("0123456789abc\n", lines);
  output.finish(lines);
  EXPECT_THAT(lines, ElementsAre("0123456789", HasSubstr("4 more bytes")));
  output.begin();
  EXPECT_FALSE(output.over_budget());
  internal::Output large(4 * internal::kLineBytesMax);
  lines.clear();
  large.append(std::string(2 * internal::kLineBytesMax, 'x') + "\n", lines);
  EXPECT_EQ(lines[0].size(), internal::kLineBytesMax);
  EXPECT_EQ(large.tail().size(), kLogTailBytes);
}

TEST(PlatformText, FollowsAws) {
  EXPECT_EQ(
      internal::report_line(
          {.request_id = "r", .duration_ms = 1.234, .init_ms = 20.0, .memory_mb = 128, .memory_used_mb = 40}),
      "REPORT RequestId: r\tDuration: 1.23 ms\tBilled Duration: 22 ms\tMemory Size: 128 MB\tMax Memory Used: 40 MB\t"
      "Init Duration: 20.00 ms\t");
  EXPECT_EQ(
      internal::report_line({.request_id = "r",
                             .duration_ms = 1,
                             .memory_mb = 128,
                             .memory_used_mb = 40,
                             .trace = "Root=1-5e34a614-10bdac9a7ca94cc3eb3b9a4c;Parent=07f0f5bd2d1f6f85;Sampled=1"}),
      "REPORT RequestId: r\tDuration: 1.00 ms\tBilled Duration: 1 ms\tMemory Size: 128 MB\tMax Memory Used: 40 MB\t"
      "\nXRAY TraceId: 1-5e34a614-10bdac9a7ca94cc3eb3b9a4c\tSegmentId: 07f0f5bd2d1f6f85\tSampled: true\t");
  EXPECT_EQ(internal::billed_ms(3.0, std::nullopt), 3);
  EXPECT_EQ(internal::exit_message("r", 0, false), "RequestId: r Error: Runtime exited without providing a reason");
  EXPECT_EQ(internal::exit_message("r", SIGSEGV, false),
            "RequestId: r Error: Runtime exited with error: signal: segmentation fault");
  EXPECT_EQ(internal::exit_message("r", 137 << 8, true),
            "RequestId: r Error: Runtime exited with error: signal: killed");
  EXPECT_EQ(internal::error_document("T", "a\"b"), R"({"errorType":"T","errorMessage":"a\"b"})");
}

TEST(Sandbox, CommandLineAndVariablesDependOnTheBox) {
  FunctionSpec spec{.name = "f",
                    .runtime = "nodejs20.x",
                    .handler = "i.h",
                    .code_folder = "/data/code",
                    .variables = {{"AWS_REGION", "mine"}, {"A", "b"}}};
  const Interpreter node{.language = Language::kNode, .major = 20, .path = "/var/bin/node", .prefix = "/var"};
  const internal::SandboxPaths paths{.bootstrap_folder = "/run/boot", .private_folder = "/run/tmp"};
  const auto plain = internal::make_command(spec, node, {}, paths, "127.0.0.1:9", "stream");
  EXPECT_THAT(plain.arguments, ElementsAre("/var/bin/node", "/run/boot/bootstrap.cjs"));
  EXPECT_EQ(plain.working_folder, "/data/code");
  EXPECT_THAT(plain.environment, Contains("LAMBDA_TASK_ROOT=/data/code"));
  EXPECT_THAT(plain.environment, Contains("AWS_REGION=us-east-1"));
  EXPECT_THAT(plain.environment, Not(Contains("AWS_REGION=mine")));
  EXPECT_THAT(plain.environment, Contains("A=b"));
  EXPECT_THAT(plain.environment, Contains("TMPDIR=/run/tmp"));
  const auto boxed =
      internal::make_command(spec, node, {.usable = true, .path = "/usr/bin/bwrap"}, paths, "127.0.0.1:9", "stream");
  EXPECT_EQ(boxed.arguments[0], "/usr/bin/bwrap");
  EXPECT_THAT(boxed.arguments, Contains("/var"));
  EXPECT_THAT(boxed.arguments, Contains("/var/runtime/bootstrap.cjs"));
  EXPECT_THAT(boxed.environment, Contains("LAMBDA_TASK_ROOT=/var/task"));
}

TEST(Sandbox, TheInterpreterIsWhereScriptsLookForItOnAws) {
  const FunctionSpec spec{.name = "f", .runtime = "python3.13", .handler = "i.h", .code_folder = "/data/code"};
  const Interpreter python{
      .language = Language::kPython, .major = 3, .minor = 11, .path = "/usr/bin/python3.11", .prefix = "/usr"};
  const auto boxed = internal::make_command(spec, python, {.usable = true, .path = "/usr/bin/bwrap"}, {}, "api", "s");
  for (const std::string name : {"python", "python3", "python3.11"}) {
    const auto link = std::find(boxed.arguments.begin(), boxed.arguments.end(), "/var/lang/bin/" + name);
    ASSERT_NE(link, boxed.arguments.end()) << name;
    EXPECT_EQ(*(link - 1), "/usr/bin/python3.11");
    EXPECT_EQ(*(link - 2), "--symlink");
  }
}

}  // namespace
}  // namespace millrace::runtimes
