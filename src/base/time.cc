#include "base/time.h"

#include <array>
#include <charconv>
#include <cstdio>
#include <ctime>

namespace millrace {
namespace {

std::tm to_tm(Time time) {
  const std::time_t seconds = to_unix_s(time);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return parts;
}

std::string format(Time time, const char* pattern) {
  const std::tm parts = to_tm(time);
  std::array<char, 64> buffer;
  return {buffer.data(), std::strftime(buffer.data(), buffer.size(), pattern, &parts)};
}

}  // namespace

std::string format_iso_ms(Time time) {
  const auto ms = (time.time_since_epoch() - std::chrono::floor<Seconds>(time.time_since_epoch())).count();
  std::array<char, 8> fraction;
  std::snprintf(fraction.data(), fraction.size(), ".%03dZ", static_cast<int>(ms));
  return format(time, "%Y-%m-%dT%H:%M:%S") + fraction.data();
}

std::string format_iso_s(Time time) { return format(time, "%Y-%m-%dT%H:%M:%SZ"); }
std::string format_http_date(Time time) { return format(time, "%a, %d %b %Y %H:%M:%S GMT"); }

std::optional<Time> parse_iso(std::string_view text) {
  const std::string copy(text);
  int year, month, day, hour, minute, second, used = 0;
  if (std::sscanf(copy.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d%n", &year, &month, &day, &hour, &minute, &second, &used) != 6)
    return std::nullopt;
  std::string_view rest = std::string_view(copy).substr(static_cast<std::size_t>(used));
  int ms = 0;
  if (!rest.empty() && rest.front() == '.') {
    rest.remove_prefix(1);
    int scale = 100;
    while (!rest.empty() && rest.front() >= '0' && rest.front() <= '9') {
      ms += (rest.front() - '0') * scale;
      scale /= 10;
      rest.remove_prefix(1);
    }
  }
  if (rest != "Z" && rest != "+00:00" && rest != "+0000" && !rest.empty()) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok() || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60)
    return std::nullopt;
  return std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) + Seconds(second) +
         Milliseconds(ms);
}

std::optional<Time> parse_http_date(std::string_view text) {
  std::tm parts{};
  const std::string copy(text);
  const char* end = strptime(copy.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return Time(Seconds(timegm(&parts)));
}

std::optional<Milliseconds> parse_duration(std::string_view text) {
  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || count < 0) return std::nullopt;
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  std::int64_t factor = 0;
  if (unit.empty() || unit == "s") factor = 1000;
  if (unit == "ms") factor = 1;
  if (unit == "m" || unit == "min") factor = 60'000;
  if (unit == "h") factor = 3'600'000;
  if (unit == "d") factor = 86'400'000;
  if (unit == "w") factor = 7 * 86'400'000LL;
  if (factor == 0 || count > INT64_MAX / factor) return std::nullopt;
  return Milliseconds(count * factor);
}

std::string format_duration(Milliseconds duration) {
  const std::int64_t ms = duration.count();
  std::array<char, 48> buffer;
  const auto print = [&](auto... args) {
    return std::string(buffer.data(), static_cast<std::size_t>(std::snprintf(buffer.data(), buffer.size(), args...)));
  };
  const auto pair = [&](std::int64_t big, const char* big_unit, std::int64_t small, const char* small_unit) {
    if (small == 0) return print("%lld%s", static_cast<long long>(big), big_unit);
    return print("%lld%s %lld%s", static_cast<long long>(big), big_unit, static_cast<long long>(small), small_unit);
  };
  if (ms < 1000) return print("%lld ms", static_cast<long long>(ms));
  if (ms < 60'000) return print("%.1f s", static_cast<double>(ms) / 1000.0);
  if (ms < 3'600'000) return pair(ms / 60'000, "m", ms / 1000 % 60, "s");
  if (ms < 86'400'000) return pair(ms / 3'600'000, "h", ms / 60'000 % 60, "m");
  return pair(ms / 86'400'000, "d", ms / 3'600'000 % 24, "h");
}

}  // namespace millrace
