// How an AWS service is served: operations by name, documents in and out, errors as values.
//
// A face (`api/<service>`) builds a `Service`: the generated model (wire/shapes.h) plus one handler per operation it
// serves. The `Dispatcher` (wire/dispatcher.h) tells the service and operation of a request, decodes it by the model's
// protocol, validates it (AWS's own texts), calls the handler, waits until `Reply::after` is durable, and encodes the
// answer. An operation of the model without handler is answered with the protocol's unknown-operation error and its
// name.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/scope.h"
#include "base/time.h"
#include "codec/json.h"
#include "http/message.h"
#include "storage/committer.h"

namespace millrace::wire {

struct OperationModel;  // wire/shapes.h
struct ServiceModel;    // wire/shapes.h

using Document = codec::Json;

// Who asks, from the credential scope of the signature; unsigned requests get the defaults.
struct Caller {
  Scope scope;
  std::string access_key;     // "" when unsigned
  std::string session_token;  // of temporary credentials, else ""
  // ARN of who is behind a known access key (an assumed role, a user); "" of others. See principal_arn().
  std::string principal;

  // AWS: whoever has an account's own key is its root user.
  std::string principal_arn() const {
    return principal.empty() ? "arn:aws:iam::" + scope.account + ":root" : principal;
  }
};

struct RequestContext {
  const OperationModel* operation = nullptr;
  Caller caller;
  std::string request_id;
  std::string service_host;  // "http://127.0.0.1:4566": for URLs in answers (QueueUrl)
  std::shared_ptr<const http::RequestHead> head;
  // The bytes of a blob payload (Invoke), which `Document` holds as base64, and of any body of a REST-XML request,
  // whose digests are in header fields. nullptr: the operation has none.
  std::shared_ptr<const std::string> payload;
  // Set by handlers that know it: what the request is about (a table's name or ARN), for who observes.
  mutable std::string resource;
  // Set by a raw handler that leaves a request to the async one: it is known to take long.
  mutable bool takes_long = false;
  // Set by a handler that was refused (Service::reads_disk) after it had done a part: what its second run goes on from.
  mutable std::shared_ptr<void> done_before;
};

// What a request used, for who observes.
struct Usage {
  std::int64_t read_half_units = 0;
  std::int64_t write_half_units = 0;
  std::int64_t items = -1;  // returned; -1: does not apply
};

struct Reply {
  Document output = Document::object();      // members of the operation's output shape, in its spelling
  std::string json;                          // if not empty: the rendered JSON body, instead of `output` (hot paths)
  std::string payload;                       // the raw body of outputs with a blob payload (Invoke, GetObject)
  std::unique_ptr<http::BodySource> source;  // or a streamed one
  std::uint64_t source_bytes = 0;
  int status = 0;       // 0: the operation's own
  http::Fields fields;  // further header fields
  Usage usage;
  storage::CommitNumber after = 0;  // hold the answer until this commit is durable
};

using Done = std::function<void(Result<Reply>)>;  // exactly once, from any thread

// The usual handler: synchronous, may run on any I/O thread (or the pool's, see Service::reads_disk), never blocks on a
// sync.
using Handler = std::function<Result<Reply>(const RequestContext&, const Document&)>;
// For conversations: long polls, synchronous Invoke. `closed` tells whether the client has gone.
struct Conversation {
  Done done;
  std::function<bool()> closed;
  std::function<void(std::function<void()>)> on_close;
};
using AsyncHandler = std::function<void(const RequestContext&, const Document&, Conversation)>;
// For hot operations: gets the undecoded body, answers nullopt to fall back to the generic path (decode, validate,
// handler).
using RawHandler = std::function<std::optional<Result<Reply>>(const RequestContext&, std::string_view body)>;

// Takes one request's body as it arrives, e.g. an upload that must not sit in memory. All calls come in order, on one
// thread; the raw bytes of the HTTP body (aws-chunked framing and trailers are still inside).
class BodySink {
 public:
  virtual ~BodySink() = default;
  // Error: the rest of the body is not read; the error is the answer, end() is not called, the connection is closed.
  virtual Result<void> body(std::string_view piece) = 0;
  virtual void end(Done done) = 0;
  // The connection broke before the end.
  virtual void abort() {}
};
// For uploads (PutObject, UploadPart): decides by the members of the head alone (uri, query and header fields; decoded
// and validated); an error is answered without reading the body.
using StreamHandler =
    std::function<Result<std::unique_ptr<BodySink>>(const RequestContext&, const Document& head_members)>;

class Service {
 public:
  explicit Service(const ServiceModel& model) : model_(&model) {}
  const ServiceModel& model() const { return *model_; }
  void on(std::string_view operation, Handler handler) {
    handlers_[std::string(operation)].handler = std::move(handler);
  }
  void on_async(std::string_view operation, AsyncHandler handler) {
    handlers_[std::string(operation)].async = std::move(handler);
  }
  void on_raw(std::string_view operation, RawHandler handler) {
    handlers_[std::string(operation)].raw = std::move(handler);
  }
  void on_stream(std::string_view operation, StreamHandler handler) {
    handlers_[std::string(operation)].stream = std::move(handler);
  }
  // For handlers (`on`, `on_raw`) that read the store: they are run in a scope of storage::NoBlocking, and what fails
  // with storage::kWouldBlock is run again, whole, on the pool (an operation that has an async handler: by that one).
  // REQUIRES: a handler that fails so has changed nothing, or leaves RequestContext::done_before. Called after the
  // handlers were set.
  void reads_disk(std::initializer_list<std::string_view> operations) {
    for (const std::string_view operation : operations) handlers_.find(operation)->second.disk = Disk::kPerhaps;
  }
  // For handlers that read much, or files: they are always run on the pool.
  void on_pool(std::initializer_list<std::string_view> operations) {
    for (const std::string_view operation : operations) handlers_.find(operation)->second.disk = Disk::kAlways;
  }

  enum class Disk : std::uint8_t { kNever, kPerhaps, kAlways };
  struct Entry {
    Handler handler;
    AsyncHandler async;
    RawHandler raw;
    StreamHandler stream;
    Disk disk = Disk::kNever;
  };
  // nullptr: not served.
  const Entry* find(std::string_view operation) const {
    const auto it = handlers_.find(operation);
    return it == handlers_.end() ? nullptr : &it->second;
  }
  // Those that are served, by name.
  std::vector<std::string> operations() const {
    std::vector<std::string> names;
    for (const auto& [name, entry] : handlers_) names.push_back(name);
    return names;
  }

 private:
  const ServiceModel* model_;
  std::map<std::string, Entry, std::less<>> handlers_;
};

}  // namespace millrace::wire
