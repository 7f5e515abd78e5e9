#include "storage/rocks/internal/info_log.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::storage {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

class InfoLogTest : public ::testing::Test {
 protected:
  InfoLogTest() {
    std::string pattern = (fs::temp_directory_path() / "millrace-info-log-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
  }
  ~InfoLogTest() override { fs::remove_all(root_); }
  std::string text() const {
    std::ostringstream out;
    out << std::ifstream(root_ / "LOG").rdbuf();
    return out.str();
  }

  fs::path root_;
};

TEST_F(InfoLogTest, KeepsWarningsAndErrorsOnly) {
  InfoLog log(root_ / "LOG");
  rocksdb::Header(&log, "settings");
  rocksdb::Info(&log, "a flush");
  EXPECT_FALSE(fs::exists(root_ / "LOG"));
  rocksdb::Warn(&log, "slow %d", 7);
  rocksdb::Error(&log, "%s", std::string(5000, 'x').c_str());
  EXPECT_THAT(text(), HasSubstr("slow 7"));
  EXPECT_THAT(text(), HasSubstr("xxxx"));
  EXPECT_LT(text().size(), 3000U);
  EXPECT_THAT(text(), Not(HasSubstr("settings")));
}

TEST_F(InfoLogTest, IsBegunAgainWhenItHasGrown) {
  InfoLog log(root_ / "LOG");
  for (int i = 0; i < 2000; ++i) rocksdb::Warn(&log, "%d %s", i, std::string(1000, 'x').c_str());
  EXPECT_LE(fs::file_size(root_ / "LOG"), kInfoLogBytesMax);
  EXPECT_THAT(text(), HasSubstr("1999 x"));
}

TEST_F(InfoLogTest, DropsWhatCannotBeWritten) {
  for (const std::string& path :
       {std::string(), (root_ / "no such folder" / "LOG").string(), std::string("/dev/full")}) {
    InfoLog log(path);
    rocksdb::Warn(&log, "one");
    rocksdb::Warn(&log, "two");
  }
  EXPECT_TRUE(fs::is_empty(root_));
}

}  // namespace
}  // namespace millrace::storage
