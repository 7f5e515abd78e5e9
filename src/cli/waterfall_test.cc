#include "cli/internal/waterfall.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::cli {
namespace {

using codec::Json;
using ::testing::HasSubstr;
using ::testing::SizeIs;

Json part(const char* id, const char* name, double start, double end) {
  return Json::object({{"id", id}, {"name", name}, {"start_time", start}, {"end_time", end}});
}

TEST(WaterfallTest, TimesHaveAUnitThatFits) {
  EXPECT_EQ(span_text(60), "60.0 s");
  EXPECT_EQ(span_text(1.25), "1.25 s");
  EXPECT_EQ(span_text(0.0123), "12.3 ms");
  EXPECT_EQ(span_text(0.000085), "85.0 us");
  EXPECT_EQ(span_text(-1), "0.00 us");
}

TEST(WaterfallTest, BarsLieWhereTheTimeWasAndChildrenUnderTheirParents) {
  Json root = part("1", "f", 0, 10);
  root.set("subsegments", Json::array({part("2", "first", 0, 5)}));
  Json called = part("3", "g", 5, 10);
  called.set("parent_id", "2").set("fault", true);
  const auto lines = waterfall({called, root}, 60);
  ASSERT_THAT(lines, SizeIs(3));
  EXPECT_TRUE(lines[0].text.starts_with("f "));
  EXPECT_TRUE(lines[1].text.starts_with("  first "));
  EXPECT_TRUE(lines[2].text.starts_with("    g "));
  EXPECT_TRUE(lines[2].failed);
  for (const auto& line : lines) EXPECT_EQ(line.text.size(), 60u) << line.text;
  const auto bar = [&](int i) { return lines[i].text.substr(lines[i].text.find('|')); };
  EXPECT_EQ(bar(0).find(' '), std::string::npos);
  EXPECT_LT(bar(1).rfind('-'), bar(2).find('!'));
}

TEST(WaterfallTest, ManyCallsOfAKindAreOneLine) {
  Json root = part("1", "f", 0, 1);
  Json list = Json::array();
  for (int i = 0; i < 100; ++i) {
    Json call = part("x", "S3", i * 0.01, i * 0.01 + 0.005);
    call.set("aws", Json::object({{"operation", "DeleteObject"}, {"bucket_name", "b"}}));
    if (i == 7) call.set("error", true);
    list.push(std::move(call));
  }
  list.push(part("y", "other", 0.9999, 1));
  root.set("subsegments", std::move(list));
  const auto lines = waterfall({root}, 160);
  ASSERT_THAT(lines, SizeIs(3));
  EXPECT_THAT(lines[1].text, HasSubstr("100 x S3 DeleteObject b, 5.00 ms each, 1 failed"));
  EXPECT_TRUE(lines[1].failed);
}

TEST(WaterfallTest, NothingAndNonsenseAreDrawnToo) {
  EXPECT_THAT(waterfall({}, 80), SizeIs(0));
  EXPECT_THAT(waterfall({Json::object()}, 10), SizeIs(1));
  Json one = part("1", "a", 0, 1), other = part("2", "b", 0, 1);
  one.set("parent_id", "2");
  other.set("parent_id", "1");
  EXPECT_THAT(waterfall({one, other}, 80), SizeIs(2));
  Json running = Json::object({{"id", "1"},
                               {"name", "long name \xc3\xa4 that does not fit into a narrow terminal at all"},
                               {"start_time", 5},
                               {"in_progress", true}});
  const auto lines = waterfall({running}, 60);
  EXPECT_THAT(lines[0].text, HasSubstr("running"));
}

}  // namespace
}  // namespace millrace::cli
