// Scanning of JSON strings, eight bytes at a time: what readers and writers of text share.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace millrace::codec {

// Whether a byte of a JSON string needs a closer look: quote, backslash, control character, or (if asked) not ASCII.
inline bool is_plain_json(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x20 && byte < 0x80 && c != '"' && c != '\\';
}

// The first byte in [at, end) that is not plain; `end` when all are. Pure.
inline const char* skip_plain_json(const char* at, const char* end) {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  constexpr std::uint64_t kHigh = 0x8080808080808080;
  for (; end - at >= 8; at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, 8);
    // Exact for the lowest byte that matches, which is all that is looked for (borrows go upwards only).
    const std::uint64_t quote = word ^ (kOnes * '"');
    const std::uint64_t backslash = word ^ (kOnes * '\\');
    const std::uint64_t found =
        ((word - kOnes * 0x20) & ~word) | ((quote - kOnes) & ~quote) | ((backslash - kOnes) & ~backslash) | word;
    if ((found & kHigh) == 0) continue;
    if constexpr (std::endian::native == std::endian::little) return at + std::countr_zero(found & kHigh) / 8;
    break;
  }
  while (at != end && is_plain_json(*at)) ++at;
  return at;
}

}  // namespace millrace::codec
