#include "storage/sync_directory.h"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

namespace millrace::storage {
namespace {

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

}  // namespace
}  // namespace millrace::storage
