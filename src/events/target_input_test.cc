#include "events/target_input.h"

#include <gtest/gtest.h>

namespace millrace::events {
namespace {

const codec::Json kEvent = *codec::parse_json(
    R"({"id":"1","source":"shop","resources":["arn:a","arn:b"],"detail":{"state":"say \"hi\"","count":3,"a.b":true,"list":[{"x":1}]}})");
const RuleFacts kRule{"arn:rule", "rule", "2026-09-17T00:00:00Z"};

std::string filled(std::map<std::string, std::string> paths, std::string text) {
  TargetInput input;
  input.transformer = Transformer{std::move(paths), std::move(text)};
  const auto checked = check_input(input, "t");
  return checked.ok() ? render_input(input, kEvent, kRule) : checked.error().message();
}

TEST(TargetInputTest, PathsFindMembersElementsAndOddNames) {
  const std::pair<const char*, const char*> found[] = {
      {"$.detail.count", "3"},          {"$.resources[1]", R"("arn:b")"}, {"$.detail.list[0].x", "1"},
      {"$.detail['a.b']", "true"},      {"$.detail.none", "null"},        {"$.resources[7]", "null"},
      {"$.detail.count.deeper", "null"}};
  for (const auto& [path, value] : found) {
    TargetInput input;
    input.path = path;
    ASSERT_TRUE(check_input(input, "t").ok()) << path;
    EXPECT_EQ(render_input(input, kEvent, kRule), value) << path;
  }
  for (const char* wrong : {"", "detail", "$detail", "$.", "$..a", "$.a[", "$.a[x]", "$.*"}) {
    EXPECT_FALSE(parse_path(wrong)) << wrong;
  }
}

TEST(TargetInputTest, ATemplateIsFilledWithTextBetweenQuotesAndWithJsonElsewhere) {
  const std::map<std::string, std::string> paths = {
      {"state", "$.detail.state"}, {"count", "$.detail.count"}, {"none", "$.none"}, {"list", "$.resources"}};
  EXPECT_EQ(filled(paths, R"("<state>: <count>, <none>")"), R"("say \"hi\": 3, ")");
  EXPECT_EQ(filled(paths, R"({"a":<state>,"b":<count>,"c":<none>,"d":<list>,"e":"<list>"})"),
            R"({"a":"say \"hi\"","b":3,"c":null,"d":["arn:a","arn:b"],"e":"[\"arn:a\",\"arn:b\"]"})");
  EXPECT_EQ(filled({}, R"({"rule":<aws.events.rule-name>,"at":"<aws.events.event.ingestion-time>"})"),
            R"({"rule":"rule","at":"2026-09-17T00:00:00Z"})");
  EXPECT_EQ(filled({}, "<aws.events.event.json>"), kEvent.dump());
}

TEST(TargetInputTest, WhatCannotWorkIsRefused) {
  EXPECT_NE(filled({}, R"("<none>")").find("Placeholder none"), std::string::npos);
  EXPECT_NE(filled({{"a", "b"}}, R"("<a>")").find("Invalid InputPath"), std::string::npos);
  EXPECT_NE(filled({}, "{").find("Invalid InputTemplate"), std::string::npos);
  TargetInput input;
  input.constant = "{";
  EXPECT_NE(check_input(input, "t").error().message().find("JSON syntax error"), std::string::npos);
  input = {.constant = "1", .path = "$.a"};
  EXPECT_NE(check_input(input, "t").error().message().find("Only one of"), std::string::npos);
}

}  // namespace
}  // namespace millrace::events
