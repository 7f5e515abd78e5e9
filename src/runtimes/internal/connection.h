// One connection of a function's process to the Runtime API. Lives on the host's thread; owned by its pending
// operations.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/ip/tcp.hpp>

#include "runtimes/internal/request_parser.h"

namespace millrace::runtimes::internal {

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Handler = std::function<void(std::shared_ptr<Connection>, ApiRequest)>;
  Connection(boost::asio::ip::tcp::socket socket, std::size_t body_max, Handler handler);

  // Reads requests, one after the other; the next one is read once the last has been answered.
  void start();
  void respond(int status, const std::vector<std::pair<std::string, std::string>>& fields, std::string_view body);
  void close();
  bool open() const { return socket_.is_open(); }

 private:
  void read();
  void advance();
  void write(std::string bytes);

  boost::asio::ip::tcp::socket socket_;
  RequestParser parser_;
  Handler handler_;
  std::string input_;
  std::string output_;
  std::string chunk_;
  bool writing_ = false;
};

}  // namespace millrace::runtimes::internal
