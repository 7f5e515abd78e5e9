// Uploads in progress claim the room they will take.
#include "s3/internal/space.h"

#include <gtest/gtest.h>

#include "s3/internal/blob_ids.h"
#include "storage/memory/memory_store.h"

namespace millrace::s3 {
namespace {

using internal::Space;

// A disk, of which only the room is looked at.
class Disk final : public storage::Store {
 public:
  Result<void> write(const storage::WriteBatch&, Sync) override { return {}; }
  Result<std::optional<std::string>> get(storage::Family, std::string_view) const override {
    return std::optional<std::string>();
  }
  std::unique_ptr<storage::Iterator> iterate(storage::Family, storage::Bounds) const override { return nullptr; }
  void reclaim(storage::Family, std::string_view, std::string_view) override {}
  std::string statistics() const override { return ""; }
  storage::Room room() const override { return now; }

  storage::Room now{storage::Room::Level::kPlenty, 1000, 300};
};

TEST(UploadSpace, SeveralUploadsMayNotEatTheReserveTogether) {
  Disk disk;
  Space space(disk);
  Space::Claim first = space.claim();
  Space::Claim second = space.claim();
  ASSERT_TRUE(first.grow(500).ok());
  const auto refused = second.grow(201);
  ASSERT_FALSE(refused.ok());
  EXPECT_TRUE(refused.error().is(kUnavailable));
  EXPECT_NE(refused.error().message().find("uploads in progress will take 500 bytes"), std::string::npos);
  EXPECT_EQ(second.bytes(), 0U);
  EXPECT_TRUE(second.grow(200).ok());
}

TEST(UploadSpace, WhatReachedTheDiskIsNotCountedTwice) {
  Disk disk;
  Space space(disk);
  Space::Claim first = space.claim();
  ASSERT_TRUE(first.grow(500).ok());
  disk.now.free_bytes = 600;  // 400 of them are written
  first.shrink(400);
  Space::Claim second = space.claim();
  EXPECT_FALSE(second.grow(201).ok());
  EXPECT_TRUE(second.grow(200).ok());
}

// A full disk as the committer tells of it: what was submitted waits for room, answers do not.
class FullDisk final : public storage::Commits {
 public:
  storage::CommitNumber submit(storage::WriteBatch, std::function<void(const storage::Committed&)>) override {
    return ++submitted;
  }
  void when_durable(storage::CommitNumber, std::function<void(const Error*)>) override { FAIL() << "waits for ever"; }
  void when_answerable(storage::CommitNumber, std::function<void(const Error*)> done) override {
    const Error full(storage::kStorageFull, "full");
    done(&full);
  }
  storage::CommitNumber durable() const override { return has_room ? submitted : 0; }
  void on_logged(std::function<void(std::span<const std::uint64_t>)>) override {}
  storage::Stamp next_stamp() const override { return 1; }

  storage::CommitNumber submitted = 0;
  bool has_room = false;
};

TEST(UploadSpace, AnUploadThatNeedsFileNumbersDoesNotWaitForRoom) {
  storage::MemoryStore store;
  FullDisk commits;
  internal::BlobIds ids(store, commits);
  const auto refused = ids.allocate();
  ASSERT_FALSE(refused.ok());
  EXPECT_TRUE(refused.error().is(kUnavailable));
  commits.has_room = true;
  EXPECT_TRUE(ids.allocate().ok());
  EXPECT_EQ(commits.submitted, 1U);  // the same lease
}

TEST(UploadSpace, AnUploadThatEndsGivesItsClaimBack) {
  Disk disk;
  Space space(disk);
  {
    Space::Claim first = space.claim();
    ASSERT_TRUE(first.grow(700).ok());
    Space::Claim moved = std::move(first);
    EXPECT_EQ(moved.bytes(), 700U);
    EXPECT_FALSE(space.claim().grow(1).ok());
  }
  EXPECT_TRUE(space.claim().grow(700).ok());
}

TEST(UploadSpace, ADiskWithoutAReserveTakesEverything) {
  Disk disk;
  disk.now.reserve_bytes = 0;
  Space space(disk);
  EXPECT_TRUE(space.claim().grow(std::uint64_t{1} << 40).ok());
}

}  // namespace
}  // namespace millrace::s3
