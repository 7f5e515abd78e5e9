#include "runtimes/internal/environment.h"

#include <cerrno>
#include <csignal>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "codec/json.h"
#include "runtimes/internal/platform_text.h"
#include "runtimes/internal/spawn.h"
#include "telemetry/log.h"

namespace millrace::runtimes::internal {
namespace asio = boost::asio;
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kOutputReadBytes = 64 * 1024;
constexpr std::size_t kDrainBytesMax = 4 * 1024 * 1024;
constexpr std::size_t kConnectionsMax = 64;
constexpr int kProcessesMax = 1024;  // AWS: processes and threads of a function
constexpr Milliseconds kMemoryPoll{250};
constexpr Milliseconds kExitPoll{20};
constexpr std::string_view kApiRoot = "/2018-06-01/runtime/";

double ms_between(std::chrono::steady_clock::time_point from, std::chrono::steady_clock::time_point to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

std::string stream_name(Time now, std::string_view version, platform::Random& random) {
  std::string day = format_iso_s(now).substr(0, 10);
  for (char& c : day) {
    if (c == '-') c = '/';
  }
  return day + "/[" + std::string(version) + "]" + random.hex(32);
}

}  // namespace

Environment::Environment(HostState& host, std::shared_ptr<const FunctionSpec> spec, Interpreter interpreter,
                         Observer observer)
    : host_(host),
      spec_(std::move(spec)),
      interpreter_(std::move(interpreter)),
      observer_(std::move(observer)),
      id_(host.random.hex(16)),
      stream_(stream_name(host.clock.now(), spec_->version, host.random)),
      folder_(host.options.run_folder / "sandboxes" / id_),
      acceptor_(host.io),
      output_end_(host.io),
      exit_watch_(host.io),
      timer_(host.io),
      output_pause_(host.io),
      poll_(host.io),
      buffer_(kOutputReadBytes),
      output_(host.options.output_max) {}

Environment::~Environment() = default;

void Environment::start(Pending first) {
  pending_ = std::move(first);
  state_ = State::kInit;
  started_ = Clock::now();
  const auto launched = launch();
  if (!launched.ok()) {
    running_ = std::exchange(pending_, std::nullopt);
    delivered_ = Clock::now();
    fail({"Runtime.InvalidEntrypoint",
          "RequestId: " + running_->invocation.request_id + " Error: " + launched.error().message()},
         "error");
    state_ = State::kDying;
    asio::post(host_.io, [self = shared_from_this()] { self->finish_dying(); });
    return;
  }
  std::vector<std::string> lines;
  std::string version = spec_->runtime;
  if (interpreter_.language != Language::kProvided) {
    version += "; millrace runs it with " + interpreter_.label();
  }
  output_.platform("INIT_START Runtime Version: " + version, lines);
  emit(std::move(lines));
  // A start that takes too long is tried once more, with the function's own timeout as its limit (AWS).
  arm(pending_->init_timed_out ? spec_->timeout : host_.options.init_limit, &Environment::on_init_expired);
}

Result<void> Environment::launch() {
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) return Error(kUnavailable, "cannot create " + folder_.string() + ": " + error.message());
  if (interpreter_.language == Language::kProvided &&
      ::access((spec_->code_folder + "/bootstrap").c_str(), X_OK) != 0 &&
      (spec_->layer_folder.empty() || ::access((spec_->layer_folder + "/bootstrap").c_str(), X_OK) != 0)) {
    return Error(kInvalidArgument, "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]");
  }
  listen();
  const std::string api = "127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port());
  const SandboxPaths paths{.bootstrap_folder = (host_.options.run_folder / "bootstrap").string(),
                           .private_folder = folder_.string(),
                           .node_modules = host_.options.node_modules,
                           .python_packages = host_.options.python_packages};
  auto command = make_command(*spec_, interpreter_, host_.bubblewrap, paths, api, stream_);
  access_key_ = command.access_key;
  if (host_.cgroups) {
    cgroup_ = host_.cgroups->create(id_, static_cast<std::uint64_t>(spec_->memory_mb) << 20, kProcessesMax);
  }
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return Error(kUnavailable, "cannot create a pipe");
  Fd read_end(ends[0]);
  const Fd write_end(ends[1]);
  const auto pid = spawn({.arguments = std::move(command.arguments),
                          .environment = std::move(command.environment),
                          .working_folder = std::move(command.working_folder),
                          .output = write_end.get(),
                          .join_files = cgroup_ ? cgroup_->join_files() : std::vector<std::string>(),
                          .file_bytes_max = static_cast<std::uint64_t>(spec_->ephemeral_storage_mb) << 20});
  if (!pid.ok()) return pid.error();
  pid_ = *pid;
  ::fcntl(read_end.get(), F_SETFL, O_NONBLOCK);
  output_end_.assign(read_end.release());
  read_output();
  watch_exit();
  watch_memory();
  return {};
}

