// A small blocking HTTP/1.1 client, for the command line and for tests: one connection, kept alive between requests. No
// TLS, no redirects. Not thread-safe. Times are the machine's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "http/message.h"

namespace millrace::http {

struct ClientRequest {
  std::string method = "GET";
  std::string target = "/";
  Fields fields = {};  // Host and Content-Length are added
  std::string body = {};
  std::shared_ptr<BodySource> source = {};  // if set, follows `body`
  std::uint64_t source_bytes = 0;           // its length; Response::kUnknownBytes: sent chunked
  Milliseconds timeout{30'000};             // for connecting, and for each silence of the server
};

class Client {
 public:
  Client(std::string host, std::uint16_t port);
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;

  // The whole answer, with its body in memory; any status is a success. Fails with kUnavailable when the server cannot
  // be reached, breaks off, is silent for longer than the timeout or does not speak HTTP. A request on a kept
  // connection that the server had closed meanwhile is sent once more (not if it has a source).
  Result<Response> request(const ClientRequest& request);
  // The same, but hands the body to `piece` as it arrives; it returns false to stop (the connection is then closed and
  // the call succeeds). The body of the returned answer is empty.
  Result<Response> stream(const ClientRequest& request, const std::function<bool(std::string_view)>& piece);
  // As `stream`, line by line, without line ends; a last line without one is handed over, too.
  Result<Response> stream_lines(const ClientRequest& request, const std::function<bool(std::string_view)>& line);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::http
