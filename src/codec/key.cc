#include "codec/key.h"

namespace millrace::codec {

namespace {
constexpr char kEscape = '\x00';
constexpr char kEscapedZero = '\xff';
constexpr char kEnd = '\x01';
}  // namespace

KeyWriter& KeyWriter::text(std::string_view bytes) {
  for (std::size_t start = 0;;) {
    const std::size_t zero = bytes.find(kEscape, start);
    key_.append(bytes.substr(start, zero - start));
    key_.push_back(kEscape);
    if (zero == std::string_view::npos) break;
    key_.push_back(kEscapedZero);
    start = zero + 1;
  }
  key_.push_back(kEnd);
  return *this;
}

std::optional<std::string> KeyReader::text() {
  std::string out;
  std::string_view rest = rest_;
  for (;;) {
    const std::size_t escape = rest.find(kEscape);
    if (escape == std::string_view::npos || escape + 1 == rest.size()) return std::nullopt;
    out.append(rest.substr(0, escape));
    const char what = rest[escape + 1];
    rest.remove_prefix(escape + 2);
    if (what == kEnd) break;
    if (what != kEscapedZero) return std::nullopt;
    out.push_back(kEscape);
  }
  rest_ = rest;
  return out;
}

}  // namespace millrace::codec
