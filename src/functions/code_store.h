// Deployment packages on disk.
//
//   <folder>/<account>/<region>/<name>/<code id>.zip   the archive as it was sent
//   <folder>/<account>/<region>/<name>/<code id>/      unpacked
//
// An id is never used again, so a function's code changes by naming another id in its record; whatever no record names
// is removed by sweep(). The archive is what is durable, with the names of all folders above it. The unpacked folder is
// a cache that nobody syncs: after a power cut its files may be empty, so none is trusted that another start has made.
//
// Thread-safe. Calls block on disk, unless said otherwise.
#pragma once

#include <condition_variable>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "base/result.h"
#include "functions/configuration.h"

namespace millrace::functions {

class CodeStore {
 public:
  // A relative `folder` is taken from the present working folder. `base`: the folder above it that is known to be
  // durable; empty: its parent.
  explicit CodeStore(const std::filesystem::path& folder, const std::filesystem::path& base = {});

  // Writes and unpacks `archive` under the new `id`; the archive is durable when it returns. Errors:
  // kInvalidParameterValue for a bad archive (runtimes/code_archive.h), kServiceError when the disk fails; nothing
  // stays behind then.
  Result<Code> add(const FunctionName& function, const std::string& id, std::string_view archive) const;
  void remove(const FunctionName& function, const std::string& id) const;
  // Removes every id of `keep`'s complement: what an interrupted add() or remove() left behind.
  void sweep(const std::set<std::string>& keep) const;

  // What the process sees as its task root: unpacked by this object, the first time it is asked for. Errors:
  // kServiceError when the archive is missing or damaged, or the disk fails.
  Result<std::filesystem::path> unpacked(const FunctionName& function, const std::string& id) const;
  std::filesystem::path archive(const FunctionName& function, const std::string& id) const;

 private:
  enum class Unpacked { kAtIt, kDone };

  std::filesystem::path place(const FunctionName& function) const;
  Result<void> make_durable(const std::filesystem::path& folder) const;  // REQUIRES: folders_mutex_ is held
  Result<void> unpack(const FunctionName& function, const std::string& id) const;

  const std::filesystem::path folder_;
  const std::filesystem::path base_;

  mutable std::mutex folders_mutex_;  // guards below
  mutable std::set<std::filesystem::path> durable_;

  mutable std::mutex mutex_;  // guards below
  mutable std::condition_variable changed_;
  mutable std::map<std::filesystem::path, Unpacked> unpacked_;
};

// A number that changes when a file below `folder` is added, removed, written or replaced. Looks at a bounded number of
// files and not into node_modules and dot folders (their own change counts).
std::uint64_t folder_fingerprint(const std::filesystem::path& folder);

}  // namespace millrace::functions
