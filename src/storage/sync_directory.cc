#include "storage/sync_directory.h"

#include <cerrno>

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

}  // namespace millrace::storage
