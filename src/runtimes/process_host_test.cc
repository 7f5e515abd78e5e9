#include "runtimes/process_host.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <future>
#include <mutex>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "codec/json.h"
#include "platform/control_loop.h"

namespace millrace::runtimes {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (fs::temp_directory_path() / "millrace-runtimes-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

Interpreters& interpreters() {
  static Interpreters found({});
  return found;
}

// Handlers as real processes. Parameter: whether bubblewrap and cgroups are tried.
class ProcessHostTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    options_.run_folder = folder_.path() / "run";
    options_.bubblewrap = GetParam();
    options_.cgroups = GetParam();
    options_.init_limit = Milliseconds(3000);
  }

  ProcessHost& host() {
    if (!host_) {
      host_ = std::make_unique<ProcessHost>(options_, clock_, random_, interpreters(), [this](LogLines batch) {
        const std::lock_guard lock(mutex_);
        for (auto& [time, text] : batch.lines) log_ += text + "\n";
        streams_.push_back(batch.stream);
      });
    }
    return *host_;
  }

  FunctionSpec node(const std::string& code, const std::string& file = "index.js") {
    return spec("nodejs20.x", code, file);
  }
  FunctionSpec python(const std::string& code) { return spec("python3.11", code, "index.py"); }

  FunctionSpec spec(const std::string& runtime, const std::string& code, const std::string& file) {
    const auto code_folder = folder_.path() / ("code" + std::to_string(++code_count_));
    fs::create_directories((code_folder / file).parent_path());
    std::ofstream(code_folder / file) << code;
    return {.name = "demo",
            .arn = "arn:aws:lambda:us-east-1:000000000000:function:demo",
            .runtime = runtime,
            .handler = "index.handler",
            .code_folder = code_folder.string(),
            .memory_mb = 256,
            .timeout = Milliseconds(10'000),
            .log_group = "/aws/lambda/demo",
            .endpoint_url = "http://127.0.0.1:1",
            .credentials = [] {
              return Credentials{"AKIATEST", "secret", "token"};
            }};
  }

  static bool missing(const FunctionSpec& wanted) { return !interpreters().resolve(wanted.runtime).ok(); }

  static std::future<Outcome> begin(Runtime& runtime, std::string payload, std::string id = "id-1") {
    auto promise = std::make_shared<std::promise<Outcome>>();
    auto future = promise->get_future();
    runtime.invoke({.request_id = std::move(id),
                    .payload = std::move(payload),
                    .invoked_arn = "arn:aws:lambda:us-east-1:000000000000:function:demo"},
                   [promise](Outcome outcome) { promise->set_value(std::move(outcome)); });
    return future;
  }
  Outcome run(Runtime& runtime, std::string payload = "{}") {
    auto future = begin(runtime, std::move(payload));
    if (future.wait_for(std::chrono::seconds(60)) != std::future_status::ready) {
      ADD_FAILURE() << "no outcome within a minute";
      return {};
    }
    return future.get();
  }
  Outcome run(FunctionSpec function, std::string payload = "{}") {
    return run(*host().create(std::move(function)), std::move(payload));
  }
  // Ended, perhaps not yet reaped by its new parent. A killed process may take a moment.
  static bool has_ended(int pid) {
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    while (std::chrono::steady_clock::now() < give_up) {
      std::ifstream status("/proc/" + std::to_string(pid) + "/stat");
      std::string text;
      std::getline(status, text);
      if (text.empty() || text.find(") Z") != std::string::npos) return true;
      std::this_thread::yield();
    }
    return false;
  }
  std::string log() {
    const std::lock_guard lock(mutex_);
    return log_;
  }
  static std::string member(const Outcome& outcome, std::string_view name) {
    const auto document = codec::parse_json(outcome.payload);
    return document.ok() ? std::string(document->string_or(name, "")) : "not JSON: " + outcome.payload;
  }

  TemporaryFolder folder_;
  HostOptions options_;
  platform::ControlLoop clock_;
  platform::SystemRandom random_;
  std::mutex mutex_;
  std::string log_;
  std::vector<std::string> streams_;
  int code_count_ = 0;
  std::unique_ptr<ProcessHost> host_;
};

INSTANTIATE_TEST_SUITE_P(Isolation, ProcessHostTest, ::testing::Bool(),
                         [](const auto& which) { return which.param ? "Boxed" : "Plain"; });

#define SKIP_IF_MISSING(function) \
  if (missing(function)) GTEST_SKIP() << "no interpreter for " << (function).runtime << " on this machine"

// A process with these arguments that waits for ever.
pid_t waiting_process(const std::string& folder) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  ::execl("/bin/sh", "sh", "-c", "kill -STOP $$; :", "sh", "--bind", folder.c_str(), "/tmp", nullptr);
  ::_exit(127);
}

