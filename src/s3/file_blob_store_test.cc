#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include <dirent.h>
#include <gtest/gtest.h>

#include "s3/blob_store.h"

namespace millrace::s3 {
namespace {

class Files : public ::testing::Test {
 protected:
  Files() {
    std::string pattern = std::filesystem::temp_directory_path() / "millrace-blobs-XXXXXX";
    root = ::mkdtemp(pattern.data());
    open();
  }
  ~Files() override { std::filesystem::remove_all(root); }
  void open() { store = open_file_blob_store(root + "/objects").value(); }
  void write(BlobId id, const std::string& bytes) {
    auto blob = store->create().value();
    ASSERT_TRUE(blob->append(bytes).ok() && blob->sync().ok() && store->place(*blob, id).ok());
  }
  std::string root;
  std::unique_ptr<BlobStore> store;
};

TEST_F(Files, ArePlacedReadLinkedAndRemoved) {
  write(256, "hello world");
  EXPECT_EQ(*store->open(256).value()->read(6, 5), "world");
  EXPECT_FALSE(store->open(256).value()->read(6, 6).ok());
  ASSERT_TRUE(store->link(256, 1000).ok());
  auto reader = store->open(256).value();
  ASSERT_TRUE(store->remove({256, 257}).ok());
  EXPECT_TRUE(store->open(256).error().is(kNoSuchBlob));
  EXPECT_TRUE(store->link(256, 1001).error().is(kNoSuchBlob));
  EXPECT_EQ(*reader->read(0, 5), "hello");
  open();
  EXPECT_EQ(*store->open(1000).value()->read(0, 5), "hello");
}

TEST_F(Files, AreListedByBlock) {
  for (const BlobId id : {256ULL, 511ULL, 512ULL, 256ULL + 65536}) write(id, "x");
  EXPECT_EQ(*store->list_block(1), (std::vector<BlobId>{256, 511}));
  EXPECT_EQ(*store->list_block(257), (std::vector<BlobId>{65792}));
}

TEST_F(Files, TemporaryOnesVanish) {
  const auto count = [&] {
    return std::distance(std::filesystem::directory_iterator(root + "/objects/tmp"),
                         std::filesystem::directory_iterator());
  };
  auto blob = store->create().value();
  EXPECT_EQ(count(), 1);
  blob.reset();
  EXPECT_EQ(count(), 0);
  blob = store->create().value();
  ASSERT_TRUE(store->remove_temporaries().ok());
  EXPECT_EQ(count(), 0);
}

// A sync that failed may have dropped what it could not write, and succeed when it is tried again.
TEST_F(Files, AreOnlyReadAfterASyncThatFailed) {
  write(256, "hello");
  for (const int where : {0, 1}) {
    int failing = 0;
    std::vector<std::string> told;
    FileSyncs syncs = machine_syncs();
    const auto fail = [&](int kind) {
      errno = EIO;
      return failing == kind + 1 && failing-- > 0;
    };
    syncs.file = [&](int) { return !fail(0); };
    syncs.directory = [&](const std::string&) { return !fail(1); };
    store = open_file_blob_store(
                root + "/objects", [&](const Error& error) { told.push_back(error.message()); }, syncs)
                .value();
    failing = where + 1;
    auto blob = store->create().value();
    EXPECT_FALSE(blob->sync().ok() && store->place(*blob, 4096).ok());
    failing = 0;  // from here on a sync would succeed
    EXPECT_FALSE(blob->sync().ok());
    EXPECT_FALSE(store->place(*blob, 4096).ok());
    EXPECT_FALSE(store->create().ok());
    EXPECT_FALSE(store->link(256, 4097).ok());
    EXPECT_FALSE(store->remove({256}).ok());
    EXPECT_EQ(*store->open(256).value()->read(0, 5), "hello");
    ASSERT_EQ(told.size(), 1U);
    EXPECT_NE(told[0].find("cannot sync"), std::string::npos);
  }
}

TEST_F(Files, AFullDiskAtASyncFailsOneFileOnly) {
  bool full = true;
  FileSyncs syncs = machine_syncs();
  syncs.file = [&](int) {
    errno = ENOSPC;
    return !full;
  };
  store = open_file_blob_store(
              root + "/objects", [](const Error&) { FAIL(); }, syncs)
              .value();
  EXPECT_FALSE(store->create().value()->sync().ok());
  full = false;
  write(300, "x");
}

TEST_F(Files, AreLookedAtWithoutAnyChange) {
  write(256, "hello");
  std::filesystem::remove(root + "/objects/tmp");
  EXPECT_EQ(*view_file_blob_store(root + "/objects")->open(256).value()->read(0, 5), "hello");
  EXPECT_FALSE(std::filesystem::exists(root + "/objects/tmp"));
}

TEST_F(Files, NeedADirectoryThatCanBeMade) { EXPECT_FALSE(open_file_blob_store(root + "/none/objects").ok()); }

}  // namespace
}  // namespace millrace::s3
