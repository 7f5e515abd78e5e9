// Functions as local processes behind the Lambda Runtime API (2018-06-01).
//
// One thread owns all of it: listeners (one loopback port per process, which is how a caller is told from another),
// process starts and ends, deadlines, captured output. Each function version has a warm pool: an invocation takes the
// process used last, or starts one; idle processes end after a while. Deadlines and idle times are machine time.
//
//   invoke -> idle process? -> answer its pending GET .../next     (START line)
//          -> else start one (bubblewrap, cgroup, rlimits)         (INIT_START line)
//   POST .../response|error -> drain output -> END, REPORT -> done
//   deadline -> SIGKILL to the whole process group and cgroup -> Sandbox.Timedout
//   exit -> Runtime.ExitError
//
// Processes are not frozen between invocations: timers of an idle function keep firing (AWS freezes them). A process
// never outlives the server: it is killed at stop, and by the kernel if the server dies.
//
// Isolation is what the machine offers, probed once at the first start; `isolation()` says it. With bubblewrap a
// process sees the system read-only, its code read-only at /var/task, a private /tmp, no other processes and no home
// folders.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "platform/clock.h"
#include "platform/random.h"
#include "runtimes/interpreters.h"
#include "runtimes/runtime.h"

namespace millrace::runtimes {

struct HostOptions {
  std::filesystem::path run_folder;          // bootstraps and private /tmp folders; emptied at start
  std::vector<std::string> node_modules;     // folders that provide aws-sdk and @aws-sdk/*, appended to NODE_PATH
  std::vector<std::string> python_packages;  // folders that provide boto3, appended to PYTHONPATH
  int processes_max = 100;                   // of all functions together; further invocations get kNoCapacity
  Milliseconds init_limit{10'000};           // AWS: 10 s, after which the start is tried once more within the timeout
  Milliseconds idle_limit{5 * 60'000};       // of an unused process
  std::size_t output_max = 8 * 1024 * 1024;  // bytes of output kept per invocation; the rest is read and dropped
  bool bubblewrap = true;                    // false: do not even try
  bool cgroups = true;                       // false: do not even try
};

class ProcessHost final : public RuntimeFactory {
 public:
  // Starts the thread. `clock`, `random`, `interpreters` outlive this object; `log` is called on its thread.
  ProcessHost(HostOptions options, platform::Clock& clock, platform::Random& random, Interpreters& interpreters,
              LogSink log);
  ~ProcessHost() override;  // stop()

  std::shared_ptr<Runtime> create(FunctionSpec spec) override;
  std::string describe(std::string_view runtime) override;
  // Kills every process and waits until they have ended; unanswered invocations get kStopped. Idempotent.
  void stop();
  // "bubblewrap 0.8.0, cgroup v1 (memory, pids)" or what takes their place. Probes on first use (about 20 ms).
  std::string isolation();
  int process_count() const;

  class Impl;

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace millrace::runtimes
