#include "recorder.h"

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <map>
#include <mutex>
#include <optional>

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace millrace::powercut {
namespace {

using Kind = Operation::Kind;

struct Open {
  int id = -1;  // -1: a directory
  std::string path;
  std::uint64_t offset = 0;
  bool append = false;
};

struct Recording {
  std::mutex mutex;
  std::string folder;  // empty: nothing is recorded
  std::vector<Operation> operations;
  std::map<std::string, int> ids;  // of the names as they are now
  std::map<int, Open> open;        // by descriptor
  int last_id = -1;
};

// Never destroyed: files are closed after main() as well.
Recording& recording() {
  static auto* const one = new Recording;
  return *one;
}

// `name` below the folder, or nothing.
std::optional<std::string> below(const Recording& now, const char* name) {
  if (now.folder.empty() || name == nullptr) return std::nullopt;
  std::string path;
  for (const char* at = name; *at != '\0'; ++at) {
    if (*at != '/' || path.empty() || path.back() != '/') path += *at;
  }
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  if (path == now.folder) return "";
  if (!path.starts_with(now.folder + "/")) return std::nullopt;
  return path.substr(now.folder.size() + 1);
}

void add(Recording& now, Operation operation) { now.operations.push_back(std::move(operation)); }

int open_recorded(const char* name, int flags, mode_t mode) {
  Recording& now = recording();
  const std::lock_guard lock(now.mutex);
  const auto path = below(now, name);
  const bool existed = path && now.ids.count(*path) > 0;
  const int fd = static_cast<int>(::syscall(SYS_openat, AT_FDCWD, name, flags, mode));
  if (!path || fd < 0) return fd;
  struct stat found {};
  if (::fstat(fd, &found) == 0 && S_ISDIR(found.st_mode)) {
    now.open[fd] = {-1, *path};
    return fd;
  }
  if ((flags & O_ACCMODE) == O_RDONLY && !existed) return fd;
  if (!existed) {
    now.ids[*path] = ++now.last_id;
    add(now, {Kind::kCreate, now.last_id, 0, *path, {}, {}});
  }
  const int id = now.ids[*path];
  if (existed && (flags & O_TRUNC) != 0) add(now, {Kind::kTruncate, id, 0, {}, {}, {}});
  now.open[fd] = {id, *path, 0, (flags & O_APPEND) != 0};
  return fd;
}

// The recorded file behind a descriptor, or nullptr.
Open* opened(Recording& now, int fd) {
  const auto found = now.open.find(fd);
  return now.folder.empty() || found == now.open.end() ? nullptr : &found->second;
}

int synced(int fd, long call) {
  Recording& now = recording();
  const std::lock_guard lock(now.mutex);
  const int result = static_cast<int>(::syscall(call, fd));
  const Open* file = opened(now, fd);
  if (result == 0 && file != nullptr && file->id >= 0) add(now, {Kind::kSync, file->id, 0, {}, {}, {}});
  if (result == 0 && file != nullptr && file->id < 0) add(now, {Kind::kSyncNames, -1, 0, file->path, {}, {}});
  return result;
}

int unlinked(const char* name, bool directory) {
  Recording& now = recording();
  const std::lock_guard lock(now.mutex);
  const auto path = below(now, name);
  const int result = static_cast<int>(::syscall(directory ? SYS_rmdir : SYS_unlink, name));
  if (result != 0 || !path) return result;
  now.ids.erase(*path);
  add(now, {directory ? Kind::kRemoveDirectory : Kind::kUnlink, -1, 0, *path, {}, {}});
  return result;
}

int named(const char* from, const char* to, long call) {
  Recording& now = recording();
  const std::lock_guard lock(now.mutex);
  const auto path = below(now, from);
  const auto target = below(now, to);
  const int result = static_cast<int>(::syscall(call, from, to));
  if (result != 0 || !path || !target) return result;
  if (const auto found = now.ids.find(*path); found != now.ids.end()) {
    now.ids[*target] = found->second;
    if (call == SYS_rename) now.ids.erase(*path);
  }
  add(now, {call == SYS_rename ? Kind::kRename : Kind::kLink, -1, 0, *path, *target, {}});
  return result;
}

// Where a name relative to a directory's descriptor lies.
std::string resolved(int directory, const char* name) {
  if (name[0] == '/' || directory == AT_FDCWD) return name;
  char path[PATH_MAX];
  const std::string link = "/proc/self/fd/" + std::to_string(directory);
  const ssize_t size = ::readlink(link.c_str(), path, sizeof path);
  return size <= 0 ? name : std::string(path, static_cast<std::size_t>(size)) + "/" + name;
}

}  // namespace

void start_recording(const std::string& folder) {
  Recording& now = recording();
  const std::lock_guard lock(now.mutex);
  now.operations.clear();
  now.ids.clear();
  now.open.clear();
  now.folder = folder;
}

std::vector<Operation> stop_recording() {
  Recording& now = recording();
  const std::lock_guard lock(now.mutex);
  now.folder.clear();
  return std::move(now.operations);
}

void note(std::string what, std::uint64_t number) {
  Recording& now = recording();
  const std::lock_guard lock(now.mutex);
  if (!now.folder.empty()) add(now, {Kind::kNote, -1, number, {}, {}, std::move(what)});
}

}  // namespace millrace::powercut

