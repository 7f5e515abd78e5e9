// Scanning of JSON strings, sixteen or eight bytes at a time: what readers and writers of text share.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace millrace::codec {

// Whether a byte of a JSON string needs a closer look: quote, backslash, control character, or (if asked) not ASCII.
inline bool is_plain_json(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x20 && byte < 0x80 && c != '"' && c != '\\';
}

// The first byte in [at, end) that is not plain; `end` when all are. Pure.
inline const char* skip_plain_json(const char* at, const char* end) {
#ifdef __SSE2__
  for (; end - at >= 16; at += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    // Signed: bytes from 0x80 on are below 0x20 as well.
    const __m128i found = _mm_or_si128(
        _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20)),
        _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')), _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))));
    const auto mask = static_cast<unsigned>(_mm_movemask_epi8(found));
    if (mask != 0) return at + std::countr_zero(mask);
  }
#endif
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
