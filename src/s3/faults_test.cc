// Whatever operation on files, write or read of the store fails, in whatever operation of S3: nobody is given wrong
// bytes; after a restart what was acknowledged is there as a whole, what was not is there as a whole or not at all, the
// records fit together, and no file is left over.
#include <functional>
#include <map>
#include <memory>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "s3/check.h"
#include "s3/internal/world_test.h"

namespace millrace::s3 {
namespace {

using internal::kAccount;
using storage::Family;
using ::testing::Contains;
using ::testing::IsEmpty;

constexpr const char* kAbsent = "NoSuchKey";  // what World::get() says

class ObjectFaults : public ::testing::Test {
 protected:
  static std::string large(char c) { return std::string(70'000, c); }

  bool is_durable(storage::CommitNumber number) {
    bool durable = false;
    world_->commits->when_durable(number, [&](const Error* error) { durable = error == nullptr; });
    return durable;
  }
  // `key` is to have become `value`.
  void note(const std::string& key, const std::string& value, bool acknowledged) {
    auto& possible = possible_.try_emplace(key, std::set<std::string>{kAbsent}).first->second;
    if (acknowledged) possible.clear();
    possible.insert(value);
  }
  void put(const std::string& key, const std::string& bytes) {
    const auto info = world_->put(key, bytes);
    note(key, bytes, info.ok() && is_durable(info->after));
  }
  // A copy is of what the source is, or was when its latest change is not known to have happened.
  void copy(const std::string& from, const std::string& to) {
    CopyRequest request;
    request.source_bucket = request.bucket = "bucket";
    request.source_key = from;
    request.key = to;
    const auto info = world_->objects->copy_object(kAccount, request);
    const auto sources = possible_.at(from);
    if (info.ok() && is_durable(info->after)) possible_[to].clear();
    for (const std::string& source : sources) note(to, source, false);
    if (info.ok() && is_durable(info->after)) possible_[to].erase(kAbsent);
  }
  void remove(const std::string& key) {
    const auto after = world_->objects->delete_object(kAccount, "bucket", key);
    note(key, kAbsent, after.ok() && is_durable(*after));
  }
  void remove_many(const std::vector<std::string>& keys) {
    std::vector<ObjectStore::DeleteTarget> targets;
    for (const std::string& key : keys) targets.push_back({key, ""});
    storage::CommitNumber after = 0;
    const auto results = world_->objects->delete_objects(kAccount, "bucket", targets, after);
    for (const std::string& key : keys) note(key, kAbsent, results.ok() && is_durable(after));
  }
  void tag(const std::string& key) {
    const auto after = world_->objects->set_object_tags(kAccount, "bucket", key, {{"k", "v"}});
    is_tagged_ = after.ok() && is_durable(*after);
  }
  bool put_part(const std::string& id, char c) {
    ObjectWriter writer = world_->objects->writer(ObjectWriter::Use::kPart, {crypto::Algorithm::kCrc64Nvme}, 0);
    if (!writer.append(large(c)).ok() || !writer.seal().ok()) return false;
    const auto part = world_->objects->put_part(kAccount, "bucket", "multi", id, 1, std::move(writer));
    etag_ = part.ok() ? part->etag : etag_;
    return part.ok();
  }
  void upload() {
    possible_.try_emplace("multi", std::set<std::string>{kAbsent});
    const auto aborted = world_->objects->create_upload(kAccount, "bucket", {"multi", {}, {}, {}});
    const auto completed = world_->objects->create_upload(kAccount, "bucket", {"multi", {}, {}, {}});
    if (aborted.ok() && put_part(aborted->id, 'x')) {
      (void)world_->objects->abort_upload(kAccount, "bucket", "multi", aborted->id);
    }
    if (!completed.ok() || !put_part(completed->id, 'y') || !put_part(completed->id, 'm')) return;  // replaced
    CompleteRequest request;
    request.parts = {{1, etag_, {}}};
    const auto info = world_->objects->complete_upload(kAccount, "bucket", "multi", completed->id, request);
    note("multi", large('m'), info.ok() && is_durable(info->after));
  }
  // What expires is gone after the restart at the latest, if the rule is there.
  void expire() {
    const auto rules =
        codec::parse_json(R"({"Rules":[{"Status":"Enabled","Filter":{"Prefix":"old/"},"Expiration":{"Days":1}}]})");
    const auto after = world_->objects->set_lifecycle(kAccount, "bucket", parse_lifecycle(*rules).value());
    must_expire_ = after.ok() && is_durable(*after);
    world_->scheduler->advance(std::chrono::hours(49));
    world_->scheduler->run_ready();
    world_->now = world_->scheduler->now();
    note("old/1", kAbsent, false);
  }
  void read() {
    for (const auto& [key, possible] : possible_) {
      const std::string got = world_->get(key);
      EXPECT_TRUE(possible.contains(got) || is_error(got)) << key;
    }
    (void)world_->keys();
    const auto opened = world_->objects->open_object(kAccount, "bucket", "multi");
    if (opened.ok()) {
      const auto range = opened->content->read(30'000, 10);
      EXPECT_TRUE(!range.ok() || *range == std::string(10, 'm'));
    }
  }
  static bool is_error(const std::string& got) { return got == "InternalError" || got == "InternalServerError"; }

  void work() {
    possible_.clear();
    is_tagged_ = must_expire_ = false;
    put("small", "s");
    put("large", large('a'));
    put("old/1", large('o'));
    put("tagged", large('t'));
    put("large", large('b'));
    copy("large", "copy");
    tag("tagged");
    upload();
    read();
    copy("multi", "copied parts");
    remove("large");
    remove_many({"small", "copy"});
    expire();
    read();
  }

  void check(const std::string& what) {
    world_->restart();
    world_->scheduler->run_ready();
    if (must_expire_) possible_["old/1"] = {kAbsent};
    for (const auto& [key, possible] : possible_) {
      EXPECT_THAT(possible, Contains(world_->get(key))) << what << ": " << key;
    }
    if (is_tagged_) {
      EXPECT_EQ(world_->objects->head_object(kAccount, "bucket", "tagged")->attributes.tags.size(), 1U) << what;
    }
    std::vector<std::string> problems;
    const auto checked = check_objects(
        world_->store, world_->blobs, [&](std::string text) { problems.push_back(std::move(text)); },
        [](std::uint64_t) {});
    EXPECT_TRUE(checked.ok()) << what;
    EXPECT_THAT(problems, IsEmpty()) << what;
    for (const BlobId id : world_->blobs.ids()) {
      EXPECT_TRUE(world_->store.get(Family::kObjects, internal::blob_key(id))->has_value()) << what << ": file " << id;
    }
    const auto trash = world_->store.iterate(Family::kObjects, {"t", "u"});
    trash->seek("t");
    EXPECT_FALSE(trash->valid()) << what;
  }

  // `arm` lets the n-th operation fail, `has_struck` tells whether there were so many.
  void each(const std::string& what, const std::function<void(int)>& arm, const std::function<bool()>& has_struck) {
    for (int n = 0;; ++n) {
      ASSERT_LT(n, 2000);
      world_ = std::make_unique<internal::World>();
      ASSERT_TRUE(world_->objects->create_bucket(kAccount, "us-east-1", "bucket").ok());
      arm(n);
      work();
      const bool struck = has_struck();
      check(what + " " + std::to_string(n));
      if (!struck || HasFailure()) return;
    }
  }

  std::unique_ptr<internal::World> world_;
  std::map<std::string, std::set<std::string>> possible_;  // what each key may be
  std::string etag_;
  bool is_tagged_ = false;
  bool must_expire_ = false;
};

TEST_F(ObjectFaults, AreSurvivedByEveryOperationOnFiles) {
  using Effect = internal::MemoryBlobStore::Effect;
  for (const Effect effect : {Effect::kNone, Effect::kCarriedOut}) {
    each(
        "file operation", [&](int n) { world_->blobs.fail_after(n, effect); },
        [&] { return world_->blobs.has_failed(); });
  }
}

TEST_F(ObjectFaults, AreSurvivedByEveryWriteOfTheStore) {
  using Outcome = storage::MemoryStore::Outcome;
  for (const Outcome outcome : {Outcome::kNotApplied, Outcome::kApplied}) {
    each(
        "write", [&](int n) { world_->store.fail_write_after(static_cast<std::uint64_t>(n), outcome); },
        [&] { return world_->store.has_failed(); });
  }
}

TEST_F(ObjectFaults, AreSurvivedByEveryReadOfTheStore) {
  each(
      "read", [&](int n) { world_->store.fail_read_after(static_cast<std::uint64_t>(n)); },
      [&] { return world_->store.has_failed(); });
}

}  // namespace
}  // namespace millrace::s3
