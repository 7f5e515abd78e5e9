#include "storage/rocks/internal/manifest.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

#include "crypto/digest.h"
#include "storage/store.h"

namespace millrace::storage {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBlock = 32 * 1024;
constexpr std::size_t kHeader = 7;

enum class PartType : std::uint8_t { kWhole = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

struct Part {
  PartType type;
  std::string_view payload;
};

std::uint8_t byte_at(std::string_view bytes, std::size_t at) { return static_cast<std::uint8_t>(bytes[at]); }

// The part of a record that starts at `at`, if there is a whole one.
std::optional<Part> part_at(std::string_view bytes, std::size_t at) {
  if (at + kHeader > bytes.size()) return std::nullopt;
  std::uint32_t expected = 0;
  for (std::size_t i = 0; i < 4; ++i) expected |= std::uint32_t{byte_at(bytes, at + i)} << (8 * i);
  const std::size_t length = byte_at(bytes, at + 4) | std::size_t{byte_at(bytes, at + 5)} << 8;
  const std::uint8_t type = byte_at(bytes, at + 6);
  if (type < 1 || type > 4 || at % kBlock + kHeader + length > kBlock || at + kHeader + length > bytes.size()) {
    return std::nullopt;
  }
  const std::uint32_t crc = crypto::crc32c(bytes.substr(at + 6, 1 + length));
  const std::uint32_t masked = ((crc >> 15) | (crc << 17)) + 0xa282ead8U;
  if (masked != expected) return std::nullopt;
  return Part{static_cast<PartType>(type), bytes.substr(at + kHeader, length)};
}

std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64 && !text.empty(); shift += 7) {
    const auto byte = static_cast<std::uint8_t>(text.front());
    text.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7fU} << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

struct Logs {
  std::uint64_t of_family = 0;  // from which on a family's changes are not in table files; 0: not said
  std::uint64_t oldest = 0;     // from which on logs are needed at all; 0: not said
};

// What a change says of logs. It stands among the fields at its beginning.
Logs logs_in(std::string_view change) {
  constexpr std::uint64_t kComparator = 1;
  constexpr std::uint64_t kLogNumber = 2;
  constexpr std::uint64_t kNextFile = 3;
  constexpr std::uint64_t kPreviousLog = 9;
  constexpr std::uint64_t kOldestLog = 10;
  constexpr std::uint64_t kMaxFamily = 203;
  constexpr std::uint64_t kDatabaseId = 8193;
  Logs logs;
  while (const auto tag = take_number(change)) {
    const bool known = *tag == kComparator || *tag == kDatabaseId || *tag == kLogNumber || *tag == kNextFile ||
                       *tag == kPreviousLog || *tag == kOldestLog || *tag == kMaxFamily;
    if (!known) break;
    const auto value = take_number(change);
    if (!value) break;
    if (*tag == kComparator || *tag == kDatabaseId) change.remove_prefix(std::min<std::size_t>(*value, change.size()));
    if (*tag == kLogNumber) logs.of_family = *value;
    if (*tag == kOldestLog) logs.oldest = *value;
  }
  return logs;
}

Result<std::string> read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file) return Error(kStorageFailed, path.string() + " cannot be read");
  return bytes;
}

std::uint64_t number_in(std::string_view text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// Whether the logs from `oldest` on do not begin there any more: some were removed, as a later change said they may.
// The number is that of a log, or, after a recovery, one above those recovered; the log that was begun then has a
// number below its manifest's.
bool logs_removed(const std::string& directory, std::uint64_t oldest, std::uint64_t manifest) {
  bool newer = false;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.path().extension() != ".log") continue;
    const std::uint64_t number = number_in(entry.path().stem().string());
    if (number == oldest || (number > oldest && number < manifest)) return false;
    newer = newer || number > oldest;
  }
  return oldest != 0 && newer;
}

}  // namespace

ManifestScan scan_manifest(std::string_view bytes) {
  ManifestScan scan;
  std::uint64_t oldest = 0;
  std::uint64_t first = 0;  // before the first flush only the families' creation tells
  std::string change;
  std::size_t at = 0;
  while (at < bytes.size()) {
    const std::size_t left = kBlock - at % kBlock;
    if (left < kHeader) {
      at += left;
      continue;
    }
    const auto part = part_at(bytes, at);
    if (!part) break;
    at += kHeader + part->payload.size();
    if (part->type == PartType::kWhole || part->type == PartType::kFirst) change.clear();
    change += part->payload;
    if (part->type == PartType::kFirst || part->type == PartType::kMiddle) continue;
    scan.whole_bytes = at;
    const Logs logs = logs_in(change);
    oldest = std::max(oldest, logs.oldest);
    if (logs.of_family != 0 && (first == 0 || logs.of_family < first)) first = logs.of_family;
  }
  scan.oldest_log = oldest != 0 ? oldest : first;
  scan.damaged = scan.whole_bytes < bytes.size();
  return scan;
}

Result<std::optional<ManifestCut>> find_manifest_cut(const std::string& directory) {
  const fs::path current = fs::path(directory) / "CURRENT";
  if (!fs::exists(current)) return std::optional<ManifestCut>();
  MR_ASSIGN_OR_RETURN(std::string name, read_file(current));
  while (!name.empty() && name.back() == '\n') name.pop_back();
  constexpr std::string_view kPrefix = "MANIFEST-";
  if (!name.starts_with(kPrefix) || name.find('/') != std::string::npos) return std::optional<ManifestCut>();
  const fs::path path = fs::path(directory) / name;
  MR_ASSIGN_OR_RETURN(const std::string bytes, read_file(path));
  const ManifestScan scan = scan_manifest(bytes);
  if (!scan.damaged || scan.whole_bytes == 0) return std::optional<ManifestCut>();
  if (logs_removed(directory, scan.oldest_log, number_in(std::string_view(name).substr(kPrefix.size())))) {
    return Error(kStorageFailed, path.string() + " is damaged after byte " + std::to_string(scan.whole_bytes) +
                                     ", and the write-ahead logs from " + std::to_string(scan.oldest_log) +
                                     " on, which it replaced, are gone");
  }
  return std::optional(ManifestCut{path.string(), scan.whole_bytes, bytes.substr(scan.whole_bytes)});
}

Result<void> cut_manifest(const ManifestCut& cut) {
  const int fd = ::open(cut.path.c_str(), O_WRONLY | O_CLOEXEC);
  const bool done = fd >= 0 && ::ftruncate(fd, static_cast<off_t>(cut.whole_bytes)) == 0 && ::fsync(fd) == 0;
  const int reason = errno;
  if (fd >= 0) ::close(fd);
  if (!done) return Error(kStorageFailed, cut.path + " cannot be mended: " + std::strerror(reason));
  return {};
}

void uncut_manifest(const ManifestCut& cut) {
  std::ofstream file(cut.path, std::ios::binary | std::ios::app);
  file << cut.tail;
}

}  // namespace millrace::storage
