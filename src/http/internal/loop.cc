#include <algorithm>
#include <utility>

#include "http/internal/connection.h"
#include "platform/clock.h"
#include "telemetry/log.h"

namespace millrace::http::internal {

namespace asio = boost::asio;

Loop::Loop(Shared& of_server) : shared(of_server), sweep_timer(io), guard(asio::make_work_guard(io)) {
  const auto& limits = shared.limits;
  const auto shortest = std::min({limits.idle, limits.head, limits.body_progress, limits.write_progress});
  sweep_interval_ = std::clamp(shortest / 4, Milliseconds(5), Milliseconds(1000));
}

void Loop::run() {
  thread_id = std::this_thread::get_id();
  sweep();
  io.run();
}

// One timer for all connections: setting one per request and connection would cost more than looking at them all.
void Loop::sweep() {
  const Deadline now = shared.clock.monotonic_now();
  const std::vector<std::shared_ptr<Connection>> all(connections.begin(), connections.end());
  for (const auto& connection : all) connection->check_deadline(now);
  if (!guard) return;
  sweep_timer.expires_after(sweep_interval_);
  sweep_timer.async_wait([this](const boost::system::error_code& ec) {
    if (!ec) sweep();
  });
}

const std::string& Loop::date_line() {
  const Time second = std::chrono::floor<Seconds>(shared.clock.machine_now());
  if (second != date_second_) {
    date_second_ = second;
    date_line_ = "Date: " + format_http_date(second) + "\r\n";
  }
  return date_line_;
}

Exchange::~Exchange() {
  if (answered_) return;
  telemetry::log_error("http", "a request was dropped without an answer");
  Response response;
  response.status = 500;
  response.fields.add("Content-Type", "text/plain; charset=utf-8");
  response.body = "The request was dropped without an answer.\n";
  respond(std::move(response));
}

bool Exchange::claim() {
  if (answered_.exchange(true)) return false;
  if (!watched_) return true;  // who comes to watch now sees that it is answered
  std::function<void()> dropped;
  const std::lock_guard lock(mutex_);
  dropped.swap(on_close_);
  return true;
}

void Exchange::respond_with(std::function<Response()> make) {
  if (loop_->on_this_thread()) return respond(make());
  if (!claim() || loop_->stopped) return;
  asio::post(loop_->io, [connection = connection_, make = std::move(make)] {
    Response answer = make();
    if (const auto self = connection.lock()) self->respond(std::move(answer));
  });
}

void Exchange::respond(Response response) {
  if (!claim()) return;
  if (loop_->on_this_thread()) {
    if (const auto connection = connection_.lock()) connection->respond(std::move(response));
    return;
  }
  if (loop_->stopped) return;
  asio::post(loop_->io, [connection = connection_, answer = std::move(response)]() mutable {
    if (const auto self = connection.lock()) self->respond(std::move(answer));
  });
}

void Exchange::on_close(std::function<void()> f) {
  {
    const std::lock_guard lock(mutex_);
    if (!closed_) {
      watched_ = true;
      if (!answered_) on_close_ = std::move(f);
      return;
    }
  }
  if (!loop_->stopped) asio::post(loop_->io, std::move(f));
}

void Exchange::client_gone() {
  std::function<void()> f;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    f.swap(on_close_);
  }
  if (f) f();
}

}  // namespace millrace::http::internal
