#include "s3/lifecycle.h"

#include <gtest/gtest.h>

#include "s3/errors.h"
#include "s3/internal/world_test.h"

namespace millrace::s3 {
namespace {

using codec::Json;
using internal::kAccount;
using std::chrono::days;
using std::chrono::hours;

Result<LifecycleConfiguration> parse(const std::string& rules) {
  return parse_lifecycle(codec::parse_json("{\"Rules\":[" + rules + "]}").value());
}
std::string rule(const std::string& body) {
  return "{\"ID\":\"r\",\"Status\":\"Enabled\",\"Filter\":{\"Prefix\":\"uploads\"}," + body + "}";
}
ObjectInfo object(const std::string& key, Time modified, std::uint64_t bytes = 1 << 20) {
  ObjectInfo info;
  info.key = key;
  info.modified = modified;
  info.bytes = bytes;
  return info;
}
const Time kFriday = parse_iso("2012-12-21T10:30:00Z").value();

TEST(Lifecycle, RoundsUpToTheNextMidnightUtc) {
  const auto rules = parse(rule(R"("Expiration":{"Days":1})")).value();
  EXPECT_EQ(expiration_field(judge(rules, object("uploads/1", kFriday))),
            "expiry-date=\"Sun, 23 Dec 2012 00:00:00 GMT\", rule-id=\"r\"");
  EXPECT_EQ(expiration_field(judge(rules, object("other", kFriday))), "");
}

TEST(Lifecycle, UnderstandsEveryFilter) {
  const auto expires = [](const std::string& filter, const ObjectInfo& info) {
    return judge(parse("{\"Status\":\"Enabled\"," + filter + ",\"Expiration\":{\"Days\":1}}").value(), info).expires !=
           kNever;
  };
  ObjectInfo tagged = object("a/b", kFriday, 100);
  tagged.attributes.tags = {{"k", "v"}, {"l", "w"}};
  EXPECT_TRUE(expires(R"("Prefix":"a")", tagged));
  EXPECT_FALSE(expires(R"("Prefix":"b")", tagged));
  EXPECT_TRUE(expires(R"("Filter":{})", tagged));
  EXPECT_TRUE(expires(R"("Filter":{"Tag":{"Key":"k","Value":"v"}})", tagged));
  EXPECT_FALSE(expires(R"("Filter":{"Tag":{"Key":"k","Value":"w"}})", tagged));
  EXPECT_FALSE(expires(R"("Filter":{"ObjectSizeGreaterThan":100})", tagged));
  EXPECT_TRUE(expires(R"("Filter":{"ObjectSizeLessThan":101})", tagged));
  EXPECT_TRUE(expires(
      R"("Filter":{"And":{"Prefix":"a/","Tags":[{"Key":"k","Value":"v"},{"Key":"l","Value":"w"}],"ObjectSizeGreaterThan":99}})",
      tagged));
  EXPECT_FALSE(expires(R"("Filter":{"And":{"Prefix":"a/","Tags":[{"Key":"z","Value":"v"}]}})", tagged));
}

TEST(Lifecycle, DisabledRulesDoNothing) {
  const auto rules = parse(R"({"Status":"Disabled","Prefix":"","Expiration":{"Days":1}})").value();
  EXPECT_EQ(judge(rules, object("x", kFriday)).when, kNever);
}

TEST(Lifecycle, RefusesWhatAwsRefuses) {
  const auto error = [](const std::string& rules) { return std::string(parse(rules).error().type().name); };
  EXPECT_EQ(error(""), "MalformedXML");
  EXPECT_EQ(error(R"({"Status":"Enabled","Expiration":{"Days":1}})"), "MalformedXML");  // no filter
  EXPECT_EQ(error(R"({"Status":"On","Prefix":"","Expiration":{"Days":1}})"), "MalformedXML");
  EXPECT_EQ(error(rule(R"("Expiration":{"Days":0})")), "InvalidArgument");
  EXPECT_EQ(error(rule(R"("Expiration":{"Days":1,"Date":"2026-01-01T00:00:00Z"})")), "MalformedXML");
  EXPECT_EQ(error(rule(R"("Expiration":{"Date":"2026-01-01T01:00:00Z"})")), "InvalidArgument");
  EXPECT_EQ(error(R"({"Status":"Enabled","Prefix":""})"), "InvalidRequest");  // no action
  EXPECT_EQ(error(rule(R"("Expiration":{"Days":1})") + "," + rule(R"("Expiration":{"Days":2})")), "InvalidArgument");
  EXPECT_EQ(error(rule(R"("Transitions":[{"Days":1,"StorageClass":"STANDARD_IA"}])")), "InvalidArgument");
  EXPECT_EQ(error(rule(R"("Transitions":[{"Days":1,"StorageClass":"STANDARD"}])")), "MalformedXML");
  EXPECT_EQ(error(rule(R"("Expiration":{"Days":5},"Transitions":[{"Days":5,"StorageClass":"GLACIER"}])")),
            "InvalidArgument");
  EXPECT_EQ(error(R"({"Status":"Enabled","Filter":{"Prefix":"a","ObjectSizeLessThan":3},"Expiration":{"Days":1}})"),
            "MalformedXML");
}

TEST(Lifecycle, ExpirationBeatsTransitionAndColdBeatsWarm) {
  const auto rules = parse(rule(R"("Transitions":[{"Days":1,"StorageClass":"GLACIER"}])") +
                           R"(,{"ID":"s","Status":"Enabled","Prefix":"","Expiration":{"Days":1}},)" +
                           R"({"ID":"t","Status":"Enabled","Prefix":"","Expiration":{"Days":3}},)" +
                           R"({"ID":"u","Status":"Enabled","Prefix":"logs","Transitions":[)" +
                           R"({"Days":0,"StorageClass":"GLACIER_IR"},{"Days":0,"StorageClass":"DEEP_ARCHIVE"}]})")
                         .value();
  const auto verdict = judge(rules, object("uploads/1", kFriday));
  EXPECT_EQ(verdict.transition_to, "");
  EXPECT_EQ(verdict.expiration_rule, "s");
  EXPECT_EQ(judge(rules, object("logs", kFriday)).transition_to, "DEEP_ARCHIVE");
}

TEST(Lifecycle, SmallObjectsStayUnlessARuleNamesASize) {
  const std::string transition = R"("Transitions":[{"Days":0,"StorageClass":"GLACIER"}]})";
  const auto plain = parse(R"({"Status":"Enabled","Prefix":"",)" + transition).value();
  EXPECT_EQ(judge(plain, object("k", kFriday, 131'071)).when, kNever);
  EXPECT_NE(judge(plain, object("k", kFriday, 131'072)).when, kNever);
  const auto sized = parse(R"({"Status":"Enabled","Filter":{"ObjectSizeGreaterThan":0},)" + transition).value();
  EXPECT_NE(judge(sized, object("k", kFriday, 1)).when, kNever);
  Json varies = plain.document;
  varies.set("TransitionDefaultMinimumObjectSize", "varies_by_storage_class");
  EXPECT_NE(judge(parse_lifecycle(varies).value(), object("k", kFriday, 1)).when, kNever);
}

class LifecycleRun : public ::testing::Test {
 protected:
  LifecycleRun() { EXPECT_TRUE(world.objects->create_bucket(kAccount, "us-east-1", "bucket").ok()); }
  void set_rules(const std::string& rules) {
    ASSERT_TRUE(world.objects->set_lifecycle(kAccount, "bucket", parse(rules).value()).ok());
    world.scheduler->run_ready();
  }
  void advance(Milliseconds by) {
    world.scheduler->advance(by);
    world.now = world.scheduler->now();
  }
  std::string storage_class(const std::string& key) {
    return world.objects->head_object(kAccount, "bucket", key)->attributes.storage_class;
  }
  internal::World world;
};

TEST_F(LifecycleRun, ExpiresWhatIsDueAndNothingElse) {
  set_rules(rule(R"("Expiration":{"Days":1})"));
  advance(hours(10));
  const auto info = world.put("uploads/large", std::string(100'000, 'x'));
  EXPECT_EQ(info->expiration, "expiry-date=\"Sat, 03 Jan 2026 00:00:00 GMT\", rule-id=\"r\"");
  ASSERT_TRUE(world.put("uploads/small", "x").ok());
  ASSERT_TRUE(world.put("kept", "x").ok());
  advance(hours(37));
  EXPECT_EQ(world.keys(), "kept uploads/large uploads/small ");
  advance(hours(1));
  EXPECT_EQ(world.keys(), "kept ");
  EXPECT_TRUE(world.blobs.ids().empty());
}

TEST_F(LifecycleRun, CostsNothingWhileNothingIsDue) {
  set_rules(rule(R"("Expiration":{"Days":100})"));
  EXPECT_EQ(world.scheduler->timer_count(), 0u);
  ASSERT_TRUE(world.put("uploads/1", "x").ok());
  EXPECT_EQ(world.scheduler->timer_count(), 1u);
  const auto reads = world.store.reads();
  advance(days(99));
  EXPECT_EQ(world.store.reads(), reads);
  advance(days(2));
  EXPECT_EQ(world.keys(), "");
  EXPECT_EQ(world.scheduler->timer_count(), 0u);
}

TEST_F(LifecycleRun, GoesOnAfterARestartAndInChunks) {
  for (int i = 0; i < 2500; ++i) ASSERT_TRUE(world.put("uploads/" + std::to_string(i), "x").ok());
  set_rules(rule(R"("Expiration":{"Days":2})"));
  advance(days(1));
  world.restart();
  EXPECT_EQ(world.scheduler->timer_count(), 1u);
  ASSERT_TRUE(world.put("uploads/young", "x").ok());
  advance(days(2));
  EXPECT_EQ(world.keys(), "uploads/young ");
  EXPECT_EQ(world.scheduler->busy().count(), 0);
  advance(days(1));
  EXPECT_EQ(world.keys(), "");
}

TEST_F(LifecycleRun, MovesToColderClassesAndKeepsTheModificationTime) {
  set_rules(
      R"({"Status":"Enabled","Filter":{"ObjectSizeGreaterThan":0},"Transitions":[)"
      R"({"Days":30,"StorageClass":"STANDARD_IA"},{"Days":60,"StorageClass":"GLACIER"}],"Expiration":{"Days":90}})");
  ASSERT_TRUE(world.put("key", std::string(100'000, 'x')).ok());
  const Time created = world.now;
  advance(days(31));
  EXPECT_EQ(storage_class("key"), "STANDARD_IA");
  advance(days(30));
  EXPECT_EQ(storage_class("key"), "GLACIER");
  EXPECT_EQ(world.objects->head_object(kAccount, "bucket", "key")->modified, created);
  advance(days(30));
  EXPECT_EQ(world.keys(), "");
}

TEST_F(LifecycleRun, AppliesNewRulesToOldObjects) {
  ASSERT_TRUE(world.put("uploads/1", "x").ok());
  advance(days(10));
  EXPECT_EQ(world.keys(), "uploads/1 ");
  set_rules(rule(R"("Expiration":{"Days":5})"));
  EXPECT_EQ(world.keys(), "");
}

TEST_F(LifecycleRun, RemovedRulesNoLongerApply) {
  set_rules(rule(R"("Expiration":{"Days":1})"));
  ASSERT_TRUE(world.put("uploads/1", "x").ok());
  ASSERT_TRUE(world.objects->set_lifecycle(kAccount, "bucket", std::nullopt).ok());
  advance(days(10));
  EXPECT_EQ(world.keys(), "uploads/1 ");
}

TEST_F(LifecycleRun, AbortsForgottenUploads) {
  set_rules(R"({"ID":"a","Status":"Enabled","Prefix":"","AbortIncompleteMultipartUpload":{"DaysAfterInitiation":1}})");
  UploadRequest request;
  request.key = "key";
  const auto upload = world.objects->create_upload(kAccount, "bucket", request);
  ASSERT_TRUE(upload.ok());
  EXPECT_EQ(upload->abort.rule, "a");
  ObjectWriter writer = world.objects->writer(ObjectWriter::Use::kPart, {crypto::Algorithm::kCrc64Nvme}, 0);
  ASSERT_TRUE(writer.append("part").ok() && writer.seal().ok());
  ASSERT_TRUE(world.objects->put_part(kAccount, "bucket", "key", upload->id, 1, std::move(writer)).ok());
  EXPECT_EQ(world.blobs.ids().size(), 1u);
  advance(days(2));
  EXPECT_TRUE(world.objects->list_uploads(kAccount, "bucket")->empty());
  EXPECT_TRUE(world.blobs.ids().empty());
}

}  // namespace
}  // namespace millrace::s3
