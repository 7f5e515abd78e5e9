#include "s3/conditions.h"

#include <gtest/gtest.h>

namespace millrace::s3 {
namespace {

const Time kModified = from_unix_ms(1'000'500);

std::string check(const ReadConditions& conditions, ConditionalRequest request = ConditionalRequest::kRead) {
  const auto result = check_conditions(conditions, "abc", kModified, request);
  return result.ok() ? "ok" : std::string(result.error().type().name);
}

TEST(Conditions, FollowTheTableOfAws) {
  const Time before = from_unix_ms(999'000), same = from_unix_ms(1'000'000);
  EXPECT_EQ(check({}), "ok");
  EXPECT_EQ(check({"\"abc\"", "", {}, {}}), "ok");
  EXPECT_EQ(check({"\"x\", \"abc\"", "", {}, {}}), "ok");
  EXPECT_EQ(check({"x", "", {}, {}}), "PreconditionFailed");
  EXPECT_EQ(check({"abc", "", {}, before}), "ok");  // If-Match wins
  EXPECT_EQ(check({"", "", {}, before}), "PreconditionFailed");
  EXPECT_EQ(check({"", "", {}, same}), "ok");
  EXPECT_EQ(check({"", "*", {}, {}}), "NotModified");
  EXPECT_EQ(check({"", "W/\"abc\"", {}, {}}), "NotModified");
  EXPECT_EQ(check({"", "x", same, {}}), "ok");  // If-None-Match wins
  EXPECT_EQ(check({"", "", same, {}}), "NotModified");
  EXPECT_EQ(check({"", "", before, {}}), "ok");
  EXPECT_EQ(check({"", "abc", {}, {}}, ConditionalRequest::kCopySource), "PreconditionFailed");
}

std::string range(std::string_view field, std::uint64_t bytes = 10) {
  const auto result = parse_range(field, bytes);
  if (!result.ok()) return std::string(result.error().type().name);
  if (!*result) return "all";
  return std::to_string((*result)->first) + "+" + std::to_string((*result)->count);
}

TEST(Range, IsCutToWhatExists) {
  EXPECT_EQ(range("bytes=0-0"), "0+1");
  EXPECT_EQ(range("bytes=2-"), "2+8");
  EXPECT_EQ(range("bytes=5-99"), "5+5");
  EXPECT_EQ(range("bytes=-3"), "7+3");
  EXPECT_EQ(range("bytes=-30"), "0+10");
  EXPECT_EQ(range("bytes=0-18446744073709551615"), "0+10");
}

TEST(Range, IsRefusedOrIgnored) {
  EXPECT_EQ(range("bytes=10-"), "InvalidRange");
  EXPECT_EQ(range("bytes=-0"), "InvalidRange");
  EXPECT_EQ(range("bytes=0-", 0), "InvalidRange");
  for (const char* field : {"", "bytes=", "bytes=-", "bytes=5-2", "bytes=a-b", "items=0-1", "bytes=0-1,3-4"}) {
    EXPECT_EQ(range(field), "all") << field;
  }
  EXPECT_FALSE(parse_copy_range("bytes=0-10", 10).ok());
  EXPECT_FALSE(parse_copy_range("bytes=3-", 10).ok());
  EXPECT_EQ(parse_copy_range("bytes=3-4", 10)->count, 2u);
}

}  // namespace
}  // namespace millrace::s3
