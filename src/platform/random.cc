#include "platform/random.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <string_view>

#include <sys/random.h>

#include "base/assert.h"

namespace millrace::platform {
namespace {

constexpr std::string_view kHex = "0123456789abcdef";

// One system call serves 32 numbers. Per thread, so that no lock is taken.
struct Pool {
  std::array<std::uint64_t, 32> numbers;
  std::size_t used = 32;
};

// The upper digits of `number`; returns what is behind them.
char* put_hex(char* at, std::uint64_t number, std::size_t digits) {
  for (std::size_t i = 0; i < digits; ++i) {
    *at++ = kHex[number >> 60];
    number <<= 4;
  }
  return at;
}

}  // namespace

std::string Random::uuid() {
  const std::uint64_t high = (next() & ~0xf000ULL) | 0x4000ULL;                              // version 4
  const std::uint64_t low = (next() & 0x3fff'ffff'ffff'ffffULL) | 0x8000'0000'0000'0000ULL;  // RFC 9562 variant
  std::string out(36, '-');
  char* at = out.data();
  at = put_hex(at, high, 8) + 1;
  at = put_hex(at, high << 32, 4) + 1;
  at = put_hex(at, high << 48, 4) + 1;
  at = put_hex(at, low, 4) + 1;
  put_hex(at, low << 16, 12);
  return out;
}

std::string Random::hex(std::size_t digits) {
  std::string out(digits, '0');
  for (std::size_t done = 0; done < digits; done += 16)
    put_hex(out.data() + done, next(), std::min<std::size_t>(16, digits - done));
  return out;
}

std::uint64_t SystemRandom::next() {
  thread_local Pool pool;
  if (pool.used == pool.numbers.size()) {
    // Up to 256 bytes are never cut short by a signal (getrandom(2)).
    const ssize_t got = getrandom(pool.numbers.data(), sizeof pool.numbers, 0);
    MR_ASSERT(got == static_cast<ssize_t>(sizeof pool.numbers));
    pool.used = 0;
  }
  return pool.numbers[pool.used++];
}

// SplitMix64: the state only counts, so concurrent callers get distinct numbers from one atomic addition.
std::uint64_t SeededRandom::next() {
  constexpr std::uint64_t kStep = 0x9e3779b97f4a7c15ULL;
  std::uint64_t z = std::atomic_ref(state_).fetch_add(kStep, std::memory_order_relaxed) + kStep;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

}  // namespace millrace::platform
