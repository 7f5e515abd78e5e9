// The program: parses the command line (cli) and starts servers (app/server.h).
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <tuple>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/backup.h"
#include "app/check.h"
#include "app/config.h"
#include "app/doctor.h"
#include "app/internal/parts.h"
#include "app/server.h"
#include "cli/cli.h"
#include "runtimes/preload.h"
#include "stacks/template.h"

// The program's allocator is jemalloc (CMakeLists.txt), which reads this before main: a long load of items leaves the
// arenas of glibc's in pieces, as blocks of the cache are of many sizes and given back by other threads than took them.
// Freed pages go back to the system after a second, so that memory stays within the bounds of docs/limits.md.
extern "C" {
extern const char* malloc_conf;
const char* malloc_conf = "narenas:2,dirty_decay_ms:1000,muzzy_decay_ms:0";
}

namespace {

using namespace millrace;

constexpr Milliseconds kStopLimit = std::chrono::seconds(10);

Result<app::Config> config_of(const cli::ServeOptions& options) {
  app::Config config;
  if (!options.config.empty()) MR_RETURN_IF_ERROR(app::load_config(options.config, config));
  if (!options.address.empty()) config.address = options.address;
  if (options.port >= 0) config.port = static_cast<std::uint16_t>(options.port);
  if (!options.data.empty()) config.data = options.data;
  if (!options.durability.empty()) config.durable = options.durability == "synced";
  if (!options.log_level.empty()) config.log_level = options.log_level;
  if (options.threads > 0) config.threads = static_cast<unsigned>(options.threads);
  for (const auto& [text, target, name] : {std::tuple(&options.memory, &config.memory, "--memory"),
                                           std::tuple(&options.reserve, &config.reserve, "--reserve")}) {
    if (text->empty()) continue;
    const auto size = app::parse_size(*text);
    if (!size) return Error(app::kBadConfiguration, std::string(name) + " " + *text + " is no size such as 256MiB");
    *target = *size;
  }
  for (const std::string& type : options.skip_types) config.skipped_types.push_back(type);
  config.accept_lost_writes = options.accept_lost_writes;
  config.ephemeral = config.ephemeral || options.ephemeral;
  config.allow_anyone = config.allow_anyone || options.allow_anyone;
  config.aws_timing = config.aws_timing || options.aws_timing;
  return config;
}

int complain(const Error& error) {
  std::cerr << "millrace: " << error.message() << '\n';
  return cli::kFailed;
}

// SIGTERM, SIGINT and SIGHUP are blocked in every thread and taken by sigwait here; a second one ends the process at
// once.
sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  return set;
}

int wait_for_signal(const sigset_t& set) {
  int signal = 0;
  sigwait(&set, &signal);
  return signal;
}

int serve(const cli::ServeOptions& options) {
  ::signal(SIGPIPE, SIG_IGN);
  const sigset_t set = stop_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  auto config = config_of(options);
  if (!config.ok()) return complain(config.error());
  auto server = app::Server::start(*config, "millrace serve --port " + std::to_string(config->port));
  if (!server.ok()) return complain(server.error());
  std::cout << "millrace " << app::kVersion << " listening on " << (*server)->endpoint() << ", data in "
            << (*server)->config().data.string() << std::endl;
  wait_for_signal(set);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  (*server)->stop(kStopLimit);
  return cli::kDone;
}

// Runs `command` with the server's exports in its environment; its exit status, 128 + signal, or 127 when it cannot be
// run.
int run_command(const app::Server& server, const std::vector<std::string>& command) {
  const std::pair<const char*, std::string> exports[] = {{"AWS_ENDPOINT_URL", server.endpoint()},
                                                         {"MILLRACE_ENDPOINT", server.endpoint()},
                                                         {"AWS_REGION", "us-east-1"},
                                                         {"AWS_DEFAULT_REGION", "us-east-1"},
                                                         {"AWS_ACCESS_KEY_ID", "000000000000"},
                                                         {"AWS_SECRET_ACCESS_KEY", "test"}};
  for (const auto& [name, value] : exports) ::setenv(name, value.c_str(), 1);
  for (const char* name : {"AWS_PROFILE", "AWS_SESSION_TOKEN"}) ::unsetenv(name);
  std::vector<char*> arguments;
  for (const auto& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  pid_t child = 0;
  const int failed = ::posix_spawnp(&child, arguments[0], nullptr, &attributes, arguments.data(), environ);
  posix_spawnattr_destroy(&attributes);
  if (failed != 0) {
    std::cerr << "millrace: cannot run " << command[0] << ": " << std::strerror(failed) << '\n';
    return 127;
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int run(const cli::ServeOptions& options, const std::vector<std::string>& command) {
  ::signal(SIGPIPE, SIG_IGN);
  const sigset_t set = stop_signals();
  auto config = config_of(options);
  if (!config.ok()) return complain(config.error());
  config->port = 0;
  config->ephemeral = true;
  if (options.log_level.empty()) config->log_level = "warning";
  // The command gets Ctrl-C from the terminal itself; we go on until it has ended.
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  auto server = app::Server::start(*config, "millrace run");
  if (!server.ok()) return complain(server.error());
  const int status = run_command(**server, command);
  (*server)->stop(kStopLimit);
  return status;
}

std::string examine(const cli::ServeOptions& options) {
  auto config = config_of(options);
  if (!config.ok())
    return codec::Json::object(
               {{"checks", codec::Json::array({codec::Json::object(
                               {{"what", "configuration"}, {"found", config.error().message()}, {"ok", false}})})}})
        .dump();
  return app::doctor(*config, nullptr).dump();
}

}  // namespace

int main(int argc, char** argv) {
  cli::Callbacks callbacks;
  callbacks.serve = serve;
  callbacks.run = run;
  callbacks.doctor = examine;
  callbacks.hook = runtimes::preload_hook;
  callbacks.restore = app::restore_backup;
  callbacks.check = app::check_directory;
  callbacks.read_template = stacks::parse_template;
  callbacks.version = app::kVersion;
  return cli::run(argc, argv, callbacks);
}
