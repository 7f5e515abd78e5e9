#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "stacks/plan.h"
#include "stacks/template.h"

namespace millrace::stacks {
namespace {

Document parsed(std::string_view text) { return *parse_template(text); }

// A type with one property that replaces.
class Queue final : public ResourceType {
 public:
  std::string_view name() const override { return "AWS::SQS::Queue"; }
  std::span<const Property> properties() const override {
    static constexpr Property kProperties[] = {{"QueueName", Update::kReplace}};
    return kProperties;
  }
  Result<Resource> create(const Work&) const override { return Resource{}; }
  Result<Resource> update(const Work&) const override { return Resource{}; }
  Result<void> remove(const Work&) const override { return {}; }
};

TypeRegistry with_queues() {
  TypeRegistry types;
  types.add(std::make_unique<Queue>());
  return types;
}

constexpr std::string_view kSkipping = R"({
  "Metadata": {"Millrace::Skip": ["AWS::EC2::*", "AWS::SQS::Queue"]},
  "Resources": {"Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}},
                "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"Nonsense": {"Fn::GetAtt": ["Vpc", "Anything"]}}}}})";

TEST(Skipped, AreTypesThatTheTemplateNames) {
  const TypeRegistry types = with_queues();
  const Document document = parsed(kSkipping);
  EXPECT_TRUE(types.is_skipped(document, "AWS::EC2::VPC"));
  EXPECT_TRUE(types.is_skipped(document, "AWS::SQS::Queue"));
  EXPECT_FALSE(types.is_skipped(document, "AWS::SQS::QueuePolicy"));
  EXPECT_TRUE(check_template(document, types).ok());
}

TEST(Skipped, AreTypesThatTheServerNames) {
  TypeRegistry types = with_queues();
  const Document document = parsed(R"({"Resources": {"Vpc": {"Type": "AWS::EC2::VPC"}}})");
  EXPECT_THAT(check_template(document, types).error().message(), testing::HasSubstr("[AWS::EC2::VPC]"));
  types.skip("AWS::EC2::VPC");
  EXPECT_TRUE(check_template(document, types).ok());
  EXPECT_EQ(types.find_in(document, "AWS::EC2::VPC"), &skipped_type());
  EXPECT_EQ(types.find("AWS::EC2::VPC"), nullptr);
}

TEST(Skipped, MustBeAListOfTypes) {
  const TypeRegistry types = with_queues();
  for (const std::string_view list : {R"("AWS::EC2::VPC")", R"([1])", R"(["*"])", R"(["Vpc"])"}) {
    const Document document = parsed(R"({"Metadata": {"Millrace::Skip": )" + std::string(list) +
                                     R"(}, "Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}})");
    EXPECT_THAT(check_template(document, types).error().message(), testing::HasSubstr("must be a list")) << list;
  }
}

TEST(Skipped, AnswersForItsAttributes) {
  const Scope scope{"111122223333", "eu-west-1"};
  const Document properties = Document::object({{"CidrBlock", "10.0.0.0/16"}, {"Tags", Document::array()}});
  const auto attribute = [&](std::string_view name) {
    return skipped_attribute(scope, "AWS::EC2::VPC", "s-Vpc-1", properties, name).as_string();
  };
  EXPECT_EQ(attribute("Arn"), "arn:aws:ec2:eu-west-1:111122223333:vpc/s-Vpc-1");
  EXPECT_EQ(attribute("CidrBlock"), "10.0.0.0/16");
  EXPECT_EQ(attribute("Tags"), "s-Vpc-1.Tags");
  EXPECT_EQ(skipped_attribute(scope, "Custom::Thing", "id", properties, "Arn").as_string(),
            "arn:aws:custom:eu-west-1:111122223333:thing/id");
}

TEST(Skipped, TypesThatAreMadeFromNowOnReplaceTheRecord) {
  const TypeRegistry types = with_queues();
  std::map<std::string, Owned> resources;
  Owned& owned = resources["Queue"];
  owned.logical_id = "Queue";
  owned.type = "AWS::SQS::Queue";
  owned.physical_id = "s-Queue-1";
  owned.skipped = true;
  const Document document = parsed(R"({"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}})");
  Environment environment;
  environment.document = &document;
  const auto changes = plan(environment, resources, types);
  ASSERT_TRUE(changes.ok());
  ASSERT_EQ(changes->size(), 1u);
  EXPECT_TRUE(changes->front().replaces);
  owned.skipped = false;
  EXPECT_TRUE(plan(environment, resources, types)->empty());
}

}  // namespace
}  // namespace millrace::stacks
