// The two kinds of time (DESIGN section 5).
//
// `Time`: UTC, whole milliseconds, never falling, movable by an admin call. For everything a user configures and
// everything that is saved: TTL, windows, back-off, retention, visibility, lifecycle. `Deadline`: the machine's
// monotonic clock, never moved. For sockets, processes and syncs. Both are obtained only from `platform`
// (platform/clock.h); nothing else may ask the system for the time.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace {

using Milliseconds = std::chrono::milliseconds;
using Seconds = std::chrono::seconds;
using Time = std::chrono::sys_time<Milliseconds>;
using Deadline = std::chrono::steady_clock::time_point;

inline constexpr Time kNever = Time::max();

// Milliseconds since 1970-01-01T00:00:00Z, for storage and protocols.
constexpr std::int64_t to_unix_ms(Time time) { return time.time_since_epoch().count(); }
constexpr Time from_unix_ms(std::int64_t ms) { return Time(Milliseconds(ms)); }
// Whole seconds since the epoch, rounded down.
constexpr std::int64_t to_unix_s(Time time) { return std::chrono::floor<Seconds>(time).time_since_epoch().count(); }

std::string format_iso_ms(Time time);                  // 2026-09-17T13:29:12.967Z
std::string format_iso_s(Time time);                   // 2026-09-17T13:27:38Z
std::string format_http_date(Time time);               // Thu, 17 Sep 2026 13:27:38 GMT
std::optional<Time> parse_iso(std::string_view text);  // both ISO forms above, "Z" or "+00:00"
std::optional<Time> parse_http_date(std::string_view text);

// "250ms", "90s", "5m", "4h", "31d", "1w"; a bare number is seconds. Fractions are not accepted.
std::optional<Milliseconds> parse_duration(std::string_view text);
// The largest units that describe it exactly enough for a person: "31d 4h", "1.2 s", "80 ms".
std::string format_duration(Milliseconds duration);

}  // namespace millrace
