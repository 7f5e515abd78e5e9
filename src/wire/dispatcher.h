// The application behind the one port: tells service and operation of each request, decodes and validates it, calls the
// handler, holds the answer until what it says is durable, and encodes it.
//
//   Dispatcher dispatcher(scheduler, random, commits, registry, options);
//   dispatcher.add(*tables_service);               each wire::Service, before serving; not owned
//   dispatcher.set_admin(admin);                   /_millrace/... and /metrics
//   http::Server server({...}, dispatcher, clock);
//
// Order of one request: host and origin guard, admin paths, routing, head members, streamed body or buffered body up to
// the service's limit (gzip undone), decode, validate, fault, handler, wait for Reply::after, encode. Thread-safe after
// the set_ and add calls; handlers run on the I/O thread of the connection. Whoever is destroyed first: the server,
// then the dispatcher, then services; answers given by services after the server's stop are dropped there, but must not
// come after the dispatcher's destruction.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"
#include "platform/clock.h"
#include "platform/random.h"
#include "storage/committer.h"
#include "telemetry/metrics.h"
#include "wire/faults.h"
#include "wire/service.h"

namespace millrace::wire {

// Largest request bodies that are buffered, in bytes (S3's uploads are streamed and not bound by it).
inline constexpr std::size_t kBodyBytesMax = 4u << 20;           // services without a line of their own
inline constexpr std::size_t kDynamoDbBodyBytesMax = 17u << 20;  // AWS: 16 MB
inline constexpr std::size_t kLambdaBodyBytesMax = 70'167'211;   // AWS: what CreateFunction takes
inline constexpr std::size_t kS3BodyBytesMax = 8u << 20;         // configurations, DeleteObjects

struct DispatcherOptions {
  // Host names accepted besides loopback addresses, localhost and *.amazonaws.com; their subdomains are buckets.
  std::vector<std::string> allowed_hosts;
  std::string default_host = "127.0.0.1:4566";  // for URLs in answers to requests without Host
  std::string default_account = "000000000000";
  std::string default_region = "us-east-1";
};

// What one operation did since the start.
struct OperationRecord {
  std::string service;  // model id
  std::string operation;
  std::uint64_t requests = 0;
  std::uint64_t client_errors = 0;  // 3xx and 4xx but throttling
  std::uint64_t throttled = 0;
  std::uint64_t server_errors = 0;
  double milliseconds = 0;  // sum over all requests, from decoded head to encoded answer
};

// A request that named what its account and region do not have.
struct NotFound {
  std::string_view service;  // model id
  Scope scope;
  std::vector<std::string> names;  // tables, function, queue, bucket: as the request had them, ARNs and URLs included
};

// Watches what functions write: successful DynamoDB calls that were signed with temporary credentials. Thread-safe,
// must not block.
class CallWatch {
 public:
  virtual ~CallWatch() = default;
  // Whether it cares about the caller's calls; asked before a hot operation's body is decoded for it.
  virtual bool wants(const Caller& caller, std::string_view operation) = 0;
  virtual void succeeded(const Caller& caller, std::string_view operation, const Document& input) = 0;
};

// Whose an access key is.
struct KnownCaller {
  std::string account;
  std::string principal;  // ARN
};

// A request that has been answered. References are valid during the call only.
struct Finished {
  std::string_view service;  // model id
  const RequestContext& context;
  std::string_view error;  // name of its type; "" a success
  bool throttled = false;
  int status = 0;
  double milliseconds = 0;
  Usage usage;
  std::string_view bucket;  // of S3
};

class Dispatcher final : public http::Application {
 public:
  Dispatcher(platform::Scheduler& scheduler, platform::Random& random, storage::Commits& commits,
             telemetry::Registry& registry, DispatcherOptions options = {});
  ~Dispatcher() override;

  // The service's handlers must be complete. REQUIRES: before the first request.
  void add(const Service& service);
  // Gets requests under /_millrace/ and for /metrics, after the guard.
  void set_admin(http::Application& admin);
  // Gets requests to the hosts <id>.lambda-url.<region>.localhost (and below allowed hosts), from any web page, and
  // those under /_millrace/lambda-url/, after the guard.
  void set_function_urls(http::Application& urls);
  // Gets requests to the hosts cloudformation-custom-resource-response-<region>.s3.amazonaws.com, where functions
  // behind custom resources answer, and those under /_millrace/custom-resource/, after the guard.
  void set_resource_answers(http::Application& answers);
  void set_faults(FaultPlan& faults);
  // Tells who is behind an access key that is no account number (temporary credentials, users); nullopt: unknown, the
  // default account.
  void set_access_keys(std::function<std::optional<KnownCaller>(std::string_view access_key)> known_caller);

  // Told of every answer that something was not found, or is another account's: the names that the request gave.
  // Called on the thread that answers; must not block.
  void set_not_found(std::function<void(const NotFound&)> hook);
  void set_watch(CallWatch& watch);

  // Told of every answered request whose operation is known. Called on the thread that answers; must not block.
  void set_observer(std::function<void(const Finished&)> observer);

  std::unique_ptr<http::RequestSink> begin(std::shared_ptr<const http::RequestHead> head) override;

  // Operations that were called, by service and name.
  std::vector<OperationRecord> records() const;
  // What is served: service and operation names, in order of add().
  struct Served {
    std::string service;  // model id
    std::vector<std::string> operations;
  };
  std::vector<Served> served() const;

  class Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::wire
