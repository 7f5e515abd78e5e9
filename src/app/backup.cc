#include "app/backup.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "app/config.h"
#include "app/internal/parts.h"
#include "crypto/digest.h"
#include "platform/machine_clock.h"
#include "storage/numbers.h"
#include "storage/rocks/data_directory.h"
#include "storage/rocks/rocks_store.h"
#include "storage/stamping.h"
#include "storage/sync_directory.h"

namespace millrace::app {

namespace {

namespace fs = std::filesystem;
using codec::Json;

constexpr ErrorType kBackupFailed{"BackupFailed", 500, ErrorKind::kServer};
constexpr std::size_t kPiece = std::size_t{1} << 20;
constexpr std::size_t kListBytesMax = std::size_t{1} << 30;

Error failed(const std::string& what, const fs::path& path) {
  return {kBackupFailed, what + " " + path.string() + ": " + std::strerror(errno)};
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }

 private:
  const int fd_;
};

struct Summed {
  std::uint64_t bytes = 0;
  std::uint32_t crc = 0;
};

using Step = std::function<Result<void>(std::size_t)>;

// Reads a file; writes what it reads to `copy`, synced, unless that is empty. `step` is told of every piece and may
// end it by an error.
Result<Summed> read_through(const fs::path& path, const fs::path& copy, const Step& step) {
  const Descriptor from(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!from.ok()) return failed("cannot read", path);
  const Descriptor to(copy.empty() ? -1 : ::open(copy.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!copy.empty() && !to.ok()) return failed("cannot write", copy);
  Summed sum;
  std::string piece(kPiece, '\0');
  for (;;) {
    const ssize_t got = ::read(from.get(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed("cannot read", path);
    if (got == 0) break;
    const std::string_view bytes(piece.data(), static_cast<std::size_t>(got));
    sum.bytes += bytes.size();
    sum.crc = crypto::crc32c(bytes, sum.crc);
    for (std::size_t written = 0; to.ok() && written < bytes.size();) {
      const ssize_t put = ::write(to.get(), bytes.data() + written, bytes.size() - written);
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return failed("cannot write", copy);
      written += static_cast<std::size_t>(put);
    }
    if (step) MR_RETURN_IF_ERROR(step(bytes.size()));
  }
  if (to.ok() && ::fdatasync(to.get()) != 0) return failed("cannot sync", copy);
  return sum;
}

Result<void> sync_folder(const fs::path& path) {
  if (!storage::sync_directory(path.string())) return failed("cannot sync", path);
  return {};
}

Result<void> write_file(const fs::path& path, std::string_view text) {
  if (!storage::write_durably(path.string(), text)) return failed("cannot write", path);
  return {};
}

Result<void> check_cancelled(const BackupSource& source) {
  if (source.cancelled == nullptr || !source.cancelled->load()) return {};
  return Error(kBackupFailed, "The backup was given up, as the server is stopping");
}

// A folder that this makes, or that is there and empty; whatever is in it goes again unless kept.
class NewFolder {
 public:
  static Result<NewFolder> make(const fs::path& path) {
    std::error_code error;
    if (fs::exists(path / storage::kRestoring, error)) {
      return Error(kBadConfiguration, path.string() + " is what an interrupted restore has left. Remove it first");
    }
    if (fs::exists(path, error) && (!fs::is_directory(path, error) || !fs::is_empty(path, error))) {
      return Error(kBadConfiguration, path.string() + " exists and is not an empty folder");
    }
    fs::create_directories(path, error);
    if (error) return Error(kBackupFailed, "cannot create " + path.string() + ": " + error.message());
    fs::permissions(path, fs::perms::owner_all, error);
    return NewFolder(path);
  }
  NewFolder(NewFolder&& other) noexcept : path_(std::move(other.path_)), kept_(std::exchange(other.kept_, true)) {}
  NewFolder& operator=(NewFolder&&) = delete;
  ~NewFolder() {
    if (kept_) return;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(path_, ignored)) fs::remove_all(entry.path(), ignored);
  }
  void keep() { kept_ = true; }

 private:
  explicit NewFolder(fs::path path) : path_(std::move(path)) {}
  fs::path path_;
  bool kept_ = false;
};

// Every regular file below `folder` that `wanted` wants, as paths relative to `root`. Files may vanish meanwhile.
std::vector<fs::path> files_below(const fs::path& root, const fs::path& folder,
                                  const std::function<bool(const fs::path&)>& wanted = {}) {
  std::vector<fs::path> files;
  std::error_code error;
  for (auto it = fs::recursive_directory_iterator(root / folder, error); !error && it != fs::end(it);
       it.increment(error)) {
    std::error_code ignored;
    if (it->is_regular_file(ignored) && (!wanted || wanted(it->path())))
      files.push_back(fs::relative(it->path(), root));
  }
  std::sort(files.begin(), files.end());
  return files;
}

// A second name of a file that never changes, or a copy where that is not possible.
Result<void> link_or_copy(const fs::path& from, const fs::path& to, const Step& step) {
  std::error_code error;
  fs::create_directories(to.parent_path(), error);
  if (error) return Error(kBackupFailed, "cannot create " + to.parent_path().string() + ": " + error.message());
  if (::link(from.c_str(), to.c_str()) == 0 || errno == EEXIST) return {};
  if (errno == ENOENT) {
    // Either the file was removed meanwhile, hence of nothing that the checkpoint has, or the folder was.
    if (!fs::is_directory(to.parent_path(), error)) return failed("cannot link", to);
    return {};
  }
  MR_RETURN_IF_ERROR(read_through(from, to, step));
  return {};
}

Result<void> take_files(const BackupSource& source, const fs::path& to, const fs::path& folder,
                        const std::function<bool(const fs::path&)>& wanted, const Progress& progress) {
  const auto files = files_below(source.data, folder, wanted);
  const auto go_on = [&](std::size_t) { return check_cancelled(source); };
  for (std::size_t i = 0; i < files.size(); ++i) {
    progress("linking " + folder.string(), i, files.size());
    MR_RETURN_IF_ERROR(check_cancelled(source));
    MR_RETURN_IF_ERROR(link_or_copy(source.data / files[i], to / files[i], go_on));
  }
  return {};
}

Result<Json> list_files(const BackupSource& source, const fs::path& root, std::uint64_t& bytes,
                        const Progress& progress) {
  const auto files = files_below(root, "");
  std::uint64_t all = 0;
  std::error_code ignored;
  for (const auto& file : files) all += fs::file_size(root / file, ignored);
  Json list = Json::array();
  for (const auto& file : files) {
    const auto step = [&](std::size_t count) {
      progress("reading for checksums", bytes += count, all);
      return check_cancelled(source);
    };
    MR_ASSIGN_OR_RETURN(const Summed sum, read_through(root / file, {}, step));
    list.push(Json::object({{"path", file.string()},
                            {"bytes", static_cast<std::int64_t>(sum.bytes)},
                            {"crc32c", static_cast<std::int64_t>(sum.crc)}}));
  }
  return list;
}

Result<Json> read_list(const fs::path& from) {
  std::error_code error;
  const auto size = fs::file_size(from / "backup.json", error);
  if (error || size > kListBytesMax) {
    return Error(kBackupFailed, from.string() + " is no complete backup: it has no file backup.json");
  }
  std::ifstream file(from / "backup.json", std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  auto list = codec::parse_json(text);
  if (!list.ok() || list->find("files") == nullptr || !list->find("files")->is_array()) {
    return Error(kBackupFailed, (from / "backup.json").string() + " is damaged");
  }
  if (list->int_or("format", 0) > storage::kDataFormat || list->int_or("v", 0) != 1) {
    return Error(kBackupFailed, from.string() + " was made by a newer version of millrace");
  }
  if (list->int_or("format", 0) < 1) return Error(kBackupFailed, (from / "backup.json").string() + " is damaged");
  return list;
}

std::uint64_t bytes_of(const Json& list) {
  std::uint64_t bytes = 0;
  for (const Json& file : list.as_array()) bytes += static_cast<std::uint64_t>(file.int_or("bytes", 0));
  return bytes;
}

// A path that stays below the folder it is relative to.
bool is_inside(const fs::path& path) {
  if (path.empty() || path.is_absolute()) return false;
  return std::none_of(path.begin(), path.end(), [](const fs::path& step) { return step == ".."; });
}

// Reads (and copies, unless `to` is empty) one file of a backup; what is wrong with it, or "".
Result<std::string> take_listed(const Json& file, const fs::path& from, const fs::path& to, const Step& step) {
  const fs::path path(std::string(file.string_or("path", "")));
  if (!is_inside(path)) return "the list of the backup names an impossible file: " + path.string();
  std::error_code error;
  if (!fs::exists(from / path, error)) return "file " + (from / path).string() + " is missing";
  if (!to.empty()) fs::create_directories((to / path).parent_path(), error);
  MR_ASSIGN_OR_RETURN(const Summed sum, read_through(from / path, to.empty() ? to : to / path, step));
  const bool same = static_cast<std::int64_t>(sum.bytes) == file.int_or("bytes", -1) &&
                    static_cast<std::int64_t>(sum.crc) == file.int_or("crc32c", -1);
  return same ? std::string() : "file " + (from / path).string() + " is damaged: it is not what was backed up";
}

// So that neither a stamp of the streams nor any other number comes twice, though the original went on after the
// backup.
Result<void> raise_sequence_numbers(const fs::path& data) {
  storage::RocksOptions options;
  options.path = (data / "db").string();
  options.memory_bytes = storage::kMemoryMin;
  MR_ASSIGN_OR_RETURN(const auto store, storage::RocksStore::open(options));
  MR_RETURN_IF_ERROR(storage::raise_head(*store));
  return storage::raise_numbers(*store, platform::MachineClock());
}

}  // namespace

Result<Json> make_backup(const BackupSource& source, const fs::path& to, const Progress& progress) {
  MR_ASSIGN_OR_RETURN(NewFolder folder, NewFolder::make(to));
  const auto is_archive = [](const fs::path& path) { return path.extension() == ".zip"; };
  const auto is_object = [](const fs::path& path) { return path.parent_path().filename() != "tmp"; };
  {
    const std::shared_ptr<void> held = source.hold_files();
    // Archives twice: those that go while the checkpoint is made, and those that come.
    MR_RETURN_IF_ERROR(take_files(source, to, "functions", is_archive, progress));
    progress("writing the checkpoint", 0, 0);
    MR_RETURN_IF_ERROR(check_cancelled(source));
    MR_RETURN_IF_ERROR(source.store->checkpoint((to / "db").string()));
    MR_RETURN_IF_ERROR(take_files(source, to, "objects", is_object, progress));
    MR_RETURN_IF_ERROR(take_files(source, to, "functions", is_archive, progress));
  }
  std::uint64_t bytes = 0;
  MR_ASSIGN_OR_RETURN(Json files, list_files(source, to, bytes, progress));
  progress("syncing", bytes, bytes);
  MR_RETURN_IF_ERROR(check_cancelled(source));
  const Descriptor root(::open(to.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root.ok() || ::syncfs(root.get()) != 0) return failed("cannot sync", to);
  const Json summary = Json::object({{"path", to.string()},
                                     {"files", static_cast<std::int64_t>(files.as_array().size())},
                                     {"bytes", static_cast<std::int64_t>(bytes)}});
  const Json list = Json::object({{"v", 1},
                                  {"format", storage::kDataFormat},
                                  {"version", kVersion},
                                  {"created", source.created},
                                  {"files", std::move(files)}});
  // In this order: what has no list is no data directory either.
  MR_RETURN_IF_ERROR(write_file(to / "backup.json", list.dump() + "\n"));
  MR_RETURN_IF_ERROR(write_file(to / "millrace.json", "{\"format\":" + std::to_string(storage::kDataFormat) + "}\n"));
  folder.keep();
  return summary;
}

Result<Json> restore_backup(const fs::path& from, const fs::path& data, const Progress& progress) {
  MR_ASSIGN_OR_RETURN(const Json list, read_list(from));
  MR_ASSIGN_OR_RETURN(NewFolder folder, NewFolder::make(data));
  MR_RETURN_IF_ERROR(write_file(data / storage::kRestoring, from.string() + "\n"));
  const Json& files = *list.find("files");
  const std::uint64_t all = bytes_of(files);
  std::uint64_t done = 0;
  for (const Json& file : files.as_array()) {
    const auto step = [&](std::size_t count) -> Result<void> {
      progress("copying", done += count, all);
      return {};
    };
    MR_ASSIGN_OR_RETURN(const std::string wrong, take_listed(file, from, data, step));
    if (!wrong.empty()) return Error(kBackupFailed, "The backup cannot be restored: " + wrong);
  }
  MR_RETURN_IF_ERROR(raise_sequence_numbers(data));
  const Descriptor root(::open(data.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root.ok() || ::syncfs(root.get()) != 0) return failed("cannot sync", data);
  // Last: a directory that is restored by half is none.
  MR_RETURN_IF_ERROR(
      write_file(data / "millrace.json", "{\"format\":" + std::to_string(list.int_or("format", 1)) + "}\n"));
  if (::unlink((data / storage::kRestoring).c_str()) != 0) return failed("cannot remove", data / storage::kRestoring);
  MR_RETURN_IF_ERROR(sync_folder(data));
  folder.keep();
  return Json::object({{"path", data.string()},
                       {"files", static_cast<std::int64_t>(files.as_array().size())},
                       {"bytes", static_cast<std::int64_t>(done)},
                       {"created", list.string_or("created", "")}});
}

Result<std::vector<std::string>> verify_backup(const fs::path& from, const Progress& progress) {
  MR_ASSIGN_OR_RETURN(const Json list, read_list(from));
  const Json& files = *list.find("files");
  const std::uint64_t all = bytes_of(files);
  std::uint64_t done = 0;
  std::vector<std::string> problems;
  for (const Json& file : files.as_array()) {
    const auto step = [&](std::size_t count) -> Result<void> {
      progress("comparing files", done += count, all);
      return {};
    };
    MR_ASSIGN_OR_RETURN(std::string wrong, take_listed(file, from, {}, step));
    if (!wrong.empty()) problems.push_back(std::move(wrong));
  }
  return problems;
}

BackupJob::~BackupJob() { stop(); }

void BackupJob::stop() {
  std::thread ending;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    ending.swap(thread_);
  }
  if (ending.joinable()) ending.join();
}

Result<std::int64_t> BackupJob::start(BackupSource source, fs::path to) {
  const std::lock_guard lock(mutex_);
  if (stopped_) return Error(kBadConfiguration, "the server is stopping");
  if (running_) return Error(kBadConfiguration, "a backup is under way already");
  if (thread_.joinable()) thread_.join();
  running_ = true;
  source.cancelled = &stopped_;
  const std::int64_t number = ++latest_;
  tell(number, Json::object({{"state", "running"}, {"what", "beginning"}, {"done", 0}, {"all", 0}}));
  thread_ = std::thread([this, number, source = std::move(source), to = std::move(to)] {
    const auto progress = [this, number](std::string_view what, std::uint64_t done, std::uint64_t all) {
      const std::lock_guard inner(mutex_);
      tell(number, Json::object({{"state", "running"},
                                 {"what", what},
                                 {"done", static_cast<std::int64_t>(done)},
                                 {"all", static_cast<std::int64_t>(all)}}));
    };
    const auto made = make_backup(source, to, progress);
    const std::lock_guard inner(mutex_);
    running_ = false;
    tell(number, made.ok() ? Json::object({{"state", "done"}, {"result", *made}})
                           : Json::object({{"state", "failed"}, {"error", made.error().message()}}));
  });
  return number;
}

void BackupJob::tell(std::int64_t number, Json status) {
  status.set("number", number);
  statuses_.insert_or_assign(number, std::move(status));
  if (statuses_.size() > kOutcomesKept) statuses_.erase(statuses_.begin());
}

Json BackupJob::status(std::int64_t number) const {
  const std::lock_guard lock(mutex_);
  const auto found = statuses_.find(number == 0 ? latest_ : number);
  return found == statuses_.end() ? Json::object({{"state", "none"}}) : found->second;
}

}  // namespace millrace::app
