// Bytes of object files that are not what was written: noticed by whoever reads them, and by the check.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "crypto/encoding.h"
#include "s3/check.h"
#include "s3/internal/block_sums.h"
#include "s3/internal/world_test.h"
#include "s3/limits.h"

namespace millrace::s3 {
namespace {

using internal::kAccount;
using internal::kBlockBytes;
using storage::Family;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(BlockSums, TellWhichBlockIsDamaged) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{kBlockBytes}, std::size_t{200'000}}) {
    std::string bytes;
    for (std::size_t i = 0; i < size; ++i) bytes.push_back(static_cast<char>(i / kBlockBytes + i));
    internal::BlockSums running;
    for (std::size_t at = 0; at < size; at += 50'000) running.update(std::string_view(bytes).substr(at, 50'000));
    std::string stored = running.finish();
    EXPECT_EQ(stored.size(), internal::block_sums_bytes(size));
    const auto sums = internal::parse_block_sums(stored, size);
    ASSERT_TRUE(sums) << size;
    EXPECT_EQ(internal::damaged_block(bytes, 0, *sums), std::nullopt);
    if (size > 0) {
      bytes.back() ^= 1;
      EXPECT_EQ(internal::damaged_block(bytes, 0, *sums), (size - 1) / kBlockBytes);
      EXPECT_EQ(internal::damaged_block(bytes, 1, *sums), 1U);  // not where it lies
    }
    EXPECT_FALSE(internal::parse_block_sums(stored, size + kBlockBytes));
    stored[0] = static_cast<char>(stored[0] ^ 1);
    EXPECT_FALSE(internal::parse_block_sums(stored, size));
  }
  EXPECT_FALSE(internal::parse_block_sums("", 0));
}

class Damage : public ::testing::Test {
 protected:
  Damage() { EXPECT_TRUE(world.objects->create_bucket(kAccount, "us-east-1", "bucket").ok()); }

  void flip(BlobId id, std::size_t at) { world.blobs.bytes_of(id)[at] ^= 1; }
  // As an older version wrote it: without checksums of its blocks.
  void strip(BlobId id, std::size_t bytes) { world.blobs.bytes_of(id).resize(bytes); }
  Result<std::string> range(const std::string& key, std::uint64_t offset, std::size_t count) {
    return world.objects->open_object(kAccount, "bucket", key)->content->read(offset, count);
  }
  std::vector<std::string> problems() {
    std::vector<std::string> found;
    EXPECT_TRUE(check_objects(
                    world.store, world.blobs, [&](std::string problem) { found.push_back(std::move(problem)); },
                    [](std::uint64_t) {})
                    .ok());
    return found;
  }
  std::string start_upload() { return world.objects->create_upload(kAccount, "bucket", {"multi", {}, {}, {}})->id; }
  std::string put_part(const std::string& id, int number, const std::string& bytes) {
    ObjectWriter writer = world.objects->writer(ObjectWriter::Use::kPart, {crypto::Algorithm::kCrc64Nvme}, 0);
    EXPECT_TRUE(writer.append(bytes).ok() && writer.seal().ok());
    return world.objects->put_part(kAccount, "bucket", "multi", id, number, std::move(writer))->etag;
  }
  // "copy" of an object of two parts, of which only the copy is left: its files.
  std::vector<BlobId> copy_of_multipart() {
    const std::string id = start_upload();
    CompleteRequest complete;
    complete.parts = {{1, put_part(id, 1, first), {}}, {2, put_part(id, 2, "second"), {}}};
    EXPECT_TRUE(world.objects->complete_upload(kAccount, "bucket", "multi", id, complete).ok());
    CopyRequest copy;
    copy.source_bucket = copy.bucket = "bucket";
    copy.source_key = "multi";
    copy.key = "copy";
    EXPECT_TRUE(world.objects->copy_object(kAccount, copy).ok());
    EXPECT_TRUE(world.objects->delete_object(kAccount, "bucket", "multi").ok());
    world.scheduler->run_ready();
    return world.blobs.ids();
  }

