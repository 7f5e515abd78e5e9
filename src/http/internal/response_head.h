// The status line and header fields of an answer, as bytes. Pure.
#pragma once

#include <string>
#include <string_view>

#include "http/message.h"

namespace millrace::http::internal {

struct HeadContext {
  std::string_view date_line;  // "Date: ...\r\n"
  bool to_head = false;        // the request was HEAD
  bool http_10 = false;        // the client speaks HTTP/1.0
  bool close = false;          // the connection closes after this answer
  bool chunked = false;        // the body has no known length and is sent in chunks
  bool until_close = false;    // the body has no known length and ends with the connection
};

// Appends to `out`. Line breaks in values become spaces: a value cannot add fields.
void append_response_head(std::string& out, const Response& response, const HeadContext& context);

std::string_view reason_phrase(int status);

}  // namespace millrace::http::internal
