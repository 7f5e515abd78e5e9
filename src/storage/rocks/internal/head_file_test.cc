#include "storage/rocks/internal/head_file.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

namespace millrace::storage {
namespace {

namespace fs = std::filesystem;
using For = HeadFile::For;

class HeadFileTest : public ::testing::Test {
 protected:
  ~HeadFileTest() override { fs::remove(path_); }

  static std::string little_endian(std::uint64_t value) {
    std::string out;
    for (int i = 0; i < 8; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
    return out;
  }
  static std::string slot(std::uint64_t round, std::uint64_t sequence) {
    std::string bytes = std::string("MRHEAD1\0", 8) + little_endian(round) + little_endian(sequence);
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
    return bytes + little_endian(hash) + std::string(32, '\0');
  }
  void write(const std::string& first, const std::string& second) {
    std::string bytes = first;
    bytes.resize(4096);
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes << second;
  }

  const std::string path_ = fs::temp_directory_path() / ("millrace-head-" + std::to_string(::getpid()));
};

TEST_F(HeadFileTest, TheNewestRoundCountsAndTheOtherSlotIsWritten) {
  write(slot(7, 70), slot(6, 60));
  auto head = HeadFile::open(path_, For::kWriting).value();
  EXPECT_EQ(head->sequence(), 70U);
  ASSERT_TRUE(head->write(80));
  EXPECT_EQ(HeadFile::open(path_, For::kReading).value()->sequence(), 80U);
}

TEST_F(HeadFileTest, ASlotThatNoServerWroteIsPassedOverWhateverItsChecksum) {
  const std::uint64_t most = ~std::uint64_t{0};
  for (const std::string& damaged : {slot(most, 70), slot(7, most)}) {
    write(damaged, slot(6, 60));
    auto head = HeadFile::open(path_, For::kWriting).value();
    EXPECT_EQ(head->sequence(), 60U);
    ASSERT_TRUE(head->write(61));
    EXPECT_EQ(HeadFile::open(path_, For::kReading).value()->sequence(), 61U);
    write(damaged, damaged);
    EXPECT_FALSE(HeadFile::open(path_, For::kReading).ok());
  }
}

}  // namespace
}  // namespace millrace::storage
