#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "platform/random.h"
#include "s3/internal/memory_blob_store.h"
#include "s3/internal/record.h"
#include "s3/internal/world_test.h"
#include "s3/object_store.h"
#include "storage/memory/memory_store.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"

namespace millrace::s3 {
namespace {

using ::testing::HasSubstr;

std::string refusal(const std::string& key, const std::string& value) {
  storage::MemoryStore store;
  storage::WriteBatch batch;
  batch.put(storage::Family::kCatalogue, key, value);
  EXPECT_TRUE(store.write(batch, storage::Store::Sync::kSynced).ok());
  testing::VirtualScheduler scheduler;
  testing::TestCommits commits(store, scheduler);
  platform::SeededRandom random(1);
  internal::MemoryBlobStore blobs;
  ObjectStore objects(scheduler, random, store, commits, blobs);
  const auto loaded = objects.load();
  return loaded.ok() ? "none" : loaded.error().message();
}

// Starting again from 1 would put new objects over the files of old ones.
TEST(ObjectsDamageTest, ADamagedNumberOfFilesIsNamedAtStart) {
  EXPECT_EQ(refusal("s3/blocks/next", "12"), "none");
  for (const char* damaged : {"", "x", "1x", "0", "99999999999999999999"}) {
    EXPECT_THAT(refusal("s3/blocks/next", damaged), HasSubstr("in the data directory: s3/blocks/next")) << damaged;
  }
  EXPECT_THAT(refusal("s3/blocks/open/1", ""), HasSubstr("damaged number of an object's file"));
}

// Nobody could compute a checksum of an algorithm that does not exist.
TEST(ObjectsDamageTest, RecordsWithUnknownKindsAreDamaged) {
  internal::ObjectRecord record;
  EXPECT_TRUE(internal::decode_object(internal::encode(record)));
  record.checksum.algorithm = static_cast<ChecksumAlgorithm>(9);
  EXPECT_FALSE(internal::decode_object(internal::encode(record)));
  record.checksum = {};
  record.checksum.type = static_cast<ChecksumType>(2);
  EXPECT_FALSE(internal::decode_object(internal::encode(record)));
  record.checksum = {};
  record.place = static_cast<internal::Place>(3);
  EXPECT_FALSE(internal::decode_object(internal::encode(record)));
}

TEST(ObjectsDamageTest, ABucketWhoseRecordIsNotItsOwnIsNamedAtStart) {
  EXPECT_EQ(refusal("s3/bucket/abc", R"({"v":1,"name":"abc","id":"5"})"), "none");
  EXPECT_THAT(refusal("s3/bucket/abc", R"({"v":1,"name":"abd","id":"5"})"),
              HasSubstr("damaged bucket in the data directory: s3/bucket/abc"));
  EXPECT_THAT(refusal("s3/bucket/abc", R"({"v":1,"name":"abc","id":"5x"})"), HasSubstr("damaged bucket"));
}

// Records with right checksums that are not what was written.
class DamagedObjectTest : public ::testing::Test {
 protected:
  DamagedObjectTest() { EXPECT_TRUE(world.objects->create_bucket(internal::kAccount, "us-east-1", "bucket").ok()); }

  using Bytes = std::function<std::string(std::string)>;
  // Changes each value that lies under a key that begins with `prefix`.
  void change(std::string_view prefix, const Bytes& to) {
    storage::WriteBatch batch;
    const auto at = world.store.iterate(storage::Family::kObjects, {});
    for (at->seek(prefix); at->valid() && at->key().starts_with(prefix); at->next()) {
      batch.put(storage::Family::kObjects, at->key(), to(std::string(at->value())));
    }
    ASSERT_FALSE(batch.empty());
    ASSERT_TRUE(world.store.write(batch, storage::Store::Sync::kSynced).ok());
  }
  std::string complete(ChecksumAlgorithm algorithm) {
    UploadRequest request;
    request.key = "joined";
    request.checksum = algorithm;
    request.checksum_type = ChecksumType::kFullObject;
    const std::string id = world.objects->create_upload(internal::kAccount, "bucket", request)->id;
    ObjectWriter writer = world.objects->writer(ObjectWriter::Use::kPart, {digest_algorithm(algorithm)}, 3);
    EXPECT_TRUE(writer.append("abc").ok() && writer.seal().ok());
    const auto part = world.objects->put_part(internal::kAccount, "bucket", "joined", id, 1, std::move(writer));
    change("p", [](const std::string& bytes) {
      auto record = internal::decode_part(bytes);
      record->checksum = "x";
      return internal::encode(*record);
    });
    world.restart();
    CompleteRequest whole;
    whole.parts = {{1, part->etag, {}}};
    const auto joined = world.objects->complete_upload(internal::kAccount, "bucket", "joined", id, whole);
    return joined.ok() ? "none" : joined.error().message();
  }
  internal::World world;
};

TEST_F(DamagedObjectTest, DataThatIsNotAsLongAsItsRecordSaysIsAnErrorAndNoted) {
  for (const Bytes& to : {Bytes([](std::string data) { return data + "x"; }),
                          Bytes([](const std::string& data) { return data.substr(0, 10); })}) {
    ASSERT_TRUE(world.put("key", "12345678").ok());
    EXPECT_EQ(world.get("key"), "12345678");
    change("d", to);
    EXPECT_EQ(world.get("key"), "InternalError");
  }
  EXPECT_EQ(world.store.damage().count(), 1U) << "it is the same object";
}

TEST_F(DamagedObjectTest, ARecordThatCannotBeDecodedIsNotedAndOthersAreServed) {
  ASSERT_TRUE(world.put("a", "1").ok());
  change("o", [](const std::string&) { return "?"; });
  ASSERT_TRUE(world.put("b", "2").ok());
  EXPECT_EQ(world.get("a"), "InternalError");
  EXPECT_EQ(world.keys(), "InternalError");
  EXPECT_EQ(world.put("a", "3").ok(), false);
  EXPECT_EQ(world.get("b"), "2");
  EXPECT_EQ(world.store.damage().count(), 1U);
}

// Nobody can compute the checksum of the whole from it.
TEST_F(DamagedObjectTest, APartWhoseChecksumIsNoneDoesNotBecomeAnObject) {
  EXPECT_EQ(complete(ChecksumAlgorithm::kCrc32), "the record of part 1 of an upload is damaged");
  EXPECT_EQ(complete(ChecksumAlgorithm::kCrc64Nvme), "the record of part 1 of an upload is damaged");
  internal::UploadRecord upload;
  upload.algorithm = ChecksumAlgorithm::kSha256;
  upload.type = ChecksumType::kFullObject;
  EXPECT_FALSE(internal::decode_upload(internal::encode(upload))) << "there is no such sum of parts";
}

}  // namespace
}  // namespace millrace::s3
