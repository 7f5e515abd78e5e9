#include "events/schedule.h"

#include <gtest/gtest.h>

namespace millrace::events {
namespace {

Time at(std::string_view text) { return *parse_iso(text); }

struct Occurrence {
  const char* expression;
  const char* after;
  const char* next;  // nullptr: never
};

// The documented examples, and the edges of months, weeks and years.
constexpr Occurrence kOccurrences[] = {
    {"cron(0 10 * * ? *)", "2026-09-17T09:59:59Z", "2026-09-17T10:00:00Z"},
    {"cron(0 10 * * ? *)", "2026-09-17T10:00:00Z", "2026-09-18T10:00:00Z"},
    {"cron(15 12 * * ? *)", "2026-09-17T13:00:00Z", "2026-09-18T12:15:00Z"},
    {"cron(0 18 ? * MON-FRI *)", "2026-09-18T18:00:00Z", "2026-09-21T18:00:00Z"},
    {"cron(0 8 1 * ? *)", "2026-12-02T00:00:00Z", "2027-01-01T08:00:00Z"},
    {"cron(0/15 * * * ? *)", "2026-09-17T10:01:00Z", "2026-09-17T10:15:00Z"},
    {"cron(0/10 * ? * MON-FRI *)", "2026-09-18T23:50:00Z", "2026-09-21T00:00:00Z"},
    {"cron(0/5 8-17 ? * MON-FRI *)", "2026-09-17T17:55:00Z", "2026-09-18T08:00:00Z"},
    {"cron(0 9 ? * 2#1 *)", "2026-09-01T00:00:00Z", "2026-09-07T09:00:00Z"},
    {"cron(0/30 20-2 ? * MON-FRI *)", "2026-09-17T02:30:00Z", "2026-09-17T20:00:00Z"},
    {"cron(0/30 20-2 ? * MON-FRI *)", "2026-09-20T23:00:00Z", "2026-09-21T00:00:00Z"},
    {"cron(0 0 ? * FRI-MON *)", "2026-09-15T00:00:00Z", "2026-09-18T00:00:00Z"},
    {"cron(0 0 L * ? *)", "2028-02-01T00:00:00Z", "2028-02-29T00:00:00Z"},
    {"cron(0 0 ? * 6L *)", "2026-09-01T00:00:00Z", "2026-09-25T00:00:00Z"},
    {"cron(0 0 ? * L *)", "2026-09-17T00:00:00Z", "2026-09-19T00:00:00Z"},
    {"cron(0 0 15W * ? *)", "2026-08-01T00:00:00Z", "2026-08-14T00:00:00Z"},  // a Saturday
    {"cron(0 0 1W * ? *)", "2026-07-31T00:00:00Z", "2026-08-03T00:00:00Z"},   // Saturday the first
    {"cron(0 0 31W * ? *)", "2027-01-05T00:00:00Z", "2027-01-29T00:00:00Z"},  // Sunday the last
    {"cron(0 0 LW * ? *)", "2026-10-01T00:00:00Z", "2026-10-30T00:00:00Z"},
    {"cron(0 0 31 * ? *)", "2026-09-01T00:00:00Z", "2026-10-31T00:00:00Z"},
    {"cron(0 0 29 2 ? *)", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"},
    {"cron(0 0 1 jan,Jul ? *)", "2026-02-01T00:00:00Z", "2026-07-01T00:00:00Z"},
    {"cron(0 0 1 1 ? 2030/2)", "2026-02-01T00:00:00Z", "2030-01-01T00:00:00Z"},
    {"cron(0 0 1 1 ? 2020)", "2026-02-01T00:00:00Z", nullptr},
    {"cron(0 0 30 2 ? *)", "2026-02-01T00:00:00Z", nullptr},
    {"cron(59 23 31 12 ? 2199)", "2199-12-31T23:58:59Z", "2199-12-31T23:59:00Z"},
    {"rate(1 minute)", "2026-09-17T00:00:29Z", "2026-09-17T00:00:30Z"},  // counted from 2026-09-16T23:59:30Z
    {"rate(5 minutes)", "2026-09-17T00:04:30Z", "2026-09-17T00:09:30Z"},
    {"rate(1 hour)", "2026-09-17T00:00:00Z", "2026-09-17T00:59:30Z"},
    {"rate(7 days)", "2026-09-20T00:00:00Z", "2026-09-23T23:59:30Z"},
};

TEST(ScheduleTest, OccursWhenAwsSaysItDoes) {
  const Time anchor = at("2026-09-16T23:59:30Z");
  for (const auto& each : kOccurrences) {
    const auto schedule = parse_schedule(each.expression);
    ASSERT_TRUE(schedule.ok()) << each.expression;
    const Time next = next_occurrence(*schedule, anchor, at(each.after));
    EXPECT_EQ(next, each.next == nullptr ? kNever : at(each.next)) << each.expression << " after " << each.after;
  }
}

TEST(ScheduleTest, WhatIsNoScheduleIsRefused) {
  for (const char* wrong : {"",
                            "rate()",
                            "rate(0 minutes)",
                            "rate(1 minutes)",
                            "rate(5 minute)",
                            "rate(5 seconds)",
                            "rate(-1 hours)",
                            "rate(1.5 hours)",
                            "rate(5  minutes)",
                            "every 5 minutes",
                            "cron(0 10 * * ? *",
                            "cron(0 10 * * *)",
                            "cron(0 10 * * * *)",
                            "cron(0 10 ? * ? *)",
                            "cron(60 10 * * ? *)",
                            "cron(0 24 * * ? *)",
                            "cron(0 0 32 * ? *)",
                            "cron(0 0 0 * ? *)",
                            "cron(0 0 1 13 ? *)",
                            "cron(0 0 ? * 8 *)",
                            "cron(0 0 ? * MON#6 *)",
                            "cron(0 0 ? * 0 *)",
                            "cron(0 0 1 1 ? 1969)",
                            "cron(0 0 1 1 ? 2200)",
                            "cron(0/0 * * * ? *)",
                            "cron(, * * * ? *)",
                            "cron(0 0 1 1 ? 2030-2020)",
                            "cron(0 0 W * ? *)",
                            "cron(x 0 * * ? *)"}) {
    EXPECT_FALSE(parse_schedule(wrong).ok()) << wrong;
  }
}

TEST(ScheduleTest, AnOccurrenceIsAlwaysLaterThanWhatItFollows) {
  for (const auto& each : kOccurrences) {
    const auto schedule = parse_schedule(each.expression);
    if (!schedule.ok()) continue;
    Time time = at("2026-01-01T00:00:00Z");
    for (int i = 0; i < 50 && time != kNever; ++i) {
      const Time next = next_occurrence(*schedule, at("2026-01-01T00:00:00Z"), time);
      ASSERT_GT(next, time) << each.expression;
      time = next;
    }
  }
}

}  // namespace
}  // namespace millrace::events