  const std::string first = std::string(kPartBytesMin, 'a');
  internal::World world;
};

TEST_F(Damage, IsNoticedByReadingARange) {
  ASSERT_TRUE(world.put("key", std::string(300'000, 'x')).ok());
  EXPECT_EQ(*range("key", 70'001, 3), "xxx");
  flip(world.blobs.ids()[0], 70'000);
  EXPECT_EQ(*range("key", 0, 1000), std::string(1000, 'x'));
  EXPECT_EQ(*range("key", 250'000, 50'000), std::string(50'000, 'x'));
  const auto damaged = range("key", 100'000, 2);
  ASSERT_FALSE(damaged.ok());
  EXPECT_THAT(damaged.error().message(), HasSubstr("its block 1 of 65536 bytes"));
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("Object key of bucket")));
}

TEST_F(Damage, OfASizeOrOfTheChecksumsIsNoticed) {
  ASSERT_TRUE(world.put("key", std::string(300'000, 'x')).ok());
  const BlobId id = world.blobs.ids()[0];
  flip(id, 300'001);
  EXPECT_THAT(range("key", 0, 1).error().message(), HasSubstr("the checksums of its blocks"));
  strip(id, 300'001);
  EXPECT_THAT(range("key", 0, 1).error().message(), HasSubstr("300001 bytes instead of"));
}

TEST_F(Damage, FilesOfOlderVersionsAreComparedAsAWhole) {
  ASSERT_TRUE(world.put("key", std::string(300'000, 'x')).ok());
  strip(world.blobs.ids()[0], 300'000);
  EXPECT_EQ(*range("key", 70'001, 3), "xxx");
  EXPECT_THAT(problems(), IsEmpty());
  flip(world.blobs.ids()[0], 70'000);
  EXPECT_TRUE(range("key", 70'001, 3).ok());
  EXPECT_FALSE(range("key", 0, 300'000).ok());
  EXPECT_EQ(problems().size(), 1U);
}

TEST_F(Damage, OfACopiedPartIsNoticed) {
  const auto files = copy_of_multipart();
  ASSERT_EQ(files.size(), 2U);
  EXPECT_THAT(problems(), IsEmpty());
  strip(files[0], first.size());  // the checksum of the part is enough
  EXPECT_EQ(world.get("copy"), first + "second");
  flip(files[0], 5);
  EXPECT_EQ(world.get("copy"), "InternalError");
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("Object copy")));
}

TEST_F(Damage, OfAPartThatAnOlderVersionCopiedIsFoundByTheCheck) {
  const auto files = copy_of_multipart();
  for (const auto& [file, bytes] : {std::pair(files[0], first.size()), std::pair(files[1], std::size_t{6})}) {
    strip(file, bytes);
  }
  const auto at = world.store.iterate(Family::kObjects, {"d", "e"});
  at->seek("d");
  auto parts = *internal::decode_parts(at->value().substr(8));
  for (auto& part : parts) part.checksum.clear();
  storage::WriteBatch batch;
  batch.put(Family::kObjects, at->key(), std::string(at->value().substr(0, 8)) + internal::encode(parts));
  ASSERT_TRUE(world.store.write(batch, storage::Store::Sync::kSynced).ok());
  EXPECT_THAT(problems(), IsEmpty());
  flip(files[1], 0);
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("Object copy")));
}

TEST_F(Damage, OfAnUploadInProgressIsFoundByTheCheck) {
  const std::string id = start_upload();
  put_part(id, 1, first);
  EXPECT_THAT(problems(), IsEmpty());
  const BlobId file = world.blobs.ids()[0];
  strip(file, first.size());
  flip(file, 9);
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("Part 1 of upload " + id)));
  storage::WriteBatch batch;
  batch.erase(Family::kObjects, internal::upload_key(id));
  ASSERT_TRUE(world.store.write(batch, storage::Store::Sync::kSynced).ok());
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("belongs to no upload")));
}

}  // namespace
}  // namespace millrace::s3
