#include "telemetry/log.h"

#include <memory>
#include <mutex>
#include <utility>

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>

namespace millrace::telemetry {
namespace {

using Sink = std::function<void(Level, std::string_view, std::string_view)>;

struct State {
  // The colour sink writes escape codes only where standard error is a terminal.
  spdlog::logger logger{"millrace", std::make_shared<spdlog::sinks::stderr_color_sink_mt>()};
  std::mutex mutex;
  std::shared_ptr<const Sink> diverted;  // guarded by mutex

  State() {
    // The machine's UTC clock: operators compare these lines with those of other programs.
    logger.set_formatter(std::make_unique<spdlog::pattern_formatter>("%Y-%m-%dT%H:%M:%S.%eZ %^%-7!l%$ %v",
                                                                     spdlog::pattern_time_type::utc));
    logger.set_level(spdlog::level::info);
  }
};

// Never destroyed: threads may log while the process exits.
State& state() {
  static State* const instance = new State();
  return *instance;
}

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarning:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

// One event is one line, whatever a client managed to put into a message; terminals get no control codes.
std::string one_line(std::string_view component, std::string_view message) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string line;
  line.reserve(component.size() + 2 + message.size());
  line.append(component).append(": ");
  for (const char c : message) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      line += "\\n";
    } else if ((byte < 0x20 && c != '\t') || byte == 0x7f) {
      line.append("\\x").append(1, kHex[byte >> 4]).append(1, kHex[byte & 15]);
    } else {
      line += c;
    }
  }
  return line;
}

}  // namespace

void log(Level level, std::string_view component, std::string_view message) {
  State& it = state();
  const auto severity = to_spdlog(level);
  if (!it.logger.should_log(severity)) return;
  std::shared_ptr<const Sink> diverted;
  {
    const std::lock_guard lock(it.mutex);
    diverted = it.diverted;
  }
  if (diverted) {
    (*diverted)(level, component, message);
  } else {
    it.logger.log(severity, one_line(component, message));
  }
}

bool is_logged(Level level) { return state().logger.should_log(to_spdlog(level)); }

void set_log_level(Level level) { state().logger.set_level(to_spdlog(level)); }

void set_log_sink(Sink sink) {
  auto shared = sink ? std::make_shared<const Sink>(std::move(sink)) : nullptr;
  State& it = state();
  const std::lock_guard lock(it.mutex);
  it.diverted = std::move(shared);
}

}  // namespace millrace::telemetry
