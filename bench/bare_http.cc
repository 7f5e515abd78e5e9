// The bare HTTP reference: millrace's own server library with an application that answers 1 KiB at once.
// usage: bare_http PORT-FILE; runs until standard input ends.
#include <fstream>
#include <iostream>
#include <string>

#include "http/server.h"
#include "platform/control_loop.h"

namespace {

using namespace millrace;

class Echo final : public http::Application {
  class Sink final : public http::RequestSink {
    Result<void> body(std::string_view) override { return {}; }
    void end(http::Responder respond) override {
      http::Response response;
      response.fields.add("content-type", "application/x-amz-json-1.0");
      response.body.assign(1024, 'x');
      respond(std::move(response));
    }
  };
  std::unique_ptr<http::RequestSink> begin(std::shared_ptr<const http::RequestHead>) override {
    return std::make_unique<Sink>();
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  platform::ControlLoop loop;
  Echo echo;
  http::Server server({}, echo, loop);
  if (!server.start().ok()) return 1;
  std::ofstream(argv[1]) << server.port() << '\n';
  std::string line;
  while (std::getline(std::cin, line)) {
  }
  server.stop(loop.monotonic_now());
  return 0;
}
