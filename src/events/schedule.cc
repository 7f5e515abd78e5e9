#include "events/schedule.h"

#include <algorithm>
#include <charconv>
#include <string>

#include "events/errors.h"

namespace millrace::events {
namespace {

using namespace std::chrono;

std::optional<int> number_of(std::string_view text) {
  int value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size() || text.empty() || value < 0) return std::nullopt;
  return value;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

// What a field of a cron expression may hold: numbers, and names for them, the first of which is `first_named`.
struct Field {
  int least;
  int most;
  std::vector<std::string_view> names;
  int first_named = 1;

  std::optional<int> value(std::string_view text) const {
    std::string upper(text);
    std::ranges::transform(upper, upper.begin(), [](char c) { return c >= 'a' && c <= 'z' ? char(c - 32) : c; });
    const auto named = std::ranges::find(names, upper);
    const auto number =
        named == names.end() ? number_of(text) : std::optional(static_cast<int>(named - names.begin()) + first_named);
    if (!number || *number < least || *number > most) return std::nullopt;
    return number;
  }
};

const Field kMinutes{0, 59, {}};
const Field kHours{0, 23, {}};
const Field kMonthDays{1, 31, {}};
const Field kMonths{1, 12, {"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}};
const Field kWeekDays{1, 7, {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}};
const Field kYears{1970, 2199, {}};

// One element of a list: "*", "5", "1-5", "22-2" (over midnight), "0/15", "*/10", "10-30/5". false: none of them.
template <std::size_t N>
bool add_element(const Field& field, std::string_view text, std::bitset<N>& into) {
  int step = 1;
  bool has_step = false;
  if (const auto slash = text.find('/'); slash != std::string_view::npos) {
    const auto given = number_of(text.substr(slash + 1));
    if (!given || *given == 0) return false;
    step = *given;
    has_step = true;
    text = text.substr(0, slash);
  }
  int from = field.least, to = field.most;
  if (text != "*") {
    const auto dash = text.find('-');
    const auto first = field.value(text.substr(0, dash));
    if (!first) return false;
    from = *first;
    if (dash != std::string_view::npos) {
      const auto last = field.value(text.substr(dash + 1));
      if (!last || (*last < from && field.least == kYears.least)) return false;
      to = *last < from ? *last + field.most - field.least + 1 : *last;
    } else if (!has_step) {
      to = from;
    }
  }
  for (int value = from; value <= to; value += step) {
    const int round = value > field.most ? value - (field.most - field.least + 1) : value;
    into.set(static_cast<std::size_t>(round));
  }
  return true;
}

template <std::size_t N>
bool parse_field(const Field& field, std::string_view text, std::bitset<N>& into) {
  return std::ranges::all_of(split(text, ','), [&](std::string_view each) { return add_element(field, each, into); });
}

bool parse_month_days(std::string_view text, Cron& cron) {
  for (const std::string_view each : split(text, ',')) {
    if (each == "L") {
      cron.special_month_days.push_back({Cron::MonthDay::Kind::kLast, 0});
    } else if (each == "LW") {
      cron.special_month_days.push_back({Cron::MonthDay::Kind::kLastWeekday, 0});
    } else if (each.ends_with('W')) {
      const auto day = kMonthDays.value(each.substr(0, each.size() - 1));
      if (!day) return false;
      cron.special_month_days.push_back({Cron::MonthDay::Kind::kNearestWeekday, *day});
    } else if (!add_element(kMonthDays, each, cron.month_days)) {
      return false;
    }
  }
  return true;
}

bool parse_week_days(std::string_view text, Cron& cron) {
  for (const std::string_view each : split(text, ',')) {
    if (each == "L") {
      cron.week_days.set(7);  // AWS: the last day of the week
    } else if (const auto hash = each.find('#'); hash != std::string_view::npos) {
      const auto day = kWeekDays.value(each.substr(0, hash));
      const auto nth = number_of(each.substr(hash + 1));
      if (!day || !nth || *nth < 1 || *nth > 5) return false;
      cron.special_week_days.push_back({*day, *nth});
    } else if (each.size() > 1 && each.ends_with('L')) {
      const auto day = kWeekDays.value(each.substr(0, each.size() - 1));
      if (!day) return false;
      cron.special_week_days.push_back({*day, 0});
    } else if (!add_element(kWeekDays, each, cron.week_days)) {
      return false;
    }
  }
  return true;
}

std::optional<Cron> parse_cron(std::string_view text) {
  std::vector<std::string_view> fields;
  for (const std::string_view each : split(text, ' ')) {
    if (!each.empty()) fields.push_back(each);
  }
  if (fields.size() != 6) return std::nullopt;
  Cron cron;
  cron.by_week_day = fields[2] == "?";
  if (cron.by_week_day == (fields[4] == "?")) return std::nullopt;
  const bool days = cron.by_week_day ? parse_week_days(fields[4], cron) : parse_month_days(fields[2], cron);
  if (!days || !parse_field(kMinutes, fields[0], cron.minutes) || !parse_field(kHours, fields[1], cron.hours) ||
      !parse_field(kMonths, fields[3], cron.months) || !parse_field(kYears, fields[5], cron.years)) {
    return std::nullopt;
  }
  return cron;
}

std::optional<Rate> parse_rate(std::string_view text) {
  const auto space = text.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  const auto value = number_of(text.substr(0, space));
  if (!value || *value == 0) return std::nullopt;
  std::string_view unit = text.substr(space + 1);
  // AWS: singular for one, plural for more.
  if (*value != 1) {
    if (!unit.ends_with('s')) return std::nullopt;
    unit.remove_suffix(1);
  }
  if (unit == "minute") return Rate{minutes(*value)};
  if (unit == "hour") return Rate{hours(*value)};
  if (unit == "day") return Rate{hours(24) * *value};
  return std::nullopt;
}

// 1 is Sunday.
int week_day_of(year_month_day date) { return static_cast<int>(weekday(sys_days(date)).c_encoding()) + 1; }

bool is_weekday(year_month_day date) {
  const int day = week_day_of(date);
  return day != 1 && day != 7;
}

// AWS: of the same month, so the first of a month on a Saturday moves to Monday the third.
year_month_day nearest_weekday(year_month_day date) {
  if (is_weekday(date)) return date;
  const bool is_saturday = week_day_of(date) == 7;
  year_month_day moved = sys_days(date) + days(is_saturday ? -1 : 1);
  if (moved.month() == date.month()) return moved;
  return sys_days(date) + days(is_saturday ? 2 : -2);
}

year_month_day last_day(year_month_day date) { return date.year() / date.month() / last; }

bool is_special_month_day(const Cron::MonthDay& special, year_month_day date) {
  switch (special.kind) {
    case Cron::MonthDay::Kind::kLast:
      return date == last_day(date);
    case Cron::MonthDay::Kind::kLastWeekday:
      return date == nearest_weekday(last_day(date));
    case Cron::MonthDay::Kind::kNearestWeekday: {
      const year_month_day wanted = date.year() / date.month() / day(static_cast<unsigned>(special.day));
      return wanted.ok() && date == nearest_weekday(wanted);
    }
  }
  return false;
}

bool is_special_week_day(const Cron::WeekDay& special, year_month_day date) {
  if (week_day_of(date) != special.day) return false;
  const int number = static_cast<int>(static_cast<unsigned>(date.day()));
  if (special.nth == 0) return number + 7 > static_cast<int>(static_cast<unsigned>(last_day(date).day()));
  return (number - 1) / 7 + 1 == special.nth;
}

bool is_day(const Cron& cron, year_month_day date) {
  if (cron.by_week_day) {
    return cron.week_days.test(static_cast<std::size_t>(week_day_of(date))) ||
           std::ranges::any_of(cron.special_week_days,
                               [&](const auto& special) { return is_special_week_day(special, date); });
  }
  return cron.month_days.test(static_cast<unsigned>(date.day())) ||
         std::ranges::any_of(cron.special_month_days,
                             [&](const auto& special) { return is_special_month_day(special, date); });
}

Time next_of(const Cron& cron, Time after) {
  // Occurrences are at whole minutes.
  const auto from = floor<minutes>(after) + minutes(1);
  auto day_start = floor<days>(from);
  auto minute_of_day = (from - day_start).count();
  while (true) {
    const year_month_day date(day_start);
    const int year_number = static_cast<int>(date.year());
    if (year_number > kYears.most) return kNever;
    if (year_number < kYears.least || !cron.years.test(static_cast<std::size_t>(year_number))) {
      day_start = sys_days((date.year() + years(1)) / January / 1);
      minute_of_day = 0;
      continue;
    }
    if (!cron.months.test(static_cast<unsigned>(date.month()))) {
      day_start = sys_days(last_day(date)) + days(1);
      minute_of_day = 0;
      continue;
    }
    if (is_day(cron, date)) {
      for (auto minute = minute_of_day; minute < 24 * 60; ++minute) {
        if (cron.hours.test(static_cast<std::size_t>(minute / 60)) &&
            cron.minutes.test(static_cast<std::size_t>(minute % 60))) {
          return Time(day_start) + minutes(minute);
        }
      }
    }
    day_start += days(1);
    minute_of_day = 0;
  }
}

Time next_of(const Rate& rate, Time anchor, Time after) {
  if (after < anchor) return anchor + rate.interval;
  return anchor + ((after - anchor) / rate.interval + 1) * rate.interval;
}

}  // namespace

Result<Schedule> parse_schedule(std::string_view expression) {
  const auto body_of = [&](std::string_view start) -> std::optional<std::string_view> {
    if (!expression.starts_with(start) || !expression.ends_with(')')) return std::nullopt;
    return expression.substr(start.size(), expression.size() - start.size() - 1);
  };
  if (const auto body = body_of("rate(")) {
    if (const auto rate = parse_rate(*body)) return Schedule(*rate);
  } else if (const auto fields = body_of("cron(")) {
    if (const auto cron = parse_cron(*fields)) return Schedule(*cron);
  }
  return Error(kValidation, "Parameter ScheduleExpression is not valid.");
}

Time next_occurrence(const Schedule& schedule, Time anchor, Time after) {
  if (const auto* rate = std::get_if<Rate>(&schedule)) return next_of(*rate, anchor, after);
  return next_of(std::get<Cron>(schedule), after);
}

}  // namespace millrace::events
