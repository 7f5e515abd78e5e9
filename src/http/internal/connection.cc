#include "http/internal/connection.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <fcntl.h>

#include "http/internal/response_head.h"
#include "platform/clock.h"
#include "telemetry/log.h"

namespace millrace::http::internal {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr std::size_t kSmallBuffer = 4 * 1024;    // per idle connection
constexpr std::size_t kBodyBuffer = 64 * 1024;    // while a body arrives
constexpr std::size_t kPipelineMax = 16 * 1024;   // read ahead while a request is handled
constexpr std::size_t kCopyMax = 16 * 1024;       // bodies up to this are copied behind their head: one small write
constexpr std::size_t kOutMax = 64 * 1024;        // pipelined answers are written together up to this
constexpr std::size_t kSourcePiece = 256 * 1024;  // read of a body source, hence memory per streamed answer
constexpr std::size_t kLingerBytes = 64 << 20;    // thrown away after an early answer: clients send first, then read
constexpr Milliseconds kLingerTime{5000};

Response plain_text(int status, std::string text) {
  Response response;
  response.status = status;
  response.fields.add("Content-Type", "text/plain; charset=utf-8");
  response.body = std::move(text) + "\n";
  response.close = true;
  return response;
}

}  // namespace

Connection::Connection(Loop& loop, asio::ip::tcp::socket socket)
    : loop_(loop),
      socket_(std::move(socket)),
      parser_(ParserLimits{loop.shared.limits.head_bytes, loop.shared.limits.fields}),
      in_(kSmallBuffer) {
  ++loop_.shared.connections;
}

Connection::~Connection() {
  Shared& shared = loop_.shared;
  if (--shared.connections > 0 || !shared.draining) return;
  const std::lock_guard lock(shared.mutex);
  shared.last_closed.notify_all();
}

void Connection::start() {
  error_code ec;
  socket_.set_option(asio::ip::tcp::no_delay(true), ec);
  socket_.non_blocking(true, ec);
  ::fcntl(socket_.native_handle(), F_SETFD, FD_CLOEXEC);  // functions must not keep it open
  const auto peer = socket_.remote_endpoint(ec);
  if (ec) return;  // gone already
  peer_ = (peer.address().is_v6() ? "[" + peer.address().to_string() + "]" : peer.address().to_string()) + ":" +
          std::to_string(peer.port());
  loop_.connections.insert(shared_from_this());
  if (loop_.shared.draining) return cut();
  set_phase(Phase::kIdle);
  read();
}

void Connection::set_phase(Phase phase) {
  phase_ = phase;
  const auto& limits = loop_.shared.limits;
  const auto within = [&](Milliseconds limit) { deadline_ = loop_.shared.clock.monotonic_now() + limit; };
  switch (phase) {
    case Phase::kIdle:
      return within(limits.idle);
    case Phase::kHead:
      return within(limits.head);
    case Phase::kBody:
      progress_ = 0;
      return within(limits.body_progress);
    case Phase::kHandling:
    case Phase::kClosed:
      deadline_ = Deadline::max();
      return;
    case Phase::kAnswering:
      return within(limits.write_progress);
    case Phase::kLingering:
      return within(kLingerTime);
  }
}

void Connection::check_deadline(Deadline now) {
  if (now < deadline_ || phase_ == Phase::kClosed) return;
  if (phase_ == Phase::kAnswering && source_reading_) return set_phase(Phase::kAnswering);  // not the client's fault
  if (phase_ == Phase::kBody && progress_ >= loop_.shared.limits.body_progress_bytes) return set_phase(Phase::kBody);
  if (phase_ == Phase::kHead || phase_ == Phase::kBody) {
    return refuse(ParseError{408, "The request did not arrive in time."});
  }
  cut();
}

void Connection::read() {
  if (reading_ || peer_done_ || phase_ == Phase::kClosed) return;
  if (in_begin_ == in_end_) {
    in_begin_ = in_end_ = 0;
    if (phase_ == Phase::kIdle && in_.size() > kSmallBuffer) std::vector<char>(kSmallBuffer).swap(in_);
    if (phase_ == Phase::kBody && in_.size() < std::min<std::uint64_t>(body_size_, kBodyBuffer))
      in_.resize(kBodyBuffer);
  }
  if (in_begin_ > 0 && in_end_ == in_.size()) {
    std::memmove(in_.data(), in_.data() + in_begin_, in_end_ - in_begin_);
    in_end_ -= in_begin_;
    in_begin_ = 0;
  }
  if (in_end_ == in_.size()) {
    // Neither a head nor the framing of a body is that long.
    const std::size_t longest = 2 * std::max(loop_.shared.limits.head_bytes, kBodyBuffer);
    if (in_.size() >= longest) return refuse(ParseError{431, "The request has too long a line."});
    // Enough was read ahead; a client that goes away now is noticed when it is answered.
    if (!wants_input() && in_.size() >= kPipelineMax) return;
    in_.resize(in_.size() * 2);  // the parser's limit on heads ends this
  }
  reading_ = true;
  socket_.async_read_some(asio::buffer(in_.data() + in_end_, in_.size() - in_end_),
                          [self = shared_from_this()](const error_code& ec, std::size_t count) {
                            self->reading_ = false;
                            if (self->phase_ == Phase::kClosed) return;
                            if (ec && ec != asio::error::eof) return self->cut();
                            if (ec) self->peer_done_ = true;
                            self->on_read(count);
                          });
}

