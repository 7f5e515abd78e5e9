// Zip archives of files in memory: the same files give the same bytes, so that a digest of the archive tells whether
// anything changed.
//
//   ZipWriter zip;
//   zip.add("index.js", content, ZipWriter::Mode::kFile);
//   std::string bytes = zip.finish();
//
// Every entry has the date 1980-01-01 and UNIX permissions 0644 or 0755. Entries are in the order of add(): give them
// sorted. No zip64: an archive of 4 GiB or more, or of more than 65,535 entries, is refused. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::codec {

inline constexpr ErrorType kZipTooLarge{"ZipTooLarge", 413, ErrorKind::kClient};

class ZipWriter {
 public:
  enum class Mode : std::uint8_t { kFile, kExecutable };

  // `name` is relative, with forward slashes. REQUIRES: not yet finished.
  void add(std::string_view name, std::string_view content, Mode mode);
  std::size_t entries() const { return entries_; }
  // The archive. Error: kZipTooLarge.
  Result<std::string> finish();

 private:
  std::string out_;
  std::string directory_;
  std::size_t entries_ = 0;
  bool too_large_ = false;
};

}  // namespace millrace::codec
