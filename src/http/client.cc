#include "http/client.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/internal/response_parser.h"
#include "platform/machine_clock.h"

namespace millrace::http {
namespace {

using internal::ResponseParser;
using Event = ResponseParser::Event;

constexpr std::size_t kBuffer = 64 * 1024;

std::string system_text(int number) { return std::generic_category().message(number); }

}  // namespace

class Client::Impl {
 public:
  Impl(std::string host, std::uint16_t port) : host_(std::move(host)), port_(port), in_(kBuffer, '\0') {}
  ~Impl() { disconnect(); }

  using Piece = std::function<bool(std::string_view)>;
  Result<Response> request(const ClientRequest& request, const Piece* piece);

 private:
  Error failure(const std::string& what) const {
    return Error(kUnavailable, "http://" + host_ + ":" + std::to_string(port_) + ": " + what);
  }
  Result<void> connect(Milliseconds timeout);
  Result<void> connect_to(const addrinfo& address, Milliseconds timeout);
  void disconnect();
  Result<void> wait(short events, Milliseconds timeout) const;
  Result<void> send(std::string_view data, Milliseconds timeout);
  Result<void> send_request(const ClientRequest& request);
  Result<void> send_source(const ClientRequest& request);
  Result<Response> receive(const ClientRequest& request, const Piece* piece);
  // Bytes read, 0 at the end of the stream.
  Result<std::size_t> fill(Milliseconds timeout);

  const std::string host_;
  const std::uint16_t port_;
  int socket_ = -1;
  std::string in_;
  std::size_t in_begin_ = 0;
  std::size_t in_end_ = 0;
  bool received_ = false;  // something of the present answer
  bool broken_ = false;    // the server closed or reset the connection
};

void Client::Impl::disconnect() {
  if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  in_begin_ = in_end_ = 0;
}

Result<void> Client::Impl::wait(short events, Milliseconds timeout) const {
  const platform::MachineClock clock;
  const Deadline limit = clock.monotonic_now() + timeout;
  while (true) {
    const auto left = std::chrono::ceil<Milliseconds>(limit - clock.monotonic_now()).count();
    pollfd one{.fd = socket_, .events = events, .revents = 0};
    const int ready = ::poll(&one, 1, static_cast<int>(std::clamp<std::int64_t>(left, 0, 1'000'000'000)));
    if (ready > 0) return {};
    if (ready == 0) return failure("no answer within " + format_duration(timeout));
    if (errno != EINTR) return failure(system_text(errno));
  }
}

Result<void> Client::Impl::connect(Milliseconds timeout) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int wrong = ::getaddrinfo(host_.c_str(), std::to_string(port_).c_str(), &hints, &found); wrong != 0) {
    return failure(::gai_strerror(wrong));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, &::freeaddrinfo);
  Result<void> result = failure("no address");
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    result = connect_to(*one, timeout);
    if (result.ok()) return result;
    disconnect();
  }
  return result;
}

Result<void> Client::Impl::connect_to(const addrinfo& address, Milliseconds timeout) {
  socket_ = ::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket_ < 0) return failure(system_text(errno));
  const int on = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(socket_, address.ai_addr, address.ai_addrlen) == 0) return {};
  if (errno != EINPROGRESS) return failure(system_text(errno));
  MR_RETURN_IF_ERROR(wait(POLLOUT, timeout));
  int wrong = 0;
  socklen_t size = sizeof wrong;
  ::getsockopt(socket_, SOL_SOCKET, SO_ERROR, &wrong, &size);
  if (wrong != 0) return failure(system_text(wrong));
  return {};
}

Result<void> Client::Impl::send(std::string_view data, Milliseconds timeout) {
  while (!data.empty()) {
    const ssize_t count = ::send(socket_, data.data(), data.size(), MSG_NOSIGNAL);
    if (count > 0) {
      data.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN) {
      MR_RETURN_IF_ERROR(wait(POLLOUT, timeout));
    } else if (errno != EINTR) {
      broken_ = errno == EPIPE || errno == ECONNRESET;
      return failure(system_text(errno));
    }
  }
  return {};
}

Result<void> Client::Impl::send_request(const ClientRequest& request) {
  std::string head = request.method + " " + request.target + " HTTP/1.1\r\n";
  if (!request.fields.find("Host")) {
    const bool ipv6 = host_.find(':') != host_.npos;
    head += "Host: " + (ipv6 ? "[" + host_ + "]" : host_) + ":" + std::to_string(port_) + "\r\n";
  }
  for (const auto& [name, value] : request.fields.all()) head.append(name).append(": ").append(value).append("\r\n");
  const bool chunked = request.source && request.source_bytes == Response::kUnknownBytes;
  const std::uint64_t length = request.body.size() + (request.source ? request.source_bytes : 0);
  if (chunked) {
    head += "Transfer-Encoding: chunked\r\n";
  } else if (length > 0 || request.method == "POST" || request.method == "PUT") {
    head += "Content-Length: " + std::to_string(length) + "\r\n";
  }
  head += "\r\n";
  if (!chunked) head += request.body;
  MR_RETURN_IF_ERROR(send(head, request.timeout));
  return request.source ? send_source(request) : Result<void>();
}