void Connection::on_read(std::size_t count) {
  if (phase_ == Phase::kLingering) {
    lingered_ += count;
    in_begin_ = in_end_ = 0;
    if (peer_done_ || lingered_ > kLingerBytes) return cut();
    return read();
  }
  in_end_ += count;
  if (peer_done_) {
    // A client may shut down its sending side and still wait for the answer; one that is gone looks the same.
    if (const auto exchange = exchange_.lock()) exchange->client_gone();
  }
  process();
}

// Goes on as far as possible, then writes what the answers are, then reads.
void Connection::process() {
  if (processing_) return;
  processing_ = true;
  const auto self = shared_from_this();
  while (step()) {
  }
  processing_ = false;
  if (phase_ == Phase::kClosed) return;
  flush();
  if (phase_ == Phase::kClosed || phase_ == Phase::kAnswering || writing_) return;
  if (peer_done_ && wants_input()) return cut();  // nothing more will come
  read();
}

// One step of the parser. False: not now.
bool Connection::step() {
  if (!wants_input() || writing_ || out_.size() > kOutMax) return false;
  std::size_t consumed = 0;
  const auto event = parser_.next(std::string_view(in_.data() + in_begin_, in_end_ - in_begin_), consumed);
  in_begin_ += consumed;
  progress_ += consumed;
  switch (event) {
    case RequestParser::Event::kNeedMore:
      if (phase_ == Phase::kIdle && (consumed > 0 || in_end_ > in_begin_)) set_phase(Phase::kHead);
      return false;
    case RequestParser::Event::kHead:
      begin_request();
      return true;
    case RequestParser::Event::kBody:
      take_body(parser_.piece());
      return true;
    case RequestParser::Event::kDone:
      body_complete_ = true;
      end_request();
      return true;
    case RequestParser::Event::kError:
      refuse(parser_.error());
      return false;
  }
  return false;
}

void Connection::begin_request() {
  const std::shared_ptr<RequestHead> head = parser_.take_head();
  head->peer = peer_;
  is_head_ = head->method == "HEAD";
  body_complete_ = false;
  close_after_ = !parser_.keep_alive();
  is_http_10_ = parser_.is_http_10();
  const bool has_body = head->has_body;
  body_size_ = head->content_length.value_or(kBodyBuffer);
  sink_ = loop_.shared.application.begin(head);
  phase_ = Phase::kBody;
  if (!has_body) return;  // kDone follows at once: no need of a deadline
  set_phase(Phase::kBody);
  if (!parser_.expects_continue() || parser_.is_http_10() || in_begin_ < in_end_) return;
  if (!sink_->body({}).ok()) return end_request();
  out_ += "HTTP/1.1 100 Continue\r\n\r\n";
}

void Connection::take_body(std::string_view piece) {
  if (!sink_->body(piece).ok()) end_request();
}

void Connection::end_request() {
  if (!body_complete_) close_after_ = true;
  set_phase(Phase::kHandling);
  const auto exchange = std::make_shared<Exchange>(loop_.shared_from_this(), weak_from_this());
  exchange_ = exchange;
  const auto sink = std::move(sink_);  // lives until end() returns
  sink->end(Responder(exchange));
}

void Connection::refuse(const ParseError& error) {
  if (const auto sink = std::move(sink_)) sink->abort();
  is_head_ = false;
  is_http_10_ = false;
  body_complete_ = false;
  set_phase(Phase::kHandling);
  respond(plain_text(error.status, error.text));
}

void Connection::respond(Response response) {
  if (phase_ != Phase::kHandling) return;
  exchange_.reset();
  if (response.abandon) return cut();
  phase_ = Phase::kAnswering;
  const bool unknown_length = response.source && response.source_bytes == Response::kUnknownBytes;
  source_chunked_ = unknown_length && !is_http_10_;
  if (response.close || loop_.shared.draining || peer_done_ || (unknown_length && !source_chunked_))
    close_after_ = true;
  append_response_head(out_, response,
                       HeadContext{.date_line = loop_.date_line(),
                                   .to_head = is_head_,
                                   .http_10 = is_http_10_,
                                   .close = close_after_,
                                   .chunked = source_chunked_,
                                   .until_close = unknown_length && !source_chunked_});
  if (!is_head_ && response.status != 204 && response.status != 304) take_answer_body(std::move(response));
  // A small answer is complete: the next pipelined request goes on before it is written.
  if (out_body_.empty() && !source_ && !close_after_) set_phase(Phase::kIdle);
  if (!processing_) process();
}

