#include "s3/object_store.h"

#include <chrono>
#include <functional>
#include <future>
#include <utility>

#include <gtest/gtest.h>

#include "crypto/encoding.h"
#include "s3/internal/world_test.h"
#include "s3/limits.h"
#include "storage/no_blocking.h"

namespace millrace::s3 {
namespace {

using internal::kAccount;
using storage::Family;

class Objects : public ::testing::Test {
 protected:
  Objects() { EXPECT_TRUE(world.objects->create_bucket(kAccount, "us-east-1", "bucket").ok()); }

  std::string large(char c = 'x', std::size_t bytes = 200'000) { return std::string(bytes, c); }
  void settle() { world.scheduler->run_ready(); }
  // Every file is referred to, and every reference has a file; nothing waits to be removed.
  void expect_no_orphans(std::size_t files) {
    EXPECT_EQ(world.blobs.ids().size(), files);
    for (const BlobId id : world.blobs.ids()) {
      EXPECT_TRUE(world.store.get(Family::kObjects, internal::blob_key(id))->has_value());
    }
    const auto at = world.store.iterate(Family::kObjects, {"t", "u"});
    at->seek("t");
    EXPECT_FALSE(at->valid());
  }
  internal::World world;
};

TEST_F(Objects, KeepsSmallOnesInTheStoreAndLargeOnesInFiles) {
  const auto info = world.put("small", "hello");
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(info->etag, "5d41402abc4b2a76b9719d911017c592");
  EXPECT_TRUE(world.blobs.ids().empty());
  ASSERT_TRUE(world.put("edge", std::string(kInlineBytesMax, 'e')).ok());
  EXPECT_TRUE(world.blobs.ids().empty());
  ASSERT_TRUE(world.put("large", large()).ok());
  EXPECT_EQ(world.blobs.ids().size(), 1u);
  EXPECT_EQ(world.get("small"), "hello");
  EXPECT_EQ(world.get("edge"), std::string(kInlineBytesMax, 'e'));
  EXPECT_EQ(world.get("large"), large());
  EXPECT_EQ(world.get("other"), "NoSuchKey");
}

TEST_F(Objects, ThatAreNotInMemoryAreRefusedToThoseWhoMustNotWait) {
  ASSERT_TRUE(world.put("small", "hello").ok());
  ASSERT_TRUE(world.put("large", large()).ok());
  world.restart();  // nothing is pending any more
  world.store.set_cold(true);
  const auto refused = [](const auto& result) { return !result.ok() && result.error().is(storage::kWouldBlock); };
  const auto writes = world.store.writes();
  storage::CommitNumber after = 0;
  {
    const storage::NoBlocking here;
    EXPECT_TRUE(refused(world.objects->open_object(kAccount, "bucket", "small")));
    EXPECT_TRUE(refused(world.objects->head_object(kAccount, "bucket", "small")));
    EXPECT_TRUE(refused(world.objects->list_objects(kAccount, "bucket", {})));
    EXPECT_TRUE(refused(world.objects->delete_object(kAccount, "bucket", "small")));
    EXPECT_TRUE(refused(world.objects->delete_objects(kAccount, "bucket", {{"large", ""}, {"small", ""}}, after)));
    EXPECT_TRUE(refused(world.objects->set_object_tags(kAccount, "bucket", "small", {{"a", "1"}})));
    EXPECT_TRUE(refused(world.objects->delete_bucket(kAccount, "bucket")));
  }
  EXPECT_EQ(world.store.writes(), writes);
  EXPECT_EQ(world.get("small"), "hello");
  EXPECT_EQ(world.get("large"), large());
  {
    const storage::NoBlocking here;  // in memory by now, but for the file
    EXPECT_TRUE(world.objects->open_object(kAccount, "bucket", "small").ok());
    EXPECT_TRUE(refused(world.objects->open_object(kAccount, "bucket", "large")));
  }
  ASSERT_TRUE(world.objects->delete_objects(kAccount, "bucket", {{"large", ""}, {"small", ""}}, after).ok());
  EXPECT_EQ(world.get("small"), "NoSuchKey");
}

TEST_F(Objects, SurviveARestartWithAllTheirAttributes) {
  PutRequest request;
  request.attributes.content_type = "application/json";
  request.attributes.metadata = {{"owner", "née"}};
  request.attributes.tags = {{"a", "1"}};
  request.attributes.storage_class = "STANDARD_IA";
  request.checksum = ChecksumAlgorithm::kSha256;
  ASSERT_TRUE(world.put("large", large(), request).ok());
  ASSERT_TRUE(world.put("small", "s", request).ok());
  world.restart();
  for (const char* key : {"large", "small"}) {
    const auto info = world.objects->head_object(kAccount, "bucket", key);
    ASSERT_TRUE(info.ok());
    EXPECT_EQ(info->attributes.content_type, "application/json");
    EXPECT_EQ(info->attributes.metadata, request.attributes.metadata);
    EXPECT_EQ(info->attributes.tags, request.attributes.tags);
    EXPECT_EQ(info->attributes.storage_class, "STANDARD_IA");
    EXPECT_EQ(info->checksum.algorithm, ChecksumAlgorithm::kSha256);
    EXPECT_EQ(info->modified, world.now);
  }
  EXPECT_EQ(world.get("large"), large());
  expect_no_orphans(1);
}

TEST_F(Objects, ReplacingOrDeletingRemovesTheFileAfterTheCommit) {
  ASSERT_TRUE(world.put("key", large('a')).ok());
  world.commits->hold();
  ASSERT_TRUE(world.put("key", "small").ok());
  settle();
  EXPECT_EQ(world.blobs.ids().size(), 1u);
  EXPECT_EQ(world.get("key"), large('a'));  // the replacement is not durable
  world.commits->release();
  settle();
  EXPECT_EQ(world.get("key"), "small");
  expect_no_orphans(0);
  ASSERT_TRUE(world.put("key", large('b')).ok());
  ASSERT_TRUE(world.objects->delete_object(kAccount, "bucket", "key").ok());
  settle();
  EXPECT_EQ(world.get("key"), "NoSuchKey");
  expect_no_orphans(0);
}

TEST_F(Objects, WhatIsBeingReadStaysReadable) {
  ASSERT_TRUE(world.put("key", large('a')).ok());
  auto opened = world.objects->open_object(kAccount, "bucket", "key");
  ASSERT_TRUE(opened.ok());
  ASSERT_TRUE(world.objects->delete_object(kAccount, "bucket", "key").ok());
  settle();
  EXPECT_EQ(*opened->content->read(100'000, 3), "aaa");
  expect_no_orphans(0);
}

TEST_F(Objects, ConditionsSeeWhatIsPending) {
  PutRequest create;
  create.conditions.if_none_match = true;
  world.commits->hold();
  ASSERT_TRUE(world.put("key", "one", create).ok());
  EXPECT_EQ(world.get("key"), "NoSuchKey");
  EXPECT_TRUE(world.put("key", "two", create).error().is(kPreconditionFailed));
  PutRequest update;
  update.conditions.if_match = "\"" + crypto::md5_hex("one") + "\"";
  EXPECT_TRUE(world.put("key", "three", update).ok());
  EXPECT_TRUE(world.put("key", "four", update).error().is(kPreconditionFailed));
  EXPECT_TRUE(world.put("absent", "x", update).error().is(kNoSuchKey));
  world.commits->release();
  EXPECT_EQ(world.get("key"), "three");
}

TEST_F(Objects, DeleteManyInOneCommitAndAnswerEach) {
  for (const char* key : {"a", "b", "c"}) ASSERT_TRUE(world.put(key, "x").ok());
  const auto writes = world.store.writes();
  storage::CommitNumber after = 0;
  const auto results = world.objects->delete_objects(
      kAccount, "bucket",
      {{"a", ""}, {"missing", ""}, {"b", "wrong"}, {std::string(1025, 'k'), ""}, {"c", ""}, {"c", ""}}, after);
  ASSERT_TRUE(results.ok());
  EXPECT_EQ(world.store.writes(), writes + 1);
  ASSERT_EQ(results->size(), 6u);
  EXPECT_FALSE((*results)[0].error || (*results)[1].error || (*results)[4].error || (*results)[5].error);
  EXPECT_TRUE((*results)[2].error->is(kPreconditionFailed));
  EXPECT_TRUE((*results)[3].error->is(kKeyTooLong));
  EXPECT_EQ(world.keys(), "b ");
}

TEST_F(Objects, ListSeeksPastCommonPrefixes) {
  for (const char* key : {"a", "b/1", "b/2", "b/c/3", "b0", "d/4", "ü"}) ASSERT_TRUE(world.put(key, "x").ok());
  EXPECT_EQ(world.keys(), "a b/1 b/2 b/c/3 b0 d/4 ü ");
  ListRequest request;
  request.delimiter = "/";
  EXPECT_EQ(world.keys(request), "a b0 ü [b/] [d/] ");
  request.prefix = "b/";
  EXPECT_EQ(world.keys(request), "b/1 b/2 [b/c/] ");
  request = {"", "/", "", 2};
  EXPECT_EQ(world.keys(request), "a [b/] ...");
  request.after = "b/";
  EXPECT_EQ(world.keys(request), "b0 [d/] ...");
  request.after = "d/4";
  EXPECT_EQ(world.keys(request), "ü ");
  request = {"b", "", "b/2", 1000};
  EXPECT_EQ(world.keys(request), "b/c/3 b0 ");
  request = {"c", "", "a", 1000};
  EXPECT_EQ(world.keys(request), "");
  request = {"b", "", "z", 1000};
  EXPECT_EQ(world.keys(request), "");
  request = {"", "", "", 0};
  EXPECT_EQ(world.keys(request), "");
}

TEST_F(Objects, CopyLinksFilesAndStandsAlone) {
  ASSERT_TRUE(world.put("from", large('a')).ok());
  CopyRequest request;
  request.source_bucket = request.bucket = "bucket";
  request.source_key = "from";
  request.key = "to";
  const auto copied = world.objects->copy_object(kAccount, request);
  ASSERT_TRUE(copied.ok());
  EXPECT_EQ(copied->etag, crypto::md5_hex(large('a')));
  ASSERT_TRUE(world.objects->delete_object(kAccount, "bucket", "from").ok());
  settle();
  world.restart();
  EXPECT_EQ(world.get("to"), large('a'));
  expect_no_orphans(1);

  request.source_key = "to";
  EXPECT_TRUE(world.objects->copy_object(kAccount, request).error().is(kInvalidRequest));  // onto itself
  request.replaced = ObjectAttributes{};
  request.replaced->content_type = "text/plain";
  EXPECT_TRUE(world.objects->copy_object(kAccount, request).ok());
  EXPECT_EQ(world.objects->head_object(kAccount, "bucket", "to")->attributes.content_type, "text/plain");
  request.source_conditions.if_none_match = copied->etag;
  EXPECT_TRUE(world.objects->copy_object(kAccount, request).error().is(kPreconditionFailed));
  request = {"bucket", "absent", {}, "bucket", "to", {}, {}, {}, {}, {}};
  EXPECT_TRUE(world.objects->copy_object(kAccount, request).error().is(kNoSuchKey));
}

TEST_F(Objects, TagsCanBeSetAndAreKept) {
  ASSERT_TRUE(world.put("key", large()).ok());
  ASSERT_TRUE(world.objects->set_object_tags(kAccount, "bucket", "key", {{"k", "v"}}).ok());
  EXPECT_EQ(world.get("key"), large());
  EXPECT_EQ(world.objects->head_object(kAccount, "bucket", "key")->attributes.tags, (Tags{{"k", "v"}}));
  EXPECT_TRUE(world.objects->set_object_tags(kAccount, "bucket", "absent", {}).error().is(kNoSuchKey));
}

TEST_F(Objects, LongKeysAreRefused) {
  EXPECT_TRUE(world.put(std::string(1024, 'k'), "x").ok());
  EXPECT_TRUE(world.put(std::string(1025, 'k'), "x").error().is(kKeyTooLong));
}

TEST(BucketName, FollowsTheRules) {
  for (const char* name : {"abc", "my-bucket.1", "123", "a.b.c.d"}) EXPECT_TRUE(is_bucket_name(name)) << name;
  EXPECT_TRUE(is_bucket_name(std::string(63, 'a')));
  EXPECT_FALSE(is_bucket_name(std::string(64, 'a')));
  for (const char* name :
       {"ab", "Abc", "a_b", "-abc", "abc-", "a..b", "192.168.1.1", "xn--abc", "abc-s3alias", "ä-b"}) {
    EXPECT_FALSE(is_bucket_name(name)) << name;
  }
}

TEST_F(Objects, BucketsAreUniqueAcrossAccounts) {
  auto& objects = *world.objects;
  EXPECT_TRUE(objects.create_bucket(kAccount, "us-east-1", "bucket").ok());
  EXPECT_TRUE(objects.create_bucket("111111111111", "us-east-1", "bucket").error().is(kBucketAlreadyExists));
  EXPECT_TRUE(objects.create_bucket(kAccount, "eu-west-1", "europe").ok());
  EXPECT_TRUE(objects.create_bucket(kAccount, "eu-west-1", "europe").error().is(kBucketAlreadyOwnedByYou));
  EXPECT_TRUE(objects.create_bucket(kAccount, "us-east-1", "Bad").error().is(kInvalidBucketName));
  EXPECT_TRUE(objects.bucket("111111111111", "bucket").error().is(kAccessDenied));
  EXPECT_TRUE(objects.bucket(kAccount, "none").error().is(kNoSuchBucket));
  EXPECT_EQ(objects.buckets(kAccount).size(), 2u);
  EXPECT_TRUE(objects.buckets("111111111111").empty());
}

TEST_F(Objects, BucketsAreDeletedOnlyWhenEmpty) {
  ASSERT_TRUE(world.put("key", large()).ok());
  EXPECT_TRUE(world.objects->delete_bucket(kAccount, "bucket").error().is(kBucketNotEmpty));
  world.commits->hold();
  ASSERT_TRUE(world.put("second", "x").ok());
  ASSERT_TRUE(world.objects->delete_object(kAccount, "bucket", "key").ok());
  EXPECT_TRUE(world.objects->delete_bucket(kAccount, "bucket").error().is(kBucketNotEmpty));
  ASSERT_TRUE(world.objects->delete_object(kAccount, "bucket", "second").ok());
  EXPECT_TRUE(world.objects->delete_bucket(kAccount, "bucket").ok());
  world.commits->release();
  settle();
  EXPECT_EQ(world.get("key"), "NoSuchBucket");
  world.restart();
  EXPECT_EQ(world.get("key"), "NoSuchBucket");
  expect_no_orphans(0);
}

TEST_F(Objects, ResetEmptiesOneAccount) {
  ASSERT_TRUE(world.put("a", large()).ok());
  ASSERT_TRUE(world.put("b", "x").ok());
  ASSERT_TRUE(world.objects->create_bucket("111111111111", "us-east-1", "theirs").ok());
  ASSERT_TRUE(world.objects->reset(kAccount).ok());
  settle();
  EXPECT_TRUE(world.objects->buckets(kAccount).empty());
  EXPECT_EQ(world.objects->buckets("111111111111").size(), 1u);
  EXPECT_EQ(world.store.count(Family::kObjects), 0u);
  expect_no_orphans(0);
}

// Asks something before its first read of an object.
class Asking final : public storage::Store {
 public:
  explicit Asking(storage::MemoryStore& store) : store_(store) {}
  Result<void> write(const storage::WriteBatch& batch, Sync sync) override { return store_.write(batch, sync); }
  Result<std::optional<std::string>> get(Family family, std::string_view key) const override {
    return store_.get(family, key);
  }
  std::unique_ptr<storage::Iterator> iterate(Family family, storage::Bounds bounds) const override {
    if (ask && family == Family::kObjects) std::exchange(ask, nullptr)();
    return store_.iterate(family, std::move(bounds));
  }
  void reclaim(Family family, std::string_view from, std::string_view to) override { store_.reclaim(family, from, to); }
  std::string statistics() const override { return store_.statistics(); }

  mutable std::function<void()> ask;

 private:
  storage::MemoryStore& store_;
};

TEST_F(Objects, NobodyWaitsWhileAResetReadsWhatItRemoves) {
  ASSERT_TRUE(world.put("a", "x").ok());
  settle();
  Asking store(world.store);
  ObjectStore objects(*world.scheduler, world.random, store, *world.commits, world.blobs);
  ASSERT_TRUE(objects.load().ok());
  std::future<std::size_t> answer;
  store.ask = [&] {
    answer = std::async(std::launch::async, [&] { return objects.buckets(kAccount).size(); });
    EXPECT_EQ(answer.wait_for(std::chrono::seconds(20)), std::future_status::ready);
  };
  ASSERT_TRUE(objects.reset(kAccount).ok());
  ASSERT_TRUE(answer.valid());
  EXPECT_EQ(answer.get(), 1U);
}

TEST_F(Objects, RefusalsAndListsWaitForWhatTheySaw) {
  auto& objects = *world.objects;
  const auto waits = [&](const auto& result, const ErrorType& type) {
    return !result.ok() && result.error().is(type) && result.error().held_until() > world.commits->durable();
  };
  ASSERT_TRUE(world.put("old", "x").ok());
  EXPECT_EQ(objects.bucket(kAccount, "none").error().held_until(), 0U);  // nothing of the kind is pending
  world.commits->hold();
  ASSERT_TRUE(objects.create_bucket(kAccount, "eu-west-1", "new").ok());
  EXPECT_TRUE(waits(objects.create_bucket(kAccount, "eu-west-1", "new"), kBucketAlreadyOwnedByYou));
  EXPECT_TRUE(waits(objects.create_bucket("111111111111", "eu-west-1", "new"), kBucketAlreadyExists));
  EXPECT_TRUE(waits(objects.bucket("111111111111", "new"), kAccessDenied));
  EXPECT_TRUE(waits(objects.head_object(kAccount, "new", "key"), kNoSuchKey));
  EXPECT_TRUE(waits(objects.open_object(kAccount, "new", "key"), kNoSuchKey));
  EXPECT_GT(objects.list_objects(kAccount, "new", {})->after, world.commits->durable());
  ASSERT_TRUE(world.put("key", "x").ok());
  EXPECT_TRUE(waits(objects.delete_bucket(kAccount, "bucket"), kBucketNotEmpty));
  ASSERT_TRUE(objects.delete_object(kAccount, "bucket", "old").ok());
  EXPECT_TRUE(waits(objects.set_object_tags(kAccount, "bucket", "old", {}), kNoSuchKey));
  const auto upload = objects.create_upload(kAccount, "bucket", {"big", {}, {}, {}});
  ASSERT_TRUE(upload.ok());
  CompleteRequest complete;
  complete.parts = {{1, "etag", {}}};
  EXPECT_TRUE(waits(objects.complete_upload(kAccount, "bucket", "big", upload->id, complete), kInvalidPart));
  EXPECT_TRUE(waits(objects.upload(kAccount, "bucket", "other", upload->id), kNoSuchUpload));
  world.commits->commit_all();
  EXPECT_EQ(objects.upload(kAccount, "bucket", "big", "none").error().held_until(), 0U);
  ASSERT_TRUE(objects.abort_upload(kAccount, "bucket", "big", upload->id).ok());
  EXPECT_TRUE(waits(objects.upload(kAccount, "bucket", "big", upload->id), kNoSuchUpload));
  world.commits->commit_all();
  ASSERT_TRUE(objects.delete_bucket(kAccount, "new").ok());
  EXPECT_TRUE(waits(objects.bucket(kAccount, "new"), kNoSuchBucket));
  EXPECT_GT(objects.last_removal(), world.commits->durable());
  world.commits->release();
  EXPECT_EQ(objects.bucket(kAccount, "bucket")->get()->name, "bucket");
}

// Fails the n-th operation on files, for every n: what was acknowledged is there after a restart, what was not is there
// as a whole or not at all, and no file is left over.
TEST(ObjectFailures, LoseNothingAndLeaveNothing) {
  using Effect = internal::MemoryBlobStore::Effect;
  for (const Effect effect : {Effect::kNone, Effect::kCarriedOut}) {
    bool failed = true;
    for (int n = 0; failed; ++n) {
      ASSERT_LT(n, 1000);
      internal::World world;
      ASSERT_TRUE(world.objects->create_bucket(kAccount, "us-east-1", "bucket").ok());
      world.blobs.fail_after(n, effect);
      std::map<std::string, std::string> expected;
      for (const char c : {'a', 'b', 'c'}) {
        const std::string key = c == 'c' ? "a" : std::string(1, c);
        const std::string bytes(150'000, c);
        if (world.put(key, bytes).ok()) expected[key] = bytes;
        world.scheduler->run_ready();
      }
      CopyRequest copy;
      copy.source_bucket = copy.bucket = "bucket";
      copy.source_key = "b";
      copy.key = "copy";
      if (world.objects->copy_object(kAccount, copy).ok()) expected["copy"] = expected["b"];
      if (world.objects->delete_object(kAccount, "bucket", "b").ok()) expected.erase("b");
      world.scheduler->run_ready();
      failed = world.blobs.has_failed();
      world.restart();
      for (const auto& [key, bytes] : expected) EXPECT_EQ(world.get(key), bytes) << n;
      std::string keys;
      for (const auto& [key, bytes] : expected) keys += key + " ";
      EXPECT_EQ(world.keys(), keys) << n;
      EXPECT_EQ(world.blobs.ids().size(), expected.size()) << n;
    }
  }
}

TEST(ObjectFailures, AFailedCommitIsAWholeObjectOrNone) {
  using Outcome = storage::MemoryStore::Outcome;
  for (const Outcome outcome : {Outcome::kNotApplied, Outcome::kApplied}) {
    bool failed = true;
    for (std::uint64_t n = 0; failed; ++n) {
      ASSERT_LT(n, 100u);
      internal::World world;
      ASSERT_TRUE(world.objects->create_bucket(kAccount, "us-east-1", "bucket").ok());
      ASSERT_TRUE(world.put("key", std::string(100'000, 'o')).ok());
      world.store.fail_write_after(n, outcome);
      const auto put = world.put("key", std::string(100'000, 'n'));
      world.scheduler->run_ready();
      failed = world.store.has_failed();
      world.restart();
      const std::string now = world.get("key");
      EXPECT_TRUE(now == std::string(100'000, 'n') || (failed && now == std::string(100'000, 'o'))) << n;
      EXPECT_EQ(world.blobs.ids().size(), 1u) << n;
    }
  }
}

}  // namespace
}  // namespace millrace::s3
