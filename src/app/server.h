// A whole millrace in one object: owns every part, wires them, starts them in order and stops them in reverse.
//
//   data directory -> store -> committer -> services (loaded from the store) -> dispatcher -> socket
//
// start() answers once the port is open. stop() lets requests in flight finish, ends functions, and flushes; what was
// acknowledged is durable either way. Not thread-safe; used by main.cc.
#pragma once

#include <memory>
#include <string>

#include "app/config.h"
#include "base/result.h"

namespace millrace::app {

class Server {
 public:
  // `command` names this process to whoever finds the data directory in use. Errors: kBadConfiguration, those of the
  // data directory, or that the address cannot be used; each is a sentence for the operator.
  static Result<std::unique_ptr<Server>> start(Config config, const std::string& command);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  const std::string& endpoint() const;  // "http://127.0.0.1:4566"
  const Config& config() const;
  // Drains for at most `limit` of the machine's time. Idempotent.
  void stop(Milliseconds limit);

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::app