void Environment::listen() {
  const asio::ip::tcp::endpoint any(asio::ip::address_v4::loopback(), 0);
  acceptor_.open(any.protocol());
  acceptor_.bind(any);
  acceptor_.listen();
  accept();
}

void Environment::accept() {
  acceptor_.async_accept(
      [self = shared_from_this()](const boost::system::error_code& error, asio::ip::tcp::socket socket) {
        if (error || !self->acceptor_.is_open()) return;
        std::erase_if(self->connections_, [](const auto& connection) { return !connection->open(); });
        if (self->connections_.size() < kConnectionsMax) {
          const std::weak_ptr<Environment> weak = self;
          auto connection = std::make_shared<Connection>(std::move(socket), kResponseBytesMax,
                                                         [weak](std::shared_ptr<Connection> c, ApiRequest request) {
                                                           if (const auto environment = weak.lock())
                                                             environment->on_request(c, std::move(request));
                                                         });
          self->connections_.insert(connection);
          connection->start();
        }
        self->accept();
      });
}

void Environment::on_request(const std::shared_ptr<Connection>& connection, ApiRequest request) {
  if (dying()) return connection->close();
  std::string_view path = request.path;
  if (!path.starts_with(kApiRoot)) return connection->respond(404, {{"Content-Type", "application/json"}}, "{}");
  path.remove_prefix(kApiRoot.size());
  if (request.method == "GET" && path == "invocation/next") return on_next(connection);
  if (request.method == "POST" && path == "init/error") return on_init_error(connection, std::move(request));
  if (request.method == "POST" && path.starts_with("invocation/")) {
    path.remove_prefix(std::string_view("invocation/").size());
    const auto slash = path.find('/');
    const auto what = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
    if (what == "response" || what == "error") {
      if (!running_ || path.substr(0, slash) != running_->invocation.request_id) {
        return connection->respond(400, {{"Content-Type", "application/json"}},
                                   error_document("InvalidRequestID", "Invalid request ID"));
      }
      return on_answer(connection, std::move(request), what == "error");
    }
  }
  connection->respond(404, {{"Content-Type", "application/json"}}, "{}");
}

void Environment::on_next(const std::shared_ptr<Connection>& connection) {
  if (running_ || waiting_) {
    return connection->respond(403, {{"Content-Type", "application/json"}},
                               error_document("InvalidStateTransition", "Transition is not allowed"));
  }
  waiting_ = connection;
  if (state_ == State::kInit) {
    timer_.cancel();
    init_ms_ = ms_between(started_, Clock::now());
    state_ = State::kReady;
  }
  if (pending_) deliver();
}

void Environment::assign(Pending next) {
  timer_.cancel();
  pending_ = std::move(next);
  if (waiting_) {
    deliver();
  } else {
    // It has answered its last invocation and must ask for this one; a process that never does is not a working one.
    arm(spec_->timeout, &Environment::on_init_expired);
  }
}

