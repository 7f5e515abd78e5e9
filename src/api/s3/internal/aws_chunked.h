// Takes aws-chunked framing off a body as it arrives.
//
//   chunk    := SIZE-HEX [";" extension] CRLF bytes CRLF        extension: chunk-signature=..., not verified
//   body     := chunk* "0" [";" extension] CRLF trailer* [CRLF]
//   trailer  := name ":" value CRLF                             the signature of trailers among them
//
// AWS: "Signature calculations: transferring payload in multiple chunks". One thread at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace millrace::api_s3 {

inline constexpr std::size_t kChunkLineMax = 1024;
inline constexpr std::size_t kTrailerBytesMax = 16 * 1024;

class ChunkDecoder {
 public:
  // Appends the payload bytes in `piece` to `out`. Errors: InvalidRequest, MalformedTrailerError.
  Result<void> decode(std::string_view piece, std::string& out);
  // Whether the last chunk has been seen.
  bool complete() const { return state_ == State::kTrailer || state_ == State::kEnd; }
  // Names in lower case.
  const std::vector<std::pair<std::string, std::string>>& trailers() const { return trailers_; }

 private:
  enum class State { kSize, kData, kDataEnd, kTrailer, kEnd };
  Result<void> line(std::string_view text);

  State state_ = State::kSize;
  std::string line_;
  std::uint64_t left_ = 0;
  std::size_t trailer_bytes_ = 0;
  std::vector<std::pair<std::string, std::string>> trailers_;
};

}  // namespace millrace::api_s3
