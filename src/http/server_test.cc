#include "http/server.h"

#include <atomic>
#include <fstream>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/client.h"
#include "platform/machine_clock.h"

namespace millrace::http {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

Deadline in(Milliseconds wait) { return std::chrono::steady_clock::now() + wait; }

// The machine's clock, whose monotonic time can be moved: time limits are tested without waiting for them.
class MovableClock final : public platform::Clock {
 public:
  Time now() const override { return machine_.now(); }
  Time machine_now() const override { return machine_.machine_now(); }
  Deadline monotonic_now() const override { return start_ + Milliseconds(moved_.load()); }
  void move(Milliseconds by) { moved_ += by.count(); }

 private:
  platform::MachineClock machine_;
  const Deadline start_ = machine_.monotonic_now();
  std::atomic<std::int64_t> moved_{0};
};

// Serves whatever the test says.
class TestApplication final : public Application {
 public:
  using Handler = std::function<void(std::shared_ptr<const RequestHead>, std::string body, Responder)>;

  struct Sink final : RequestSink {
    Sink(TestApplication& owner, std::shared_ptr<const RequestHead> of) : app(owner), head(std::move(of)) {}
    Result<void> body(std::string_view piece) override {
      app.received += piece.size();
      if (head->path == "/refuse") return Error(kInvalidArgument, "refused");
      if (head->path != "/count") collected += piece;
      return {};
    }
    void end(Responder respond) override { app.handler(head, std::move(collected), std::move(respond)); }
    void abort() override { app.aborted.set_value(); }

    TestApplication& app;
    const std::shared_ptr<const RequestHead> head;
    std::string collected;
  };

  std::unique_ptr<RequestSink> begin(std::shared_ptr<const RequestHead> head) override {
    ++requests;
    return std::make_unique<Sink>(*this, std::move(head));
  }

  Handler handler = [](std::shared_ptr<const RequestHead> head, std::string body, Responder respond) {
    Response response;
    if (head->path == "/refuse") response.status = 413;
    response.body = head->method + " " + head->target + " " + body;
    respond(std::move(response));
  };
  std::atomic<int> requests = 0;
  std::atomic<std::uint64_t> received = 0;
  std::promise<void> aborted;
};

// A socket without manners.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    EXPECT_TRUE(connected_);
  }
  RawClient(RawClient&& other) noexcept : socket_(std::exchange(other.socket_, -1)) {}
  ~RawClient() { close(); }
  void close() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  }
  void shut_sending() const { ::shutdown(socket_, SHUT_WR); }
  // False: the server has closed.
  bool send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
  }
  // Up to and including `mark`; what came until then if the server closes or is silent for 20 s.
  std::string read_until(std::string_view mark) {
    while (true) {
      const auto at = pending_.find(mark);
      if (at != pending_.npos) {
        std::string out = pending_.substr(0, at + mark.size());
        pending_.erase(0, out.size());
        return out;
      }
      if (!receive()) return std::exchange(pending_, {});
    }
  }
  std::string read_all() {
    while (receive()) {
    }
    return std::exchange(pending_, {});
  }
  bool at_end() { return !receive() && pending_.empty(); }

 private:
  bool receive() {
    pollfd one{.fd = socket_, .events = POLLIN, .revents = 0};
    if (::poll(&one, 1, 20'000) <= 0) {
      ADD_FAILURE() << "silence";
      return false;
    }
    char buffer[65536];
    const ssize_t count = ::recv(socket_, buffer, sizeof buffer, 0);
    if (count <= 0) return false;
    pending_.append(buffer, static_cast<std::size_t>(count));
    return true;
  }
  int socket_;
  bool connected_ = false;
  std::string pending_;
};

std::string get(const std::string& target, const std::string& more = {}) {
  return "GET " + target + " HTTP/1.1\r\nHost: test\r\n" + more + "\r\n";
}

class ServerTest : public testing::Test {
 protected:
  explicit ServerTest(ServerLimits limits = {}) : server_(ServerOptions{.limits = limits}, app_, clock_) {
    const auto started = server_.start();
    EXPECT_TRUE(started.ok());
  }
  ~ServerTest() override { server_.stop(in(10s)); }

