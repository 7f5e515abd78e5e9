// What tests of the object store share: everything below it, in memory, and a restart.
#pragma once

#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "crypto/digest.h"
#include "platform/random.h"
#include "s3/internal/memory_blob_store.h"
#include "s3/object_store.h"
#include "storage/memory/memory_store.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"

namespace millrace::s3::internal {

inline constexpr const char* kAccount = "000000000000";

class World {
 public:
  World() { restart(); }
  ~World() {
    objects.reset();
    scheduler->run_ready();
  }

  // As after a crash: what was not committed is gone, what the disk refused works again.
  void restart() {
    objects.reset();
    scheduler = std::make_unique<millrace::testing::VirtualScheduler>(now);
    store.heal();
    blobs.heal();
    commits = std::make_unique<millrace::testing::TestCommits>(store, static_cast<const platform::Clock&>(*scheduler));
    objects = std::make_unique<ObjectStore>(*scheduler, random, store, *commits, blobs);
    ASSERT_TRUE(objects->load().ok());
    objects->start();
    scheduler->run_ready();
  }

  Result<ObjectInfo> put(const std::string& key, const std::string& bytes, PutRequest request = {}) {
    request.key = key;
    ObjectWriter writer = objects->writer(ObjectWriter::Use::kObject, {digest_algorithm(request.checksum)}, 0);
    for (std::size_t at = 0; at < bytes.size(); at += 50'000) {
      MR_RETURN_IF_ERROR(writer.append(std::string_view(bytes).substr(at, 50'000)));
    }
    MR_RETURN_IF_ERROR(writer.seal());
    return objects->put_object(kAccount, "bucket", std::move(request), std::move(writer));
  }
  // The bytes, or the name of the error.
  std::string get(const std::string& key, const std::string& bucket = "bucket") {
    auto opened = objects->open_object(kAccount, bucket, key);
    if (!opened.ok()) return std::string(opened.error().type().name);
    auto bytes = opened->content->read(0, opened->info.bytes);
    return bytes.ok() ? *bytes : std::string(bytes.error().type().name);
  }
  std::string keys(ListRequest request = {}) {
    auto page = objects->list_objects(kAccount, "bucket", request);
    if (!page.ok()) return std::string(page.error().type().name);
    std::string text;
    for (const auto& object : page->objects) text += object.key + " ";
    for (const auto& prefix : page->common_prefixes) text += "[" + prefix + "] ";
    if (page->truncated) text += "...";
    return text;
  }

  Time now = millrace::testing::kVirtualStart;
  storage::MemoryStore store;
  MemoryBlobStore blobs;
  platform::SeededRandom random{7};
  std::unique_ptr<millrace::testing::VirtualScheduler> scheduler;
  std::unique_ptr<millrace::testing::TestCommits> commits;
  std::unique_ptr<ObjectStore> objects;
};

}  // namespace millrace::s3::internal
