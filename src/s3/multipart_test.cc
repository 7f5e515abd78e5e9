#include <gtest/gtest.h>

#include "crypto/encoding.h"
#include "s3/internal/world_test.h"
#include "s3/limits.h"

namespace millrace::s3 {
namespace {

using internal::kAccount;

class Multipart : public ::testing::Test {
 protected:
  Multipart() { EXPECT_TRUE(world.objects->create_bucket(kAccount, "us-east-1", "bucket").ok()); }

  std::string create(std::optional<ChecksumAlgorithm> checksum = {}) {
    UploadRequest request;
    request.key = "key";
    request.checksum = checksum;
    request.attributes.content_type = "text/plain";
    return world.objects->create_upload(kAccount, "bucket", request).value().id;
  }
  Result<PartInfo> put_part(const std::string& id, int number, const std::string& bytes) {
    const auto upload = world.objects->upload(kAccount, "bucket", "key", id);
    if (!upload.ok()) return upload.error();
    ObjectWriter writer =
        world.objects->writer(ObjectWriter::Use::kPart, {digest_algorithm(upload->checksum)}, bytes.size());
    MR_RETURN_IF_ERROR(writer.append(bytes));
    MR_RETURN_IF_ERROR(writer.seal());
    return world.objects->put_part(kAccount, "bucket", "key", id, number, std::move(writer));
  }
  Result<ObjectInfo> complete(const std::string& id, std::vector<CompletedPart> parts) {
    CompleteRequest request;
    request.parts = std::move(parts);
    return world.objects->complete_upload(kAccount, "bucket", "key", id, request);
  }
  void settle() { world.scheduler->run_ready(); }

