// HTTP/1 requests out of a byte stream, step by step: head, pieces of the body, end. Beast's parser does the work
// behind this header. One parser serves one connection: it is ready for the next request after kDone. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "http/message.h"

namespace millrace::http::internal {

struct ParserLimits {
  std::size_t head_bytes = 64 * 1024;
  std::size_t fields = 256;
};

// What is wrong with a request, for its answer.
struct ParseError {
  int status = 400;
  std::string text;
};

class RequestParser {
 public:
  enum class Event {
    kNeedMore,  // the rest of `data` is not enough to go on
    kHead,      // head() is complete; take_head() may be called once
    kBody,      // piece() is the next part of the body, a view into `data`
    kDone,      // the request is complete; the next call begins another one
    kError,     // error() says why; nothing more can be read from this connection
  };

  explicit RequestParser(const ParserLimits& limits);
  ~RequestParser();

  // Takes the next step in `data`, of which the first `consumed` bytes are then done with.
  Event next(std::string_view data, std::size_t& consumed);

  std::unique_ptr<RequestHead> take_head();
  std::string_view piece() const;
  const ParseError& error() const;
  // Valid from kHead to the next request.
  bool keep_alive() const;
  bool is_http_10() const;
  bool expects_continue() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// Path, query and target of `target` into `head`. False: it is not a form that a server accepts.
bool split_target(std::string_view target, RequestHead& head);

}  // namespace millrace::http::internal