Result<void> Client::Impl::send_source(const ClientRequest& request) {
  const bool chunked = request.source_bytes == Response::kUnknownBytes;
  std::uint64_t left = request.source_bytes;
  std::string piece = chunked ? request.body : std::string();
  while (true) {
    if (chunked && !piece.empty()) {
      char size[24];
      std::snprintf(size, sizeof size, "%zx\r\n", piece.size());
      piece = size + piece + "\r\n";
    }
    MR_RETURN_IF_ERROR(send(piece, request.timeout));
    if (left == 0) return {};
    auto next = request.source->read(static_cast<std::size_t>(std::min<std::uint64_t>(left, kBuffer)));
    if (!next.ok()) return std::move(next).error();
    piece = *std::move(next);
    if (piece.empty()) break;
    if (!chunked) left -= std::min<std::uint64_t>(left, piece.size());
  }
  if (!chunked) return failure("the body ended before its announced length");
  return send("0\r\n\r\n", request.timeout);
}

Result<std::size_t> Client::Impl::fill(Milliseconds timeout) {
  if (in_begin_ == in_end_) in_begin_ = in_end_ = 0;
  if (in_end_ == in_.size()) {
    if (in_begin_ == 0) in_.resize(in_.size() * 2);  // a large head; the parser has its limit
    std::memmove(in_.data(), in_.data() + in_begin_, in_end_ - in_begin_);
    in_end_ -= in_begin_;
    in_begin_ = 0;
  }
  while (true) {
    const ssize_t count = ::recv(socket_, in_.data() + in_end_, in_.size() - in_end_, 0);
    if (count >= 0) {
      in_end_ += static_cast<std::size_t>(count);
      return static_cast<std::size_t>(count);
    }
    if (errno == EAGAIN) {
      MR_RETURN_IF_ERROR(wait(POLLIN, timeout));
    } else if (errno != EINTR) {
      broken_ = errno == ECONNRESET;
      return failure(system_text(errno));
    }
  }
}

Result<Response> Client::Impl::receive(const ClientRequest& request, const Piece* piece) {
  ResponseParser parser(request.method == "HEAD");
  Response response;
  while (true) {
    std::size_t consumed = 0;
    auto event = parser.next(std::string_view(in_).substr(in_begin_, in_end_ - in_begin_), consumed);
    in_begin_ += consumed;
    if (event == Event::kNeedMore) {
      MR_ASSIGN_OR_RETURN(const std::size_t count, fill(request.timeout));
      if (count > 0) {
        received_ = true;
        continue;
      }
      broken_ = true;
      event = parser.end_of_stream();
    }
    switch (event) {
      case Event::kHead:
        response = parser.take_head();
        break;
      case Event::kBody:
        if (piece == nullptr) {
          response.body += parser.piece();
        } else if (!(*piece)(parser.piece())) {
          disconnect();
          return response;
        }
        break;
      case Event::kDone:
        response.close = !parser.keep_alive();
        if (response.close) disconnect();
        return response;
      case Event::kNeedMore:
      case Event::kError:
        return failure(parser.error());
    }
  }
}

Result<Response> Client::Impl::request(const ClientRequest& request, const Piece* piece) {
  while (true) {
    const bool reused = socket_ >= 0;
    if (!reused) MR_RETURN_IF_ERROR(connect(request.timeout));
    received_ = broken_ = false;
    const auto sent = send_request(request);
    // A server that refuses a body answers before it has taken it all: then the answer counts, not the failed send.
    auto result = receive(request, piece);
    if (result.ok()) {
      if (!sent.ok()) disconnect();
      return result;
    }
    disconnect();
    if (!reused || !broken_ || received_ || request.source) return sent.ok() ? std::move(result).error() : sent.error();
  }
}

Client::Client(std::string host, std::uint16_t port) : impl_(std::make_unique<Impl>(std::move(host), port)) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

Result<Response> Client::request(const ClientRequest& request) { return impl_->request(request, nullptr); }

Result<Response> Client::stream(const ClientRequest& request, const std::function<bool(std::string_view)>& piece) {
  return impl_->request(request, &piece);
}

Result<Response> Client::stream_lines(const ClientRequest& request, const std::function<bool(std::string_view)>& line) {
  std::string rest;
  bool stopped = false;
  const auto emit = [&](std::string_view text) {
    if (text.ends_with('\r')) text.remove_suffix(1);
    stopped = !line(text);
    return !stopped;
  };
  auto result = stream(request, [&](std::string_view piece) {
    rest += piece;
    std::size_t begin = 0;
    for (auto end = rest.find('\n'); end != rest.npos; end = rest.find('\n', begin)) {
      if (!emit(std::string_view(rest).substr(begin, end - begin))) return false;
      begin = end + 1;
    }
    rest.erase(0, begin);
    return true;
  });
  if (result.ok() && !stopped && !rest.empty()) emit(rest);
  return result;
}

}  // namespace millrace::http