  const std::string first = std::string(kPartBytesMin, 'a');
  const std::string second = std::string(kPartBytesMin + 17, 'b');
  const std::string third = "c";
  internal::World world;
};

TEST_F(Multipart, JoinsPartsWithoutCopying) {
  const std::string id = create();
  std::vector<CompletedPart> parts;
  int number = 10;
  for (const std::string& bytes : {third, second, first}) {
    parts.insert(parts.begin(), {number, put_part(id, number, bytes)->etag, {}});
    number -= 3;
  }
  ASSERT_TRUE(put_part(id, 2, "not used").ok());
  EXPECT_EQ(world.get("key"), "NoSuchKey");
  EXPECT_EQ(world.blobs.ids().size(), 4u);
  const auto info = complete(id, parts);
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(info->etag, crypto::md5_hex(crypto::md5(first) + crypto::md5(second) + crypto::md5(third)) + "-3");
  EXPECT_EQ(info->checksum.value,
            crypto::base64_encode(crypto::digest(crypto::Algorithm::kCrc64Nvme, first + second + third)));
  settle();
  EXPECT_EQ(world.blobs.ids().size(), 3u);
  world.restart();
  EXPECT_EQ(world.get("key"), first + second + third);
  auto opened = world.objects->open_object(kAccount, "bucket", "key");
  EXPECT_EQ(opened->part_bytes, (std::vector<std::uint64_t>{first.size(), second.size(), third.size()}));
  EXPECT_EQ(*opened->content->read(first.size() - 1, second.size() + 2), "a" + second + "c");
  EXPECT_EQ(opened->info.attributes.content_type, "text/plain");
  EXPECT_TRUE(complete(id, parts).error().is(kNoSuchUpload));
  EXPECT_TRUE(world.objects->list_uploads(kAccount, "bucket")->empty());

  // Deleted while being read: the files go when the reader does.
  ASSERT_TRUE(world.objects->delete_object(kAccount, "bucket", "key").ok());
  settle();
  EXPECT_EQ(*opened->content->read(first.size() + second.size(), 1), "c");
  *opened = OpenedObject();
  settle();
  EXPECT_TRUE(world.blobs.ids().empty());
}

TEST_F(Multipart, CompositeChecksumsAreDigestsOfDigests) {
  const std::string id = create(ChecksumAlgorithm::kSha256);
  const auto one = put_part(id, 1, first);
  const auto two = put_part(id, 2, third);
  EXPECT_EQ(one->checksum, crypto::base64_encode(crypto::sha256(first)));
  const std::string expected =
      crypto::base64_encode(crypto::sha256(crypto::sha256(first) + crypto::sha256(third))) + "-2";
  std::vector<CompletedPart> parts = {{1, one->etag, {{ChecksumAlgorithm::kSha256, two->checksum}}},
                                      {2, two->etag, {}}};
  EXPECT_TRUE(complete(id, parts).error().is(kInvalidPart));
  parts[0].checksums[0].second = one->checksum;
  const auto info = complete(id, parts);
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(info->checksum.value, expected);
  EXPECT_EQ(info->checksum.type, ChecksumType::kComposite);
}

TEST_F(Multipart, RefusesWrongLists) {
  const std::string id = create();
  const std::string one = put_part(id, 1, "small")->etag;
  const std::string two = put_part(id, 2, "last")->etag;
  EXPECT_TRUE(complete(id, {}).error().is(kInvalidRequest));
  EXPECT_TRUE(complete(id, {{2, two, {}}, {1, one, {}}}).error().is(kInvalidPartOrder));
  EXPECT_TRUE(complete(id, {{1, one, {}}, {1, one, {}}}).error().is(kInvalidPartOrder));
  EXPECT_TRUE(complete(id, {{1, two, {}}}).error().is(kInvalidPart));
  EXPECT_TRUE(complete(id, {{3, two, {}}}).error().is(kInvalidPart));
  EXPECT_TRUE(complete(id, {{1, one, {}}, {2, two, {}}}).error().is(kEntityTooSmall));
  EXPECT_TRUE(complete("none", {{1, one, {}}}).error().is(kNoSuchUpload));
  EXPECT_TRUE(complete(id, {{2, two, {}}}).ok());
  EXPECT_EQ(world.get("key"), "last");
  settle();
  EXPECT_EQ(world.blobs.ids().size(), 1u);
}

TEST_F(Multipart, ReplacedAndAbortedPartsAreRemoved) {
  const std::string id = create();
  ASSERT_TRUE(put_part(id, 1, "one").ok());
  ASSERT_TRUE(put_part(id, 1, "uno").ok());
  settle();
  EXPECT_EQ(world.blobs.ids().size(), 1u);
  world.restart();
  const auto parts = world.objects->list_parts(kAccount, "bucket", "key", id, 0, 1000);
  ASSERT_EQ(parts->first.size(), 1u);
  EXPECT_EQ(parts->first[0].etag, crypto::md5_hex("uno"));
  EXPECT_EQ(world.objects->list_uploads(kAccount, "bucket")->size(), 1u);
  ASSERT_TRUE(world.objects->abort_upload(kAccount, "bucket", "key", id).ok());
  EXPECT_TRUE(put_part(id, 1, "late").error().is(kNoSuchUpload));
  settle();
  EXPECT_TRUE(world.blobs.ids().empty());
}

TEST_F(Multipart, PartNumbersHaveLimits) {
  const std::string id = create();
  EXPECT_TRUE(put_part(id, 0, "x").error().is(kInvalidArgument));
  EXPECT_TRUE(put_part(id, 10'001, "x").error().is(kInvalidArgument));
  EXPECT_TRUE(put_part(id, 10'000, "x").ok());
  settle();
  EXPECT_EQ(world.blobs.ids().size(), 1u);
}

TEST_F(Multipart, CopiesGetTheEtagOfOneObject) {
  const std::string id = create(ChecksumAlgorithm::kCrc32);
  ASSERT_TRUE(complete(id, {{1, put_part(id, 1, first)->etag, {}}, {2, put_part(id, 2, third)->etag, {}}}).ok());
  CopyRequest request;
  request.source_bucket = request.bucket = "bucket";
  request.source_key = "key";
  request.key = "copy";
  const auto copy = world.objects->copy_object(kAccount, request);
  ASSERT_TRUE(copy.ok());
  EXPECT_EQ(copy->etag, crypto::md5_hex(first + third));
  EXPECT_EQ(copy->checksum.value, crypto::base64_encode(crypto::digest(crypto::Algorithm::kCrc32, first + third)));
  ASSERT_TRUE(world.objects->delete_object(kAccount, "bucket", "key").ok());
  settle();
  EXPECT_EQ(world.get("copy"), first + third);
}

TEST_F(Multipart, ChecksumTypesHaveTheirAlgorithms) {
  UploadRequest request;
  request.key = "key";
  request.checksum = ChecksumAlgorithm::kSha1;
  request.checksum_type = ChecksumType::kFullObject;
  EXPECT_TRUE(world.objects->create_upload(kAccount, "bucket", request).error().is(kInvalidRequest));
}

}  // namespace
}  // namespace millrace::s3
