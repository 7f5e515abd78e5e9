// How far time has been moved, for the next start: in kCatalogue under kClockKey, JSON {"v":1,"offset_ms"}. Written
// when somebody moves it: before, with where the move ends, and after it. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace millrace::app {

inline constexpr std::string_view kClockKey = "app/clock";

std::string clock_note(Milliseconds offset);
// kStorageFailed: damaged, or further than 35,000 years either way.
Result<Milliseconds> read_clock_note(std::string_view note);

}  // namespace millrace::app