TEST_P(ProcessHostTest, EndsWhatAKilledServerLeftOfItsSandboxesAndNothingElse) {
  const fs::path folder = options_.run_folder / "sandboxes" / "abc";
  fs::create_directories(folder);
  const pid_t left = waiting_process(folder);
  const pid_t other = waiting_process(folder_.path() / "other" / "sandboxes" / "abc");
  int status = 0;
  for (const pid_t pid : {left, other}) {
    ASSERT_EQ(::waitpid(pid, &status, WUNTRACED), pid);
    ASSERT_TRUE(WIFSTOPPED(status));
  }
  host();
  ASSERT_EQ(::waitpid(left, &status, 0), left);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  EXPECT_FALSE(fs::exists(folder));
  EXPECT_EQ(::waitpid(other, &status, WNOHANG), 0) << "of another server";
  ::kill(other, SIGKILL);
  ::waitpid(other, &status, 0);
}

TEST_P(ProcessHostTest, NodeHandlerAnswersAndTheProcessStaysWarm) {
  auto function = node("let n = 0; exports.handler = async (event) => ({ n: ++n, got: event, pid: process.pid });");
  SKIP_IF_MISSING(function);
  auto runtime = host().create(function);
  const auto first = run(*runtime, R"({"a":[1,"ü"]})");
  EXPECT_THAT(first.payload, StartsWith(R"({"n":1,"got":{"a":[1,"ü"]})"));
  EXPECT_GT(first.init_duration.count(), 0);
  const auto second = run(*runtime, "5");
  EXPECT_THAT(second.payload, StartsWith(R"({"n":2,"got":5)"));
  EXPECT_EQ(second.init_duration.count(), 0);
  EXPECT_EQ(second.function_error, "");
  EXPECT_THAT(second.log_tail, StartsWith("START RequestId: id-1 Version: $LATEST\nEND RequestId: id-1\nREPORT"));
  EXPECT_THAT(second.log_tail, ContainsRegex("Memory Size: 256 MB\tMax Memory Used: [1-9][0-9]* MB"));
}

TEST_P(ProcessHostTest, PythonHandlerAnswersAndLogs) {
  auto function = python(
      "import logging, decimal\n"
      "logging.getLogger().setLevel(logging.INFO)\n"
      "def handler(event, context):\n"
      "    print('plain')\n"
      "    logging.info('two\\nlines')\n"
      "    return {'d': decimal.Decimal('1.5'), 'arn': context.invoked_function_arn,\n"
      "            'left': context.get_remaining_time_in_millis() > 5000, 'client': context.client_context}\n");
  SKIP_IF_MISSING(function);
  const auto outcome = run(function);
  EXPECT_EQ(outcome.payload,
            R"({"d": 1.5, "arn": "arn:aws:lambda:us-east-1:000000000000:function:demo", "left": true, )"
            R"("client": null})");
  EXPECT_THAT(outcome.log_tail, ContainsRegex("plain\n\\[INFO\\]\t20[^\t]*Z\tid-1\ttwo\nlines\nEND"));
}

