// Unsigned varints (seven bits per byte, low first) of the stored forms.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::model::internal {

inline void append_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

inline bool read_varint(std::string_view& in, std::uint64_t& value) {
  value = 0;
  for (std::size_t i = 0; i < in.size() && i < 10; ++i) {
    const auto byte = static_cast<unsigned char>(in[i]);
    value |= static_cast<std::uint64_t>(byte & 0x7F) << (7 * i);
    if (byte < 0x80) {
      in.remove_prefix(i + 1);
      return true;
    }
  }
  return false;
}

inline bool read_bytes(std::string_view& in, std::string_view& bytes) {
  std::uint64_t length = 0;
  if (!read_varint(in, length) || length > in.size()) return false;
  bytes = in.substr(0, length);
  in.remove_prefix(length);
  return true;
}

}  // namespace millrace::model::internal