  Client client() { return Client("127.0.0.1", server_.port()); }
  RawClient raw() { return RawClient(server_.port()); }
  // Moves the machine's time in small steps until `done`.
  void move_until(const std::function<bool()>& done) {
    for (const Deadline limit = in(20s); !done() && std::chrono::steady_clock::now() < limit;) {
      clock_.move(10ms);
      std::this_thread::yield();
    }
  }

  MovableClock clock_;
  TestApplication app_;
  Server server_;
};

TEST_F(ServerTest, KeepsAConnectionForManyRequests) {
  Client client = this->client();
  for (int i = 0; i < 100; ++i) {
    const auto response = client.request({.method = "POST", .target = "/a?b=c", .body = std::to_string(i)});
    ASSERT_TRUE(response.ok());
    EXPECT_EQ(response->body, "POST /a?b=c " + std::to_string(i));
    EXPECT_EQ(response->fields.get("Server"), "millrace");
    EXPECT_TRUE(parse_http_date(response->fields.get("Date")));
  }
  EXPECT_EQ(server_.connections(), 1U);
}

TEST_F(ServerTest, ClosesWhenAskedToAndForHttp10) {
  auto one = raw();
  one.send(get("/", "Connection: close\r\n"));
  EXPECT_THAT(one.read_all(), HasSubstr("Connection: close\r\n"));
  auto old = raw();
  old.send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_THAT(old.read_all(), HasSubstr("Connection: close\r\n"));
  auto kept = raw();
  kept.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_THAT(kept.read_until("\r\n\r\nGET / "), HasSubstr("Connection: keep-alive\r\n"));
}

TEST_F(ServerTest, PipelinedRequestsAreAnsweredInOrder) {
  auto socket = raw();
  std::string requests;
  for (int i = 0; i < 200; ++i) requests += get("/" + std::to_string(i));
  socket.send(requests);
  for (int i = 0; i < 200; ++i) {
    const std::string mark = "GET /" + std::to_string(i) + " ";
    EXPECT_THAT(socket.read_until(mark), EndsWith(mark));
  }
}

TEST_F(ServerTest, PipelinedRequestsWaitForAnswersOfOtherThreads) {
  std::vector<std::jthread> threads;
  app_.handler = [&](std::shared_ptr<const RequestHead> head, std::string, Responder respond) {
    auto shared = std::make_shared<Responder>(std::move(respond));
    threads.emplace_back([head, shared] {
      Response response;
      response.body = "answer to " + head->target + ";";
      (*shared)(std::move(response));
    });
  };
  auto socket = raw();
  socket.send(get("/1") + get("/2") + get("/3"));
  for (const char* mark : {"answer to /1;", "answer to /2;", "answer to /3;"}) {
    EXPECT_THAT(socket.read_until(mark), EndsWith(mark));
  }
  server_.stop(in(10s));
}

