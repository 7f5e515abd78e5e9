#include "app/internal/clock_note.h"

#include <gtest/gtest.h>

namespace millrace::app {
namespace {

TEST(ClockNoteTest, SaysHowFarTimeWasMoved) {
  for (const std::int64_t offset : {std::int64_t{0}, std::int64_t{2'678'400'000}, std::int64_t{-5}}) {
    const auto read = read_clock_note(clock_note(Milliseconds(offset)));
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(read->count(), offset);
  }
}

TEST(ClockNoteTest, WhatIsNoSuchNoteIsNamedAsDamage) {
  for (const char* note :
       {"", "{", "7", "{}", R"({"offset_ms":"7"})", R"({"offset_ms":1.5})", R"({"offset_ms":1125899906842625})",
        R"({"offset_ms":-1125899906842625})", R"({"offset_ms":99999999999999999999})"}) {
    const auto read = read_clock_note(note);
    ASSERT_FALSE(read.ok()) << note;
    EXPECT_EQ(read.error().message(), "damaged note of how far time has been moved in the data directory: app/clock");
  }
}

}  // namespace
}  // namespace millrace::app
