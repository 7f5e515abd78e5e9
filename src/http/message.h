// HTTP messages as the rest of millrace sees them: no Beast, no Asio, no sockets.
//
// The server (http/server.h) reads a head, asks `Application::begin` for a sink, feeds it the body as it arrives
// (dechunked; Expect: 100-continue answered after begin accepted), then calls `end` with a `Responder`. Bodies in both
// directions stream: nothing requires that a body fits in memory.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace millrace::http {

// Header fields in order of arrival; names compare without case. All texts lie in one buffer: a message costs two
// allocations, not two per field. What is returned points into it and holds until the next change.
class Fields {
 public:
  using Field = std::pair<std::string_view, std::string_view>;  // name, value
  class Range;

  // `set` replaces all of that name. The texts must not come from these fields themselves.
  void add(std::string_view name, std::string_view value);
  void set(std::string_view name, std::string_view value);
  // The first value of that name, or nullopt.
  std::optional<std::string_view> find(std::string_view name) const;
  std::string_view get(std::string_view name) const { return find(name).value_or(std::string_view()); }
  std::size_t size() const { return entries_.size(); }
  Field operator[](std::size_t i) const {
    const std::string_view text = text_;
    const Entry& entry = entries_[i];
    return {text.substr(entry.at, entry.name_size), text.substr(entry.at + entry.name_size, entry.value_size)};
  }
  Range all() const;

 private:
  struct Entry {
    std::uint32_t at, name_size, value_size;
  };
  std::string text_;
  std::vector<Entry> entries_;
};

class Fields::Range {
 public:
  struct Iterator {
    const Fields* fields;
    std::size_t i;
    Field operator*() const { return (*fields)[i]; }
    Iterator& operator++() {
      ++i;
      return *this;
    }
    bool operator==(const Iterator&) const = default;
  };
  explicit Range(const Fields& fields) : fields_(&fields) {}
  Iterator begin() const { return {fields_, 0}; }
  Iterator end() const { return {fields_, fields_->size()}; }
  std::size_t size() const { return fields_->size(); }
  bool empty() const { return fields_->size() == 0; }

 private:
  const Fields* fields_;
};

inline Fields::Range Fields::all() const { return Range(*this); }

bool equals_ignore_case(std::string_view a, std::string_view b);
std::string url_decode(std::string_view text, bool plus_is_space);
// Percent-encodes all but unreserved characters; `keep_slash` leaves '/' alone.
std::string url_encode(std::string_view text, bool keep_slash = false);

struct RequestHead {
  std::string method;                                      // "PUT"
  std::string target;                                      // as sent: "/bucket/a%20b?x-id=PutObject"
  std::string path;                                        // still percent-encoded, without the query: "/bucket/a%20b"
  std::vector<std::pair<std::string, std::string>> query;  // decoded; a name without '=' has an empty value
  Fields fields;
  std::string peer;                             // "127.0.0.1:51234"
  std::optional<std::uint64_t> content_length;  // nullopt: chunked, or no body
  bool has_body = false;

  std::optional<std::string_view> query_value(std::string_view name) const;
};

// A body that is produced piece by piece, e.g. a file. Read on the pool.
class BodySource {
 public:
  virtual ~BodySource() = default;
  // Up to `max` bytes; empty = end. An error cuts the connection (the head has been sent).
  virtual Result<std::string> read(std::size_t max) = 0;
};

struct Response {
  int status = 200;
  Fields fields;  // Content-Length is added by the server
  std::string body;
  std::unique_ptr<BodySource> source;  // if set, follows `body`; then `source_bytes` says how much
  // Sent chunked, until the source ends (HTTP/1.0: until the connection closes).
  static constexpr std::uint64_t kUnknownBytes = ~std::uint64_t{0};
  std::uint64_t source_bytes = 0;
  bool close = false;    // close the connection after this answer
  bool abandon = false;  // cut the connection instead of answering
};

// Answers one request, exactly once, from any thread, at any later time. If it is destroyed without an answer, the
// server answers 500. Movable.
class Responder {
 public:
  class Channel {
   public:
    virtual ~Channel() = default;
    virtual void respond(Response response) = 0;
    // The same with an answer that is made on the connection's I/O thread (not at all once the server has stopped).
    virtual void respond_with(std::function<Response()> make) { respond(make()); }
    virtual bool closed() const = 0;                     // the client has gone; an answer would reach nobody
    virtual void on_close(std::function<void()> f) = 0;  // called at most once, on an I/O thread
  };
  Responder() = default;
  explicit Responder(std::shared_ptr<Channel> channel) : channel_(std::move(channel)) {}
  void operator()(Response response) { std::exchange(channel_, nullptr)->respond(std::move(response)); }
  // For threads that others wait for: only the making of the answer is queued.
  void answer_with(std::function<Response()> make) { std::exchange(channel_, nullptr)->respond_with(std::move(make)); }
  bool closed() const { return channel_ == nullptr || channel_->closed(); }
  void on_close(std::function<void()> f) { channel_->on_close(std::move(f)); }
  explicit operator bool() const { return channel_ != nullptr; }

 private:
  std::shared_ptr<Channel> channel_;
};

// Receives one request's body. All calls come in order, on one thread.
class RequestSink {
 public:
  virtual ~RequestSink() = default;
  // May be called with an empty piece before anything was read, when the client waits for `100 Continue`: a sink that
  // fails then saves it the upload. Error: the server answers with `early_response`-style rendering of the sink: it
  // calls end() at once with no more body and closes the connection afterwards. So a sink that failed answers its own
  // error in end().
  virtual Result<void> body(std::string_view piece) = 0;
  virtual void end(Responder respond) = 0;
  // The connection broke before the end; end() will not be called.
  virtual void abort() {}
};

// What the server serves. Thread-safe: called by every I/O thread.
class Application {
 public:
  virtual ~Application() = default;
  // Decides, from the head alone, who takes the body. Never null; an error is a sink that answers it.
  virtual std::unique_ptr<RequestSink> begin(std::shared_ptr<const RequestHead> head) = 0;
};

}  // namespace millrace::http
