#include "http/internal/response_head.h"

#include <charconv>

namespace millrace::http::internal {
namespace {

void append_number(std::string& out, std::uint64_t number) {
  char text[20];
  const auto end = std::to_chars(text, text + sizeof text, number);
  out.append(text, end.ptr);
}

void append_clean(std::string& out, std::string_view text) {
  const std::size_t start = out.size();
  out += text;
  for (std::size_t i = start; i < out.size(); ++i) {
    if (const char c = out[i]; c == '\r' || c == '\n' || c == '\0') out[i] = ' ';
  }
}

}  // namespace

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Payload Too Large";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Status";
  }
}

void append_response_head(std::string& out, const Response& response, const HeadContext& context) {
  out += "HTTP/1.1 ";
  append_number(out, static_cast<std::uint64_t>(response.status));
  out.append(1, ' ')
      .append(reason_phrase(response.status))
      .append("\r\nServer: millrace\r\n")
      .append(context.date_line);
  bool own_length = false;
  for (const auto& [name, value] : response.fields.all()) {
    if (equals_ignore_case(name, "Content-Length")) {
      // A HEAD answer announces the length of what GET would give, which only the application knows.
      if (!context.to_head) continue;
      own_length = true;
    }
    append_clean(out, name);
    out += ": ";
    append_clean(out, value);
    out += "\r\n";
  }
  const bool bodiless = response.status == 204 || response.status == 304 || response.status < 200;
  if (context.chunked) {
    out += "Transfer-Encoding: chunked\r\n";
  } else if (!own_length && !bodiless && !context.until_close) {
    out += "Content-Length: ";
    append_number(out, response.body.size() + (response.source ? response.source_bytes : 0));
    out += "\r\n";
  }
  if (context.close) {
    out += "Connection: close\r\n";
  } else if (context.http_10) {
    out += "Connection: keep-alive\r\n";
  }
  out += "\r\n";
}

}  // namespace millrace::http::internal
