// A load generator that wrk cannot be: it keeps a pace, and it ends after a number of requests. Every connection is a
// thread with a blocking socket. With a RATE the requests of all connections are due at equal distances from the start,
// and a wait counts from the moment a request was due: a server that stalls pays for all that waited meanwhile.
//
// usage: generate PORT TARGET TEMPLATE CONNECTIONS RATE REQUESTS EVERY KEYS POOL
//   TEMPLATE  a file with the body; each %KEY% in it becomes the next number, nine digits wide; each %BODY% and the x
//   that
//             follow it become as many bytes of POOL, cut at another place each time
//   RATE      requests per second of all connections together; 0: each as soon as its connection is free
//   EVERY     prints "DONE requests seconds" whenever so many more are done; 0: never
//   KEYS      the numbers begin again at 1 after so many; 0: never
//   POOL      a file of text (common.py: body_pool)
// At its end: RESULT requests-per-second p50-ms p99-ms max-ms failed
// An answer fails when its status is not 200 or when it names unprocessed items.
#include <algorithm>
#include <atomic>
#include <cctype>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::string_view kKey = "%KEY%";
constexpr std::size_t kKeyDigits = 9;
constexpr std::string_view kBody = "%BODY%";
constexpr std::size_t kBodyStep = 7919;  // between the places where bodies are cut

struct Place {
  std::size_t at = 0;
  std::size_t size = 0;
};

struct Plan {
  int port = 0;
  std::string head;  // up to the body
  std::string body;
  std::vector<std::size_t> key_places;  // in head + body
  std::vector<Place> body_places;       // the same
  std::string pool;
  std::int64_t keys = 0;
  int connections = 1;
  double rate = 0;
  std::int64_t requests = 0;
  std::int64_t every = 0;
};

struct Progress {
  std::atomic<std::int64_t> taken{0};
  std::atomic<std::int64_t> done{0};
  std::atomic<std::int64_t> failed{0};
};

[[noreturn]] void give_up(const char* what) {
  std::perror(what);
  std::_Exit(1);
}

std::string text_of(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

void prepare(Plan& plan, const char* target, std::string text) {
  std::vector<std::size_t> places;
  for (std::size_t at = text.find(kKey); at != std::string::npos; at = text.find(kKey, at)) {
    text.replace(at, kKey.size(), kKeyDigits, '0');
    places.push_back(at);
  }
  std::vector<Place> bodies;
  for (std::size_t at = text.find(kBody); at != std::string::npos; at = text.find(kBody, at + 1)) {
    const std::size_t end = std::min(text.find_first_not_of('x', at + kBody.size()), text.size());
    if (plan.pool.size() <= end - at) give_up("a pool that is longer than the bodies");
    bodies.push_back({at, end - at});
  }
  plan.head = "POST / HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(plan.port) +
              "\r\nContent-Type: application/x-amz-json-1.0\r\nX-Amz-Target: " + target +
              "\r\nAuthorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/dynamodb/aws4_request, "
              "SignedHeaders=host, Signature=0\r\nContent-Length: " +
              std::to_string(text.size()) + "\r\n\r\n";
  for (const std::size_t place : places) plan.key_places.push_back(plan.head.size() + place);
  for (const Place& place : bodies) plan.body_places.push_back({plan.head.size() + place.at, place.size});
  plan.body = std::move(text);
}

int connect_to(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) give_up("connect");
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

void send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) give_up("send");
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

// Reads one answer with a Content-Length; true when it is a success.
bool read_answer(int fd, std::string& buffer) {
  buffer.clear();
  std::size_t need = std::string::npos;
  while (buffer.size() < need) {
    char chunk[16384];
    const auto got = ::recv(fd, chunk, sizeof chunk, 0);
    if (got <= 0) give_up("recv");
    buffer.append(chunk, static_cast<std::size_t>(got));
    if (need != std::string::npos) continue;
    const std::size_t end = buffer.find("\r\n\r\n");
    if (end == std::string::npos) continue;
    std::string head = buffer.substr(0, end);
    std::transform(head.begin(), head.end(), head.begin(), [](unsigned char c) { return std::tolower(c); });
    const std::size_t field = head.find("\r\ncontent-length:");
    if (field == std::string::npos) give_up("an answer without Content-Length");
    need = end + 4 + std::strtoul(head.c_str() + field + 17, nullptr, 10);
  }
  if (buffer.compare(9, 3, "200") != 0) return false;
  const std::size_t unprocessed = buffer.find("\"UnprocessedItems\":{");
  return unprocessed == std::string::npos || buffer.compare(unprocessed + 20, 1, "}") == 0;
}

