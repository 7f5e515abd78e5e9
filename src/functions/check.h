// Looks at every function, version, layer and asynchronous event of a store that is at rest, with the code archives.
// For `millrace check`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "base/result.h"
#include "storage/store.h"

namespace millrace::functions {

struct FunctionCheckCounts {
  std::uint64_t functions = 0;
  std::uint64_t versions = 0;
  std::uint64_t layers = 0;    // versions of them, without deleted ones
  std::uint64_t archives = 0;  // that were read
  std::uint64_t events = 0;    // waiting
};

// `folder` holds the archives, as for Functions. `problem` is told of each, as a sentence. Checked: every record can be
// decoded; every archive that one names is there and is what was sent; every version has its function, every alias its
// versions; every event can be decoded, and every state is of an event. Errors: of the store.
Result<FunctionCheckCounts> check_functions(const storage::Store& store, const std::filesystem::path& folder,
                                            const std::function<void(std::string)>& problem);

}  // namespace millrace::functions
