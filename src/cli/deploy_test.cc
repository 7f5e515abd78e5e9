#include "cli/internal/deploy.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::cli {
namespace {

using codec::Json;
namespace fs = std::filesystem;

class Folder : public testing::Test {
 protected:
  void SetUp() override {
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  void TearDown() override { fs::remove_all(root_); }
  fs::path write(const std::string& name, const std::string& text) {
    const fs::path path = root_ / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
    return path;
  }
  Result<Packaged> packaged(const fs::path& file) {
    Uploader uploader;
    uploader.bucket = "assets";
    uploader.upload = [this](const std::string& key, std::string content) -> Result<void> {
      sent_[key] = std::move(content);
      return {};
    };
    return package(
        file, [](std::string_view text) { return codec::parse_json(text); }, uploader, &read_from_);
  }

  const fs::path root_ = fs::path(testing::TempDir()) / "millrace_deploy_test";
  std::map<std::string, std::string> sent_;
  std::set<fs::path> read_from_;
};

const Json& property(const Packaged& packaged, std::string_view id, std::string_view name) {
  return *packaged.document.find("Resources")->find(id)->find("Properties")->find(name);
}

TEST_F(Folder, OfCodeBecomesAnArchiveInTheBucket) {
  write("code/index.js", "one");
  write("code/lib/more.js", "two");
  const auto file = write("t.json", R"({"Resources": {
    "F": {"Type": "AWS::Lambda::Function", "Properties": {"Code": "./code"}},
    "L": {"Type": "AWS::Lambda::LayerVersion", "Properties": {"Content": "code"}},
    "S": {"Type": "AWS::Serverless::Function", "Properties": {"CodeUri": "code/"}}}})");
  const auto result = packaged(file);
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_TRUE(result->changed);
  ASSERT_EQ(sent_.size(), 1u);  // the same folder three times
  const std::string& key = sent_.begin()->first;
  EXPECT_EQ(property(*result, "F", "Code"), Json::object({{"S3Bucket", "assets"}, {"S3Key", key}}));
  EXPECT_EQ(property(*result, "L", "Content"), Json::object({{"S3Bucket", "assets"}, {"S3Key", key}}));
  EXPECT_EQ(property(*result, "S", "CodeUri"), Json("s3://assets/" + key));
  EXPECT_THAT(sent_.begin()->second, testing::HasSubstr("lib/more.js"));
}

TEST_F(Folder, ThatDoesNotChangeKeepsItsKey) {
  write("code/index.js", "one");
  const auto file =
      write("t.json", R"({"Resources": {"F": {"Type": "AWS::Lambda::Function", "Properties": {"Code": "code"}}}})");
  const Json before = property(*packaged(file), "F", "Code");
  fs::last_write_time(root_ / "code/index.js", fs::file_time_type::clock::now() + std::chrono::hours(1));
  EXPECT_EQ(property(*packaged(file), "F", "Code"), before);
  write("code/index.js", "two");
  EXPECT_NE(property(*packaged(file), "F", "Code"), before);
}

TEST_F(Folder, IsLeftAloneWhereTheTemplateHasAnAddress) {
  const std::string text = R"({"Resources": {
    "A": {"Type": "AWS::Lambda::Function", "Properties": {"Code": {"ZipFile": "x"}}},
    "B": {"Type": "AWS::Serverless::Function", "Properties": {"CodeUri": "s3://b/k"}},
    "C": {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": "https://s3.amazonaws.com/b/k"}},
    "D": {"Type": "AWS::SQS::Queue", "Properties": {"Code": "code"}}, "E": 1}})";
  const auto result = packaged(write("t.json", text));
  ASSERT_TRUE(result.ok());
  EXPECT_FALSE(result->changed);
  EXPECT_EQ(result->document, *codec::parse_json(text));
}

