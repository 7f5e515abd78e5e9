// Whatever write or read of the store fails, in whatever change of a bucket: nothing acknowledged is lost, nothing is
// there by half (testing/fault_loop.h).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "s3/internal/memory_blob_store.h"
#include "s3/object_store.h"
#include "testing/fault_loop.h"

namespace millrace::s3 {
namespace {

using ::testing::IsEmpty;

constexpr const char* kAccount = "000000000000";

// Lines: "create B", "delete B", "set B NAME", "unset B NAME", "rules B", "no rules B", "events B"; "buckets", "show
// B".
class World final : public testing::FaultedService {
 public:
  explicit World(testing::FaultBench& bench) : bench_(bench) {}
  Result<void> load() { return objects_.load(); }

  Answer call(const std::string& line) override {
    const auto space = line.rfind(' ');
    const std::string what = line.substr(0, space), name = line.substr(space + 1);
    if (what == "create") return shown(objects_.create_bucket(kAccount, "us-east-1", name));
    if (what == "delete") return done(objects_.delete_bucket(kAccount, name));
    if (what == "set bucket") return done(objects_.set_setting(kAccount, "bucket", name, codec::Json("on")));
    if (what == "unset bucket") return done(objects_.set_setting(kAccount, "bucket", name, std::nullopt));
    if (what == "rules") {
      const auto rules = codec::parse_json(
          R"({"Rules":[{"ID":"r","Status":"Enabled","Filter":{"Prefix":""},"Expiration":{"Days":1}}]})");
      return done(objects_.set_lifecycle(kAccount, name, parse_lifecycle(*rules).value()));
    }
    if (what == "no rules") return done(objects_.set_lifecycle(kAccount, name, std::nullopt));
    if (what == "events") {
      const auto document = codec::parse_json(R"({"QueueConfigurations":[{"Id":"i","Events":["s3:ObjectCreated:*"],
          "QueueArn":"arn:aws:sqs:us-east-1:000000000000:q"}]})");
      const auto rules = parse_notifications(document.value()).value();
      return done(objects_.set_notifications(kAccount, name, rules, ObjectStore::DestinationCheck::kSkip));
    }
    if (what == "show") return shown(objects_.bucket(kAccount, name));
    Answer all{.ok = true, .after = objects_.last_removal()};
    for (const auto& bucket : objects_.buckets(kAccount)) {
      all.text += bucket->name + " ";
      all.after = std::max(all.after, bucket->after);
    }
    return all;
  }

 private:
  static Answer refused(const Error& error) { return {.text = error.message(), .after = error.held_until()}; }
  static Answer done(const Result<storage::CommitNumber>& result) {
    return result.ok() ? Answer{.ok = true, .after = *result} : refused(result.error());
  }
  static Answer shown(const Result<BucketPointer>& result) {
    if (!result.ok()) return refused(result.error());
    Answer answer{.ok = true, .text = (*result)->lifecycle ? "rules " : "", .after = (*result)->after};
    answer.text += (*result)->notifications.to_json().dump() + " ";
    for (const auto& [name, value] : (*result)->settings) answer.text += name + "=" + value.dump() + " ";
    return answer;
  }

  testing::FaultBench& bench_;
  internal::MemoryBlobStore blobs_;
  ObjectStore objects_{bench_.scheduler, bench_.random, bench_.store, bench_.commits, blobs_};
};

TEST(BucketFaults, AFailureOfTheStoreLeavesNothingByHalf) {
  testing::FaultPlan plan;
  plan.open = testing::opens<World>();
  plan.steps = {"create bucket", "create other",      "set bucket versioning",   "set bucket policy",
                "rules bucket",  "set bucket policy", "unset bucket policy",     "events bucket",
                "delete other",  "no rules bucket",   "unset bucket versioning", "create last"};
  plan.looks = {"buckets", "show bucket", "show other"};
  EXPECT_THAT(testing::find_faults(plan), IsEmpty());
}

}  // namespace
}  // namespace millrace::s3
