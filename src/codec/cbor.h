// CBOR (RFC 8949), as far as Smithy's RPC v2 protocol needs it: documents in, primitives out.
//
// Reading takes definite and indefinite lengths, half, single and double floats, and tag 1 (seconds since the epoch,
// its number is kept); other tags are skipped. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "codec/json.h"

namespace millrace::codec {

inline constexpr int kCborDepthMax = 64;

// Parses one data item. Byte strings become text through `bytes_to_text` (base64, say); undefined becomes null; keys
// must be text. Errors: kMalformedJson (SerializationException) for what is cut off, trailing, deeper than
// kCborDepthMax or no document.
Result<Json> parse_cbor(std::string_view data, std::string (*bytes_to_text)(std::string_view));

// Appends data items to a string. Maps and lists are written with their number of entries, which then follow.
class CborWriter {
 public:
  explicit CborWriter(std::string& out) : out_(out) {}
  void null() { out_ += '\xf6'; }
  void boolean(bool value) { out_ += value ? '\xf5' : '\xf4'; }
  void integer(std::int64_t value);
  void number(double value);  // as a double
  void text(std::string_view value);
  void bytes(std::string_view value);
  void list(std::size_t count) { head(4, count); }
  void map(std::size_t count) { head(5, count); }
  void timestamp(double seconds);  // tag 1
  // Any document: numbers without fraction that are integers stay integers.
  void document(const Json& value);

 private:
  void head(unsigned major, std::uint64_t argument);
  std::string& out_;
};

}  // namespace millrace::codec
