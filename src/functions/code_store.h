// Deployment packages on disk.
//
//   <folder>/<account>/<region>/<name>/<code id>.zip   the archive as it was sent
//   <folder>/<account>/<region>/<name>/<code id>/      unpacked
//
// An id is never used again, so a function's code changes by naming another id in its record; whatever no record names
// is removed by sweep(). Calls block on disk. Thread-safe: calls for different ids share nothing.
#pragma once

#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <string_view>

#include "base/result.h"
#include "functions/configuration.h"

namespace millrace::functions {

class CodeStore {
 public:
  // A relative `folder` is taken from the present working folder.
  explicit CodeStore(const std::filesystem::path& folder) : folder_(std::filesystem::absolute(folder)) {}

  // Writes and unpacks `archive` under the new `id`; both are durable when it returns. Errors: kInvalidParameterValue
  // for a bad archive (runtimes/code_archive.h), kServiceError when the disk fails; nothing stays behind then.
  Result<Code> add(const FunctionName& function, const std::string& id, std::string_view archive) const;
  void remove(const FunctionName& function, const std::string& id) const;
  // Removes every id of `keep`'s complement: what an interrupted add() or remove() left behind.
  void sweep(const std::set<std::string>& keep) const;

  // What the process sees as its task root. An archive that is there but not unpacked is unpacked again.
  std::filesystem::path unpacked(const FunctionName& function, const std::string& id) const;
  std::filesystem::path archive(const FunctionName& function, const std::string& id) const;

 private:
  std::filesystem::path place(const FunctionName& function) const;
  const std::filesystem::path folder_;
};

// A number that changes when a file below `folder` is added, removed, written or replaced. Looks at a bounded number of
// files and not into node_modules and dot folders (their own change counts).
std::uint64_t folder_fingerprint(const std::filesystem::path& folder);

}  // namespace millrace::functions
