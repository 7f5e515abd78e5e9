#include "base/time.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(Time, FormatsAsAwsDoes) {
  const Time time = from_unix_ms(1789651752967);
  EXPECT_EQ(format_iso_ms(time), "2026-09-17T13:29:12.967Z");
  EXPECT_EQ(format_iso_s(time), "2026-09-17T13:29:12Z");
  EXPECT_EQ(format_http_date(time), "Thu, 17 Sep 2026 13:29:12 GMT");
}

TEST(Time, ParsesWhatItFormats) {
  const Time time = from_unix_ms(1789651752967);
  EXPECT_EQ(parse_iso(format_iso_ms(time)), time);
  EXPECT_EQ(parse_iso("2026-09-17T13:29:12Z"), from_unix_ms(1789651752000));
  EXPECT_EQ(parse_http_date("Thu, 17 Sep 2026 13:29:12 GMT"), from_unix_ms(1789651752000));
}

TEST(Time, RefusesWhatIsNoTime) {
  EXPECT_FALSE(parse_iso("2026-13-17T13:29:12Z"));
  EXPECT_FALSE(parse_iso("yesterday"));
  EXPECT_FALSE(parse_http_date("2026"));
}

TEST(Duration, ParsesUnits) {
  EXPECT_EQ(parse_duration("31d"), Milliseconds(31LL * 86'400'000));
  EXPECT_EQ(parse_duration("90"), Milliseconds(90'000));
  EXPECT_EQ(parse_duration("250ms"), Milliseconds(250));
  EXPECT_FALSE(parse_duration("1.5h"));
  EXPECT_FALSE(parse_duration("-3s"));
  EXPECT_FALSE(parse_duration("99999999999999999d"));
  EXPECT_FALSE(parse_duration("d"));
}

TEST(Duration, FormatsForPeople) {
  EXPECT_EQ(format_duration(Milliseconds(80)), "80 ms");
  EXPECT_EQ(format_duration(Milliseconds(1200)), "1.2 s");
  EXPECT_EQ(format_duration(Milliseconds(86'400'000LL * 31 + 4 * 3'600'000)), "31d 4h");
}

}  // namespace
}  // namespace millrace
