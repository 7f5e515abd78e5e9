// Reading a family from one end of a prefix to the other.
#pragma once

#include <functional>
#include <string_view>

#include "base/result.h"
#include "storage/store.h"

namespace millrace::storage {

// Calls `use` with each key that starts with `prefix`, whole, and its value, in order, over one snapshot. Errors: the
// first of `use`, which ends it; of the store.
Result<void> for_each(const Store& store, Family family, std::string_view prefix,
                      const std::function<Result<void>(std::string_view key, std::string_view value)>& use);

// kStorageFailed: "damaged WHAT in the data directory: KEY"; what no terminal shows of the key is written as \xNN.
Error damaged(std::string_view what, std::string_view key);

}  // namespace millrace::storage
