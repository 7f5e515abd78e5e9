#include "codec/zip.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::codec {
namespace {

std::string archive_of(std::string_view content) {
  ZipWriter zip;
  zip.add("a/index.js", content, ZipWriter::Mode::kFile);
  zip.add("run.sh", "#!/bin/sh\n", ZipWriter::Mode::kExecutable);
  return *zip.finish();
}

std::uint32_t u32_at(const std::string& bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (int i = 3; i >= 0; --i)
    value = (value << 8) | static_cast<unsigned char>(bytes[at + static_cast<std::size_t>(i)]);
  return value;
}

TEST(ZipWriter, GivesTheSameBytesForTheSameFiles) {
  EXPECT_EQ(archive_of("exports.handler = 1"), archive_of("exports.handler = 1"));
  EXPECT_NE(archive_of("exports.handler = 1"), archive_of("exports.handler = 2"));
}

TEST(ZipWriter, WritesADirectoryThatPointsAtItsEntries) {
  const std::string bytes = archive_of(std::string(1000, 'x'));
  const std::size_t end = bytes.size() - 22;
  ASSERT_EQ(bytes.substr(end, 4), std::string("PK\5\6"));
  const std::size_t directory = u32_at(bytes, end + 16);
  EXPECT_EQ(directory + u32_at(bytes, end + 12), end);
  ASSERT_EQ(bytes.substr(directory, 4), std::string("PK\1\2"));
  EXPECT_EQ(u32_at(bytes, directory + 24), 1000u);           // size
  EXPECT_LT(u32_at(bytes, directory + 20), 100u);            // compressed
  EXPECT_EQ(u32_at(bytes, directory + 38) >> 16, 0100644u);  // permissions
  const std::size_t second = directory + 46 + std::string("a/index.js").size();
  EXPECT_EQ(u32_at(bytes, second + 38) >> 16, 0100755u);
  EXPECT_EQ(bytes.substr(u32_at(bytes, second + 42), 4), std::string("PK\3\4"));
  EXPECT_EQ(bytes.substr(u32_at(bytes, second + 42) + 30, 6), "run.sh");
}

TEST(ZipWriter, StoresWhatDoesNotGetSmaller) {
  ZipWriter zip;
  zip.add("one", "x", ZipWriter::Mode::kFile);
  zip.add("empty", "", ZipWriter::Mode::kFile);
  const std::string bytes = *zip.finish();
  EXPECT_EQ(bytes[8], 0);
  EXPECT_EQ(bytes[30 + 3], 'x');
  EXPECT_EQ(zip.entries(), 2u);
}

}  // namespace
}  // namespace millrace::codec