TEST_P(ProcessHostTest, HandlersSeeAwsVariablesAndNothingOfTheHost) {
  ::setenv("AWS_PROFILE", "production", 1);
  auto function = node("exports.handler = async () => process.env;");
  SKIP_IF_MISSING(function);
  function.variables = {{"MINE", "yes"}, {"TZ", "Europe/Berlin"}};
  const auto outcome = run(function);
  ::unsetenv("AWS_PROFILE");
  EXPECT_EQ(member(outcome, "MINE"), "yes");
  EXPECT_EQ(member(outcome, "TZ"), "Europe/Berlin");
  EXPECT_EQ(member(outcome, "AWS_ACCESS_KEY_ID"), "AKIATEST");
  EXPECT_EQ(member(outcome, "AWS_ENDPOINT_URL"), "http://127.0.0.1:1");
  EXPECT_EQ(member(outcome, "AWS_EXECUTION_ENV"), "AWS_Lambda_nodejs20.x");
  EXPECT_EQ(member(outcome, "_HANDLER"), "index.handler");
  EXPECT_THAT(member(outcome, "AWS_LAMBDA_LOG_STREAM_NAME"), ContainsRegex("^20../../../\\[\\$LATEST\\][0-9a-f]*$"));
  EXPECT_THAT(outcome.payload, Not(HasSubstr("AWS_PROFILE")));
}

TEST_P(ProcessHostTest, ModulesCallbacksAndContextFunctionsWork) {
  SKIP_IF_MISSING(node(""));
  const std::string later = "setTimeout(() => { globalThis.x = 1; }, 30);";
  EXPECT_EQ(run(node("const v = await Promise.resolve(7); export const handler = async () => v;", "index.mjs")).payload,
            "7");
  EXPECT_EQ(run(node("exports.handler = (e, c, cb) => { " + later + " cb(null, 'called'); };")).payload, "\"called\"");
  EXPECT_EQ(run(node("exports.handler = (e, c) => { setInterval(() => {}, 1000); c.succeed({a: 1}); };")).payload,
            R"({"a":1})");
  EXPECT_EQ(
      run(node("exports.handler = (e, c, cb) => { c.callbackWaitsForEmptyEventLoop = false; setInterval(() => {}, "
               "1000); cb(null, 3); };"))
          .payload,
      "3");
  EXPECT_EQ(run(node("exports.handler = () => { setTimeout(() => {}, 5); };")).payload, "null");
  EXPECT_EQ(member(run(node("exports.handler = (e, c) => c.fail(new RangeError('no'));")), "errorType"), "RangeError");
  auto nested = node("exports.a = { b: async () => 'deep' };", "lib/app.js");
  nested.handler = "lib/app.a.b";
  EXPECT_EQ(run(nested).payload, "\"deep\"");
}

TEST_P(ProcessHostTest, ConsoleLinesHaveTheFormOfLambda) {
  auto function = node("exports.handler = async () => { console.log('one\\ntwo', {a: 1}); console.error('bad'); };");
  SKIP_IF_MISSING(function);
  const auto outcome = run(function);
  EXPECT_EQ(outcome.payload, "null");
  EXPECT_THAT(outcome.log_tail,
              ContainsRegex("20[^\t]*Z\tid-1\tINFO\tone\ntwo \\{ a: 1 \\}\n20[^\t]*Z\tid-1\tERROR\tbad\n"));
}

TEST_P(ProcessHostTest, ThrownErrorsAreUnhandledFunctionErrors) {
  auto function = node("exports.handler = async () => { throw new TypeError('broken'); };");
  SKIP_IF_MISSING(function);
  auto runtime = host().create(function);
  const auto outcome = run(*runtime);
  EXPECT_EQ(outcome.function_error, "Unhandled");
  EXPECT_EQ(member(outcome, "errorType"), "TypeError");
  EXPECT_EQ(member(outcome, "errorMessage"), "broken");
  EXPECT_THAT(outcome.log_tail, HasSubstr("\tERROR\tInvoke Error \t{\"errorType\":\"TypeError\""));
  EXPECT_EQ(run(*runtime).init_duration.count(), 0) << "the process goes on after an error";
}

