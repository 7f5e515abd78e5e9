#include "functions/code_store.h"

#include <cerrno>
#include <cstring>

#include <sys/stat.h>

#include "crypto/digest.h"
#include "crypto/encoding.h"
#include "functions/errors.h"
#include "functions/limits.h"
#include "runtimes/code_archive.h"
#include "storage/sync_directory.h"
#include "telemetry/log.h"

namespace millrace::functions {
namespace fs = std::filesystem;
namespace {

Error disk_error(const fs::path& path) {
  return Error(kServiceError, "cannot write " + path.string() + ": " + std::strerror(errno));
}

Result<void> sync_folder(const fs::path& folder) {
  if (!storage::sync_directory(folder.string())) return disk_error(folder);
  return {};
}

void mix(std::uint64_t& hash, std::uint64_t value) {
  hash ^= value + 0x9e3779b97f4a7c15ULL + (hash << 6) + (hash >> 2);
}

void mix_file(std::uint64_t& hash, const fs::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return;
  mix(hash, std::hash<std::string>()(path.string()));
  mix(hash, static_cast<std::uint64_t>(status.st_mtim.tv_sec) * 1'000'000'000 +
                static_cast<std::uint64_t>(status.st_mtim.tv_nsec));
  mix(hash, static_cast<std::uint64_t>(status.st_size));
  mix(hash, status.st_ino);
}

}  // namespace

CodeStore::CodeStore(const fs::path& folder, const fs::path& base)
    : folder_(fs::absolute(folder)), base_(base.empty() ? folder_.parent_path() : fs::absolute(base)) {}

fs::path CodeStore::place(const FunctionName& function) const {
  return folder_ / function.scope.account / function.scope.region / function.name;
}

fs::path CodeStore::archive(const FunctionName& function, const std::string& id) const {
  return place(function) / (id + ".zip");
}

// A folder is durable when its name is, and that of each one above it: every one of them is synced once by each start.
Result<void> CodeStore::make_durable(const fs::path& folder) const {
  if (folder == base_ || folder == folder.parent_path() || durable_.contains(folder)) return {};
  MR_RETURN_IF_ERROR(make_durable(folder.parent_path()));
  if (::mkdir(folder.c_str(), 0777) != 0 && errno != EEXIST) return disk_error(folder);
  MR_RETURN_IF_ERROR(sync_folder(folder.parent_path()));
  durable_.insert(folder);
  return {};
}

// Unpacked beside its place, so that a folder under its final name is always a whole one, until a power cut.
Result<void> CodeStore::unpack(const FunctionName& function, const std::string& id) const {
  const fs::path folder = place(function) / id;
  const fs::path temporary = folder.string() + ".tmp";
  MR_RETURN_IF_ERROR(runtimes::unpack_archive(archive(function, id), temporary));
  std::error_code error;
  fs::remove_all(folder, error);
  if (!error) fs::rename(temporary, folder, error);
  if (error) return Error(kServiceError, "cannot create " + folder.string() + ": " + error.message());
  return {};
}

Result<fs::path> CodeStore::unpacked(const FunctionName& function, const std::string& id) const {
  fs::path folder = place(function) / id;
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] {
      const auto it = unpacked_.find(folder);
      return it == unpacked_.end() || it->second == Unpacked::kDone;
    });
    std::error_code error;
    if (unpacked_.contains(folder) && fs::is_directory(folder, error)) return folder;
    unpacked_[folder] = Unpacked::kAtIt;
  }
  const auto done = unpack(function, id);
  {
    const std::lock_guard lock(mutex_);
    unpacked_[folder] = Unpacked::kDone;
    if (!done.ok()) unpacked_.erase(folder);
  }
  changed_.notify_all();
  if (done.ok()) return folder;
  const std::string why = "the code of " + function.arn() + " cannot be unpacked from " +
                          archive(function, id).string() + ": " + done.error().message();
  telemetry::log_error("functions", why);
  return Error(kServiceError, why);
}

Result<Code> CodeStore::add(const FunctionName& function, const std::string& id, std::string_view bytes) const {
  if (bytes.empty()) return Error(kInvalidParameterValue, "Uploaded file must be a non-empty zip");
  {
    const std::lock_guard lock(folders_mutex_);
    MR_RETURN_IF_ERROR(make_durable(place(function)));
  }
  const fs::path zip = archive(function, id);
  auto written = storage::write_durably(zip.string(), bytes) ? unpack(function, id) : disk_error(zip);
  if (!written.ok()) {
    remove(function, id);
    return std::move(written).error();
  }
  const std::lock_guard lock(mutex_);
  unpacked_[place(function) / id] = Unpacked::kDone;
  return Code{.id = id,
              .sha256 = crypto::base64_encode(crypto::sha256(bytes)),
              .bytes = static_cast<std::int64_t>(bytes.size())};
}

// The function's folder stays until the next start, empty or not: another add() may be about to use it.
void CodeStore::remove(const FunctionName& function, const std::string& id) const {
  {
    const std::lock_guard lock(mutex_);
    unpacked_.erase(place(function) / id);
  }
  std::error_code ignored;
  fs::remove_all(place(function) / id, ignored);
  fs::remove_all(place(function) / (id + ".tmp"), ignored);
  fs::remove(archive(function, id), ignored);
  fs::remove(archive(function, id).string() + std::string(storage::kUnfinished), ignored);
}

void CodeStore::sweep(const std::set<std::string>& keep) const {
  std::error_code ignored;
  for (const auto& account : fs::directory_iterator(folder_, ignored)) {
    if (account.path().filename().string().starts_with('.')) continue;  // somebody else's
    for (const auto& region : fs::directory_iterator(account.path(), ignored)) {
      for (const auto& function : fs::directory_iterator(region.path(), ignored)) {
        std::error_code unreadable;
        for (const auto& entry : fs::directory_iterator(function.path(), unreadable)) {
          const auto name = entry.path().filename().string();
          const bool whole = name.ends_with(".zip") || name.find('.') == std::string::npos;
          if (!whole || !keep.contains(name.substr(0, name.find('.')))) fs::remove_all(entry.path(), unreadable);
        }
        fs::remove(function.path(), unreadable);
      }
    }
  }
}

std::uint64_t folder_fingerprint(const fs::path& folder) {
  std::uint64_t hash = 0;
  std::error_code error;
  std::size_t count = 0;
  auto it = fs::recursive_directory_iterator(folder, fs::directory_options::skip_permission_denied, error);
  for (; !error && it != fs::recursive_directory_iterator() && count < kHotFolderFilesMax; it.increment(error)) {
    ++count;
    const auto name = it->path().filename().string();
    std::error_code ignored;
    if (name == "node_modules" || (name.starts_with('.') && it->is_directory(ignored))) it.disable_recursion_pending();
    std::uint64_t one = 0;
    mix_file(one, it->path());
    hash += one;  // the order of a folder's entries is not fixed
  }
  return hash;
}

}  // namespace millrace::functions
