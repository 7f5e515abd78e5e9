#include "platform/random.h"

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

void append_hex(std::string& out, std::uint64_t number, int digits) {
  for (int i = 0; i < digits; ++i) {
    out += kHex[number >> 60];
    number <<= 4;
  }
}

}  // namespace

std::string Random::uuid() {
  const std::uint64_t high = (next() & ~0xf000ULL) | 0x4000ULL;                              // version 4
  const std::uint64_t low = (next() & 0x3fff'ffff'ffff'ffffULL) | 0x8000'0000'0000'0000ULL;  // RFC 9562 variant
  std::string out;
  out.reserve(36);
  append_hex(out, high, 8);
  out += '-';
  append_hex(out, high << 32, 4);
  out += '-';
  append_hex(out, high << 48, 4);
  out += '-';
  append_hex(out, low, 4);
  out += '-';
  append_hex(out, low << 16, 12);
  return out;
}

std::string Random::hex(std::size_t digits) {
  std::string out;
  out.reserve(digits);
  while (out.size() < digits) append_hex(out, next(), static_cast<int>(std::min<std::size_t>(16, digits - out.size())));
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
