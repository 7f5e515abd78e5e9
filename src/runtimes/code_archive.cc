#include "runtimes/code_archive.h"

#include <fstream>
#include <memory>
#include <string_view>
#include <vector>

#include <zip.h>

namespace millrace::runtimes {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kCopyBytes = 128 * 1024;
constexpr std::uint32_t kUnixTypeMask = 0170000;
constexpr std::uint32_t kUnixFolder = 0040000;
constexpr std::uint32_t kUnixFile = 0100000;

struct CloseArchive {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
struct CloseEntry {
  void operator()(zip_file_t* entry) const { zip_fclose(entry); }
};
using Archive = std::unique_ptr<zip_t, CloseArchive>;
using EntryReader = std::unique_ptr<zip_file_t, CloseEntry>;

Error bad(std::string why) { return Error(kBadArchive, std::move(why)); }

Error cannot_unzip() { return bad("Could not unzip uploaded file. Please check your file, then try to upload again."); }

// The path below the target, or an empty one when the name would leave it.
fs::path safe_path(std::string_view name) {
  if (name.empty() || name.front() == '/' || name.find('\\') != std::string_view::npos ||
      name.find('\0') != std::string_view::npos) {
    return {};
  }
  const fs::path path = fs::path(name).lexically_normal();
  for (const auto& part : path) {
    if (part == "..") return {};
  }
  return path;
}

std::uint32_t unix_mode(zip_t* archive, zip_uint64_t index) {
  zip_uint8_t system = 0;
  zip_uint32_t attributes = 0;
  if (zip_file_get_external_attributes(archive, index, 0, &system, &attributes) != 0) return 0;
  return system == ZIP_OPSYS_UNIX ? attributes >> 16 : 0;
}

Result<void> copy_entry(zip_t* archive, zip_uint64_t index, const fs::path& target, std::uint64_t& total) {
  const EntryReader reader(zip_fopen_index(archive, index, 0));
  if (!reader) return cannot_unzip();
  std::ofstream out(target, std::ios::binary | std::ios::trunc);
  std::vector<char> bytes(kCopyBytes);
  while (true) {
    const auto count = zip_fread(reader.get(), bytes.data(), bytes.size());
    if (count < 0) return cannot_unzip();  // also a wrong checksum
    if (count == 0) break;
    total += static_cast<std::uint64_t>(count);
    if (total > kUnpackedBytesMax) {
      return bad("Unzipped size must be smaller than " + std::to_string(kUnpackedBytesMax) + " bytes");
    }
    out.write(bytes.data(), count);
  }
  if (!out.flush()) return Error(kUnavailable, "cannot write " + target.string());
  return {};
}

Result<void> unpack_entry(zip_t* archive, zip_uint64_t index, const fs::path& folder, std::uint64_t& total) {
  zip_stat_t stat;
  if (zip_stat_index(archive, index, 0, &stat) != 0 || (stat.valid & ZIP_STAT_NAME) == 0) return cannot_unzip();
  const std::string name = stat.name;
  const fs::path path = safe_path(name);
  if (path.empty()) return bad("The archive has an entry that would leave its folder: " + name);
  const std::uint32_t mode = unix_mode(archive, index);
  const std::uint32_t type = mode & kUnixTypeMask;
  std::error_code error;
  if (name.ends_with('/') || type == kUnixFolder) {
    fs::create_directories(folder / path, error);
  } else {
    if (type != 0 && type != kUnixFile) return bad("The archive has an entry that is neither file nor folder: " + name);
    fs::create_directories((folder / path).parent_path(), error);
    if (!error) MR_RETURN_IF_ERROR(copy_entry(archive, index, folder / path, total));
    const bool executable = (mode & 0111) != 0;
    if (!error) fs::permissions(folder / path, static_cast<fs::perms>(executable ? 0755 : 0644), error);
  }
  if (error) return Error(kUnavailable, "cannot write " + (folder / path).string() + ": " + error.message());
  return {};
}

Result<void> unpack_all(const fs::path& file, const fs::path& folder) {
  int code = 0;
  const Archive archive(zip_open(file.c_str(), ZIP_RDONLY | ZIP_CHECKCONS, &code));
  if (!archive) return cannot_unzip();
  const auto count = zip_get_num_entries(archive.get(), 0);
  if (count <= 0) return bad("Uploaded file must be a non-empty zip");
  if (static_cast<std::uint64_t>(count) > kArchiveEntriesMax) return bad("The archive has too many entries");
  std::uint64_t total = 0;
  for (zip_uint64_t i = 0; i < static_cast<zip_uint64_t>(count); ++i) {
    MR_RETURN_IF_ERROR(unpack_entry(archive.get(), i, folder, total));
  }
  return {};
}

}  // namespace

Result<void> unpack_archive(const fs::path& file, const fs::path& folder) {
  std::error_code error;
  fs::remove_all(folder, error);
  fs::create_directories(folder, error);
  if (error) return Error(kUnavailable, "cannot create " + folder.string() + ": " + error.message());
  auto unpacked = unpack_all(file, folder);
  if (!unpacked.ok()) fs::remove_all(folder, error);
  return unpacked;
}

}  // namespace millrace::runtimes
