#include "storage/rocks/data_directory.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <unistd.h>

#include "codec/json.h"
#include "storage/store.h"
#include "storage/sync_directory.h"

namespace millrace::storage {

namespace {

constexpr std::string_view kVersionFile = "/millrace.json";
constexpr std::string_view kLockFile = "/lock";
constexpr std::string_view kBackupFile = "/backup.json";
constexpr std::size_t kSmallFileBytes = 4096;

Error refused(const std::string& path, const std::string& why) {
  return {kStorageFailed, "The data directory " + path + " " + why};
}

std::string reason() { return std::strerror(errno); }

// The file's first kSmallFileBytes; nullopt with errno when it cannot be read.
std::optional<std::string> read_small_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  std::string text(kSmallFileBytes, '\0');
  const ssize_t size = ::read(fd, text.data(), text.size());
  const int error = errno;
  ::close(fd);
  errno = error;
  if (size < 0) return std::nullopt;
  text.resize(static_cast<std::size_t>(size));
  return text;
}

bool write_all(int fd, std::string_view text) {
  return ::ftruncate(fd, 0) == 0 && ::pwrite(fd, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
}

Result<void> write_version_file(const std::string& path) {
  const std::string text = "{\"format\":" + std::to_string(kDataFormat) + "}\n";
  if (!write_durably(path + std::string(kVersionFile), text)) return refused(path, "is not writable: " + reason());
  return {};
}

// The lowest directory above `path` that is there.
std::filesystem::path existing_parent(const std::string& path) {
  std::error_code ignored;
  std::filesystem::path parent = std::filesystem::absolute(path, ignored).lexically_normal();
  while (parent.has_relative_path() && !std::filesystem::exists(parent, ignored)) parent = parent.parent_path();
  return parent;
}

// That a new directory is there survives a power cut once the one above it is synced, up to one that was there.
Result<void> sync_parents(const std::string& path, const std::filesystem::path& deepest) {
  std::error_code ignored;
  std::filesystem::path made = std::filesystem::absolute(path, ignored).lexically_normal();
  if (!made.has_filename()) made = made.parent_path();
  while (made != deepest && made.has_relative_path()) {
    made = made.parent_path();
    if (!sync_directory(made.string())) return refused(path, "cannot be made to last: " + reason());
  }
  return {};
}

Result<int> check_version(const std::string& path, const std::string& text) {
  const auto json = codec::parse_json(text);
  const codec::Json* format = json.ok() ? json->find("format") : nullptr;
  if (format == nullptr || !format->is_int() || format->as_int() < 1) {
    return refused(path,
                   "is damaged: its file millrace.json does not hold a format number. If the rest is intact, "
                   "write {\"format\":" +
                       std::to_string(kDataFormat) + "} into it; else restore a backup");
  }
  if (format->as_int() > kDataFormat) {
    return refused(path, "was written by a newer version of millrace (format " + std::to_string(format->as_int()) +
                             ", this one knows " + std::to_string(kDataFormat) +
                             "). Use that version, or another directory with --data");
  }
  return static_cast<int>(format->as_int());
}

bool holds_other_files(const std::string& path) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(path, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name != "lock" && "/" + name != std::string(kVersionFile) + std::string(kUnfinished)) return true;
  }
  return false;
}

Result<void> refuse_half_restored(const std::string& path) {
  const auto backup = read_small_file(path + "/" + kRestoring);
  if (!backup) return {};
  return refused(path, "is what an interrupted restore has left. Remove it, and restore again: millrace restore " +
                           backup->substr(0, backup->find('\n')) + " --data " + path);
}

bool has_version_file(const std::string& path) {
  std::error_code unreadable;  // is there, for all we know
  return std::filesystem::exists(path + std::string(kVersionFile), unreadable) || unreadable;
}

// The number in the lock file belongs to nobody any more.
bool is_left_behind(const std::string& file) {
  const int process = std::atoi(read_small_file(file).value_or("").c_str());
  return process > 0 && ::kill(process, 0) != 0 && errno == ESRCH;
}

