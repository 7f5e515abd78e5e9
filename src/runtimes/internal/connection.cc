#include "runtimes/internal/connection.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>

namespace millrace::runtimes::internal {
namespace asio = boost::asio;
namespace {

constexpr std::size_t kReadBytes = 64 * 1024;

const char* reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 202:
      return "Accepted";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 413:
      return "Payload Too Large";
    default:
      return "Error";
  }
}

}  // namespace

Connection::Connection(asio::ip::tcp::socket socket, std::size_t body_max, Handler handler)
    : socket_(std::move(socket)), parser_(body_max), handler_(std::move(handler)), chunk_(kReadBytes, '\0') {
  boost::system::error_code ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
}

void Connection::start() { read(); }

void Connection::close() {
  boost::system::error_code ignored;
  socket_.close(ignored);
  handler_ = nullptr;
}

void Connection::read() {
  socket_.async_read_some(asio::buffer(chunk_),
                          [self = shared_from_this()](const boost::system::error_code& error, std::size_t count) {
                            if (error) return self->close();
                            self->input_.append(self->chunk_, 0, count);
                            self->advance();
                          });
}

void Connection::advance() {
  switch (parser_.feed(input_)) {
    case RequestParser::Status::kMalformed:
      return close();
    case RequestParser::Status::kNeedMore:
      if (parser_.wants_continue()) write("HTTP/1.1 100 Continue\r\n\r\n");
      return read();
    case RequestParser::Status::kComplete: {
      const auto handler = handler_;  // a copy: the call may close this connection
      if (handler) handler(shared_from_this(), parser_.take());
    }
  }
}

void Connection::respond(int status, const std::vector<std::pair<std::string, std::string>>& fields,
                         std::string_view body) {
  std::string head = "HTTP/1.1 " + std::to_string(status) + " " + reason(status) + "\r\n";
  for (const auto& [name, value] : fields) head += name + ": " + value + "\r\n";
  head += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n";
  head += body;
  write(std::move(head));
  if (!socket_.is_open()) return;
  if (input_.empty()) {
    read();
  } else {
    advance();
  }
}

void Connection::write(std::string bytes) {
  if (!socket_.is_open()) return;
  if (output_.empty() && !writing_) {
    // The usual case, without a round through the reactor: the socket takes it all at once.
    boost::system::error_code error;
    socket_.non_blocking(true, error);
    const auto count = socket_.write_some(asio::buffer(bytes), error);
    if (!error && count == bytes.size()) return;
    bytes.erase(0, error ? 0 : count);
  }
  output_ += bytes;
  if (writing_) return;
  writing_ = true;
  auto sent = std::make_shared<std::string>(std::exchange(output_, {}));
  asio::async_write(socket_, asio::buffer(*sent),
                    [self = shared_from_this(), sent](const boost::system::error_code& error, std::size_t) {
                      self->writing_ = false;
                      if (error) return self->close();
                      if (!self->output_.empty()) self->write({});
                    });
}

}  // namespace millrace::runtimes::internal
