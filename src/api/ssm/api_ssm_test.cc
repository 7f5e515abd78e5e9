#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/ssm/parameters.h"
#include "api/ssm/service.h"
#include "storage/memory/memory_store.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"

namespace millrace::api_ssm {
namespace {

using wire::Document;

class ApiSsmTest : public ::testing::Test {
 protected:
  Document ok(std::string_view operation, const Document& input) {
    auto reply = service_->find(operation)->handler(context_, input);
    EXPECT_TRUE(reply.ok()) << operation << ": " << reply.error().message();
    return reply.ok() ? std::move(reply->output) : Document();
  }
  std::string error(std::string_view operation, const Document& input) {
    auto reply = service_->find(operation)->handler(context_, input);
    return reply.ok() ? "no error" : std::string(reply.error().type().name);
  }
  static Document parameter(std::string_view name, std::initializer_list<Document::Member> more = {}) {
    Document document = Document::object({{"Name", name}, {"Value", "x"}, {"Type", "String"}});
    for (const auto& [member, value] : more) document.set(member, value);
    return document;
  }
  std::string value(std::string_view name) {
    return std::string(
        ok("GetParameter", Document::object({{"Name", name}})).find("Parameter")->string_or("Value", ""));
  }

  testing::VirtualScheduler scheduler_;
  storage::MemoryStore store_;
  testing::TestCommits commits_{store_, scheduler_};
  records::Records records_{store_, commits_};
  std::unique_ptr<wire::Service> service_ = make_ssm_service(records_, scheduler_, {{"/preset", "33"}});
  wire::RequestContext context_;
};

TEST_F(ApiSsmTest, EveryPutMakesAVersionThatStaysReadable) {
  ok("PutParameter", parameter("/a/b"));
  EXPECT_EQ(error("PutParameter", parameter("/a/b")), "ParameterAlreadyExists");
  EXPECT_EQ(ok("PutParameter", parameter("/a/b", {{"Value", "y"}, {"Overwrite", true}})).int_or("Version", 0), 2);
  EXPECT_EQ(value("/a/b"), "y");
  EXPECT_EQ(value("/a/b:1"), "x");
  EXPECT_EQ(value("arn:aws:ssm:us-east-1:000000000000:parameter/a/b"), "y");
  EXPECT_EQ(error("GetParameter", Document::object({{"Name", "/a/b:3"}})), "ParameterVersionNotFound");
}

TEST_F(ApiSsmTest, APresetIsThereUntilOneOfItsNameIsPut) {
  EXPECT_EQ(value("/preset"), "33");
  EXPECT_EQ(error("DeleteParameter", Document::object({{"Name", "/preset"}})), "ParameterNotFound");
  EXPECT_EQ(ok("PutParameter", parameter("/preset")).int_or("Version", 0), 1);
  EXPECT_EQ(value("/preset"), "x");
}

TEST_F(ApiSsmTest, ASecureStringIsShownOnlyWhenAskedFor) {
  ok("PutParameter", parameter("s", {{"Type", "SecureString"}, {"Value", "secret"}}));
  EXPECT_NE(value("s"), "secret");
  const auto shown = ok("GetParameter", Document::object({{"Name", "s"}, {"WithDecryption", true}}));
  EXPECT_EQ(shown.find("Parameter")->string_or("Value", ""), "secret");
}

TEST_F(ApiSsmTest, APathListsItsOwnLevelOrAllBelow) {
  for (const auto* name : {"/p/a", "/p/b", "/p/q/c", "/px/d", "e"}) ok("PutParameter", parameter(name));
  const auto names = [&](bool recursive) {
    std::vector<std::string> found;
    std::string token;
    do {
      Document input = Document::object({{"Path", "/p"}, {"Recursive", recursive}, {"MaxResults", 2}});
      input.set_if(!token.empty(), "NextToken", token);
      const auto output = ok("GetParametersByPath", input);
      for (const auto& one : output.find("Parameters")->as_array()) found.emplace_back(one.string_or("Name", ""));
      token = output.string_or("NextToken", "");
    } while (!token.empty());
    return found;
  };
  EXPECT_THAT(names(false), ::testing::ElementsAre("/p/a", "/p/b"));
  EXPECT_THAT(names(true), ::testing::ElementsAre("/p/a", "/p/b", "/p/q/c"));
}

TEST_F(ApiSsmTest, WhatParameterStoreDoesNotTakeIsRefused) {
  EXPECT_EQ(error("PutParameter", parameter("a/b")), "ValidationException");
  EXPECT_EQ(error("PutParameter", parameter("/ssm/b")), "ValidationException");
  EXPECT_EQ(error("PutParameter", parameter("/AWS/b")), "AccessDeniedException");
  EXPECT_EQ(error("PutParameter", parameter("a b")), "ValidationException");
  EXPECT_EQ(error("PutParameter", parameter("a", {{"Value", std::string(4097, 'x')}})), "ValidationException");
  EXPECT_EQ(error("PutParameter", parameter("a", {{"AllowedPattern", "[0-9]+"}})), "ParameterPatternMismatchException");
  EXPECT_EQ(error("PutParameter", parameter("a", {{"AllowedPattern", "("}})), "InvalidAllowedPatternException");
  EXPECT_EQ(error("PutParameter", parameter("a", {{"DataType", "aws:ec2:image"}})), "ValidationException");
  EXPECT_EQ(error("PutParameter", parameter("a", {{"Policies", "[{}]"}})), "ValidationException");
  EXPECT_EQ(error("PutParameter", parameter("/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16")),
            "HierarchyLevelLimitExceededException");
  EXPECT_EQ(error("GetParameter", Document::object({{"Name", "none"}})), "ParameterNotFound");
  EXPECT_EQ(error("GetParameter", Document::object({{"Name", "a:label"}})), "ValidationException");
}

TEST_F(ApiSsmTest, DescriptionsAreFiltered) {
  ok("PutParameter",
     parameter("/p/a", {{"Tags", Document::array({Document::object({{"Key", "k"}, {"Value", "v"}})})}}));
  ok("PutParameter", parameter("/p/b", {{"Type", "StringList"}}));
  const auto count = [&](std::string_view key, std::string_view option, std::string_view value) {
    const Document filter = Document::object({{"Key", key}, {"Option", option}, {"Values", Document::array({value})}});
    return ok("DescribeParameters", Document::object({{"ParameterFilters", Document::array({filter})}}))
        .find("Parameters")
        ->as_array()
        .size();
  };
  EXPECT_EQ(count("Name", "Contains", "b"), 1U);
  EXPECT_EQ(count("Path", "OneLevel", "/p"), 2U);
  EXPECT_EQ(count("Type", "Equals", "StringList"), 1U);
  EXPECT_EQ(count("tag:k", "Equals", "v"), 1U);
}

}  // namespace
}  // namespace millrace::api_ssm
