// Schedule expressions of rules: "rate(5 minutes)", "cron(0 12 * * ? *)". Values and pure functions; all in UTC.
//
//   rate(VALUE UNIT)      VALUE > 0; minute, hour, day for 1, minutes, hours, days for more
//   cron(MINUTES HOURS DAY-OF-MONTH MONTH DAY-OF-WEEK YEAR)
//     0-59 | 0-23 | 1-31 L W ? | 1-12 JAN-DEC | 1-7 SUN-SAT L # ? | 1970-2199; lists, ranges, steps and * in each
//     one of the two days is "?", the other is not
//
// Source: AWS, "Using cron and rate expressions to schedule rules in Amazon EventBridge".
#pragma once

#include <bitset>
#include <optional>
#include <set>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace millrace::events {

struct Rate {
  Milliseconds interval{};
};

struct Cron {
  // A day of the month as a number, or relative to it.
  struct MonthDay {
    enum class Kind { kLast, kNearestWeekday, kLastWeekday } kind;  // "L", "15W", "LW"
    int day = 0;
  };
  // "6L": the last Friday of the month; "3#2": the second Tuesday. 1 is Sunday.
  struct WeekDay {
    int day = 1;
    int nth = 0;  // 0: the last
  };
  std::bitset<60> minutes;
  std::bitset<24> hours;
  std::bitset<32> month_days;
  std::vector<MonthDay> special_month_days;
  std::bitset<13> months;
  std::bitset<8> week_days;
  std::vector<WeekDay> special_week_days;
  bool by_week_day = false;  // the day of the month is "?"
  std::bitset<2200> years;
};

using Schedule = std::variant<Rate, Cron>;

// Error: kValidation "Parameter ScheduleExpression is not valid."
Result<Schedule> parse_schedule(std::string_view expression);

// The first occurrence later than `after`; kNever: there is none any more. A rate counts from `anchor`: the first is
// one interval later.
Time next_occurrence(const Schedule& schedule, Time anchor, Time after);

}  // namespace millrace::events
