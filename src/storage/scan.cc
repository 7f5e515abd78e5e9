#include "storage/scan.h"

#include <string>

namespace millrace::storage {

Result<void> for_each(const Store& store, Family family, std::string_view prefix,
                      const std::function<Result<void>(std::string_view key, std::string_view value)>& use) {
  const auto it = store.iterate(family, {std::string(prefix), prefix_end(prefix)});
  for (it->seek(prefix); it->valid(); it->next()) MR_RETURN_IF_ERROR(use(it->key(), it->value()));
  return it->status();
}

}  // namespace millrace::storage
