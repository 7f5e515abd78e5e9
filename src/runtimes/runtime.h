// What runs a function: the interface that `functions` invokes, and its data.
//
// A `Runtime` serves one configuration of one function version. Implementations: processes behind the Lambda Runtime
// API (runtimes/process_host.h); later the built-in sinks. A `RuntimeFactory` makes them; tests give a fake one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/scope.h"
#include "base/time.h"

namespace millrace::runtimes {

// AWS: the largest response of a synchronous invocation.
inline constexpr std::size_t kResponseBytesMax = 6291556;
// AWS: X-Amz-Log-Result carries the last 4 KB.
inline constexpr std::size_t kLogTailBytes = 4096;

struct Credentials {
  std::string access_key;
  std::string secret_key;
  std::string session_token;
};

// Everything a process of the function needs to know; constant for the life of its Runtime.
struct FunctionSpec {
  Scope scope;
  std::string name;
  std::string version = "$LATEST";
  std::string arn;      // without qualifier; an invocation may carry a qualified one
  std::string runtime;  // "nodejs20.x", "python3.12", "provided.al2023"
  std::string handler;
  std::string code_folder;   // absolute; what the function sees as its task root
  std::string layer_folder;  // absolute; what it sees as /opt; "" = nothing
  int memory_mb = 128;
  int ephemeral_storage_mb = 512;
  Milliseconds timeout{3000};
  std::vector<std::pair<std::string, std::string>> variables;  // the user's environment
  std::string log_group;
  std::string log_format = "Text";           // or "JSON"
  std::string log_level;                     // application log level of the JSON format; empty = AWS's default
  std::string endpoint_url;                  // AWS_ENDPOINT_URL: where this server listens
  std::string tracing_daemon;                // AWS_XRAY_DAEMON_ADDRESS: "127.0.0.1:2000"; "" = nobody listens
  std::function<Credentials()> credentials;  // called whenever a process is started; thread-safe
};

struct Invocation {
  std::string request_id;
  std::string payload;         // JSON text
  std::string client_context;  // JSON text, or empty
  std::string trace_id;        // X-Ray trace header, or empty
  std::string invoked_arn;
  // Set for invocations that are traced: called on the runtime's thread when a process is handed the event, with the
  // access key that it signs with.
  std::function<void(std::string_view access_key)> delivered = {};
};

struct Outcome {
  enum class Kind : std::uint8_t {
    kAnswered,    // the function ran: `payload` is its answer or, with `function_error`, the error document
    kNoCapacity,  // not run: the machine's limit of processes is reached; may succeed later
    kStopped,     // not run to its end: the server is stopping
  };
  Kind kind = Kind::kAnswered;
  std::string payload;         // what the function answered: JSON for node and python, anything for provided.*
  std::string function_error;  // "" or "Unhandled"
  std::string log_tail;        // the last kLogTailBytes of the invocation's log
  Milliseconds duration{0};
  Milliseconds init_duration{0};  // 0: a warm process
  std::int64_t memory_used_mb = 0;
  // Moments of the above. init_began and init_ended are equal for a warm process.
  Deadline init_began_at{};
  Deadline init_ended_at{};
  Deadline delivered_at{};
  Deadline ended_at{};
};

// Lines of one log stream, in order. A line has no line end; it may hold several if the function logged them as one.
struct LogLines {
  Scope scope;
  std::string group;
  std::string stream;  // YYYY/MM/DD/[$LATEST]<32 hex digits>
  std::vector<std::pair<Time, std::string>> lines;
};
// Takes the output of functions; called on the runtime's thread, so it must not block.
using LogSink = std::function<void(LogLines)>;

// Thread-safe.
class Runtime {
 public:
  virtual ~Runtime() = default;
  // Runs the function once. `done` is called exactly once, from any thread, never inside this call.
  virtual void invoke(Invocation invocation, std::function<void(Outcome)> done) = 0;
  // Takes no new invocation; idle processes end now, busy ones after their answer. Called by the owner before the last
  // reference goes, e.g. when code or configuration changed.
  virtual void stop() = 0;
};

// Thread-safe.
class RuntimeFactory {
 public:
  virtual ~RuntimeFactory() = default;
  virtual std::shared_ptr<Runtime> create(FunctionSpec spec) = 0;
  // Which interpreter `runtime` id is run with, for people: "node 20.20.2 (/usr/bin/node)", or what is missing.
  virtual std::string describe(std::string_view runtime) = 0;
};

}  // namespace millrace::runtimes
