#include "app/internal/xray_daemon.h"

#include <array>
#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "codec/json.h"
#include "telemetry/log.h"

namespace millrace::app {
namespace {

constexpr std::size_t kDatagramBytesMax = 64 * 1024;
constexpr int kReceiveBuffer = 4 * 1024 * 1024;  // a burst must not be lost while documents are parsed

}  // namespace

std::string_view document_of_datagram(std::string_view datagram) {
  const auto line = datagram.find('\n');
  if (line == std::string_view::npos) return {};
  const auto head = codec::parse_json(datagram.substr(0, line));
  if (!head.ok() || head->string_or("format", "") != "json" || head->int_or("version", 0) != 1) return {};
  return datagram.substr(line + 1);
}

XRayDaemon::XRayDaemon(traces::Store& store, telemetry::Registry& registry)
    : store_(store),
      accepted_(registry.counter("millrace_xray_daemon_segments_total", {{"result", "accepted"}},
                                 "Segment documents that came by UDP")),
      refused_(registry.counter("millrace_xray_daemon_segments_total", {{"result", "refused"}},
                                "Segment documents that came by UDP")) {}

XRayDaemon::~XRayDaemon() { stop(); }

Result<void> XRayDaemon::start(std::uint16_t port) {
  socket_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  socklen_t size = sizeof address;
  if (socket_ < 0 || wake_ < 0 || ::bind(socket_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    Error error(kUnavailable,
                "cannot listen for segments on UDP 127.0.0.1:" + std::to_string(port) + ": " + std::strerror(errno));
    stop();
    return error;
  }
  (void)::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof kReceiveBuffer);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { run(); });
  return {};
}

void XRayDaemon::stop() {
  if (thread_.joinable()) {
    const std::uint64_t one = 1;
    (void)!::write(wake_, &one, sizeof one);
    thread_.join();
  }
  for (int* descriptor : {&socket_, &wake_}) {
    if (*descriptor >= 0) ::close(*descriptor);
    *descriptor = -1;
  }
}

void XRayDaemon::run() {
  std::string buffer(kDatagramBytesMax, '\0');
  std::array<pollfd, 2> waits{{{socket_, POLLIN, 0}, {wake_, POLLIN, 0}}};
  while (true) {
    if (::poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR) return;
    while (true) {
      const ssize_t count = ::recv(socket_, buffer.data(), buffer.size(), 0);
      if (count < 0) break;
      take(std::string_view(buffer.data(), static_cast<std::size_t>(count)));
    }
    if ((waits[1].revents & POLLIN) != 0) return;
  }
}

void XRayDaemon::take(std::string_view datagram) {
  traces::Refusal refusal{.code = "NoHeader"};
  const std::string_view document = document_of_datagram(datagram);
  if (!document.empty()) {
    if (auto segment = traces::read_segment(document, refusal)) {
      accepted_.add();
      return store_.receive(std::nullopt, std::move(*segment));
    }
  }
  refused_.add();
  telemetry::log_debug("xray", "a segment by UDP was refused: " + refusal.message());
}

}  // namespace millrace::app
