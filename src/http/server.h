// The HTTP/1.1 server: sockets on one side, an Application (http/message.h) on the other.
//
// Two I/O threads by default, each with its own event loop; connections are dealt out in turn and stay on their
// thread, which calls the Application and its sinks. An answer may come from any thread. Requests of one connection are
// served one after the other; a body is read no faster than its sink takes it, an answer's source is read (on a small
// pool) no faster than the client takes it.
//
// Answered here, without the Application, in plain text: requests that are not HTTP (400), too large a head or too many
// fields (431), other versions (505), other transfer encodings (501), clients too slow (408), too many connections
// (503).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "http/message.h"

namespace millrace::platform {
class Clock;
}

namespace millrace::http {

// Of the machine's time. The size of a body is the application's business.
struct ServerLimits {
  std::size_t head_bytes = 64 * 1024;
  std::size_t fields = 256;
  std::size_t connections = 10'000;
  Milliseconds idle{300'000};          // between two requests; then the connection is closed
  Milliseconds head{30'000};           // from the first to the last byte of a head
  Milliseconds body_progress{30'000};  // in each such span `body_progress_bytes` must arrive, or the rest of the body
  std::size_t body_progress_bytes = 1024;
  Milliseconds write_progress{60'000};  // in each such span the client must take something of the answer
};

struct ServerOptions {
  std::string address = "127.0.0.1";  // an IPv4 or IPv6 address
  std::uint16_t port = 0;             // 0: the system picks one
  int threads = 2;
  ServerLimits limits = {};
};

class Server {
 public:
  // `application` and `clock` must outlive the server.
  Server(ServerOptions options, Application& application, const platform::Clock& clock);
  ~Server();  // stops at once if stop() was not called
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Takes the address; clients that connect wait until start(). Once. Fails with kUnavailable when it cannot be used.
  Result<void> bind();
  // Serves; binds first if that has not been done, and fails as bind() does.
  Result<void> start();
  // The bound port. REQUIRES: bind() or start() succeeded.
  std::uint16_t port() const;
  // Stops accepting, closes idle connections, lets requests in flight finish until `limit`, then cuts the rest.
  // Afterwards no call to the Application is running or will be made; answers that come later are dropped. Idempotent.
  void stop(Deadline limit);
  std::size_t connections() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::http