TEST_P(ProcessHostTest, PythonErrorsCarryTheStackOfTheHandler) {
  auto function = python("def handler(event, context):\n    raise ValueError('broken')\n");
  SKIP_IF_MISSING(function);
  const auto outcome = run(function);
  EXPECT_EQ(member(outcome, "errorType"), "ValueError");
  EXPECT_EQ(member(outcome, "requestId"), "id-1");
  EXPECT_THAT(outcome.payload, HasSubstr("line 2, in handler"));
  EXPECT_THAT(outcome.payload, Not(HasSubstr("bootstrap.py")));
  EXPECT_EQ(member(run(python("def handler(event, context):\n    return {1, 2}\n")), "errorType"),
            "Runtime.MarshalError");
}

TEST_P(ProcessHostTest, ExitsAreReportedAndTheNextInvocationGetsANewProcess) {
  auto function =
      node("exports.handler = async (e) => { if (e.exit !== undefined) process.exit(e.exit); return 'ok'; };");
  SKIP_IF_MISSING(function);
  auto runtime = host().create(function);
  const auto zero = run(*runtime, R"({"exit":0})");
  EXPECT_EQ(zero.payload, R"({"errorType":"Runtime.ExitError","errorMessage":"RequestId: id-1 Error: Runtime exited )"
                          R"(without providing a reason"})");
  EXPECT_EQ(zero.function_error, "Unhandled");
  EXPECT_EQ(member(run(*runtime, R"({"exit":3})"), "errorMessage"),
            "RequestId: id-1 Error: Runtime exited with error: exit status 3");
  EXPECT_EQ(run(*runtime).payload, "\"ok\"");
}

TEST_P(ProcessHostTest, UncaughtAndUnhandledErrorsEndTheProcess) {
  SKIP_IF_MISSING(node(""));
  const auto uncaught =
      run(node("exports.handler = () => new Promise(() => setTimeout(() => { throw new Error('late'); }, 5));"));
  EXPECT_EQ(member(uncaught, "errorMessage"), "late");
  const auto unhandled =
      run(node("exports.handler = () => new Promise(() => { Promise.reject(new Error('lost')); });"));
  EXPECT_EQ(member(unhandled, "errorType"), "Runtime.UnhandledPromiseRejection");
  EXPECT_EQ(member(unhandled, "errorMessage"), "Error: lost");
}

TEST_P(ProcessHostTest, HangingHandlersAreKilledWithTheirChildren) {
  auto function = node(
      "const child = require('child_process');\n"
      "exports.handler = () => { const c = child.spawn('sleep', ['300']); console.log('child', c.pid); for (;;); };");
  SKIP_IF_MISSING(function);
  function.timeout = Milliseconds(1000);
  const auto outcome = run(function);
  EXPECT_EQ(outcome.payload, R"({"errorType":"Sandbox.Timedout","errorMessage":"RequestId: id-1 Error: Task timed out )"
                             R"(after 1.00 seconds"})");
  EXPECT_THAT(outcome.log_tail, HasSubstr(" id-1 Task timed out after 1.00 seconds\n"));
  EXPECT_THAT(outcome.log_tail, HasSubstr("Status: timeout"));
  host().stop();
  if (!GetParam()) {  // boxed, the number is one of the sandbox's own
    const auto log_text = log();
    const auto at = log_text.find("child ");
    ASSERT_NE(at, std::string::npos);
    EXPECT_TRUE(has_ended(std::atoi(log_text.c_str() + at + 6)));
  }
}

