// Keys whose order as unsigned bytes is the order of their parts.
//
// Grammar of a part:
//   u8, be32, be64   unsigned, big-endian, fixed width
//   signed64         be64 with the sign bit flipped
//   text             every 0x00 becomes 0x00 0xFF, then the terminator 0x00 0x01. A text sorts before every longer one
//                    that starts with it, whatever follows in the key.
//   raw              bytes as they are: last part of a key, or of fixed width, or a literal prefix like "tables/"
//
// KeyWriter builds, KeyReader takes apart. Reading is safe on any input: a missing or malformed part gives nullopt and
// leaves the rest as it was. Thread-safety: none, like any value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace millrace::codec {

class KeyWriter {
 public:
  KeyWriter() = default;
  explicit KeyWriter(std::string_view prefix) : key_(prefix) {}

  KeyWriter& raw(std::string_view bytes) {
    key_.append(bytes);
    return *this;
  }
  KeyWriter& u8(std::uint8_t value) {
    key_.push_back(static_cast<char>(value));
    return *this;
  }
  KeyWriter& be32(std::uint32_t value) { return fixed(value, 4); }
  KeyWriter& be64(std::uint64_t value) { return fixed(value, 8); }
  KeyWriter& signed64(std::int64_t value) { return be64(static_cast<std::uint64_t>(value) ^ kSignBit); }
  KeyWriter& text(std::string_view bytes);

  const std::string& str() const& { return key_; }
  std::string str() && { return std::move(key_); }

 private:
  friend class KeyReader;
  static constexpr std::uint64_t kSignBit = std::uint64_t{1} << 63;
  KeyWriter& fixed(std::uint64_t value, int width) {
    for (int shift = 8 * (width - 1); shift >= 0; shift -= 8) key_.push_back(static_cast<char>(value >> shift));
    return *this;
  }
  std::string key_;
};

class KeyReader {
 public:
  explicit KeyReader(std::string_view key) : rest_(key) {}

  // True when `prefix` was there and has been passed.
  bool skip(std::string_view prefix) {
    if (!rest_.starts_with(prefix)) return false;
    rest_.remove_prefix(prefix.size());
    return true;
  }
  std::optional<std::uint8_t> u8() {
    const auto value = fixed(1);
    return value ? std::optional(static_cast<std::uint8_t>(*value)) : std::nullopt;
  }
  std::optional<std::uint32_t> be32() {
    const auto value = fixed(4);
    return value ? std::optional(static_cast<std::uint32_t>(*value)) : std::nullopt;
  }
  std::optional<std::uint64_t> be64() { return fixed(8); }
  std::optional<std::int64_t> signed64() {
    const auto value = fixed(8);
    return value ? std::optional(static_cast<std::int64_t>(*value ^ KeyWriter::kSignBit)) : std::nullopt;
  }
  std::optional<std::string> text();

  std::string_view rest() const { return rest_; }
  bool empty() const { return rest_.empty(); }

 private:
  std::optional<std::uint64_t> fixed(std::size_t width) {
    if (rest_.size() < width) return std::nullopt;
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < width; ++i) value = value << 8 | static_cast<unsigned char>(rest_[i]);
    rest_.remove_prefix(width);
    return value;
  }
  std::string_view rest_;
};

// Eight big-endian bytes, for values.
inline std::string be64(std::uint64_t value) { return KeyWriter().be64(value).str(); }

}  // namespace millrace::codec
