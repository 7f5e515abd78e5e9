// Starting processes and waiting for them. Only calls that are safe between vfork and exec are made there.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "base/result.h"
#include "base/time.h"

namespace millrace::runtimes::internal {

// Closes a file descriptor when destroyed.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    reset();
    fd_ = std::exchange(other.fd_, -1);
    return *this;
  }
  ~Fd() { reset(); }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  void reset();

 private:
  int fd_ = -1;
};

struct SpawnRequest {
  std::vector<std::string> arguments;    // [0] is the path of the executable
  std::vector<std::string> environment;  // NAME=value; nothing is inherited
  std::string working_folder;
  int output = -1;                      // becomes standard output and error; standard input is /dev/null
  std::vector<std::string> join_files;  // cgroup.procs files into which the child writes itself before exec
  std::uint64_t file_bytes_max = 0;     // RLIMIT_FSIZE; 0 = unlimited
  bool die_with_parent = true;          // SIGKILL when the starting thread ends
};

// Starts a process in a session (and process group) of its own. Error: kUnavailable with the system's reason, also when
// exec itself fails.
Result<pid_t> spawn(const SpawnRequest& request);

// Runs a short command with a clean environment and returns its standard output if it exits with 0 within `limit`.
// Blocks.
std::optional<std::string> run_and_read(std::vector<std::string> arguments, Milliseconds limit);

}  // namespace millrace::runtimes::internal
