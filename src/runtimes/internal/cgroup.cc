#include "runtimes/internal/cgroup.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>

#include <sys/stat.h>
#include <unistd.h>

namespace millrace::runtimes::internal {
namespace {

constexpr const char* kMemoryV1 = "/sys/fs/cgroup/memory";
constexpr const char* kPidsV1 = "/sys/fs/cgroup/pids";

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

bool write_file(const std::string& path, const std::string& text) {
  std::ofstream out(path);
  out << text << std::flush;
  return out.good();
}

std::optional<std::string> read_file(const std::string& path) {
  std::ifstream in(path);
  if (!in) return std::nullopt;
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

constexpr std::string_view kNamePrefix = "millrace-";

std::string own_name() { return std::string(kNamePrefix) + std::to_string(::getpid()); }

// Groups of servers that were killed: empty by now, as their processes died with them.
void remove_leftovers(const std::string& root) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(root, ignored)) {
    const auto name = entry.path().filename().string();
    if (!name.starts_with(kNamePrefix)) continue;
    const auto pid = std::atoi(name.c_str() + kNamePrefix.size());
    if (pid <= 0 || ::kill(pid, 0) == 0 || errno != ESRCH) continue;
    for (const auto& sandbox : std::filesystem::directory_iterator(entry.path(), ignored)) {
      if (sandbox.is_directory(ignored)) ::rmdir(sandbox.path().c_str());
    }
    ::rmdir(entry.path().c_str());
  }
}

bool make_folder(const std::string& path) { return ::mkdir(path.c_str(), 0755) == 0 || errno == EEXIST; }

// The folders a unified hierarchy offers: our own group, then its parent (a group with processes in it cannot hand
// controllers to its children).
std::vector<std::string> unified_candidates() {
  const auto text = read_file("/proc/self/cgroup").value_or("");
  const auto at = text.find("0::");
  if (at == std::string::npos || !exists("/sys/fs/cgroup/cgroup.controllers")) return {};
  std::string own = "/sys/fs/cgroup" + text.substr(at + 3, text.find('\n', at) - at - 3);
  while (own.ends_with('/')) own.pop_back();
  std::vector<std::string> found{own};
  if (own.size() > std::strlen("/sys/fs/cgroup")) found.push_back(own.substr(0, own.rfind('/')));
  return found;
}

}  // namespace

bool Cgroup::remove() const {
  bool removed = true;
  for (const auto& folder : folders_) removed = (::rmdir(folder.c_str()) == 0 || errno == ENOENT) && removed;
  return removed;
}

std::vector<std::string> Cgroup::join_files() const {
  std::vector<std::string> files;
  for (const auto& folder : folders_) files.push_back(folder + "/cgroup.procs");
  return files;
}

std::optional<std::uint64_t> Cgroup::peak_bytes() const {
  const auto text = read_file(folders_[0] + (version2_ ? "/memory.peak" : "/memory.max_usage_in_bytes"));
  if (!text || text->empty()) return std::nullopt;
  return std::strtoull(text->c_str(), nullptr, 10);
}

void Cgroup::kill_all() const {
  std::istringstream members(read_file(folders_[0] + "/cgroup.procs").value_or(""));
  for (pid_t pid = 0; members >> pid;) {
    if (pid > 1) ::kill(pid, SIGKILL);
  }
}

Cgroups::Cgroups() {
  if (exists(std::string(kMemoryV1) + "/memory.limit_in_bytes")) {
    for (const char* root : {kMemoryV1, kPidsV1}) {
      const std::string folder = std::string(root) + "/" + own_name();
      remove_leftovers(root);
      if (make_folder(folder)) roots_.push_back(folder);
    }
    if (!roots_.empty() && !roots_[0].starts_with(kMemoryV1)) roots_.clear();
    if (!roots_.empty()) return;
  }
  for (const auto& candidate : unified_candidates()) {
    const std::string folder = candidate + "/" + own_name();
    remove_leftovers(candidate);
    if (!make_folder(folder)) continue;
    if (!exists(folder + "/memory.max")) write_file(candidate + "/cgroup.subtree_control", "+memory +pids");
    if (exists(folder + "/memory.max") && write_file(folder + "/cgroup.subtree_control", "+memory +pids")) {
      roots_.push_back(folder);
      version2_ = true;
      return;
    }
    ::rmdir(folder.c_str());
  }
}

Cgroups::~Cgroups() {
  for (const auto& root : roots_) ::rmdir(root.c_str());
}

std::string Cgroups::label() const {
  if (!available()) return "no cgroups";
  return version2_            ? "cgroup v2 (memory, pids)"
         : roots_.size() == 2 ? "cgroup v1 (memory, pids)"
                              : "cgroup v1 (memory)";
}

std::unique_ptr<Cgroup> Cgroups::create(const std::string& name, std::uint64_t memory_bytes, int processes_max) const {
  if (!available()) return nullptr;
  std::vector<std::string> folders;
  for (const auto& root : roots_) folders.push_back(root + "/" + name);
  for (const auto& folder : folders) {
    if (!make_folder(folder)) return nullptr;
  }
  auto group = std::make_unique<Cgroup>(folders, version2_);
  const std::string limit = std::to_string(memory_bytes);
  const bool limited = write_file(folders[0] + (version2_ ? "/memory.max" : "/memory.limit_in_bytes"), limit);
  if (!limited) {
    group->remove();
    return nullptr;
  }
  if (version2_) write_file(folders[0] + "/memory.swap.max", "0");  // absent without swap accounting
  if (version2_ || folders.size() == 2) write_file(folders.back() + "/pids.max", std::to_string(processes_max));
  return group;
}

}  // namespace millrace::runtimes::internal