void Environment::deliver() {
  running_ = std::exchange(pending_, std::nullopt);
  state_ = State::kBusy;
  delivered_ = Clock::now();
  output_.begin();
  const auto& invocation = running_->invocation;
  std::vector<std::string> lines;
  output_.platform(start_line(invocation.request_id, spec_->version), lines);
  emit(std::move(lines));
  const auto deadline = host_.clock.machine_now() + spec_->timeout;
  std::vector<std::pair<std::string, std::string>> fields{
      {"Content-Type", "application/json"},
      {"Lambda-Runtime-Aws-Request-Id", invocation.request_id},
      {"Lambda-Runtime-Deadline-Ms", std::to_string(to_unix_ms(deadline))},
      {"Lambda-Runtime-Invoked-Function-Arn", invocation.invoked_arn}};
  if (!invocation.trace_id.empty()) fields.emplace_back("Lambda-Runtime-Trace-Id", invocation.trace_id);
  if (!invocation.client_context.empty()) {
    fields.emplace_back("Lambda-Runtime-Client-Context", invocation.client_context);
  }
  arm(spec_->timeout, &Environment::on_timeout);
  if (invocation.delivered) invocation.delivered(access_key_);
  std::exchange(waiting_, nullptr)->respond(200, fields, invocation.payload);
}

void Environment::on_answer(const std::shared_ptr<Connection>& connection, ApiRequest request, bool is_error) {
  timer_.cancel();
  drain_output();
  const std::string id = running_->invocation.request_id;
  if (request.body_bytes > kResponseBytesMax) {
    fail({"Function.ResponseSizeTooLarge", "Response payload size exceeded maximum allowed payload size (" +
                                               std::to_string(kResponseBytesMax) + " bytes)."},
         "error");
    return connection->respond(413, {{"Content-Type", "application/json"}},
                               error_document("RequestEntityTooLarge", "Exceeded maximum allowed payload size"));
  }
  const auto mode = request.fields.find("lambda-runtime-function-response-mode");
  if (mode != request.fields.end() && mode->second == "streaming") {
    fail({"Runtime.StreamingNotSupported", "RequestId: " + id + " Error: response streaming is not served"}, "error");
    return connection->respond(403, {{"Content-Type", "application/json"}},
                               error_document("InvalidResponseMode", "response streaming is not served"));
  }
  if (is_error) {
    const auto type = request.fields.find("lambda-runtime-function-error-type");
    complete(std::move(request.body), "Unhandled", "", type == request.fields.end() ? "" : type->second);
  } else {
    complete(std::move(request.body), "", "", "");
  }
  connection->respond(202, {{"Content-Type", "application/json"}}, "{\"status\":\"OK\"}\n");
}

void Environment::on_init_error(const std::shared_ptr<Connection>& connection, ApiRequest request) {
  connection->respond(202, {{"Content-Type", "application/json"}}, "{\"status\":\"OK\"}\n");
  timer_.cancel();
  drain_output();
  if (pending_ && state_ == State::kInit) {
    running_ = std::exchange(pending_, std::nullopt);
    delivered_ = Clock::now();
    init_ms_ = ms_between(started_, delivered_);
    complete(std::move(request.body), "Unhandled", "error", "");
  }
  terminate();
}

void Environment::arm(Milliseconds after, void (Environment::*expired)()) {
  timer_.expires_after(after);
  timer_.async_wait([weak = weak_from_this(), expired](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (self && !error && !self->dying()) ((*self).*expired)();
  });
}

void Environment::on_init_expired() {
  drain_output();
  std::vector<std::string> lines;
  output_.platform(
      "INIT_REPORT Init Duration: " + std::to_string(static_cast<std::int64_t>(ms_between(started_, Clock::now()))) +
          ".00 ms\tPhase: init\tStatus: timeout",
      lines);
  emit(std::move(lines));
  if (pending_ && (pending_->init_timed_out || state_ != State::kInit)) {
    running_ = std::exchange(pending_, std::nullopt);
    delivered_ = Clock::now() - spec_->timeout;
    on_timeout();
  } else if (pending_) {
    Pending again = std::move(*std::exchange(pending_, std::nullopt));
    again.init_timed_out = true;
    terminate();
    observer_.again(*this, std::move(again));
  }
}

void Environment::on_timeout() {
  drain_output();
  std::vector<std::string> lines;
  const auto message = timeout_message(running_->invocation.request_id, spec_->timeout);
  const auto start = message.find("Task timed out");
  output_.platform(
      format_iso_ms(host_.clock.machine_now()) + " " + running_->invocation.request_id + " " + message.substr(start),
      lines);
  emit(std::move(lines));
  terminate();
  fail({"Sandbox.Timedout", message}, "timeout");
}

