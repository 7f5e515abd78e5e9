#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "s3/blob_store.h"
#include "storage/sync_directory.h"

namespace millrace::s3 {
namespace {

Error failed(std::string_view what, const std::string& path) {
  return Error(kBlobFailed, std::string(what) + " " + path + ": " + std::strerror(errno));
}

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

// Whether a sync that failed so has lost nothing: it was not begun, or the file system has no room for what it is to
// make durable (the file is given up then).
bool may_sync_again(int error) {
  return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOSPC || error == EDQUOT;
}

// All syncs of one store, and the first that failed. Thread-safe.
class Durability {
 public:
  Durability(FileSyncs syncs, std::function<void(const Error&)> failed)
      : syncs_(std::move(syncs)), told_(std::move(failed)) {}

  // Before whatever changes something.
  Result<void> check() const {
    if (!has_failed_.load(std::memory_order_acquire)) return {};
    const std::lock_guard lock(mutex_);
    return *failure_;
  }
  Result<void> sync_file(int file, const std::string& path) {
    MR_RETURN_IF_ERROR(check());
    return syncs_.file(file) ? Result<void>() : fail(path);
  }
  Result<void> sync_directory(const std::string& path) {
    MR_RETURN_IF_ERROR(check());
    return syncs_.directory(path) ? Result<void>() : fail(path);
  }

 private:
  Result<void> fail(const std::string& path) {
    const bool again = may_sync_again(errno);
    Error error = failed("cannot sync", path);
    if (again) return error;
    {
      const std::lock_guard lock(mutex_);
      if (failure_) return *failure_;
      failure_ = error;
      has_failed_.store(true, std::memory_order_release);
    }
    if (told_) told_(error);
    return error;
  }

  const FileSyncs syncs_;
  const std::function<void(const Error&)> told_;
  std::atomic<bool> has_failed_{false};
  mutable std::mutex mutex_;
  std::optional<Error> failure_;
};

class FileBlob final : public TemporaryBlob {
 public:
  FileBlob(Descriptor file, std::string path, Durability& durability)
      : file_(std::move(file)), path_(std::move(path)), durability_(durability) {}
  ~FileBlob() override {
    if (!placed_) ::unlink(path_.c_str());
  }

  Result<void> append(std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t written = ::write(file_.get(), bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return failed("cannot write", path_);
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
  }

  Result<void> sync() override { return durability_.sync_file(file_.get(), path_); }

  const std::string& path() const { return path_; }
  void set_placed() { placed_ = true; }

 private:
  Descriptor file_;
  std::string path_;
  Durability& durability_;
  bool placed_ = false;
};

class FileReader final : public BlobReader {
 public:
  FileReader(Descriptor file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}

  Result<std::uint64_t> bytes() override {
    struct stat status {};
    if (::fstat(file_.get(), &status) != 0) return failed("cannot look at", path_);
    return static_cast<std::uint64_t>(status.st_size);
  }

  Result<std::string> read(std::uint64_t offset, std::size_t count) override {
    std::string bytes(count, '\0');
    for (std::size_t have = 0; have < count;) {
      const ssize_t got = ::pread(file_.get(), bytes.data() + have, count - have, static_cast<off_t>(offset + have));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return failed("cannot read", path_);
      if (got == 0) return Error(kBlobFailed, path_ + " is shorter than its object");
      have += static_cast<std::size_t>(got);
    }
    return bytes;
  }

 private:
  Descriptor file_;
  std::string path_;
};

class FileBlobStore final : public BlobStore {
 public:
  FileBlobStore(std::string root, FileSyncs syncs, std::function<void(const Error&)> failed)
      : root_(std::move(root)), durability_(std::move(syncs), std::move(failed)) {}

  Result<void> prepare() {
    for (const std::string& path : {root_, root_ + "/tmp"}) {
      if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return failed("cannot create", path);
    }
    const std::size_t slash = root_.find_last_of('/');
    MR_RETURN_IF_ERROR(durability_.sync_directory(
        slash == std::string::npos ? "." : root_.substr(0, std::max<std::size_t>(slash, 1))));
    return durability_.sync_directory(root_);
  }

  Result<std::unique_ptr<TemporaryBlob>> create() override {
    MR_RETURN_IF_ERROR(durability_.check());
    std::string path = root_ + "/tmp/" + std::to_string(next_temporary_.fetch_add(1));
    Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file) return failed("cannot create", path);
    return std::unique_ptr<TemporaryBlob>(std::make_unique<FileBlob>(std::move(file), std::move(path), durability_));
  }

