// The server's own log: one line per event, to standard error, for operators.
//
// The one process-wide facility (an exception from "no globals", as every part may have something to say);
// `set_log_level` and `set_log_sink` are called by app and tests only. Thread-safe.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace millrace::telemetry {

enum class Level { kDebug, kInfo, kWarning, kError };

void log(Level level, std::string_view component, std::string_view message);
inline void log_debug(std::string_view component, std::string_view message) { log(Level::kDebug, component, message); }
inline void log_info(std::string_view component, std::string_view message) { log(Level::kInfo, component, message); }
inline void log_warning(std::string_view component, std::string_view message) {
  log(Level::kWarning, component, message);
}
inline void log_error(std::string_view component, std::string_view message) { log(Level::kError, component, message); }

// Whether lines of that level are kept: to be asked before a costly one is made.
bool is_logged(Level level);

void set_log_level(Level level);
// Diverts lines (tests); an empty function restores standard error.
void set_log_sink(std::function<void(Level, std::string_view component, std::string_view message)> sink);

}  // namespace millrace::telemetry