// The next numbers into the places of keys, other text into those of bodies.
void fill_in(const Plan& plan, std::int64_t number, std::string& request) {
  std::int64_t key = number * static_cast<std::int64_t>(plan.key_places.size());
  for (const std::size_t place : plan.key_places) {
    char digits[24];
    const std::int64_t shown = plan.keys > 0 ? key % plan.keys + 1 : key + 1;
    std::snprintf(digits, sizeof digits, "%09lld", static_cast<long long>(shown));
    request.replace(place, kKeyDigits, digits, kKeyDigits);
    ++key;
  }
  auto cut = static_cast<std::size_t>(number) * plan.body_places.size() * kBodyStep;
  for (const Place& place : plan.body_places) {
    request.replace(place.at, place.size, plan.pool, cut % (plan.pool.size() - place.size), place.size);
    cut += kBodyStep;
  }
}

void run_connection(const Plan& plan, Progress& progress, Clock::time_point start, std::vector<double>& waits) {
  ::prctl(PR_SET_TIMERSLACK, 1);
  const int fd = connect_to(plan.port);
  std::string request = plan.head + plan.body;
  std::string answer;
  for (;;) {
    const std::int64_t number = progress.taken++;
    if (number >= plan.requests) break;
    fill_in(plan, number, request);
    auto due = Clock::now();
    if (plan.rate > 0) {
      const std::chrono::duration<double> offset(static_cast<double>(number) / plan.rate);
      due = start + std::chrono::duration_cast<Clock::duration>(offset);
      std::this_thread::sleep_until(due);
    }
    send_all(fd, request);
    if (!read_answer(fd, answer) && ++progress.failed == 1) std::fprintf(stderr, "%s\n", answer.substr(0, 600).c_str());
    const auto now = Clock::now();
    waits.push_back(std::chrono::duration<double, std::milli>(now - due).count());
    const std::int64_t done = ++progress.done;
    if (plan.every > 0 && done % plan.every == 0) {
      std::printf("DONE %lld %.3f\n", static_cast<long long>(done), std::chrono::duration<double>(now - start).count());
      std::fflush(stdout);
    }
  }
  ::close(fd);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 10) return 2;
  Plan plan;
  plan.port = std::atoi(argv[1]);
  plan.pool = text_of(argv[9]);
  prepare(plan, argv[2], text_of(argv[3]));
  plan.connections = std::atoi(argv[4]);
  plan.rate = std::atof(argv[5]);
  plan.requests = std::atoll(argv[6]);
  plan.every = std::atoll(argv[7]);
  plan.keys = std::atoll(argv[8]);
  Progress progress;
  std::vector<std::vector<double>> waits(static_cast<std::size_t>(plan.connections));
  std::vector<std::thread> threads;
  const auto start = Clock::now();
  for (auto& mine : waits) threads.emplace_back([&] { run_connection(plan, progress, start, mine); });
  for (std::thread& thread : threads) thread.join();
  const std::chrono::duration<double> elapsed = Clock::now() - start;
  std::vector<double> all;
  for (const auto& mine : waits) all.insert(all.end(), mine.begin(), mine.end());
  if (all.empty()) return 1;
  std::sort(all.begin(), all.end());
  const auto at = [&](double part) {
    return all[static_cast<std::size_t>(part * static_cast<double>(all.size() - 1))];
  };
  std::printf("RESULT %.1f %.3f %.3f %.3f %lld\n", static_cast<double>(all.size()) / elapsed.count(), at(0.5), at(0.99),
              all.back(), static_cast<long long>(progress.failed.load()));
  return 0;
}
