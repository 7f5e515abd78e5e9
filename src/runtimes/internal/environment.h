// One process of a function, from start to end: its listener, its output, its current invocation.
//
//   kNew -> kInit -> kReady <-> kBusy ; any -> kDying -> kGone
//
// Lives on the host's thread only. An invocation may be handed over in kReady although the process has not asked for it
// yet (it is about to); should the process end first, the pool runs it elsewhere.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "runtimes/internal/cgroup.h"
#include "runtimes/internal/connection.h"
#include "runtimes/internal/output.h"
#include "runtimes/internal/sandbox.h"
#include "runtimes/process_host.h"

namespace millrace::runtimes::internal {

using DoneFunction = std::function<void(Outcome)>;

struct Pending {
  Invocation invocation;
  DoneFunction done;
  bool init_timed_out = false;  // a process that was started for it did not come up in time
};

// What all environments share. On the host's thread, except what is constant.
struct HostState {
  HostOptions options;
  platform::Clock& clock;
  platform::Random& random;
  Interpreters& interpreters;
  LogSink log;
  Bubblewrap bubblewrap;
  std::unique_ptr<Cgroups> cgroups;
  std::function<void(std::filesystem::path, std::unique_ptr<Cgroup>)> remove;  // in the background
  boost::asio::io_context io{1};
};

class Environment : public std::enable_shared_from_this<Environment> {
 public:
  // What the pool is told. `gone` is the last call.
  struct Observer {
    std::function<void(Environment&, Pending)> again;  // was not delivered: run it on another process
    std::function<void(Environment&)> gone;
  };
  Environment(HostState& host, std::shared_ptr<const FunctionSpec> spec, Interpreter interpreter, Observer observer);
  ~Environment();

  // Starts the process for its first invocation; a failure is that invocation's outcome.
  void start(Pending first);
  // REQUIRES: ready().
  void assign(Pending next);
  bool ready() const { return state_ == State::kReady && !pending_; }
  bool dying() const { return state_ == State::kDying || state_ == State::kGone; }
  Deadline last_used() const { return last_used_; }
  // Kills the process; what it was running ends with kStopped.
  void kill();
  // Ends after the running invocation, or now if there is none.
  void retire();

 private:
  enum class State { kNew, kInit, kReady, kBusy, kDying, kGone };
  using Clock = std::chrono::steady_clock;
  using DocumentError = std::pair<std::string, std::string>;  // type, message

  Result<void> launch();
  void listen();
  void accept();
  void on_request(const std::shared_ptr<Connection>& connection, ApiRequest request);
  void on_next(const std::shared_ptr<Connection>& connection);
  void on_answer(const std::shared_ptr<Connection>& connection, ApiRequest request, bool is_error);
  void on_init_error(const std::shared_ptr<Connection>& connection, ApiRequest request);
  void deliver();
  void arm(Milliseconds after, void (Environment::*expired)());
  void on_init_expired();
  void on_timeout();
  void watch_exit();
  void check_exit_later();
  void on_exit(int status);
  void read_output();
  void drain_output();
  void watch_memory();
  // Ends the running invocation: END and REPORT lines, then its callback.
  void complete(std::string payload, std::string function_error, std::string_view status, std::string_view error_type);
  void fail(const DocumentError& error, std::string_view status);
  void emit(std::vector<std::string> lines);
  void terminate();
  void finish_dying();
  std::int64_t memory_used_mb();

  HostState& host_;
  const std::shared_ptr<const FunctionSpec> spec_;
  const Interpreter interpreter_;
  Observer observer_;
  State state_ = State::kNew;
  bool retired_ = false;
  std::string id_;
  std::string stream_;
  std::filesystem::path folder_;
  std::unique_ptr<Cgroup> cgroup_;
  pid_t pid_ = -1;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::set<std::shared_ptr<Connection>> connections_;
  std::shared_ptr<Connection> waiting_;  // its GET .../next is unanswered
  boost::asio::posix::stream_descriptor output_end_;
  boost::asio::posix::stream_descriptor exit_watch_;
  boost::asio::steady_timer timer_;
  boost::asio::steady_timer output_pause_;
  boost::asio::steady_timer poll_;  // memory, and the exit where the kernel has no pidfd
  std::vector<char> buffer_;
  Output output_;
  std::optional<Pending> pending_;  // not delivered yet
  std::optional<Pending> running_;
  Clock::time_point started_{};
  Clock::time_point delivered_{};
  std::optional<double> init_ms_;  // until reported
  Deadline last_used_{};
  std::uint64_t peak_bytes_ = 0;
  std::string access_key_;
};

}  // namespace millrace::runtimes::internal
