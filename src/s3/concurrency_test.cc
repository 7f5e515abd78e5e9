// Many threads on few keys, with the real committer, control thread and pool.
#include <future>
#include <thread>

#include <gtest/gtest.h>

#include "platform/control_loop.h"
#include "s3/internal/world_test.h"
#include "storage/group_committer.h"

namespace millrace::s3 {
namespace {

using internal::kAccount;

class Busy : public ::testing::Test {
 protected:
  Busy() {
    loop.start();
    committer = storage::Committer::start(store, loop).value();
    objects.emplace(loop, random, store, *committer, blobs);
    EXPECT_TRUE(objects->load().ok());
    objects->start();
    EXPECT_TRUE(objects->create_bucket(kAccount, "us-east-1", "bucket").ok());
  }
  ~Busy() override {
    loop.stop();
    committer->stop();
    objects.reset();
  }

  // What a client sees: the answer comes when the commit is durable.
  void wait(storage::CommitNumber number) { EXPECT_TRUE(internal::wait_durable(*committer, number).ok()); }

  void put(const std::string& key, char c) {
    ObjectWriter writer = objects->writer(ObjectWriter::Use::kObject, {crypto::Algorithm::kCrc64Nvme}, 0);
    EXPECT_TRUE(writer.append(std::string(c % 2 == 0 ? 70'000 : 7, c)).ok() && writer.seal().ok());
    PutRequest request;
    request.key = key;
    const auto info = objects->put_object(kAccount, "bucket", std::move(request), std::move(writer));
    ASSERT_TRUE(info.ok());
    wait(info->after);
  }
  // Every read gives one whole object, or none.
  void get(const std::string& key) {
    const auto opened = objects->open_object(kAccount, "bucket", key);
    if (!opened.ok()) {
      EXPECT_TRUE(opened.error().is(kNoSuchKey)) << opened.error().message();
      return;
    }
    const auto bytes = opened->content->read(0, opened->info.bytes);
    ASSERT_TRUE(bytes.ok());
    EXPECT_EQ(*bytes, std::string(bytes->size(), bytes->front()));
    EXPECT_EQ(crypto::md5_hex(*bytes), opened->info.etag);
  }
  void copy(const std::string& from, const std::string& to) {
    CopyRequest request;
    request.source_bucket = request.bucket = "bucket";
    request.source_key = from;
    request.key = to;
    const auto info = objects->copy_object(kAccount, request);
    if (info.ok()) return wait(info->after);
    EXPECT_TRUE(info.error().is(kNoSuchKey)) << info.error().message();
  }
  void work(int thread) {
    for (int i = 0; i < 200; ++i) {
      const std::string key = "key" + std::to_string((thread * 7 + i * 3) % 5);
      switch ((thread + i) % 5) {
        case 0:
        case 1:
          put(key, static_cast<char>('a' + (thread + i) % 26));
          break;
        case 2:
          get(key);
          break;
        case 3:
          copy(key, "key" + std::to_string((thread * 7 + i * 3 + 1) % 5));
          break;
        default:
          wait(objects->delete_object(kAccount, "bucket", key).value());
      }
    }
  }
  void wait_until_idle() {
    std::promise<void> told;  // completions come in order: after this one, all of ours have been delivered
    committer->submit({}, [&](const storage::Committed&) { told.set_value(); });
    told.get_future().get();
    std::promise<void> idle;
    loop.when_idle([&](bool) { idle.set_value(); }, loop.monotonic_now() + std::chrono::seconds(30));
    idle.get_future().get();
  }

  platform::ControlLoop loop;
  platform::SeededRandom random{11};
  storage::MemoryStore store;
  internal::MemoryBlobStore blobs;
  std::unique_ptr<storage::Committer> committer;
  std::optional<ObjectStore> objects;
};

TEST_F(Busy, KeepsObjectsWholeAndLosesNoFile) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([this, i] { work(i); });
  for (std::thread& thread : threads) thread.join();
  wait_until_idle();
  std::size_t files = 0;
  const auto page = objects->list_objects(kAccount, "bucket", {});
  ASSERT_TRUE(page.ok());
  for (const ObjectInfo& object : page->objects) {
    get(object.key);
    files += object.bytes == 70'000 ? 1 : 0;
  }
  EXPECT_EQ(blobs.ids().size(), files);
}

}  // namespace
}  // namespace millrace::s3
