// Variable-length integers and length-prefixed bytes for compact stored values (not for keys: their order is not that
// of the values; see codec/key.h). Seven bits per byte, least significant group first, high bit = more follow.
//
// Thread-safety: pure functions. Reading is safe on any input: truncated, overlong or absent bytes give nullopt.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::codec {

inline void append_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

// Takes a number off the front of `in`, which is unchanged when the answer is nullopt.
inline std::optional<std::uint64_t> take_varint(std::string_view& in) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < in.size() && i < 10; ++i) {
    const std::uint64_t byte = static_cast<unsigned char>(in[i]);
    if (i == 9 && byte > 1) return std::nullopt;  // does not fit 64 bits
    value |= (byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      in.remove_prefix(i + 1);
      return value;
    }
  }
  return std::nullopt;
}

// Signed numbers: small absolute values stay short.
inline void append_signed(std::string& out, std::int64_t value) {
  append_varint(out, (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63));
}
inline std::optional<std::int64_t> take_signed(std::string_view& in) {
  const auto raw = take_varint(in);
  if (!raw) return std::nullopt;
  return static_cast<std::int64_t>((*raw >> 1) ^ (~(*raw & 1) + 1));
}

// varint length, then the bytes.
inline void append_bytes(std::string& out, std::string_view bytes) {
  append_varint(out, bytes.size());
  out.append(bytes);
}
// The view points into `in`'s bytes. `in` is unchanged when the answer is nullopt.
inline std::optional<std::string_view> take_bytes(std::string_view& in) {
  std::string_view rest = in;
  const auto size = take_varint(rest);
  if (!size || *size > rest.size()) return std::nullopt;
  const std::string_view bytes = rest.substr(0, *size);
  in = rest.substr(*size);
  return bytes;
}

}  // namespace millrace::codec
