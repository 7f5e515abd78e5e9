#include "telemetry/log.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::telemetry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

class LogTest : public testing::Test {
 protected:
  ~LogTest() override {
    set_log_sink({});
    set_log_level(Level::kInfo);
  }
};

TEST_F(LogTest, LinesGoToTheSinkAndBackToStandardError) {
  std::vector<std::string> lines;
  set_log_sink([&](Level, std::string_view component, std::string_view message) {
    lines.push_back(std::string(component) + "/" + std::string(message));
  });
  log_info("http", "listening");
  set_log_sink({});
  testing::internal::CaptureStderr();
  log_info("http", "stopped");
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("http: stopped"));
  EXPECT_THAT(lines, ElementsAre("http/listening"));
}

TEST_F(LogTest, LevelsBelowTheSetOneAreDropped) {
  std::vector<Level> levels;
  set_log_sink([&](Level level, std::string_view, std::string_view) { levels.push_back(level); });
  log_debug("x", "unseen by default");
  set_log_level(Level::kWarning);
  log_info("x", "unseen");
  log_warning("x", "seen");
  set_log_level(Level::kDebug);
  log_debug("x", "seen");
  EXPECT_THAT(levels, ElementsAre(Level::kWarning, Level::kDebug));
}

TEST_F(LogTest, ALineHasTimeLevelComponentAndNoColourOutsideATerminal) {
  testing::internal::CaptureStderr();
  log_warning("storage", "disk {} 100% full");
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              MatchesRegex("20..-..-..T..:..:..\\....Z warning storage: disk \\{\\} 100% full\n"));
}

TEST_F(LogTest, AMessageCannotForgeALineOrControlATerminal) {
  testing::internal::CaptureStderr();
  log_error("http", "bad target /a\n2026-01-01 fake\x1b[2J");
  const std::string line = testing::internal::GetCapturedStderr();
  EXPECT_THAT(line, HasSubstr("/a\\n2026-01-01 fake\\x1b[2J\n"));
  EXPECT_THAT(line, Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace millrace::telemetry