TEST_P(ProcessHostTest, InitialisationThatHangsIsTriedOnceMoreAndThenTimesOut) {
  options_.init_limit = Milliseconds(500);
  auto function = node("for (;;);");
  SKIP_IF_MISSING(function);
  function.timeout = Milliseconds(1000);
  const auto outcome = run(function);
  EXPECT_EQ(member(outcome, "errorType"), "Sandbox.Timedout");
  EXPECT_THAT(log(), HasSubstr("Phase: init\tStatus: timeout"));
}

TEST_P(ProcessHostTest, InitialisationErrorsNameWhatIsWrong) {
  SKIP_IF_MISSING(node(""));
  const auto type = [this](FunctionSpec function) { return member(run(std::move(function)), "errorType"); };
  EXPECT_EQ(type(node("require('no-such-module'); exports.handler = 1;")), "Runtime.ImportModuleError");
  EXPECT_EQ(type(node("exports.handler = ;")), "Runtime.UserCodeSyntaxError");
  EXPECT_EQ(type(node("exports.other = 1;")), "Runtime.HandlerNotFound");
  EXPECT_EQ(type(node("throw new RangeError('at load');")), "RangeError");
  auto absent = node("exports.handler = 1;");
  absent.handler = "nofile.handler";
  EXPECT_EQ(type(absent), "Runtime.ImportModuleError");
  absent.handler = "nodot";
  EXPECT_EQ(type(absent), "Runtime.MalformedHandlerName");
  absent.handler = "../../etc/passwd.handler";
  EXPECT_EQ(type(absent), "Runtime.MalformedHandlerName");
  EXPECT_EQ(type(node("awslambda.streamifyResponse(async () => {});")), "Runtime.StreamingNotSupported");
  SKIP_IF_MISSING(python(""));
  EXPECT_EQ(type(python("import nothing_like_this")), "Runtime.ImportModuleError");
  EXPECT_EQ(type(python("def handler(:")), "Runtime.UserCodeSyntaxError");
  EXPECT_EQ(type(python("x = 1")), "Runtime.HandlerNotFound");
  EXPECT_EQ(type(python("raise KeyError('k')")), "KeyError");
}

TEST_P(ProcessHostTest, SevenMegabytesAreTooLargeAndSixArePassed) {
  auto function = node("exports.handler = async (n) => 'x'.repeat(n);");
  SKIP_IF_MISSING(function);
  auto runtime = host().create(function);
  const auto large = run(*runtime, "7000000");
  EXPECT_EQ(large.payload, R"({"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size )"
                           R"(exceeded maximum allowed payload size (6291556 bytes)."})");
  EXPECT_EQ(run(*runtime, "6291554").payload.size(), 6291556u);
  EXPECT_EQ(run(*runtime, "6291555").function_error, "Unhandled");
}

