// Limits of memory and processes by control groups, version 1 or 2, where this process may create them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace millrace::runtimes::internal {

// The group of one sandbox.
class Cgroup {
 public:
  Cgroup(std::vector<std::string> folders, bool version2) : folders_(std::move(folders)), version2_(version2) {}
  Cgroup(const Cgroup&) = delete;
  Cgroup& operator=(const Cgroup&) = delete;

  // The files a starting process writes itself into.
  std::vector<std::string> join_files() const;
  // The peak of memory use in bytes, if the kernel tells it.
  std::optional<std::uint64_t> peak_bytes() const;
  // SIGKILL to every member, also those that left the process group.
  void kill_all() const;
  // Removes the group. False while members have not quite ended; to be tried again.
  bool remove() const;

 private:
  std::vector<std::string> folders_;  // [0] has the memory controller
  bool version2_;
};

class Cgroups {
 public:
  // Probes. Creates a folder for this server below its own group (version 2) or below the controllers' roots (1).
  Cgroups();
  ~Cgroups();
  bool available() const { return !roots_.empty(); }
  std::string label() const;  // "cgroup v1 (memory, pids)"
  // nullptr when not available or refused by the system.
  std::unique_ptr<Cgroup> create(const std::string& name, std::uint64_t memory_bytes, int processes_max) const;

 private:
  std::vector<std::string> roots_;
  bool version2_ = false;
};

}  // namespace millrace::runtimes::internal
