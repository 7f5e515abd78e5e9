#include "api/s3/internal/aws_chunked.h"

#include <algorithm>
#include <charconv>

namespace millrace::api_s3 {
namespace {

constexpr ErrorType kInvalidChunk{"InvalidRequest", 400};
constexpr ErrorType kMalformedTrailer{"MalformedTrailerError", 400};

Error invalid_chunk() { return Error(kInvalidChunk, "The chunks of the request body are not well-formed"); }

Error malformed_trailer() {
  return Error(kMalformedTrailer,
               "The request contained trailing data that was not well-formed or did not conform to our published "
               "schema.");
}

std::string_view trimmed_text(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

Result<void> ChunkDecoder::decode(std::string_view piece, std::string& out) {
  while (!piece.empty()) {
    if (state_ == State::kEnd) return invalid_chunk();
    if (state_ == State::kData) {
      const std::size_t take = std::min<std::uint64_t>(left_, piece.size());
      out.append(piece.substr(0, take));
      piece.remove_prefix(take);
      left_ -= take;
      if (left_ == 0) state_ = State::kDataEnd;
      continue;
    }
    const std::size_t end = piece.find('\n');
    line_.append(piece.substr(0, end == std::string_view::npos ? piece.size() : end + 1));
    if (line_.size() > (state_ == State::kTrailer ? kTrailerBytesMax : kChunkLineMax)) return invalid_chunk();
    if (end == std::string_view::npos) return {};
    piece.remove_prefix(end + 1);
    std::string text = std::exchange(line_, std::string());
    text.pop_back();
    if (text.ends_with('\r')) text.pop_back();
    MR_RETURN_IF_ERROR(line(text));
  }
  return {};
}

Result<void> ChunkDecoder::line(std::string_view text) {
  switch (state_) {
    case State::kSize: {
      const std::string_view digits = trimmed_text(text.substr(0, text.find(';')));
      const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), left_, 16);
      if (digits.empty() || failure != std::errc() || end != digits.data() + digits.size()) return invalid_chunk();
      state_ = left_ == 0 ? State::kTrailer : State::kData;
      return {};
    }
    case State::kDataEnd:
      if (!text.empty()) return invalid_chunk();
      state_ = State::kSize;
      return {};
    case State::kTrailer: {
      if (text.empty()) {
        state_ = State::kEnd;
        return {};
      }
      trailer_bytes_ += text.size();
      const std::size_t colon = text.find(':');
      if (colon == std::string_view::npos || colon == 0 || trailer_bytes_ > kTrailerBytesMax) {
        return malformed_trailer();
      }
      std::string name(trimmed_text(text.substr(0, colon)));
      std::transform(name.begin(), name.end(), name.begin(),
                     [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
      trailers_.emplace_back(std::move(name), trimmed_text(text.substr(colon + 1)));
      return {};
    }
    default:
      return invalid_chunk();
  }
}

}  // namespace millrace::api_s3
