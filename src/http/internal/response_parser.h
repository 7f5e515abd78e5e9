// One HTTP/1 response out of a byte stream, step by step. Beast's parser does the work behind this header.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "http/message.h"

namespace millrace::http::internal {

class ResponseParser {
 public:
  enum class Event { kNeedMore, kHead, kBody, kDone, kError };

  // `to_head`: the request was HEAD, so no body follows whatever the head says.
  explicit ResponseParser(bool to_head);
  ~ResponseParser();

  // As RequestParser::next. One parser parses one response; interim ones (1xx) are passed over.
  Event next(std::string_view data, std::size_t& consumed);
  // The connection ended: kDone if that is how the body ends, else kError.
  Event end_of_stream();

  Response take_head();  // status and fields; valid once, from kHead on
  std::string_view piece() const;
  bool keep_alive() const;
  const std::string& error() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::http::internal
