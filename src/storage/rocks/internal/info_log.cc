#include "storage/rocks/internal/info_log.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/time.h"

namespace millrace::storage {

InfoLog::InfoLog(std::string path) : Logger(rocksdb::InfoLogLevel::WARN_LEVEL), path_(std::move(path)) {}

InfoLog::~InfoLog() {
  if (fd_ >= 0) ::close(fd_);
}

// REQUIRES: mutex_ held.
bool InfoLog::ready(std::size_t bytes) {
  if (fd_ < 0) {
    fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    struct stat found {};
    if (fd_ < 0 || ::fstat(fd_, &found) != 0) return false;
    bytes_ = static_cast<std::size_t>(found.st_size);
  }
  if (bytes_ + bytes <= kInfoLogBytesMax) return true;
  if (::ftruncate(fd_, 0) != 0) return false;
  bytes_ = 0;
  return true;
}

void InfoLog::Logv(const char* format, std::va_list arguments) {
  if (path_.empty()) return;
  char text[2000];
  const int length = std::vsnprintf(text, sizeof(text) - 1, format, arguments);
  if (length <= 0) return;
  const Time now = from_unix_ms(static_cast<std::int64_t>(rocksdb::Env::Default()->NowMicros() / 1000));
  std::string line = format_iso_ms(now) + ' ';
  line.append(text, std::min(static_cast<std::size_t>(length), sizeof(text) - 2));
  if (line.back() != '\n') line += '\n';
  const std::lock_guard lock(mutex_);
  if (!ready(line.size())) return;
  if (const ssize_t written = ::write(fd_, line.data(), line.size()); written > 0)
    bytes_ += static_cast<std::size_t>(written);
}

}  // namespace millrace::storage
