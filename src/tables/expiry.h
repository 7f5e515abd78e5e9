// Limits of expiry. The sweeper itself is part of Tables (internal/expiry.cc): a timer at the next expiry entry, so
// that an idle table costs nothing and a moved clock triggers it; a chunk at a time on the pool; busy until its deletes
// are durable. AWS: an item expires when its attribute's time has come, unless that lies more than five years back.
#pragma once

#include <chrono>
#include <cstddef>

#include "base/time.h"

namespace millrace::tables {

inline constexpr std::size_t kSweepChunk = 250;  // entries between two waits for the committer
inline constexpr std::size_t kFillChunk = 250;   // items looked at in one go after TTL was enabled
inline constexpr Seconds kExpiryHorizon = std::chrono::hours(24 * 365 * 5);

}  // namespace millrace::tables