  Result<void> place(TemporaryBlob& blob, BlobId id) override {
    auto& file = static_cast<FileBlob&>(blob);
    const std::string path = path_of(id);
    MR_RETURN_IF_ERROR(durability_.check());
    MR_RETURN_IF_ERROR(make_directory(id));
    if (::rename(file.path().c_str(), path.c_str()) != 0) return failed("cannot rename to", path);
    file.set_placed();
    return durability_.sync_directory(directory_of(id));
  }

  Result<void> link(BlobId from, BlobId to) override {
    const std::string path = path_of(from);
    MR_RETURN_IF_ERROR(durability_.check());
    MR_RETURN_IF_ERROR(make_directory(to));
    if (::link(path.c_str(), path_of(to).c_str()) != 0) {
      if (errno == ENOENT) return Error(kNoSuchBlob, path);
      return failed("cannot link", path);
    }
    return durability_.sync_directory(directory_of(to));
  }

  Result<std::unique_ptr<BlobReader>> open(BlobId id) override {
    std::string path = path_of(id);
    Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file && errno == ENOENT) return Error(kNoSuchBlob, path);
    if (!file) return failed("cannot open", path);
    return std::unique_ptr<BlobReader>(std::make_unique<FileReader>(std::move(file), std::move(path)));
  }

  Result<void> remove(const std::vector<BlobId>& ids) override {
    MR_RETURN_IF_ERROR(durability_.check());
    std::set<std::string> directories;
    for (const BlobId id : ids) {
      const std::string path = path_of(id);
      if (::unlink(path.c_str()) != 0 && errno != ENOENT) return failed("cannot remove", path);
      directories.insert(directory_of(id));
    }
    for (const std::string& directory : directories) MR_RETURN_IF_ERROR(durability_.sync_directory(directory));
    return {};
  }

  Result<std::vector<BlobId>> list_block(std::uint64_t block) override {
    std::vector<BlobId> ids;
    const std::string directory = directory_of(block * kBlobBlock);
    if (::access(directory.c_str(), F_OK) != 0) return ids;
    MR_ASSIGN_OR_RETURN(const auto names, names_in(directory));
    for (const std::string& name : names) {
      char* end = nullptr;
      const BlobId id = std::strtoull(name.c_str(), &end, 16);
      if (name.size() == 16 && *end == '\0' && id / kBlobBlock == block) ids.push_back(id);
    }
    std::sort(ids.begin(), ids.end());
    return ids;
  }

  Result<void> remove_temporaries() override {
    MR_ASSIGN_OR_RETURN(const auto names, names_in(root_ + "/tmp"));
    for (const std::string& name : names) {
      const std::string path = root_ + "/tmp/" + name;
      if (::unlink(path.c_str()) != 0) return failed("cannot remove", path);
    }
    return {};
  }

 private:
  // Directories are made when first needed, and each is looked for once: a start costs nothing.
  Result<void> make_directory(BlobId id) {
    std::atomic<bool>& made = made_[id / kBlobBlock % made_.size()];
    if (made.load(std::memory_order_acquire)) return {};
    const std::string path = directory_of(id);
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return failed("cannot create", path);
    MR_RETURN_IF_ERROR(durability_.sync_directory(root_));
    made.store(true, std::memory_order_release);
    return {};
  }

  std::string directory_of(BlobId id) const {
    char text[8];
    std::snprintf(text, sizeof text, "/%02x", static_cast<unsigned>(id / kBlobBlock % 256));
    return root_ + text;
  }

  std::string path_of(BlobId id) const {
    char text[24];
    std::snprintf(text, sizeof text, "/%016llx", static_cast<unsigned long long>(id));
    return directory_of(id) + text;
  }

  static Result<std::vector<std::string>> names_in(const std::string& path) {
    std::vector<std::string> names;
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), ::closedir);
    if (directory == nullptr) return failed("cannot list", path);
    while (const dirent* entry = ::readdir(directory.get())) {
      if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
    }
    return names;
  }

  const std::string root_;
  Durability durability_;
  std::atomic<std::uint64_t> next_temporary_{0};
  std::array<std::atomic<bool>, 256> made_{};
};

}  // namespace

FileSyncs machine_syncs() {
  return {[](int file) { return ::fdatasync(file) == 0; },
          [](const std::string& path) { return storage::sync_directory(path); }};
}

Result<std::unique_ptr<BlobStore>> open_file_blob_store(const std::string& root,
                                                        std::function<void(const Error&)> failed, FileSyncs syncs) {
  auto store = std::make_unique<FileBlobStore>(root, std::move(syncs), std::move(failed));
  MR_RETURN_IF_ERROR(store->prepare());
  return std::unique_ptr<BlobStore>(std::move(store));
}

std::unique_ptr<BlobStore> view_file_blob_store(const std::string& root) {
  return std::make_unique<FileBlobStore>(root, machine_syncs(), std::function<void(const Error&)>());
}

}  // namespace millrace::s3
