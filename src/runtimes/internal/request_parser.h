// Reads the HTTP/1.1 requests of a function's process: a small parser, as the only peers are our own children.
//
// Pure: bytes in, requests out. Bodies come with Content-Length or chunked; more than the limit is counted and dropped.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace millrace::runtimes::internal {

inline constexpr std::size_t kHeadBytesMax = 64 * 1024;

struct ApiRequest {
  std::string method;
  std::string path;
  std::map<std::string, std::string, std::less<>> fields;  // names in lower case
  std::string body;
  std::uint64_t body_bytes = 0;  // of which `body` holds the first ones
};

class RequestParser {
 public:
  explicit RequestParser(std::size_t body_max) : body_max_(body_max) {}
  enum class Status { kNeedMore, kComplete, kMalformed };
  // Takes from the front of `input` what belongs to the current request. After kComplete, `take()` gives the request
  // and the parser is ready for the next one.
  Status feed(std::string& input);
  ApiRequest take();
  // Whether the client waits for "100 Continue"; true once per request.
  bool wants_continue();

 private:
  enum class State { kHead, kBody, kChunkHead, kChunk, kChunkEnd, kTrailers, kComplete, kMalformed };
  bool step(std::string& input);  // false: needs more
  void read_head(std::string_view head);
  void append(std::string_view bytes);
  bool take_line(std::string& input, std::string& line);

  const std::size_t body_max_;
  State state_ = State::kHead;
  std::uint64_t left_ = 0;  // of the body or the chunk
  bool wants_continue_ = false;
  ApiRequest request_;
};

}  // namespace millrace::runtimes::internal