TEST_P(ProcessHostTest, AFloodOfOutputIsReadBoundedAndCounted) {
  options_.output_max = 1024 * 1024;
  auto function = python(
      "import sys\n"
      "def handler(event, context):\n"
      "    line = 'x' * 99999\n"
      "    for i in range(1000):\n"
      "        sys.stdout.write(line + '\\n')\n"
      "    return 'done'\n");
  SKIP_IF_MISSING(function);
  function.timeout = Milliseconds(60'000);
  const auto outcome = run(function);
  EXPECT_EQ(outcome.payload, "\"done\"");
  EXPECT_LE(outcome.log_tail.size(), kLogTailBytes);
  EXPECT_THAT(outcome.log_tail, ContainsRegex("millrace: [0-9]+ more bytes of output were dropped"));
  EXPECT_LT(log().size(), 1200u * 1024);
}

TEST_P(ProcessHostTest, ClosedOutputDoesNotDisturb) {
  auto function = python("import os\ndef handler(event, context):\n    os.close(1); os.close(2)\n    return 'ok'\n");
  SKIP_IF_MISSING(function);
  auto runtime = host().create(function);
  EXPECT_EQ(run(*runtime).payload, "\"ok\"");
}

TEST_P(ProcessHostTest, AFunctionThatForksAnswersAndLeavesNothingBehind) {
  auto function = python(
      "import os, signal\n"
      "def handler(event, context):\n"
      "    pids = []\n"
      "    for i in range(5):\n"
      "        pid = os.fork()\n"
      "        if pid == 0:\n"
      "            os.setsid(); signal.pause(); os._exit(0)\n"
      "        pids.append(pid)\n"
      "    return pids\n");
  SKIP_IF_MISSING(function);
  const auto pids = codec::parse_json(run(function).payload);
  ASSERT_TRUE(pids.ok());
  ASSERT_EQ(pids->as_array().size(), 5u);
  host().stop();
  EXPECT_EQ(host().process_count(), 0);
  if (GetParam()) return;  // the numbers are those of the sandbox
  for (const auto& pid : pids->as_array()) EXPECT_TRUE(has_ended(static_cast<int>(pid.as_int()))) << pid.as_int();
}

TEST_P(ProcessHostTest, InvocationsAtTheSameTimeGetProcessesOfTheirOwn) {
  auto function = node(
      "exports.handler = (e) => new Promise((r) => setTimeout(r, 300, process.pid + "
      "process.hrtime.bigint().toString()));");
  SKIP_IF_MISSING(function);
  auto runtime = host().create(function);
  std::vector<std::future<Outcome>> running;
  for (int i = 0; i < 4; ++i) running.push_back(begin(*runtime, "{}", "id-" + std::to_string(i)));
  for (auto& one : running) EXPECT_EQ(one.get().function_error, "");
  const std::lock_guard lock(mutex_);
  std::sort(streams_.begin(), streams_.end());
  EXPECT_EQ(std::unique(streams_.begin(), streams_.end()) - streams_.begin(), 4);
}

TEST_P(ProcessHostTest, BeyondTheLimitOfProcessesThereIsNoCapacity) {
  options_.processes_max = 1;
  auto slow = node("exports.handler = () => new Promise((r) => setTimeout(r, 700, 1));");
  SKIP_IF_MISSING(slow);
  auto runtime = host().create(slow);
  auto first = begin(*runtime, "{}", "id-1");
  auto second = begin(*runtime, "{}", "id-2");
  EXPECT_EQ(second.get().kind, Outcome::Kind::kNoCapacity);
  EXPECT_EQ(first.get().payload, "1");
  EXPECT_EQ(run(node("exports.handler = async () => 2;")).payload, "2") << "an idle process makes room";
}

TEST_P(ProcessHostTest, StoppingKillsWhatRuns) {
  auto function = node("exports.handler = () => new Promise((r) => setTimeout(r, 100000));");
  SKIP_IF_MISSING(function);
  function.timeout = Milliseconds(100'000);
  auto runtime = host().create(function);
  auto running = begin(*runtime, "{}");
  host().stop();
  EXPECT_EQ(running.get().kind, Outcome::Kind::kStopped);
  EXPECT_EQ(run(*runtime).kind, Outcome::Kind::kStopped);
}

TEST_P(ProcessHostTest, IdleProcessesEnd) {
  options_.idle_limit = Milliseconds(50);
  auto function = node("exports.handler = async () => 1;");
  SKIP_IF_MISSING(function);
  auto runtime = host().create(function);
  EXPECT_EQ(run(*runtime).payload, "1");
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (host().process_count() > 0 && std::chrono::steady_clock::now() < give_up) std::this_thread::yield();
  EXPECT_EQ(host().process_count(), 0);
  EXPECT_GT(run(*runtime).init_duration.count(), 0);
}

TEST_P(ProcessHostTest, MemoryBeyondTheLimitKillsTheProcess) {
  auto function = python(
      "import threading\n"
      "def handler(event, context):\n"
      "    keep = []\n"
      "    while True:\n"
      "        keep.append(bytearray(16 << 20)); threading.Event().wait(0.02)\n");
  SKIP_IF_MISSING(function);
  function.memory_mb = 128;
  const auto outcome = run(function);
  EXPECT_EQ(member(outcome, "errorMessage"), "RequestId: id-1 Error: Runtime exited with error: signal: killed");
  EXPECT_GE(outcome.memory_used_mb, 100);
}

TEST_P(ProcessHostTest, CallsToAwsDoNotLeaveTheMachine) {
  auto function = node(
      "const https = require('https'), tls = require('tls');\n"
      "const failure = (e) => new Promise((r) => e.on('error', (x) => r(x.code)));\n"
      "exports.handler = async () => ({\n"
      "  https: await failure(https.get('https://bucket.s3.amazonaws.com/key')),\n"
      "  tls: await failure(tls.connect(443, 'sts.us-east-1.amazonaws.com')) });");
  SKIP_IF_MISSING(function);
  EXPECT_EQ(run(function).payload, R"({"https":"ECONNREFUSED","tls":"ENOTFOUND"})");
  auto snake = python(
      "import socket, urllib.request, urllib.error\n"
      "def handler(event, context):\n"
      "    out = []\n"
      "    try: urllib.request.urlopen('https://sqs.us-east-1.amazonaws.com/')\n"
      "    except urllib.error.URLError as e: out.append(type(e.reason).__name__)\n"
      "    try: socket.create_connection(('x.api.aws', 443))\n"
      "    except socket.gaierror as e: out.append('refused')\n"
      "    return out\n");
  SKIP_IF_MISSING(snake);
  EXPECT_EQ(run(snake).payload, R"(["ConnectionRefusedError", "refused"])");
}

// Answers every request with the Host header it had.
class EchoHost {
 public:
  EchoHost() {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    ::listen(listener_, 16);
    socklen_t size = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~EchoHost() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

 private:
  void serve() {
    for (int client = 0; (client = ::accept(listener_, nullptr, nullptr)) >= 0; ::close(client)) {
      std::string request;
      char buffer[4096];
      while (request.find("\r\n\r\n") == std::string::npos) {
        const auto count = ::read(client, buffer, sizeof buffer);
        if (count <= 0) break;
        request.append(buffer, static_cast<std::size_t>(count));
      }
      const auto at = request.find("ost: ") + 5;
      const std::string host = request.substr(at, request.find("\r\n", at) - at);
      const std::string answer =
          "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " + std::to_string(host.size()) + "\r\n\r\n" + host;
      [[maybe_unused]] const auto written = ::write(client, answer.data(), answer.size());
    }
  }
  int listener_ = -1;
  int port_ = 0;
  std::thread thread_;
};

TEST_P(ProcessHostTest, HttpsCallsToAwsArriveAtTheEndpointWithTheirHost) {
  const EchoHost endpoint;
  auto function = node(
      "const https = require('https');\n"
      "const text = (r, done) => { let s = ''; r.on('data', (c) => s += c); r.on('end', () => done(s)); };\n"
      "const get = (...a) => new Promise((done, fail) => https.get(...a, (r) => text(r, done)).on('error', fail));\n"
      "exports.handler = async () => [\n"
      "  await get('https://bucket.s3.amazonaws.com/key?x=1'),\n"
      "  await get(new URL('https://sqs.us-east-1.amazonaws.com/')),\n"
      "  await get({ host: 'dynamodb.us-east-1.amazonaws.com', port: 443, path: '/', agent: new https.Agent({}) })];");
  SKIP_IF_MISSING(function);
  function.endpoint_url = endpoint.url();
  EXPECT_EQ(run(function).payload,
            R"(["bucket.s3.amazonaws.com","sqs.us-east-1.amazonaws.com","dynamodb.us-east-1.amazonaws.com"])");
  auto snake = python(
      "import urllib.request\n"
      "def handler(event, context):\n"
      "    return urllib.request.urlopen('https://bucket.s3.amazonaws.com/key').read().decode()\n");
  SKIP_IF_MISSING(snake);
  snake.endpoint_url = endpoint.url();
  EXPECT_EQ(run(snake).payload, R"("bucket.s3.amazonaws.com")");
}

TEST_P(ProcessHostTest, ConfiguredPackagesAreFoundByRequireImportAndPython) {
  const auto modules = folder_.path() / "tools/node_modules";
  fs::create_directories(modules / "pkg");
  std::ofstream(modules / "pkg/package.json") << R"({"name":"pkg","version":"1.0.0","main":"main.js"})";
  std::ofstream(modules / "pkg/main.js") << "module.exports = { value: 42 };";
  const auto packages = folder_.path() / "tools/site-packages";
  fs::create_directories(packages);
  std::ofstream(packages / "snakepkg.py") << "value = 43\n";
  options_.node_modules = {modules.string()};
  options_.python_packages = {packages.string()};
  const auto required = node("const p = require('pkg'); exports.handler = async () => p.value;");
  SKIP_IF_MISSING(required);
  EXPECT_EQ(run(required).payload, "42");
  EXPECT_EQ(run(node("import p from 'pkg'; export const handler = async () => p.value;", "index.mjs")).payload, "42");
  const auto snake = python("import snakepkg\ndef handler(e, c):\n    return snakepkg.value\n");
  SKIP_IF_MISSING(snake);
  EXPECT_EQ(run(snake).payload, "43");
}

TEST_P(ProcessHostTest, ProvidedRuntimesRunTheirBootstrap) {
  auto function =
      spec("provided.al2023",
           "#!/usr/bin/env python3\n"
           "import os, urllib.request as u\n"
           "api = 'http://' + os.environ['AWS_LAMBDA_RUNTIME_API'] + '/2018-06-01/runtime/invocation/'\n"
           "while True:\n"
           "    r = u.urlopen(api + 'next'); body = r.read()\n"
           "    u.urlopen(api + r.headers['Lambda-Runtime-Aws-Request-Id'] + '/response', b'not json ' + body)\n",
           "bootstrap");
  const auto bootstrap = fs::path(function.code_folder) / "bootstrap";
  EXPECT_THAT(member(run(function), "errorMessage"), HasSubstr("Couldn't find valid bootstrap(s)"));
  if (::access("/usr/bin/python3", X_OK) != 0) GTEST_SKIP() << "no python3 on this machine";
  fs::permissions(bootstrap, fs::perms::owner_all);
  EXPECT_EQ(run(function, "[1]").payload, "not json [1]");
}

TEST(ProcessHostIsolation, IsDescribed) {
  TemporaryFolder folder;
  platform::ControlLoop clock;
  platform::SystemRandom random;
  ProcessHost host({.run_folder = folder.path(), .bubblewrap = false, .cgroups = false}, clock, random, interpreters(),
                   {});
  EXPECT_THAT(host.isolation(), HasSubstr("process groups"));
}

TEST(ProcessHostInterpreters, AFunctionWithoutAnInterpreterFailsWithWhatToInstall) {
  TemporaryFolder folder;
  platform::ControlLoop clock;
  platform::SystemRandom random;
  const auto none = Interpreters::of({});
  ProcessHost host({.run_folder = folder.path(), .bubblewrap = false, .cgroups = false}, clock, random, *none,
                   [](const LogLines&) {});
  auto runtime = host.create({.name = "demo", .runtime = "nodejs20.x", .handler = "index.handler"});
  std::promise<Outcome> answered;
  runtime->invoke({.request_id = "id-1", .payload = "{}"}, [&](Outcome outcome) { answered.set_value(outcome); });
  const Outcome outcome = answered.get_future().get();
  EXPECT_EQ(outcome.function_error, "Unhandled");
  EXPECT_THAT(outcome.payload,
              AllOf(HasSubstr("Runtime.NotInstalled"), HasSubstr("install the Debian package nodejs")));
}

}  // namespace
}  // namespace millrace::runtimes