// The calls of libc, for this program and the shared libraries it uses.
extern "C" {

using millrace::powercut::Operation;
using millrace::powercut::recording;

int open(const char* name, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(more, mode_t) : 0;
  va_end(more);
  return millrace::powercut::open_recorded(name, flags, mode);
}

int openat(int directory, const char* name, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(more, mode_t) : 0;
  va_end(more);
  return millrace::powercut::open_recorded(millrace::powercut::resolved(directory, name).c_str(), flags, mode);
}

int close(int fd) {
  auto& now = recording();
  const std::lock_guard lock(now.mutex);
  now.open.erase(fd);
  return static_cast<int>(::syscall(SYS_close, fd));
}

ssize_t write(int fd, const void* bytes, size_t count) {
  auto& now = recording();
  const std::lock_guard lock(now.mutex);
  const ssize_t written = ::syscall(SYS_write, fd, bytes, count);
  auto* const file = millrace::powercut::opened(now, fd);
  if (written <= 0 || file == nullptr || file->id < 0) return written;
  std::uint64_t at = file->offset;
  if (file->append)
    at = static_cast<std::uint64_t>(::syscall(SYS_lseek, fd, 0, SEEK_CUR)) - static_cast<std::uint64_t>(written);
  file->offset = at + static_cast<std::uint64_t>(written);
  add(now, {Operation::Kind::kWrite,
            file->id,
            at,
            {},
            {},
            std::string(static_cast<const char*>(bytes), static_cast<size_t>(written))});
  return written;
}

ssize_t pwrite(int fd, const void* bytes, size_t count, off_t offset) {
  auto& now = recording();
  const std::lock_guard lock(now.mutex);
  const ssize_t written = ::syscall(SYS_pwrite64, fd, bytes, count, offset);
  const auto* const file = millrace::powercut::opened(now, fd);
  if (written > 0 && file != nullptr && file->id >= 0) {
    add(now, {Operation::Kind::kWrite,
              file->id,
              static_cast<std::uint64_t>(offset),
              {},
              {},
              std::string(static_cast<const char*>(bytes), static_cast<size_t>(written))});
  }
  return written;
}

int ftruncate(int fd, off_t size) noexcept {
  auto& now = recording();
  const std::lock_guard lock(now.mutex);
  const int result = static_cast<int>(::syscall(SYS_ftruncate, fd, size));
  const auto* const file = millrace::powercut::opened(now, fd);
  if (result == 0 && file != nullptr && file->id >= 0) {
    add(now, {Operation::Kind::kTruncate, file->id, static_cast<std::uint64_t>(size), {}, {}, {}});
  }
  return result;
}

int fsync(int fd) { return millrace::powercut::synced(fd, SYS_fsync); }
int fdatasync(int fd) { return millrace::powercut::synced(fd, SYS_fdatasync); }
int unlink(const char* name) noexcept { return millrace::powercut::unlinked(name, false); }
int rmdir(const char* name) noexcept { return millrace::powercut::unlinked(name, true); }
int unlinkat(int directory, const char* name, int flags) noexcept {
  return millrace::powercut::unlinked(millrace::powercut::resolved(directory, name).c_str(),
                                      (flags & AT_REMOVEDIR) != 0);
}
int remove(const char* name) noexcept {
  const int result = unlink(name);
  return result != 0 && (errno == EISDIR || errno == EPERM) ? rmdir(name) : result;
}
int rename(const char* from, const char* to) noexcept { return millrace::powercut::named(from, to, SYS_rename); }
int link(const char* from, const char* to) noexcept { return millrace::powercut::named(from, to, SYS_link); }

int mkdir(const char* name, mode_t mode) noexcept {
  auto& now = recording();
  const std::lock_guard lock(now.mutex);
  const int result = static_cast<int>(::syscall(SYS_mkdir, name, mode));
  const auto path = millrace::powercut::below(now, name);
  if (result == 0 && path) add(now, {Operation::Kind::kMakeDirectory, -1, 0, *path, {}, {}});
  return result;
}

}  // extern "C"