void Environment::complete(std::string payload, std::string function_error, std::string_view status,
                           std::string_view error_type) {
  Pending finished = std::move(*std::exchange(running_, std::nullopt));
  const auto ended = Clock::now();
  const double duration = ms_between(delivered_, ended);
  Outcome outcome{.payload = std::move(payload), .function_error = std::move(function_error)};
  outcome.init_began_at = outcome.init_ended_at = started_;
  if (init_ms_)
    outcome.init_ended_at += std::chrono::round<Clock::duration>(std::chrono::duration<double, std::milli>(*init_ms_));
  outcome.delivered_at = delivered_;
  outcome.ended_at = ended;
  outcome.duration = Milliseconds(static_cast<std::int64_t>(duration));
  if (init_ms_) outcome.init_duration = Milliseconds(static_cast<std::int64_t>(*init_ms_) + 1);
  outcome.memory_used_mb = memory_used_mb();
  std::vector<std::string> lines;
  output_.finish(lines);
  const std::string& id = finished.invocation.request_id;
  output_.platform(end_line(id), lines);
  output_.platform(report_line({.request_id = id,
                                .duration_ms = duration,
                                .init_ms = std::exchange(init_ms_, std::nullopt),
                                .memory_mb = spec_->memory_mb,
                                .memory_used_mb = outcome.memory_used_mb,
                                .status = status,
                                .error_type = status == "error" ? error_type : std::string_view(),
                                .trace = finished.invocation.delivered ? finished.invocation.trace_id : ""}),
                   lines);
  outcome.log_tail = output_.tail();
  emit(std::move(lines));
  last_used_ = host_.clock.monotonic_now();
  if (state_ == State::kBusy) {
    state_ = State::kReady;
    if (retired_) terminate();
  }
  finished.done(std::move(outcome));
}

void Environment::fail(const DocumentError& error, std::string_view status) {
  complete(error_document(error.first, error.second), "Unhandled", status, error.first);
}

void Environment::emit(std::vector<std::string> lines) {
  if (lines.empty() || !host_.log) return;
  const Time now = host_.clock.now();
  LogLines batch{.scope = spec_->scope, .group = spec_->log_group, .stream = stream_};
  batch.lines.reserve(lines.size());
  for (auto& line : lines) batch.lines.emplace_back(now, std::move(line));
  host_.log(std::move(batch));
}

void Environment::read_output() {
  output_end_.async_read_some(asio::buffer(buffer_),
                              [self = shared_from_this()](const boost::system::error_code& error, std::size_t count) {
                                if (error || !self->output_end_.is_open()) return;
                                std::vector<std::string> lines;
                                self->output_.append(std::string_view(self->buffer_.data(), count), lines);
                                self->emit(std::move(lines));
                                if (!self->output_.over_budget()) return self->read_output();
                                // A flood: read on, so that the function is not blocked for good, but leave the thread
                                // to others.
                                self->output_pause_.expires_after(Milliseconds(1));
                                self->output_pause_.async_wait([self](const boost::system::error_code& cancelled) {
                                  if (!cancelled && self->output_end_.is_open()) self->read_output();
                                });
                              });
}

// What the process wrote before it answered is in the pipe by now and belongs before END.
void Environment::drain_output() {
  if (!output_end_.is_open()) return;
  std::vector<std::string> lines;
  std::vector<char> bytes(kOutputReadBytes);
  for (std::size_t total = 0; total < kDrainBytesMax;) {
    const auto count = ::read(output_end_.native_handle(), bytes.data(), bytes.size());
    if (count <= 0) break;
    output_.append(std::string_view(bytes.data(), static_cast<std::size_t>(count)), lines);
    total += static_cast<std::size_t>(count);
  }
  emit(std::move(lines));
}

