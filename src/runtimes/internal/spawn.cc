#include "runtimes/internal/spawn.h"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/machine_clock.h"

namespace millrace::runtimes::internal {
namespace {

constexpr rlim_t kOpenFilesMax = 1024;  // AWS: file descriptors of a function
constexpr std::size_t kAnswerBytesMax = 64 * 1024;

// All that the child touches, prepared before vfork: afterwards nothing may allocate.
struct Prepared {
  char* const* arguments;
  char* const* environment;
  const char* working_folder;
  int output;
  int null;
  const int* joins;
  std::size_t join_count;
  rlim_t file_bytes_max;
  bool die_with_parent;
  pid_t parent;
  int* failure;  // errno of what failed, in the parent's memory
};

void set_limit(int resource, rlim_t value) {
  const rlimit limit{value, value};
  ::setrlimit(static_cast<__rlimit_resource>(resource), &limit);
}

[[noreturn]] void run_child(const Prepared& p) {
  ::setsid();
  if (p.die_with_parent) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != p.parent) ::_exit(127);  // it died before that
  }
  for (const int signal : {SIGPIPE, SIGTERM, SIGINT, SIGCHLD, SIGHUP, SIGUSR1, SIGUSR2}) ::signal(signal, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (std::size_t i = 0; i < p.join_count; ++i) {
    if (::write(p.joins[i], "0", 1) != 1) {
      *p.failure = errno;
      ::_exit(127);
    }
  }
  ::dup2(p.null, 0);
  ::dup2(p.output, 1);
  ::dup2(p.output, 2);
  ::syscall(SYS_close_range, 3U, ~0U, static_cast<unsigned>(CLOSE_RANGE_CLOEXEC));
  set_limit(RLIMIT_CORE, 0);
  set_limit(RLIMIT_NOFILE, kOpenFilesMax);
  if (p.file_bytes_max != 0) set_limit(RLIMIT_FSIZE, p.file_bytes_max);
  if (p.working_folder[0] != '\0' && ::chdir(p.working_folder) != 0) {
    *p.failure = errno;
    ::_exit(127);
  }
  ::execve(p.arguments[0], p.arguments, p.environment);
  *p.failure = errno;
  ::_exit(127);
}

// vfork, not fork: the server may have gigabytes mapped, and the parent sees at once whether exec worked. The child
// shares the parent's memory until exec, so signals are blocked meanwhile.
__attribute__((noinline)) pid_t vfork_child(const Prepared& prepared) {
  const pid_t pid = ::vfork();
  if (pid == 0) run_child(prepared);
  return pid;
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> result;
  result.reserve(strings.size() + 1);
  for (const auto& text : strings) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

}  // namespace

void Fd::reset() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Result<pid_t> spawn(const SpawnRequest& request) {
  const Fd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const auto arguments = pointers(request.arguments);
  const auto environment = pointers(request.environment);
  std::vector<Fd> joins;
  std::vector<int> join_numbers;
  for (const auto& file : request.join_files) {
    joins.emplace_back(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
    join_numbers.push_back(joins.back().get());
  }
  int failure = 0;
  const Prepared prepared{.arguments = arguments.data(),
                          .environment = environment.data(),
                          .working_folder = request.working_folder.c_str(),
                          .output = request.output,
                          .null = null.get(),
                          .joins = join_numbers.data(),
                          .join_count = join_numbers.size(),
                          .file_bytes_max = request.file_bytes_max,
                          .die_with_parent = request.die_with_parent,
                          .parent = ::getpid(),
                          .failure = &failure};
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = vfork_child(prepared);
  const int fork_error = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return Error(kUnavailable, std::string("cannot start a process: ") + std::strerror(fork_error));
  if (failure != 0) {
    ::waitpid(pid, nullptr, 0);
    return Error(kUnavailable, request.arguments[0] + ": " + std::strerror(failure));
  }
  return pid;
}

std::optional<std::string> run_and_read(std::vector<std::string> arguments, Milliseconds limit) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return std::nullopt;
  Fd read_end(ends[0]);
  Fd write_end(ends[1]);
  const auto pid = spawn({.arguments = std::move(arguments),
                          .environment = {"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "HOME=/"},
                          .working_folder = "/",
                          .output = write_end.get()});
  if (!pid.ok()) return std::nullopt;
  write_end.reset();
  std::string output;
  const platform::MachineClock clock;
  const Deadline deadline = clock.monotonic_now() + limit;
  for (char buffer[4096]; output.size() < kAnswerBytesMax;) {
    const auto left = std::chrono::duration_cast<Milliseconds>(deadline - clock.monotonic_now()).count();
    pollfd waiting{read_end.get(), POLLIN, 0};
    if (left <= 0 || ::poll(&waiting, 1, static_cast<int>(left)) <= 0) break;
    const auto count = ::read(read_end.get(), buffer, sizeof buffer);
    if (count <= 0) break;
    output.append(buffer, static_cast<std::size_t>(count));
  }
  if (clock.monotonic_now() >= deadline) ::kill(-*pid, SIGKILL);
  int status = 0;
  ::waitpid(*pid, &status, 0);
  ::kill(-*pid, SIGKILL);  // whatever it left behind
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return std::nullopt;
  return output;
}

}  // namespace millrace::runtimes::internal
