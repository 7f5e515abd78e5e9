#include "storage/scan.h"

#include <string>

namespace millrace::storage {

Result<void> for_each(const Store& store, Family family, std::string_view prefix,
                      const std::function<Result<void>(std::string_view key, std::string_view value)>& use) {
  const auto it = store.iterate(family, {std::string(prefix), prefix_end(prefix)});
  for (it->seek(prefix); it->valid(); it->next()) MR_RETURN_IF_ERROR(use(it->key(), it->value()));
  return it->status();
}

Error damaged(std::string_view what, std::string_view key) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text = "damaged " + std::string(what) + " in the data directory: ";
  for (const char c : key) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      text += c;
    } else {
      text.append("\\x").append({kDigits[byte >> 4], kDigits[byte & 15]});
    }
  }
  return Error(kStorageFailed, std::move(text));
}

}  // namespace millrace::storage