void Environment::watch_memory() {
  if (cgroup_) return;
  poll_.expires_after(kMemoryPoll);
  poll_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (!self || error || self->dying()) return;
    const auto bytes = tree_resident_bytes(self->pid_);
    self->peak_bytes_ = std::max(self->peak_bytes_, bytes);
    if (bytes > static_cast<std::uint64_t>(self->spec_->memory_mb) << 20) ::kill(-self->pid_, SIGKILL);
    self->watch_memory();
  });
}

std::int64_t Environment::memory_used_mb() {
  if (cgroup_) peak_bytes_ = std::max(peak_bytes_, cgroup_->peak_bytes().value_or(0));
  if (!cgroup_ && pid_ > 0 && !dying()) peak_bytes_ = std::max(peak_bytes_, tree_resident_bytes(pid_));
  return static_cast<std::int64_t>((peak_bytes_ + (1 << 20) - 1) >> 20);
}

void Environment::watch_exit() {
  const int descriptor = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  if (descriptor < 0) return check_exit_later();
  exit_watch_.assign(descriptor);
  exit_watch_.async_wait(asio::posix::stream_descriptor::wait_read,
                         [self = shared_from_this()](const boost::system::error_code& error) {
                           if (error) return;
                           int status = 0;
                           if (::waitpid(self->pid_, &status, WNOHANG) == self->pid_) return self->on_exit(status);
                           self->check_exit_later();
                         });
}

void Environment::check_exit_later() {
  auto timer = std::make_shared<asio::steady_timer>(host_.io, kExitPoll);
  timer->async_wait([self = shared_from_this(), timer](const boost::system::error_code& error) {
    if (error) return;
    int status = 0;
    if (::waitpid(self->pid_, &status, WNOHANG) == self->pid_) return self->on_exit(status);
    self->check_exit_later();
  });
}

void Environment::on_exit(int status) {
  timer_.cancel();
  drain_output();
  ::kill(-pid_, SIGKILL);  // children that it left behind
  if (cgroup_) cgroup_->kill_all();
  pid_ = -1;
  const bool started = state_ != State::kInit;
  state_ = State::kDying;
  if (pending_ && !started) {
    running_ = std::exchange(pending_, std::nullopt);
    delivered_ = Clock::now();
    init_ms_ = ms_between(started_, delivered_);
  }
  if (running_) {
    const auto message = exit_message(running_->invocation.request_id, status, host_.bubblewrap.usable);
    fail({"Runtime.ExitError", message}, "error");
  }
  finish_dying();
}

void Environment::kill() {
  std::optional<Pending> stopped =
      running_ ? std::exchange(running_, std::nullopt) : std::exchange(pending_, std::nullopt);
  if (!dying()) terminate();
  if (stopped) stopped->done(Outcome{.kind = Outcome::Kind::kStopped});
}

void Environment::retire() {
  retired_ = true;
  if (ready()) terminate();
}

// SIGKILL to all of it. The exit is seen later; until then nothing more is heard from the process.
void Environment::terminate() {
  if (dying()) return;
  memory_used_mb();
  state_ = State::kDying;
  timer_.cancel();
  if (cgroup_) cgroup_->kill_all();
  if (pid_ > 0) {
    // Children that made a session of their own are found only while their parent lives.
    const auto members = cgroup_ ? std::vector<pid_t>() : process_tree(pid_);
    ::kill(-pid_, SIGKILL);
    for (const pid_t member : members) ::kill(member, SIGKILL);
  } else {
    asio::post(host_.io, [self = shared_from_this()] { self->finish_dying(); });
  }
}

void Environment::finish_dying() {
  if (state_ == State::kGone) return;
  state_ = State::kGone;
  const auto self = shared_from_this();
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  output_end_.close(ignored);
  exit_watch_.close(ignored);
  timer_.cancel();
  output_pause_.cancel();
  poll_.cancel();
  for (const auto& connection : std::exchange(connections_, {})) connection->close();
  waiting_ = nullptr;
  host_.remove(folder_, std::move(cgroup_));
  if (pending_) observer_.again(*this, std::move(*std::exchange(pending_, std::nullopt)));
  observer_.gone(*this);
  observer_ = {};
}

}  // namespace millrace::runtimes::internal
