#include "codec/zip.h"

#include <zlib.h>

#include "codec/gzip.h"

namespace millrace::codec {
namespace {

constexpr std::uint64_t kArchiveMax = 0xffffffff;
constexpr std::size_t kEntriesMax = 0xffff;
constexpr std::uint32_t kDate1980 = 0x0021;  // DOS date of 1980-01-01
constexpr std::uint32_t kUtf8Names = 0x0800;
constexpr std::uint32_t kMadeByUnix = 0x0314;  // UNIX, version 2.0

void append_u16(std::string& out, std::uint32_t value) {
  out.push_back(static_cast<char>(value & 0xff));
  out.push_back(static_cast<char>((value >> 8) & 0xff));
}

void append_u32(std::string& out, std::uint64_t value) {
  append_u16(out, static_cast<std::uint32_t>(value & 0xffff));
  append_u16(out, static_cast<std::uint32_t>((value >> 16) & 0xffff));
}

}  // namespace

void ZipWriter::add(std::string_view name, std::string_view content, Mode mode) {
  if (content.size() + out_.size() + directory_.size() >= kArchiveMax || entries_ >= kEntriesMax) {
    too_large_ = true;
    return;
  }
  const std::string packed = deflate_raw(content);
  const bool smaller = packed.size() < content.size();
  const std::string_view data = smaller ? std::string_view(packed) : content;
  const auto crc = ::crc32(0, reinterpret_cast<const Bytef*>(content.data()), static_cast<uInt>(content.size()));
  std::string common;  // what a local header and an entry of the directory share
  append_u16(common, 20);
  append_u16(common, kUtf8Names);
  append_u16(common, smaller ? 8 : 0);
  append_u16(common, 0);
  append_u16(common, kDate1980);
  append_u32(common, crc);
  append_u32(common, data.size());
  append_u32(common, content.size());
  append_u16(common, static_cast<std::uint32_t>(name.size()));
  append_u16(common, 0);
  const std::size_t offset = out_.size();
  out_.append("PK\3\4").append(common).append(name).append(data);
  directory_.append("PK\1\2");
  append_u16(directory_, kMadeByUnix);
  directory_.append(common);
  append_u16(directory_, 0);
  append_u16(directory_, 0);
  append_u16(directory_, 0);
  const std::uint32_t permissions = mode == Mode::kExecutable ? 0100755 : 0100644;
  append_u32(directory_, std::uint64_t{permissions} << 16);
  append_u32(directory_, offset);
  directory_.append(name);
  ++entries_;
}

Result<std::string> ZipWriter::finish() {
  if (too_large_) return Error(kZipTooLarge, "the archive would be larger than a zip archive can be");
  const std::size_t offset = out_.size();
  const std::size_t bytes = directory_.size();
  out_.append(directory_).append("PK\5\6");
  append_u32(out_, 0);
  append_u16(out_, static_cast<std::uint32_t>(entries_));
  append_u16(out_, static_cast<std::uint32_t>(entries_));
  append_u32(out_, bytes);
  append_u32(out_, offset);
  append_u16(out_, 0);
  return std::move(out_);
}

}  // namespace millrace::codec