TEST_F(ServerTest, BodiesOfEveryFramingArriveByteForByte) {
  std::string bytes;
  for (int i = 0; i < 100'000; ++i) bytes += static_cast<char>(i * 7);
  Client client = this->client();
  const auto whole = client.request({.method = "PUT", .target = "/x", .body = bytes});
  ASSERT_TRUE(whole.ok());
  EXPECT_EQ(whole->body, "PUT /x " + bytes);
  auto socket = raw();
  socket.send("PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  socket.send("5\r\nde\r\n");
  socket.send("f\r\n0\r\n\r\n");
  EXPECT_THAT(socket.read_until("abcde\r\nf"), EndsWith("PUT /x abcde\r\nf"));
}

TEST_F(ServerTest, ContinuesAnExpectedBody) {
  auto socket = raw();
  socket.send("PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(socket.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  socket.send("ab");
  EXPECT_THAT(socket.read_until("PUT /x ab"), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST_F(ServerTest, AnswersAtOnceInsteadOfContinuingWhenTheSinkRefuses) {
  auto socket = raw();
  socket.send("PUT /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  socket.shut_sending();
  const std::string answer = socket.read_all();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 413 Payload Too Large\r\n"));
  EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
  EXPECT_EQ(app_.received, 0U);
}

TEST_F(ServerTest, AClientThatKeepsSendingStillReceivesTheRefusal) {
  Client client = this->client();
  const auto response = client.request({.method = "PUT", .target = "/refuse", .body = std::string(900'000, 'x')});
  ASSERT_TRUE(response.ok()) << response.error().message();
  EXPECT_EQ(response->status, 413);
  EXPECT_TRUE(response->close);
}

TEST_F(ServerTest, RefusesWhatIsNotHttpInPlainTextAndCloses) {
  for (const char* bytes :
       {"nonsense\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"}) {
    auto socket = raw();
    socket.send(bytes);
    const std::string answer = socket.read_all();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 400 Bad Request\r\n")) << bytes;
    EXPECT_THAT(answer, HasSubstr("Content-Type: text/plain"));
    EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
  }
  EXPECT_EQ(app_.requests, 0);
}

TEST_F(ServerTest, RefusesHeadsThatAreTooLargeOrHaveTooManyFields) {
  auto large = raw();
  large.send("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(70'000, 'x'));
  EXPECT_THAT(large.read_all(), StartsWith("HTTP/1.1 431 "));
  std::string fields;
  for (int i = 0; i < 300; ++i) fields += "X: 1\r\n";
  auto many = raw();
  many.send(get("/", fields));
  EXPECT_THAT(many.read_all(), StartsWith("HTTP/1.1 431 "));
  auto chunk = raw();
  chunk.send("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;" + std::string(300'000, 'x'));
  EXPECT_THAT(chunk.read_all(), StartsWith("HTTP/1.1 4"));
}

TEST_F(ServerTest, AHeadOfSixtyKilobytesIsServed) {
  Client client = this->client();
  ClientRequest request;
  request.fields.add("X-Long", std::string(60'000, 'x'));
  EXPECT_EQ(client.request(request).value().status, 200);
}

class ImpatientServerTest : public ServerTest {
 protected:
  ImpatientServerTest()
      : ServerTest(ServerLimits{
            .idle = 400ms, .head = 100ms, .body_progress = 100ms, .body_progress_bytes = 10, .write_progress = 100ms}) {
  }
};

TEST_F(ImpatientServerTest, AHalfSentHeadTimesOut) {
  auto socket = raw();
  socket.send("GET / HT");
  auto answer = std::async(std::launch::async, [&] { return socket.read_all(); });
  move_until([&] { return answer.wait_for(1ms) == std::future_status::ready; });
  EXPECT_THAT(answer.get(), StartsWith("HTTP/1.1 408 Request Timeout\r\n"));
}

TEST_F(ImpatientServerTest, AHeadThatDribblesInTimesOutThoughBytesKeepComing) {
  auto socket = raw();
  socket.send("GET / HTTP/1.1\r\n");
  auto answer = std::async(std::launch::async, [&] { return socket.read_all(); });
  move_until([&] {
    socket.send("X: 1\r\n");
    return answer.wait_for(1ms) == std::future_status::ready;
  });
  EXPECT_THAT(answer.get(), StartsWith("HTTP/1.1 408 Request Timeout\r\n"));
}

TEST_F(ImpatientServerTest, AHalfSentBodyTimesOutAndIsAborted) {
  auto socket = raw();
  socket.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n12345");
  auto answer = std::async(std::launch::async, [&] { return socket.read_all(); });
  move_until([&] { return answer.wait_for(1ms) == std::future_status::ready; });
  EXPECT_THAT(answer.get(), StartsWith("HTTP/1.1 408 Request Timeout\r\n"));
  EXPECT_EQ(app_.aborted.get_future().wait_for(20s), std::future_status::ready);
}

TEST_F(ImpatientServerTest, AnIdleConnectionIsClosedWithoutAWord) {
  auto socket = raw();
  socket.send(get("/"));
  socket.read_until("GET / ");
  auto rest = std::async(std::launch::async, [&] { return socket.read_all(); });
  move_until([&] { return rest.wait_for(1ms) == std::future_status::ready; });
  EXPECT_EQ(rest.get(), "");
}

TEST_F(ServerTest, AnAbandonedRequestSeesItsConnectionCut) {
  app_.handler = [&](auto, auto, Responder respond) { respond(Response{.body = "secret", .abandon = true}); };
  auto socket = raw();
  socket.send(get("/"));
  EXPECT_EQ(socket.read_all(), "");
}

TEST_F(ImpatientServerTest, ASlowHandlerIsNotTheClientsFault) {
  std::promise<Responder> held;
  app_.handler = [&](auto, auto, Responder respond) { held.set_value(std::move(respond)); };
  auto socket = raw();
  socket.send(get("/"));
  Responder respond = held.get_future().get();
  clock_.move(10s);
  // Two that are the client's fault, one per thread: once they are answered, the server has looked at its limits.
  for (int thread = 0; thread < 2; ++thread) {
    auto witness = raw();
    witness.send("GET / HT");
    auto answer = std::async(std::launch::async, [&] { return witness.read_all(); });
    move_until([&] { return answer.wait_for(1ms) == std::future_status::ready; });
    EXPECT_THAT(answer.get(), StartsWith("HTTP/1.1 408 Request Timeout\r\n"));
  }
  respond(Response{.body = "late"});
  EXPECT_THAT(socket.read_until("late"), EndsWith("late"));
}

TEST_F(ImpatientServerTest, AClientThatDoesNotReadIsCut) {
  app_.handler = [](auto, auto, Responder respond) { respond(Response{.body = std::string(30'000'000, 'x')}); };
  auto socket = raw();
  socket.send(get("/"));
  move_until([&] { return app_.requests == 1 && server_.connections() == 0; });
  EXPECT_EQ(server_.connections(), 0U);
}

TEST_F(ServerTest, TwoThousandIdleConnectionsDoNotMatter) {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = std::min<rlim_t>(files.rlim_max, 8192);
  setrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_cur < 5000) GTEST_SKIP() << "only " << files.rlim_cur << " file descriptors";
  std::vector<RawClient> idle;
  for (int i = 0; i < 2000; ++i) idle.push_back(raw());
  Client client = this->client();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(client.request({.target = "/x"}).value().body, "GET /x ");
  for (std::size_t i = 0; i < idle.size(); i += 100) idle[i].send(get("/y"));
  for (std::size_t i = 0; i < idle.size(); i += 100) EXPECT_THAT(idle[i].read_until("/y "), EndsWith("GET /y "));
  EXPECT_EQ(server_.connections(), 2001U);
}

class SmallServerTest : public ServerTest {
 protected:
  SmallServerTest() : ServerTest(ServerLimits{.connections = 2}) {}
};

TEST_F(SmallServerTest, ConnectionsBeyondTheLimitAreRefused) {
  Client first = client();
  Client second = client();
  ASSERT_TRUE(first.request({}).ok());
  ASSERT_TRUE(second.request({}).ok());
  auto third = raw();
  EXPECT_THAT(third.read_all(), StartsWith("HTTP/1.1 503 "));
  EXPECT_TRUE(first.request({}).ok());
}

// `total` bytes whose values tell their position.
class PatternSource final : public BodySource {
 public:
  explicit PatternSource(std::uint64_t total) : total_(total) {}
  Result<std::string> read(std::size_t max) override {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(max, total_ - given_));
    std::string out(size, '\0');
    for (std::size_t i = 0; i < size; ++i) out[i] = at(given_ + i);
    given_ += size;
    return out;
  }
  static char at(std::uint64_t position) { return static_cast<char>(position * 31 + position / 251); }

 private:
  const std::uint64_t total_;
  std::uint64_t given_ = 0;
};

std::size_t peak_memory_mb() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word != "VmHWM:") continue;
    std::size_t kilobytes = 0;
    status >> kilobytes;
    return kilobytes / 1024;
  }
  return 0;
}

// Freed memory stays in the quarantine of the address sanitizer.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kMemoryIsMeasurable = false;
#else
constexpr bool kMemoryIsMeasurable = true;
#endif

constexpr std::uint64_t kFiftyMegabytes = 50'000'000;

TEST_F(ServerTest, FiftyMegabytesStreamOutInFlatMemory) {
  app_.handler = [](auto head, auto, Responder respond) {
    Response response;
    response.source = std::make_unique<PatternSource>(kFiftyMegabytes);
    response.source_bytes = head->path == "/chunked" ? Response::kUnknownBytes : kFiftyMegabytes;
    respond(std::move(response));
  };
  Client client = this->client();
  for (const char* target : {"/", "/chunked", "/"}) {
    const std::size_t before = peak_memory_mb();
    std::uint64_t position = 0;
    std::uint64_t wrong = 0;
    const auto response = client.stream({.target = target}, [&](std::string_view piece) {
      for (const char c : piece) wrong += c != PatternSource::at(position++);
      return true;
    });
    ASSERT_TRUE(response.ok()) << response.error().message();
    EXPECT_EQ(position, kFiftyMegabytes);
    EXPECT_EQ(wrong, 0U);
    if (kMemoryIsMeasurable) {
      EXPECT_LT(peak_memory_mb() - before, 20U);
    }
  }
}

TEST_F(ServerTest, FiftyMegabytesStreamInInFlatMemory) {
  Client client = this->client();
  for (const std::uint64_t announced : {kFiftyMegabytes, Response::kUnknownBytes}) {
    app_.received = 0;
    const std::size_t before = peak_memory_mb();
    const auto response = client.request({.method = "PUT",
                                          .target = "/count",
                                          .source = std::make_shared<PatternSource>(kFiftyMegabytes),
                                          .source_bytes = announced});
    ASSERT_TRUE(response.ok());
    EXPECT_EQ(app_.received, kFiftyMegabytes);
    if (kMemoryIsMeasurable) {
      EXPECT_LT(peak_memory_mb() - before, 20U);
    }
  }
}

TEST_F(ServerTest, ASourceThatEndsEarlyCutsTheConnection) {
  app_.handler = [](auto, auto, Responder respond) {
    Response response;
    response.source = std::make_unique<PatternSource>(10);
    response.source_bytes = 20;
    respond(std::move(response));
  };
  Client client = this->client();
  EXPECT_FALSE(client.request({}).ok());
}

TEST_F(ServerTest, Http10GetsABodyOfUnknownLengthUntilTheEnd) {
  app_.handler = [](auto, auto, Responder respond) {
    Response response;
    response.source = std::make_unique<PatternSource>(1000);
    response.source_bytes = Response::kUnknownBytes;
    respond(std::move(response));
  };
  auto socket = raw();
  socket.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const std::string answer = socket.read_all();
  EXPECT_EQ(answer.size() - answer.find("\r\n\r\n") - 4, 1000U);
  EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(answer, Not(HasSubstr("chunked")));
}

TEST_F(ServerTest, HeadHasNoBodyAndTheConnectionGoesOn) {
  auto socket = raw();
  socket.send("HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n" + get("/y"));
  EXPECT_THAT(socket.read_until("GET /y "), HasSubstr("Content-Length: 8\r\n\r\nHTTP/1.1 200 OK\r\n"));
}

TEST_F(ServerTest, ARequestThatNobodyAnswersGetsAnError) {
  app_.handler = [](auto, auto, Responder) {};
  Client client = this->client();
  EXPECT_EQ(client.request({}).value().status, 500);
}

TEST_F(ServerTest, AnAnswerMayComeFromAnyThread) {
  std::promise<Responder> held;
  app_.handler = [&](auto, auto, Responder respond) { held.set_value(std::move(respond)); };
  auto socket = raw();
  socket.send(get("/"));
  Responder respond = held.get_future().get();
  EXPECT_FALSE(respond.closed());
  respond(Response{.body = "from afar"});
  EXPECT_THAT(socket.read_until("from afar"), EndsWith("from afar"));
}

TEST_F(ServerTest, AnAnswerMayBeMadeOnTheThreadOfItsConnection) {
  std::promise<Responder> held;
  std::atomic<std::thread::id> serving;
  std::atomic<std::thread::id> making;
  app_.handler = [&](auto, auto, Responder respond) {
    serving = std::this_thread::get_id();
    held.set_value(std::move(respond));
  };
  auto socket = raw();
  socket.send(get("/"));
  held.get_future().get().answer_with([&making] {
    making = std::this_thread::get_id();
    return Response{.body = "made there"};
  });
  EXPECT_THAT(socket.read_until("made there"), EndsWith("made there"));
  EXPECT_EQ(making.load(), serving.load());
}

TEST_F(ServerTest, ADisconnectedClientIsToldToTheHandler) {
  std::promise<Responder> held;
  app_.handler = [&](auto, auto, Responder respond) { held.set_value(std::move(respond)); };
  auto socket = raw();
  socket.send(get("/"));
  Responder respond = held.get_future().get();
  std::promise<void> gone;
  respond.on_close([&] { gone.set_value(); });
  socket.close();
  ASSERT_EQ(gone.get_future().wait_for(20s), std::future_status::ready);
  EXPECT_TRUE(respond.closed());
  std::promise<void> at_once;
  respond.on_close([&] { at_once.set_value(); });
  EXPECT_EQ(at_once.get_future().wait_for(20s), std::future_status::ready);
  respond(Response{});
}

TEST_F(ServerTest, AClientThatOnlyStoppedSendingStillGetsItsAnswer) {
  std::promise<Responder> held;
  app_.handler = [&](auto, auto, Responder respond) { held.set_value(std::move(respond)); };
  auto socket = raw();
  socket.send(get("/"));
  Responder respond = held.get_future().get();
  std::promise<void> gone;
  respond.on_close([&] { gone.set_value(); });
  socket.shut_sending();
  gone.get_future().get();
  respond(Response{.body = "still here"});
  EXPECT_THAT(socket.read_all(), EndsWith("still here"));
}

TEST_F(ServerTest, AConnectionEndsWithItsClientAlsoWhileALargeAnswerIsWritten) {
  app_.handler = [](auto, auto, Responder respond) { respond(Response{.body = std::string(20'000'000, 'x')}); };
  auto socket = raw();
  socket.send(get("/"));
  socket.read_until("\r\n\r\n");
  socket.shut_sending();
  EXPECT_EQ(socket.read_all().size(), 20'000'000U);
  EXPECT_TRUE(socket.at_end());
}

TEST_F(ServerTest, SocketsAreNotInheritedByProcesses) {
  auto client = this->client();
  ASSERT_TRUE(client.request({}).ok());
  for (int fd = 3; fd < 100; ++fd) {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) continue;
    if (ntohs(address.sin_port) == server_.port()) {
      EXPECT_TRUE(::fcntl(fd, F_GETFD) & FD_CLOEXEC) << fd;
    }
  }
}

TEST_F(ServerTest, ABrokenUploadIsAborted) {
  auto socket = raw();
  socket.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n12345");
  socket.close();
  EXPECT_EQ(app_.aborted.get_future().wait_for(20s), std::future_status::ready);
}

TEST_F(ServerTest, StopFinishesRequestsInFlightAndClosesIdleConnections) {
  std::promise<Responder> held;
  app_.handler = [&](auto, auto, Responder respond) { held.set_value(std::move(respond)); };
  auto idle = raw();
  auto busy = raw();
  busy.send(get("/"));
  Responder respond = held.get_future().get();
  auto stopped = std::async(std::launch::async, [&] { server_.stop(in(20s)); });
  EXPECT_TRUE(idle.at_end());  // so it is stopping
  respond(Response{.body = "finished"});
  const std::string answer = busy.read_all();
  EXPECT_THAT(answer, EndsWith("finished"));
  EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
  stopped.get();
  EXPECT_EQ(server_.connections(), 0U);
}

TEST_F(ServerTest, StopCutsAtItsLimitAndLateAnswersAreDropped) {
  std::promise<Responder> held;
  app_.handler = [&](auto, auto, Responder respond) { held.set_value(std::move(respond)); };
  auto socket = raw();
  socket.send(get("/"));
  Responder respond = held.get_future().get();
  server_.stop(in(10ms));
  EXPECT_TRUE(socket.at_end());
  EXPECT_TRUE(respond.closed());
  respond(Response{});
}

TEST_F(ServerTest, WhoConnectsBetweenBindAndStartIsServedThen) {
  Server second(ServerOptions{}, app_, clock_);
  ASSERT_TRUE(second.bind().ok());
  RawClient early(second.port());
  early.send("GET /early HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  ASSERT_TRUE(second.start().ok());
  EXPECT_THAT(early.read_all(), EndsWith("GET /early "));
}

TEST_F(ServerTest, TheAddressInUseIsNamed) {
  Server second(ServerOptions{.port = server_.port()}, app_, clock_);
  const auto started = second.start();
  ASSERT_FALSE(started.ok());
  EXPECT_THAT(started.error().message(), HasSubstr(std::to_string(server_.port())));
  Server third(ServerOptions{.address = "localhost"}, app_, clock_);
  EXPECT_FALSE(third.start().ok());
}

TEST_F(ServerTest, TheClientReconnectsWhenItsConnectionWasClosedMeanwhile) {
  auto client = this->client();
  const std::uint16_t port = server_.port();
  ASSERT_TRUE(client.request({}).ok());
  server_.stop(in(10s));
  Server next(ServerOptions{.port = port}, app_, clock_);
  ASSERT_TRUE(next.start().ok());
  EXPECT_TRUE(client.request({}).ok());
  next.stop(in(10s));
  EXPECT_FALSE(client.request({.timeout = 5s}).ok());
}

TEST_F(ServerTest, TheClientHandsOverLines) {
  app_.handler = [](auto, auto, Responder respond) { respond(Response{.body = "one\r\ntwo\n\nlast"}); };
  auto client = this->client();
  std::vector<std::string> lines;
  const auto all = client.stream_lines({}, [&](std::string_view line) {
    lines.emplace_back(line);
    return true;
  });
  ASSERT_TRUE(all.ok());
  EXPECT_THAT(lines, testing::ElementsAre("one", "two", "", "last"));
  lines.clear();
  ASSERT_TRUE(client
                  .stream_lines({},
                                [&](std::string_view line) {
                                  lines.emplace_back(line);
                                  return lines.size() < 2;
                                })
                  .ok());
  EXPECT_THAT(lines, testing::ElementsAre("one", "two"));
}

TEST_F(ServerTest, TheClientGivesUpOnASilentServer) {
  std::promise<Responder> held;
  app_.handler = [&](auto, auto, Responder respond) { held.set_value(std::move(respond)); };
  auto client = this->client();
  const auto response = client.request({.timeout = 20ms});
  ASSERT_FALSE(response.ok());
  EXPECT_THAT(response.error().message(), HasSubstr("no answer within 20 ms"));
  held.get_future().get()(Response{});
}

TEST_F(ServerTest, ManyThreadsAnswerManyClients) {
  std::vector<std::jthread> clients;
  std::atomic<int> good = 0;
  for (int t = 0; t < 8; ++t) {
    clients.emplace_back([&, t] {
      Client client = this->client();
      for (int i = 0; i < 200; ++i) {
        const std::string body = std::to_string(t) + "/" + std::to_string(i) + std::string(i * 100, 'x');
        const auto response = client.request({.method = "PUT", .body = body});
        if (response.ok() && response->body == "PUT / " + body) ++good;
      }
    });
  }
  clients.clear();
  EXPECT_EQ(good, 1600);
}

}  // namespace
}  // namespace millrace::http
