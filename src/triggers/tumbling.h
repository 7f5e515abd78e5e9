// Tumbling windows: which one a record belongs to, and the state a function hands on within one (spec 2.9). When a
// window is opened and closed is the lane's decision (triggers/lane.h).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace millrace::triggers {

inline constexpr std::size_t kStateBytesMax = 1024 * 1024;  // AWS: a window with a larger state is ended early
inline constexpr std::string_view kEmptyState = "{}";

struct Window {
  Time start{};
  Time end{};  // not part of it
  friend bool operator==(const Window&, const Window&) = default;
};

// AWS: windows are aligned to multiples of their length since the epoch. REQUIRES: length > 0.
Window window_at(Time time, Milliseconds length);

// The `state` that an answer hands on, as JSON text; none when there is no usable one, which is a failure. AWS: the
// answer is an object with the member `state`, an object. Pure.
std::optional<std::string> returned_state(std::string_view answer);

}  // namespace millrace::triggers