// False, with errno: somebody else has it. A server that was killed while it started a function leaves its lock to the
// function's process for the moment until that is executed: waited for, up to 3 s.
bool lock(int fd, const std::string& file, int operation) {
  constexpr int kWaitMs = 10;
  for (int left = 3000;; left -= kWaitMs) {
    if (::flock(fd, operation | LOCK_NB) == 0) return true;
    const int error = errno;
    if (error != EWOULDBLOCK || left <= 0 || !is_left_behind(file)) {
      errno = error;
      return false;
    }
    ::poll(nullptr, 0, kWaitMs);
  }
}

Result<int> take_lock(const std::string& path, std::string_view command) {
  const std::string file = path + std::string(kLockFile);
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return refused(path, "is not writable: " + reason());
  if (!lock(fd, file, LOCK_EX)) {
    const int error = errno;
    ::close(fd);
    if (error != EWOULDBLOCK) return refused(path, std::string("cannot be locked: ") + std::strerror(error));
    const std::string holder = read_small_file(file).value_or("");
    const std::size_t space = holder.find(' ');
    if (space == std::string::npos) return refused(path, "is in use by another process");
    return refused(path, "is in use by process " + holder.substr(0, space) + " (" + holder.substr(space + 1) +
                             "). Stop it, or use another directory with --data");
  }
  if (!write_all(fd, std::to_string(::getpid()) + ' ' + std::string(command))) {
    const std::string why = reason();
    ::close(fd);
    return refused(path, "is not writable: " + why);
  }
  return fd;
}

}  // namespace

Result<std::unique_ptr<DataDirectory>> DataDirectory::open(const std::string& path, std::string_view command) {
  std::error_code error;
  const std::filesystem::path deepest = existing_parent(path);
  if (std::filesystem::create_directories(path, error)) {
    std::filesystem::permissions(path, std::filesystem::perms::owner_all, error);
    MR_RETURN_IF_ERROR(sync_parents(path, deepest));
  }
  if (error || !std::filesystem::is_directory(path)) {
    return refused(path, "cannot be created: " + (error ? error.message() : "a file of that name is in the way"));
  }
  MR_RETURN_IF_ERROR(refuse_half_restored(path));
  // Before anything is written. In this order: a directory that is being made this moment has its version file first.
  if (holds_other_files(path) && !has_version_file(path)) {
    return refused(path, "holds files that are not millrace's (there is no millrace.json). Use an empty one");
  }
  MR_ASSIGN_OR_RETURN(const int lock, take_lock(path, command));
  std::unique_ptr<DataDirectory> directory(new DataDirectory(path, lock));
  if (std::filesystem::exists(path + std::string(kBackupFile))) {
    return refused(path, "is a backup. Make a data directory of it with: millrace restore " + path + " --data DIR");
  }
  const auto version = read_small_file(path + std::string(kVersionFile));
  if (version) {
    MR_ASSIGN_OR_RETURN(directory->format_, check_version(path, *version));
  } else if (errno != ENOENT) {
    return refused(path, "is not readable: " + reason());
  } else {
    MR_RETURN_IF_ERROR(write_version_file(path));
  }
  return directory;
}

Result<std::unique_ptr<DataDirectory>> DataDirectory::look(const std::string& path) {
  MR_RETURN_IF_ERROR(refuse_half_restored(path));
  const auto version = read_small_file(path + std::string(kVersionFile));
  if (!version) return refused(path, "is none: it has no readable file millrace.json");
  MR_ASSIGN_OR_RETURN(const int format, check_version(path, *version));
  const std::string lock_file = path + std::string(kLockFile);
  const int lock_fd = ::open(lock_file.c_str(), O_RDONLY | O_CLOEXEC);
  std::unique_ptr<DataDirectory> directory(new DataDirectory(path, lock_fd));
  directory->format_ = format;
  if (lock_fd >= 0 && !lock(lock_fd, lock_file, LOCK_SH)) {
    return refused(path, "is in use by process " + read_small_file(lock_file).value_or("") +
                             ". Stop it first, or make a backup and look at that");
  }
  return directory;
}

Result<void> DataDirectory::upgraded() {
  MR_RETURN_IF_ERROR(write_version_file(path_));
  format_ = kDataFormat;
  return {};
}

DataDirectory::~DataDirectory() {
  if (lock_fd_ >= 0) ::close(lock_fd_);
}

Result<std::string> DataDirectory::directory(std::string_view name) const {
  const std::string path = path_ + "/" + std::string(name);
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return refused(path_, "is not writable: " + error.message());
  return path;
}

}  // namespace millrace::storage
