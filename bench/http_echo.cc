// The bare HTTP echo: this server with an application that answers at once. What other benchmarks are compared with.
//   http_echo [PORT [THREADS]]      serves until standard input ends
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "http/server.h"
#include "platform/machine_clock.h"

namespace {

using namespace millrace;  // NOLINT(google-build-using-namespace)

class EchoSink final : public http::RequestSink {
 public:
  Result<void> body(std::string_view piece) override {
    body_ += piece;
    return {};
  }
  void end(http::Responder respond) override {
    http::Response response;
    response.fields.add("Content-Type", "text/plain");
    response.body = body_.empty() ? "hello, world\n" : std::move(body_);
    respond(std::move(response));
  }

 private:
  std::string body_;
};

class Echo final : public http::Application {
 public:
  std::unique_ptr<http::RequestSink> begin(std::shared_ptr<const http::RequestHead>) override {
    return std::make_unique<EchoSink>();
  }
};

}  // namespace

int main(int argc, char** argv) {
  http::ServerOptions options;
  if (argc > 1) options.port = static_cast<std::uint16_t>(std::atoi(argv[1]));
  if (argc > 2) options.threads = std::atoi(argv[2]);
  Echo echo;
  const platform::MachineClock clock;
  http::Server server(options, echo, clock);
  if (const auto started = server.start(); !started.ok()) {
    std::fprintf(stderr, "%s\n", started.error().message().c_str());
    return 1;
  }
  std::printf("%d\n", server.port());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  server.stop(clock.monotonic_now() + Seconds(5));
  return 0;
}
