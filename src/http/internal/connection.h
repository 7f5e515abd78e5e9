// One event loop of the server, and the connections on it. Everything here but `Loop::on_this_thread`, `post` and
// Exchange runs on the loop's thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "http/internal/request_parser.h"
#include "http/server.h"

namespace millrace::http::internal {

class Connection;

// What all loops of a server share. Outlives them.
struct Shared {
  Shared(Application& app, const platform::Clock& time, const ServerLimits& set)
      : application(app), clock(time), limits(set) {}
  Application& application;
  const platform::Clock& clock;
  const ServerLimits limits;
  boost::asio::io_context pool;  // reads body sources
  std::atomic<std::size_t> connections{0};
  std::atomic<bool> draining{false};
  std::mutex mutex;
  std::condition_variable last_closed;
};

class Loop : public std::enable_shared_from_this<Loop> {
 public:
  explicit Loop(Shared& of_server);

  bool on_this_thread() const { return std::this_thread::get_id() == thread_id.load(std::memory_order_relaxed); }
  const std::string& date_line();  // of this second
  void run();                      // until nothing is left to do and the guard was released

  Shared& shared;
  boost::asio::io_context io{1};
  boost::asio::steady_timer sweep_timer;
  std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> guard;
  std::unordered_set<std::shared_ptr<Connection>> connections;
  std::atomic<std::thread::id> thread_id{};
  std::atomic<bool> stopped{false};  // nothing runs any more: late answers are dropped

 private:
  void sweep();

  Milliseconds sweep_interval_{1000};
  Time date_second_{};
  std::string date_line_;
};

// One request's way back. Thread-safe.
class Exchange final : public Responder::Channel {
 public:
  Exchange(std::shared_ptr<Loop> loop, std::weak_ptr<Connection> connection)
      : loop_(std::move(loop)), connection_(std::move(connection)) {}
  ~Exchange() override;
  void respond(Response response) override;
  void respond_with(std::function<Response()> make) override;
  bool closed() const override { return closed_.load(); }
  void on_close(std::function<void()> f) override;
  // By the connection, when the client has gone.
  void client_gone();

 private:
  bool claim();  // false: it was answered before

  const std::shared_ptr<Loop> loop_;
  const std::weak_ptr<Connection> connection_;
  std::atomic<bool> answered_{false};
  std::atomic<bool> closed_{false};
  std::atomic<bool> watched_{false};  // on_close() was called; most answers need not take the mutex
  std::mutex mutex_;
  std::function<void()> on_close_;  // guarded by mutex_
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Loop& loop, boost::asio::ip::tcp::socket socket);
  ~Connection();

  void start();
  void respond(Response response);
  // Closes if idle, else after the answer in progress.
  void drain();
  void cut();
  void check_deadline(Deadline now);

 private:
  enum class Phase {
    kIdle,       // between requests
    kHead,       // part of a head has come
    kBody,       // the sink takes a body
    kHandling,   // the application works on the answer
    kAnswering,  // an answer is being written or its source read
    kLingering,  // answered and shut down; what the client still sends is thrown away
    kClosed,
  };

  void read();
  void on_read(std::size_t count);
  void process();
  bool step();
  bool wants_input() const { return phase_ == Phase::kIdle || phase_ == Phase::kHead || phase_ == Phase::kBody; }
  void begin_request();
  void take_body(std::string_view piece);
  void end_request();
  void refuse(const ParseError& error);
  void take_answer_body(Response response);
  void append_chunk_head(std::size_t size);
  void flush();
  void answer_written();
  void read_source();
  void on_source(Result<std::string> piece);
  void finish_closing();
  void set_phase(Phase phase);

  Loop& loop_;
  boost::asio::ip::tcp::socket socket_;
  RequestParser parser_;
  std::string peer_;
  Phase phase_ = Phase::kIdle;
  bool reading_ = false;
  bool writing_ = false;
  bool processing_ = false;
  bool peer_done_ = false;  // end of file was read
  bool close_after_ = false;

  std::vector<char> in_;
  std::size_t in_begin_ = 0;
  std::size_t in_end_ = 0;

  // The present request.
  std::unique_ptr<RequestSink> sink_;
  std::weak_ptr<Exchange> exchange_;
  bool is_head_ = false;
  bool is_http_10_ = false;
  bool body_complete_ = false;
  std::uint64_t body_size_ = 0;  // as announced

  // The answer: `out_`, then `out_body_`, then what `source_` gives.
  std::string out_;
  std::string out_body_;
  std::size_t out_sent_ = 0;
  std::shared_ptr<BodySource> source_;  // shared with the pool while it reads
  std::uint64_t source_left_ = 0;
  bool source_chunked_ = false;
  bool first_chunk_ = false;
  bool source_reading_ = false;

  Deadline deadline_{};
  std::size_t progress_ = 0;  // bytes of the body since the deadline was set
  std::size_t lingered_ = 0;
};

}  // namespace millrace::http::internal
