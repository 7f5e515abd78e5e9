#include "runtimes/code_archive.h"

#include <fstream>
#include <sstream>

#include <gtest/gtest.h>
#include <unistd.h>
#include <zip.h>

namespace millrace::runtimes {
namespace {

namespace fs = std::filesystem;

class CodeArchive : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "millrace-archive-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  void TearDown() override { fs::remove_all(folder_); }

  // Writes an archive of name and content; `mode` is the unix mode of all of them.
  fs::path archive(const std::vector<std::pair<std::string, std::string>>& entries, std::uint32_t mode = 0100644) {
    const auto file = folder_ / "code.zip";
    fs::remove(file);
    zip_t* zip = zip_open(file.c_str(), ZIP_CREATE | ZIP_TRUNCATE, nullptr);
    for (const auto& [name, content] : entries) {
      zip_source_t* source = zip_source_buffer(zip, content.data(), content.size(), 0);
      const auto index = zip_file_add(zip, name.c_str(), source, ZIP_FL_OVERWRITE);
      zip_file_set_external_attributes(zip, static_cast<zip_uint64_t>(index), 0, ZIP_OPSYS_UNIX, mode << 16);
    }
    EXPECT_EQ(zip_close(zip), 0);
    return file;
  }
  std::string read(const std::string& name) {
    std::ostringstream text;
    text << std::ifstream(folder_ / "out" / name).rdbuf();
    return text.str();
  }
  Result<void> unpack(const fs::path& file) { return unpack_archive(file, folder_ / "out"); }

  fs::path folder_;
};

TEST_F(CodeArchive, UnpacksFilesFoldersAndExecutableBits) {
  ASSERT_TRUE(unpack(archive({{"index.js", "one"}, {"a/b/c.txt", "two"}}, 0100755)).ok());
  EXPECT_EQ(read("index.js"), "one");
  EXPECT_EQ(read("a/b/c.txt"), "two");
  EXPECT_EQ(::access((folder_ / "out/index.js").c_str(), X_OK), 0);
}

TEST_F(CodeArchive, ReplacesWhatWasThere) {
  ASSERT_TRUE(unpack(archive({{"old", "1"}})).ok());
  ASSERT_TRUE(unpack(archive({{"new", "2"}})).ok());
  EXPECT_FALSE(fs::exists(folder_ / "out/old"));
}

TEST_F(CodeArchive, RefusesPathsThatClimbOut) {
  for (const char* name : {"../evil", "a/../../evil", "/etc/evil", "a\\..\\evil"}) {
    const auto result = unpack(archive({{"ok", "1"}, {name, "2"}}));
    ASSERT_FALSE(result.ok()) << name;
    EXPECT_TRUE(result.error().is(kBadArchive));
    EXPECT_FALSE(fs::exists(folder_ / "out")) << "nothing stays behind";
    EXPECT_FALSE(fs::exists(folder_ / "evil"));
  }
}

TEST_F(CodeArchive, RefusesLinksBrokenAndEmptyFiles) {
  EXPECT_FALSE(unpack(archive({{"link", "/etc/passwd"}}, 0120777)).ok());
  std::ofstream(folder_ / "broken.zip") << "PK\x03\x04 this is no archive";
  EXPECT_EQ(unpack(folder_ / "broken.zip").error().message(),
            "Could not unzip uploaded file. Please check your file, then try to upload again.");
  std::ofstream(folder_ / "empty.zip") << "";
  EXPECT_FALSE(unpack(folder_ / "empty.zip").ok());
  EXPECT_FALSE(unpack(folder_ / "absent.zip").ok());
}

TEST_F(CodeArchive, RefusesADamagedEntry) {
  const auto file = archive({{"data.txt", std::string(5000, 'a') + "tail"}});
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekp(45);
  stream.put('\xff');
  stream.close();
  EXPECT_FALSE(unpack(file).ok());
}

}  // namespace
}  // namespace millrace::runtimes
