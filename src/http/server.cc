#include "http/server.h"

#include <future>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <fcntl.h>

#include "base/assert.h"
#include "http/internal/connection.h"
#include "platform/thread_name.h"
#include "telemetry/log.h"

namespace millrace::http {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using internal::Connection;
using internal::Loop;

namespace {
constexpr int kPoolThreads = 2;
constexpr Milliseconds kAcceptPause{100};  // after "too many open files"
}  // namespace

class Server::Impl {
 public:
  Impl(ServerOptions options, Application& application, const platform::Clock& clock)
      : options_(std::move(options)), shared_(application, clock, options_.limits) {
    MR_ASSERT(options_.threads > 0);
    for (int i = 0; i < options_.threads; ++i) loops_.push_back(std::make_shared<Loop>(shared_));
    acceptor_.emplace(loops_[0]->io);
    accept_pause_.emplace(loops_[0]->io);
    pool_guard_.emplace(asio::make_work_guard(shared_.pool));
  }

  Result<void> bind();
  Result<void> start();
  void stop(Deadline limit);
  std::uint16_t port() const { return port_; }
  std::size_t connections() const { return shared_.connections; }

 private:
  void accept();
  void accepted(Loop& loop, tcp::socket socket);
  // Runs `f(loop)` on each loop's thread and waits for all.
  void on_every_loop(const std::function<void(Loop&)>& f);

  const ServerOptions options_;
  internal::Shared shared_;
  std::vector<std::shared_ptr<Loop>> loops_;
  std::optional<tcp::acceptor> acceptor_;
  std::optional<asio::steady_timer> accept_pause_;
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> pool_guard_;
  std::vector<std::thread> threads_;
  std::vector<std::thread> pool_threads_;
  std::size_t next_loop_ = 0;
  std::uint16_t port_ = 0;
  bool running_ = false;
};

Result<void> Server::Impl::bind() {
  MR_ASSERT(!running_ && port_ == 0);
  error_code ec;
  const auto failed = [&](const char* what) {
    return Error(kUnavailable, std::string(what) + " " + options_.address + ":" + std::to_string(options_.port) + ": " +
                                   ec.message());
  };
  const auto address = asio::ip::make_address(options_.address, ec);
  if (ec) return failed("not an IP address:");
  const tcp::endpoint endpoint(address, options_.port);
  acceptor_->open(endpoint.protocol(), ec);
  if (ec) return failed("cannot open a socket for");
  ::fcntl(acceptor_->native_handle(), F_SETFD, FD_CLOEXEC);
  acceptor_->set_option(tcp::acceptor::reuse_address(true), ec);
  acceptor_->bind(endpoint, ec);
  if (ec) return failed("cannot bind");
  acceptor_->listen(tcp::acceptor::max_listen_connections, ec);
  if (ec) return failed("cannot listen on");
  port_ = acceptor_->local_endpoint(ec).port();
  if (ec) return failed("cannot tell the port of");
  return {};
}

Result<void> Server::Impl::start() {
  MR_ASSERT(!running_);
  if (port_ == 0) MR_RETURN_IF_ERROR(bind());
  running_ = true;
  accept();
  for (const auto& loop : loops_) {
    threads_.emplace_back([loop = loop.get()] {
      platform::name_this_thread("mr:io");
      loop->run();
    });
  }
  for (int i = 0; i < kPoolThreads; ++i) {
    pool_threads_.emplace_back([this] {
      platform::name_this_thread("mr:io-pool");
      shared_.pool.run();
    });
  }
  return {};
}

void Server::Impl::accept() {
  Loop& loop = *loops_[next_loop_++ % loops_.size()];
  acceptor_->async_accept(loop.io, [this, &loop](const error_code& ec, tcp::socket socket) {
    if (!acceptor_->is_open()) return;
    if (!ec) {
      accepted(loop, std::move(socket));
      return accept();
    }
    telemetry::log_warning("http", "cannot accept a connection: " + ec.message());
    accept_pause_->expires_after(kAcceptPause);
    accept_pause_->async_wait([this](const error_code& cancelled) {
      if (!cancelled && acceptor_->is_open()) accept();
    });
  });
}

void Server::Impl::accepted(Loop& loop, tcp::socket socket) {
  if (shared_.connections >= options_.limits.connections) {
    static constexpr std::string_view kFull =
        "HTTP/1.1 503 Service Unavailable\r\nServer: millrace\r\nContent-Type: text/plain\r\n"
        "Content-Length: 22\r\nConnection: close\r\n\r\nToo many connections.\n";
    error_code ignored;
    socket.non_blocking(true, ignored);
    socket.write_some(asio::buffer(kFull), ignored);
    return;
  }
  auto connection = std::make_shared<Connection>(loop, std::move(socket));
  asio::post(loop.io, [connection = std::move(connection)] { connection->start(); });
}

void Server::Impl::on_every_loop(const std::function<void(Loop&)>& f) {
  std::vector<std::promise<void>> done(loops_.size());
  for (std::size_t i = 0; i < loops_.size(); ++i) {
    asio::post(loops_[i]->io, [&, i] {
      f(*loops_[i]);
      done[i].set_value();
    });
  }
  for (auto& one : done) one.get_future().wait();
}

void Server::Impl::stop(Deadline limit) {
  if (!running_) return;
  running_ = false;
  shared_.draining = true;
  on_every_loop([&](Loop& loop) {
    if (&loop == loops_[0].get()) {
      error_code ignored;
      acceptor_->close(ignored);
      accept_pause_->cancel();
    }
    const auto all = std::vector(loop.connections.begin(), loop.connections.end());
    for (const auto& connection : all) connection->drain();
  });
  {
    std::unique_lock lock(shared_.mutex);
    shared_.last_closed.wait_until(lock, limit, [&] { return shared_.connections == 0; });
  }
  on_every_loop([](Loop& loop) {
    const auto all = std::vector(loop.connections.begin(), loop.connections.end());
    for (const auto& connection : all) connection->cut();
  });
  // Reads of body sources post to the loops, so they end first; the loops then run out of work.
  pool_guard_.reset();
  for (auto& thread : pool_threads_) thread.join();
  on_every_loop([](Loop& loop) {
    loop.stopped = true;
    loop.guard.reset();
    loop.sweep_timer.cancel();
  });
  for (auto& thread : threads_) thread.join();
}

Server::Server(ServerOptions options, Application& application, const platform::Clock& clock)
    : impl_(std::make_unique<Impl>(std::move(options), application, clock)) {}
Server::~Server() { stop(Deadline::min()); }
Result<void> Server::bind() { return impl_->bind(); }
Result<void> Server::start() { return impl_->start(); }
std::uint16_t Server::port() const { return impl_->port(); }
void Server::stop(Deadline limit) { impl_->stop(limit); }
std::size_t Server::connections() const { return impl_->connections(); }

}  // namespace millrace::http
