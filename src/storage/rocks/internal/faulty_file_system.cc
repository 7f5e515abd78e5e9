#include "storage/rocks/internal/faulty_file_system.h"

#include <utility>

namespace millrace::storage {

namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;
using Kind = FaultyFileSystem::Kind;

class FaultyFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  FaultyFile(FaultyFileSystem& faults, std::string name, std::unique_ptr<rocksdb::FSWritableFile> file)
      : FSWritableFileOwnerWrapper(std::move(file)), faults_(faults), name_(std::move(name)) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    const IOStatus status = faults_.next(Kind::kAppend, name_);
    return status.ok() ? FSWritableFileOwnerWrapper::Append(data, options, debug) : status;
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo& info,
                  IODebugContext* debug) override {
    const IOStatus status = faults_.next(Kind::kAppend, name_);
    return status.ok() ? FSWritableFileOwnerWrapper::Append(data, options, info, debug) : status;
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    const IOStatus status = faults_.next(Kind::kSync, name_);
    return status.ok() ? FSWritableFileOwnerWrapper::Sync(options, debug) : status;
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    const IOStatus status = faults_.next(Kind::kSync, name_);
    return status.ok() ? FSWritableFileOwnerWrapper::Fsync(options, debug) : status;
  }
  IOStatus RangeSync(std::uint64_t offset, std::uint64_t bytes, const IOOptions& options,
                     IODebugContext* debug) override {
    const IOStatus status = faults_.next(Kind::kSync, name_);
    return status.ok() ? FSWritableFileOwnerWrapper::RangeSync(offset, bytes, options, debug) : status;
  }
  IOStatus Truncate(std::uint64_t bytes, const IOOptions& options, IODebugContext* debug) override {
    const IOStatus status = faults_.next(Kind::kOther, name_);
    return status.ok() ? FSWritableFileOwnerWrapper::Truncate(bytes, options, debug) : status;
  }

 private:
  FaultyFileSystem& faults_;
  const std::string name_;
};

class FaultySequential final : public rocksdb::FSSequentialFileOwnerWrapper {
 public:
  FaultySequential(FaultyFileSystem& faults, std::string name, std::unique_ptr<rocksdb::FSSequentialFile> file)
      : FSSequentialFileOwnerWrapper(std::move(file)), faults_(faults), name_(std::move(name)) {}
  IOStatus Read(std::size_t bytes, const IOOptions& options, Slice* result, char* scratch,
                IODebugContext* debug) override {
    const IOStatus status = faults_.next(Kind::kRead, name_);
    return status.ok() ? FSSequentialFileOwnerWrapper::Read(bytes, options, result, scratch, debug) : status;
  }

 private:
  FaultyFileSystem& faults_;
  const std::string name_;
};

class FaultyRandomAccess final : public rocksdb::FSRandomAccessFileOwnerWrapper {
 public:
  FaultyRandomAccess(FaultyFileSystem& faults, std::string name, std::unique_ptr<rocksdb::FSRandomAccessFile> file)
      : FSRandomAccessFileOwnerWrapper(std::move(file)), faults_(faults), name_(std::move(name)) {}
  IOStatus Read(std::uint64_t offset, std::size_t bytes, const IOOptions& options, Slice* result, char* scratch,
                IODebugContext* debug) const override {
    const IOStatus status = faults_.next(Kind::kRead, name_);
    return status.ok() ? FSRandomAccessFileOwnerWrapper::Read(offset, bytes, options, result, scratch, debug) : status;
  }

 private:
  FaultyFileSystem& faults_;
  const std::string name_;
};

class FaultyDirectory final : public rocksdb::FSDirectoryWrapper {
 public:
  FaultyDirectory(FaultyFileSystem& faults, std::string name, std::unique_ptr<rocksdb::FSDirectory>&& directory)
      : FSDirectoryWrapper(std::move(directory)), faults_(faults), name_(std::move(name)) {}
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    const IOStatus status = faults_.next(Kind::kSync, name_);
    return status.ok() ? FSDirectoryWrapper::Fsync(options, debug) : status;
  }
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* debug,
                               const rocksdb::DirFsyncOptions& what) override {
    const IOStatus status = faults_.next(Kind::kSync, name_);
    return status.ok() ? FSDirectoryWrapper::FsyncWithDirOptions(options, debug, what) : status;
  }

 private:
  FaultyFileSystem& faults_;
  const std::string name_;
};

}  // namespace

void FaultyFileSystem::fail(Plan plan) {
  const std::lock_guard lock(mutex_);
  plan_ = std::move(plan);
  armed_ = true;
  failures_ = 0;
}

void FaultyFileSystem::heal() {
  const std::lock_guard lock(mutex_);
  armed_ = false;
}

std::uint64_t FaultyFileSystem::failures() const {
  const std::lock_guard lock(mutex_);
  return failures_;
}

