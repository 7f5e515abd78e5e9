// CloudFormation as the commands use it: calls, the events of an operation as they come, and how it ended.
//
// Not thread-safe. Waits on the machine's clock.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "cli/internal/api.h"
#include "cli/internal/output.h"

namespace millrace::cli {

// Waits, until somebody wants to stop. With `catches`, SIGINT and SIGTERM of the process wait for wait() instead of
// ending it.
class Pause {
 public:
  explicit Pause(bool catches);
  ~Pause();
  Pause(const Pause&) = delete;
  Pause& operator=(const Pause&) = delete;
  bool wait(Milliseconds time);  // false: stop
  bool stopped() const { return stopped_; }

 private:
  bool catches_;
  bool stopped_ = false;
};

// One stack's events, oldest first; remembers what it has returned.
class EventReader {
 public:
  // `stack`: a name, or an id, by which it is also found when it is deleted.
  EventReader(Api& api, std::string stack) : api_(&api), stack_(std::move(stack)) {}
  // Those that have not been returned before.
  Result<std::vector<codec::Json>> next();

 private:
  Api* api_;
  std::string stack_;
  std::string last_;  // EventId
};

void print_event(Output& output, const codec::Json& event);

// How an operation on a stack ended.
struct Outcome {
  std::string status;                // "" : asked to stop before it ended
  std::optional<codec::Json> first;  // the event of the resource that failed first
  std::string reason;                // of the stack
};

class StackClient {
 public:
  StackClient(Api& api, Output& output) : api_(api), output_(output) {}

  Result<codec::Json> call(std::string_view operation, const codec::Json& input);
  // Its summary; nullopt when there is no stack of that name.
  Result<std::optional<codec::Json>> find(const std::string& name);
  // Reads what happened before, so that follow() begins after it.
  Result<EventReader> events_from_now(const std::string& stack_id);
  // Shows the events of the running operation until the stack is in a terminal state.
  Result<Outcome> follow(const std::string& name, const std::string& stack_id, EventReader& reader, Pause& pause);
  // Prints why it failed to standard error. REQUIRES: !is_good(outcome.status)
  void explain(const std::string& name, const Outcome& outcome);

  Api& api() { return api_; }
  Output& output() { return output_; }

 private:
  Api& api_;
  Output& output_;
};

bool is_good(std::string_view status);         // CREATE_COMPLETE, UPDATE_COMPLETE, DELETE_COMPLETE
bool is_in_progress(std::string_view status);  // not REVIEW_IN_PROGRESS, which waits for a person
bool use_terminal();                           // standard output is one

}  // namespace millrace::cli
