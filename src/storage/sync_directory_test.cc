#include "storage/sync_directory.h"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

namespace millrace::storage {
namespace {

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(SyncDirectory, SyncsDirectoriesAndSaysWhyItCannot) {
  std::string pattern = (std::filesystem::temp_directory_path() / "millrace-sync-XXXXXX").string();
  const std::filesystem::path folder = ::mkdtemp(pattern.data());
  std::ofstream(folder / "file") << "text";
  EXPECT_TRUE(sync_directory(folder.string()));
  EXPECT_TRUE(sync_directory(""));
  EXPECT_FALSE(sync_directory((folder / "missing").string()));
  EXPECT_EQ(errno, ENOENT);
  EXPECT_FALSE(sync_directory((folder / "file").string()));
  EXPECT_EQ(errno, ENOTDIR);
  std::filesystem::remove_all(folder);
}

TEST(WriteDurably, PutsAWholeFileInThePlaceOfAnotherOrLeavesThatAsItWas) {
  std::string pattern = (std::filesystem::temp_directory_path() / "millrace-sync-XXXXXX").string();
  const std::filesystem::path folder = ::mkdtemp(pattern.data());
  const std::filesystem::path file = folder / "file", unfinished = folder / "file.new";
  std::ofstream(unfinished) << std::string(100, 'x');  // what a kill has left
  EXPECT_TRUE(write_durably(file.string(), "first"));
  EXPECT_EQ(text_of(file), "first");
  EXPECT_FALSE(std::filesystem::exists(unfinished));
  using std::filesystem::perms;
  EXPECT_EQ(std::filesystem::status(file).permissions(), perms::owner_read | perms::owner_write);
  const std::string large(std::size_t{3} << 20, 'y');
  EXPECT_TRUE(write_durably(file.string(), large));
  EXPECT_EQ(text_of(file), large);
  EXPECT_TRUE(write_durably(file.string(), ""));
  EXPECT_EQ(text_of(file), "");

  EXPECT_FALSE(write_durably((folder / "missing" / "file").string(), "text"));
  EXPECT_EQ(errno, ENOENT);
  std::filesystem::create_directories(folder / "taken" / "inside");
  EXPECT_FALSE(write_durably((folder / "taken").string(), "text"));  // cannot be renamed to it
  EXPECT_EQ(errno, EISDIR);
  EXPECT_FALSE(std::filesystem::exists(folder / "taken.new"));
  std::filesystem::create_directories(unfinished);
  EXPECT_FALSE(write_durably(file.string(), "text"));
  EXPECT_EQ(errno, EEXIST);
  EXPECT_EQ(text_of(file), "");
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace millrace::storage