std::uint64_t FaultyFileSystem::operations() const {
  const std::lock_guard lock(mutex_);
  return operations_;
}

IOStatus FaultyFileSystem::next(Kind kind, const std::string& name) {
  const std::lock_guard lock(mutex_);
  ++operations_;
  if (!armed_ || kind != plan_.kind || !name.ends_with(plan_.suffix)) return IOStatus::OK();
  if (plan_.after > 0) {
    --plan_.after;
    return IOStatus::OK();
  }
  ++failures_;
  if (plan_.once) armed_ = false;
  if (plan_.how == How::kIoError) return IOStatus::IOError("injected I/O error", name);
  IOStatus full = IOStatus::NoSpace("injected: no space left on device", name);
  full.SetRetryable(true);  // as the machine's file system says it
  return full;
}

IOStatus FaultyFileSystem::NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                           std::unique_ptr<rocksdb::FSWritableFile>* result, IODebugContext* debug) {
  IOStatus status = next(Kind::kOther, name);
  std::unique_ptr<rocksdb::FSWritableFile> file;
  if (status.ok()) status = FileSystemWrapper::NewWritableFile(name, options, &file, debug);
  if (status.ok()) result->reset(new FaultyFile(*this, name, std::move(file)));
  return status;
}

IOStatus FaultyFileSystem::ReuseWritableFile(const std::string& name, const std::string& old,
                                             const rocksdb::FileOptions& options,
                                             std::unique_ptr<rocksdb::FSWritableFile>* result, IODebugContext* debug) {
  IOStatus status = next(Kind::kOther, name);
  std::unique_ptr<rocksdb::FSWritableFile> file;
  if (status.ok()) status = FileSystemWrapper::ReuseWritableFile(name, old, options, &file, debug);
  if (status.ok()) result->reset(new FaultyFile(*this, name, std::move(file)));
  return status;
}

IOStatus FaultyFileSystem::NewSequentialFile(const std::string& name, const rocksdb::FileOptions& options,
                                             std::unique_ptr<rocksdb::FSSequentialFile>* result,
                                             IODebugContext* debug) {
  IOStatus status = next(Kind::kRead, name);
  std::unique_ptr<rocksdb::FSSequentialFile> file;
  if (status.ok()) status = FileSystemWrapper::NewSequentialFile(name, options, &file, debug);
  if (status.ok()) result->reset(new FaultySequential(*this, name, std::move(file)));
  return status;
}

IOStatus FaultyFileSystem::NewRandomAccessFile(const std::string& name, const rocksdb::FileOptions& options,
                                               std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                                               IODebugContext* debug) {
  IOStatus status = next(Kind::kRead, name);
  std::unique_ptr<rocksdb::FSRandomAccessFile> file;
  if (status.ok()) status = FileSystemWrapper::NewRandomAccessFile(name, options, &file, debug);
  if (status.ok()) result->reset(new FaultyRandomAccess(*this, name, std::move(file)));
  return status;
}

IOStatus FaultyFileSystem::NewDirectory(const std::string& name, const IOOptions& options,
                                        std::unique_ptr<rocksdb::FSDirectory>* result, IODebugContext* debug) {
  std::unique_ptr<rocksdb::FSDirectory> directory;
  const IOStatus status = FileSystemWrapper::NewDirectory(name, options, &directory, debug);
  if (status.ok()) result->reset(new FaultyDirectory(*this, name, std::move(directory)));
  return status;
}

IOStatus FaultyFileSystem::RenameFile(const std::string& from, const std::string& to, const IOOptions& options,
                                      IODebugContext* debug) {
  const IOStatus status = next(Kind::kOther, to);
  return status.ok() ? FileSystemWrapper::RenameFile(from, to, options, debug) : status;
}

IOStatus FaultyFileSystem::DeleteFile(const std::string& name, const IOOptions& options, IODebugContext* debug) {
  const IOStatus status = next(Kind::kOther, name);
  return status.ok() ? FileSystemWrapper::DeleteFile(name, options, debug) : status;
}

IOStatus FaultyFileSystem::LinkFile(const std::string& from, const std::string& to, const IOOptions& options,
                                    IODebugContext* debug) {
  const IOStatus status = next(Kind::kOther, to);
  return status.ok() ? FileSystemWrapper::LinkFile(from, to, options, debug) : status;
}

IOStatus FaultyFileSystem::CreateDir(const std::string& name, const IOOptions& options, IODebugContext* debug) {
  const IOStatus status = next(Kind::kOther, name);
  return status.ok() ? FileSystemWrapper::CreateDir(name, options, debug) : status;
}

IOStatus FaultyFileSystem::CreateDirIfMissing(const std::string& name, const IOOptions& options,
                                              IODebugContext* debug) {
  const IOStatus status = next(Kind::kOther, name);
  return status.ok() ? FileSystemWrapper::CreateDirIfMissing(name, options, debug) : status;
}

}  // namespace millrace::storage
