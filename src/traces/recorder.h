// What this server itself adds to traces: a segment of the service and one of the function per sampled invocation, and
// the AWS calls that are made to it under a sampled header or by a function that is being traced.
//
//   service segment    AWS::Lambda            "Stream wait", "Batch", "Queue", "Retry" or "Dwell Time", "Attempt #n"
//   function segment   AWS::Lambda::Function  "Initialization", "Invocation" and, in that, the calls
//
// Rules (AWS): an incoming header that says whether it is sampled is followed; without one a function with
// TracingConfig Active is sampled by the Sampler, another (PassThrough) is not. Whoever is not sampled gets a header
// that says so, and costs nothing further.
//
// A call belongs to the invocation that its header names as parent, or, without a header, to the one that runs in the
// process which has the call's credentials. Any other sampled header (a captured client, a program outside) gives a
// segment of its own under that parent, as X-Ray infers one.
//
// Thread-safe; nothing waits for a disk. Invocations must end before this is destroyed.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/scope.h"
#include "base/time.h"
#include "platform/clock.h"
#include "platform/random.h"
#include "traces/fine_clock.h"
#include "traces/header.h"
#include "traces/sampler.h"
#include "traces/store.h"

namespace millrace::traces {

inline constexpr int kCallsMax = 1000;  // recorded of one invocation; further ones are counted in its metadata

// Why a function is invoked, and since when that was waiting. kNever: does not apply.
struct Cause {
  enum class Kind { kDirect, kAsync, kStream, kQueue };
  Kind kind = Kind::kDirect;
  std::string source_arn;     // of the stream or queue
  std::string mapping = {};   // UUID of the event source mapping
  std::string upstream = {};  // header that what caused it came with
  std::size_t records = 0;
  int attempt = 1;
  Time written = kNever;  // the event, or the oldest record of the batch
  Time read = kNever;     // when the first of the batch was read
  Time formed = kNever;   // when it was tried first
  bool has_window = false;
};

struct Start {
  Scope scope;
  std::string function;  // its name
  std::string version;
  std::string arn;  // as it was invoked
  std::string request_id;
  Cause cause = {};
};

struct End {
  bool ran = true;  // false: throttled by the machine, or stopped
  Deadline init_began{};
  Deadline init_ended{};  // not after init_began: a warm process
  Deadline delivered{};
  Deadline ended{};
  std::string error;  // "" or the document that the function failed with
  std::int64_t memory_used_mb = 0;
};

// An AWS operation that was served.
struct Call {
  Scope scope;
  std::string_view header;  // X-Amzn-Trace-Id as it came, or ""
  std::string_view access_key;
  std::string_view service;  // as in ARNs and models: "dynamodb"
  std::string_view operation;
  std::string_view resource;  // table or bucket, or ""
  std::string_view method;
  std::string_view url;
  std::string_view request_id;
  std::string_view error;  // type, or ""
  bool throttled = false;
  int status = 200;
  double milliseconds = 0;  // until now
};

class Recorder {
 public:
  class Invocation;
  using Handle = std::shared_ptr<Invocation>;  // nullptr: not sampled

  Recorder(Store& store, platform::Clock& clock, platform::Random& random, Sampler& sampler);
  ~Recorder();

  // What is done with a request that came with `header`: its trace (a new one if it had none), Sampled yes or no, and
  // the parent it named. `active`: TracingConfig of the function, `who` its name.
  TraceHeader decide(std::string_view header, bool active, const std::string& who);
  // The invocation begins. `decided` becomes the header that the function is given.
  Handle begin(const Start& start, TraceHeader& decided);
  // It has been handed to a process that signs with `access_key`. REQUIRES: handle is not null, here and in end().
  void delivered(const Handle& invocation, std::string_view access_key);
  void end(const Handle& invocation, const End& end);

  // Whether call() could do anything: for the hot path.
  bool wants(std::string_view header) const {
    return header.empty() ? running_.load(std::memory_order_relaxed) > 0 : says_sampled(header);
  }
  void call(const Call& call);

 private:
  Handle find(const TraceHeader& header, const Call& call);  // guarded

  Store& store_;
  platform::Clock& clock_;
  platform::Random& random_;
  Sampler& sampler_;
  FineClock fine_;
  std::atomic<int> running_{0};
  std::mutex mutex_;                                          // guards below
  std::map<std::string, Handle, std::less<>> by_parent_;      // id of the "Invocation" subsegment
  std::map<std::string, Handle, std::less<>> by_access_key_;  // of the process it runs in
};

}  // namespace millrace::traces
