#include "storage/rocks/internal/nowait_file_system.h"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "storage/no_blocking.h"

namespace millrace::storage {

namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

// RocksDB reads no table file with this status, and treats no read that ended with it in a way of its own.
IOStatus refusal() { return IOStatus::Busy("not in memory"); }

IOStatus failed(const char* what, const std::string& name) {
  return IOStatus::IOError(std::string(what) + " " + name, std::strerror(errno));
}

// A file of the machine, or of one that somebody stands before (faults and recordings in tests): that one then reads
// whatever may wait.
class NowaitFile final : public rocksdb::FSRandomAccessFile {
 public:
  NowaitFile(std::string name, int fd, std::unique_ptr<rocksdb::FSRandomAccessFile> other)
      : name_(std::move(name)), fd_(fd), other_(std::move(other)) {}
  ~NowaitFile() override { ::close(fd_); }

  IOStatus Read(uint64_t offset, size_t size, const IOOptions& options, Slice* result, char* scratch,
                IODebugContext* debug) const override {
    if (NoBlocking::active() && can_tell_.load(std::memory_order_relaxed)) {
      switch (read(offset, size, RWF_NOWAIT, result, scratch)) {
        case Outcome::kRead:
          return IOStatus::OK();
        case Outcome::kRefused:
          return refusal();
        case Outcome::kFailed:  // by whatever: the read that may wait finds out
          break;
      }
    }
    if (other_ != nullptr) return other_->Read(offset, size, options, result, scratch, debug);
    return read(offset, size, 0, result, scratch) == Outcome::kRead ? IOStatus::OK() : failed("cannot read", name_);
  }

  IOStatus Prefetch(uint64_t offset, size_t size, const IOOptions& options, IODebugContext* debug) override {
    if (NoBlocking::active()) return IOStatus::OK();
    if (other_ != nullptr) return other_->Prefetch(offset, size, options, debug);
    if (::readahead(fd_, static_cast<off64_t>(offset), size) == 0) return IOStatus::OK();
    return errno == EINVAL ? IOStatus::NotSupported("read ahead") : failed("cannot read ahead", name_);
  }

  // The kernel begins to read what a refused read asked for: no more than that where blocks are read at random.
  void Hint(AccessPattern pattern) override {
    int advice = POSIX_FADV_NORMAL;
    switch (pattern) {
      case kNormal:
        break;
      case kRandom:
        advice = POSIX_FADV_RANDOM;
        break;
      case kSequential:
        advice = POSIX_FADV_SEQUENTIAL;
        break;
      case kWillNeed:
        advice = POSIX_FADV_WILLNEED;
        break;
      case kWontNeed:
        advice = POSIX_FADV_DONTNEED;
        break;
    }
    ::posix_fadvise(fd_, 0, 0, advice);
    if (other_ != nullptr) other_->Hint(pattern);
  }

  IOStatus InvalidateCache(size_t offset, size_t length) override {
    ::posix_fadvise(fd_, static_cast<off_t>(offset), static_cast<off_t>(length), POSIX_FADV_DONTNEED);
    return IOStatus::OK();
  }

 private:
  enum class Outcome { kRead, kRefused, kFailed };
  // Up to the end of the file; errno says why not.
  Outcome read(uint64_t offset, size_t size, int flags, Slice* result, char* scratch) const {
    size_t done = 0;
    while (done < size) {
      const iovec piece{scratch + done, size - done};
      const ssize_t count = ::preadv2(fd_, &piece, 1, static_cast<off_t>(offset + done), flags);
      if (count == 0) break;
      if (count > 0) {
        done += static_cast<size_t>(count);
        continue;
      }
      if (errno == EINTR) continue;
      if (errno == EAGAIN && flags != 0) return Outcome::kRefused;
      if (errno == EOPNOTSUPP || errno == ENOSYS) can_tell_ = false;
      return Outcome::kFailed;
    }
    *result = Slice(scratch, done);
    return Outcome::kRead;
  }

  const std::string name_;
  const int fd_;
  const std::unique_ptr<rocksdb::FSRandomAccessFile> other_;
  mutable std::atomic<bool> can_tell_{true};
};

}  // namespace

IOStatus NowaitFileSystem::NewRandomAccessFile(const std::string& name, const rocksdb::FileOptions& options,
                                               std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                                               IODebugContext* debug) {
  if (NoBlocking::active()) return refusal();
  std::unique_ptr<rocksdb::FSRandomAccessFile> other;
  if (target() != rocksdb::FileSystem::Default().get()) {
    const IOStatus status = FileSystemWrapper::NewRandomAccessFile(name, options, &other, debug);
    if (!status.ok()) return status;
  }
  const int fd = ::open(name.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd >= 0) {
    result->reset(new NowaitFile(name, fd, std::move(other)));
    return IOStatus::OK();
  }
  if (other == nullptr) {
    return errno == ENOENT ? IOStatus::PathNotFound("cannot open " + name, std::strerror(errno))
                           : failed("cannot open", name);
  }
  *result = std::move(other);  // one that is not on the machine's disk
  return IOStatus::OK();
}

}  // namespace millrace::storage