TEST_F(Folder, OfANestedTemplateIsPackagedFirst) {
  write("nested/code/index.js", "one");
  write("nested/n.json", R"({"Resources": {"F": {"Type": "AWS::Lambda::Function", "Properties": {"Code": "code"}}}})");
  const auto file = write(
      "t.json",
      R"({"Resources": {"N": {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": "nested/n.json"}}}})");
  const auto result = packaged(file);
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_THAT(property(*result, "N", "TemplateURL").as_string(),
              testing::MatchesRegex("https://s3.amazonaws.com/assets/[0-9a-f]+.template"));
  EXPECT_EQ(sent_.size(), 2u);
  EXPECT_TRUE(read_from_.contains(root_ / "nested/code"));
}

TEST_F(Folder, ThatIsNotThereIsNamed) {
  const auto file =
      write("t.json", R"({"Resources": {"F": {"Type": "AWS::Lambda::Function", "Properties": {"Code": "gone"}}}})");
  const auto result = packaged(file);
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.error().message(), testing::HasSubstr("Code of F: there is no file or folder"));
  EXPECT_TRUE(read_from_.contains(root_ / "gone"));  // watched: it may come
  fs::create_directories(root_ / "gone");
  EXPECT_THAT(packaged(file).error().message(), testing::HasSubstr("is empty"));
  write("t.json", "{");
  EXPECT_THAT(packaged(file).error().message(), testing::HasSubstr("t.json: "));
}

TEST_F(Folder, HasAFingerprintThatChangesWithItsFiles) {
  write("code/a", "one");
  const std::set<fs::path> paths{root_ / "code", root_ / "t.json"};
  const std::string before = fingerprint(paths);
  EXPECT_EQ(fingerprint(paths), before);
  write("code/deep/b", "two");
  const std::string more = fingerprint(paths);
  EXPECT_NE(more, before);
  write("t.json", "{}");
  EXPECT_NE(fingerprint(paths), more);
}

TEST_F(Folder, OfParametersInBothForms) {
  DeployOptions options;
  options.parameters = {"B=x=y", "C="};
  options.parameter_file = write("p.json", R"({"A": 1, "B": "file"})");
  const std::map<std::string, std::string> wanted{{"A", "1"}, {"B", "x=y"}, {"C", ""}};
  EXPECT_EQ(*parameters_of(options), wanted);
  options.parameter_file = write("p.json", R"([{"ParameterKey": "A", "ParameterValue": "1"}])");
  EXPECT_EQ(*parameters_of(options), wanted);
  for (const std::string wrong : {"[1]", "7", "{", R"([{"ParameterKey": "A"}])"}) {
    options.parameter_file = write("p.json", wrong);
    EXPECT_FALSE(parameters_of(options).ok()) << wrong;
  }
  options.parameter_file.clear();
  options.parameters = {"nothing"};
  EXPECT_FALSE(parameters_of(options).ok());
}

TEST(StackName, IsTheTemplates) {
  EXPECT_EQ(stack_name_of("a/orders.yaml"), "orders");
  EXPECT_EQ(stack_name_of("/x/orders/template.yaml"), "orders");
  EXPECT_EQ(stack_name_of("my_orders.v2.json"), "my-orders-v2");
  EXPECT_EQ(stack_name_of("2orders.json"), "orders");
  EXPECT_EQ(stack_name_of("22.json"), "stack");
}

TEST(Skips, AreAddedToTheTemplatesMetadata) {
  Json document = *codec::parse_json(R"({"Metadata": {"Other": 1, "Millrace::Skip": ["A::B"]}})");
  add_skips(document, {"C::D"});
  EXPECT_EQ(document.dump(), R"({"Metadata":{"Other":1,"Millrace::Skip":["A::B","C::D"]}})");
  Json empty = Json::object();
  add_skips(empty, {});
  EXPECT_EQ(empty.dump(), "{}");
  add_skips(empty, {"C::D"});
  EXPECT_EQ(empty.dump(), R"({"Metadata":{"Millrace::Skip":["C::D"]}})");
}

}  // namespace
}  // namespace millrace::cli