void Connection::take_answer_body(Response response) {
  source_ = std::move(response.source);
  source_left_ = source_ ? response.source_bytes : 0;
  if (source_chunked_) {
    first_chunk_ = true;
    if (!response.body.empty()) append_chunk_head(response.body.size());
  }
  if (response.body.size() <= kCopyMax) {
    out_ += response.body;
  } else {
    out_body_ = std::move(response.body);
  }
}

void Connection::append_chunk_head(std::size_t size) {
  std::array<char, 24> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), size, 16).ptr;
  if (!std::exchange(first_chunk_, false)) out_ += "\r\n";
  out_.append(text.data(), end).append("\r\n");
}

// Writes what there is. At once if the socket takes it, which is the rule; else when it does.
void Connection::flush() {
  if (writing_ || phase_ == Phase::kClosed) return;
  while (out_sent_ < out_.size() + out_body_.size()) {
    const std::size_t of_body = out_sent_ > out_.size() ? out_sent_ - out_.size() : 0;
    const std::array<asio::const_buffer, 2> buffers = {
        asio::buffer(std::string_view(out_).substr(std::min(out_sent_, out_.size()))),
        asio::buffer(std::string_view(out_body_).substr(of_body))};
    error_code ec;
    const std::size_t count = socket_.write_some(buffers, ec);
    if (ec == asio::error::would_block) {
      writing_ = true;
      if (phase_ == Phase::kAnswering) set_phase(Phase::kAnswering);
      socket_.async_wait(asio::ip::tcp::socket::wait_write, [self = shared_from_this()](const error_code& failed) {
        self->writing_ = false;
        if (failed) return self->cut();
        self->flush();
      });
      return;
    }
    if (ec) return cut();
    out_sent_ += count;
  }
  const bool wrote = out_sent_ > 0;
  out_.clear();
  out_body_ = std::string();
  out_sent_ = 0;
  if (phase_ == Phase::kAnswering) return answer_written();
  if (wrote && !processing_) process();
}

void Connection::answer_written() {
  if (source_ && source_left_ > 0) return read_source();
  source_.reset();
  if (close_after_) return finish_closing();
  set_phase(Phase::kIdle);
  process();
}

void Connection::read_source() {
  source_reading_ = true;
  const auto max = static_cast<std::size_t>(std::min<std::uint64_t>(kSourcePiece, source_left_));
  asio::post(loop_.shared.pool, [self = shared_from_this(), source = source_, max]() mutable {
    auto piece = source->read(max);
    source.reset();
    auto& io = self->loop_.io;
    asio::post(io, [self = std::move(self), piece = std::move(piece)]() mutable { self->on_source(std::move(piece)); });
  });
}

void Connection::on_source(Result<std::string> piece) {
  source_reading_ = false;
  if (phase_ == Phase::kClosed) return;
  const bool known = source_left_ != Response::kUnknownBytes;
  if (!piece.ok() || (known && (piece->empty() || piece->size() > source_left_))) {
    telemetry::log_warning("http",
                           "an answer was cut short: " +
                               (piece.ok() ? "its source did not have the announced length" : piece.error().message()));
    return cut();
  }
  if (known) source_left_ -= piece->size();
  if (piece->empty()) source_left_ = 0;
  if (source_chunked_) append_chunk_head(piece->size());
  if (source_chunked_ && piece->empty()) out_ += "\r\n";
  out_body_ = *std::move(piece);
  set_phase(Phase::kAnswering);
  flush();
}

// A close while the client still sends would reset the connection, and the client might never see its answer.
void Connection::finish_closing() {
  if (peer_done_ || loop_.shared.draining || (body_complete_ && in_begin_ == in_end_)) return cut();
  error_code ec;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ec);
  set_phase(Phase::kLingering);
  if (!reading_) in_begin_ = in_end_ = 0;
  read();
}

void Connection::drain() {
  if (phase_ == Phase::kLingering) return cut();
  if (phase_ == Phase::kIdle && !writing_ && in_begin_ == in_end_) cut();
}

void Connection::cut() {
  if (phase_ == Phase::kClosed) return;
  const auto self = shared_from_this();
  set_phase(Phase::kClosed);
  error_code ec;
  socket_.close(ec);
  loop_.connections.erase(self);
  if (const auto sink = std::move(sink_)) sink->abort();
  if (const auto exchange = exchange_.lock()) exchange->client_gone();
  source_.reset();
}

}  // namespace millrace::http::internal
