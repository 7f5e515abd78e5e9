#include "storage/sync_directory.h"

#include <cerrno>
#include <cstdio>

#include <fcntl.h>
#include <unistd.h>

namespace millrace::storage {

bool sync_directory(const std::string& path) {
  const int fd = ::open(path.empty() ? "." : path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool synced = ::fsync(fd) == 0;
  const int why = errno;
  ::close(fd);
  errno = why;
  return synced;
}

namespace {

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return true;
}

}  // namespace

bool write_durably(const std::string& path, std::string_view bytes) {
  const std::string unfinished = path + std::string(kUnfinished);
  ::unlink(unfinished.c_str());
  const int fd = ::open(unfinished.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  const bool written = write_all(fd, bytes) && ::fsync(fd) == 0;
  int why = errno;
  ::close(fd);
  if (written && ::rename(unfinished.c_str(), path.c_str()) == 0) {
    return sync_directory(path.substr(0, path.rfind('/') + 1));  // "" is the working directory
  }
  if (written) why = errno;
  ::unlink(unfinished.c_str());
  errno = why;
  return false;
}

}  // namespace millrace::storage
