#include "cli/internal/stack_client.h"

#include <algorithm>
#include <iostream>
#include <set>

#include <signal.h>
#include <unistd.h>

#include "platform/machine_clock.h"

namespace millrace::cli {
namespace {

using codec::Json;

constexpr std::string_view kVersion = "2010-05-15";
constexpr Milliseconds kLook{100};
constexpr std::size_t kStatusWidth = 20;
constexpr std::size_t kTypeWidth = 32;
constexpr std::string_view kStackType = "AWS::CloudFormation::Stack";
constexpr int kNestedLooks = 8;

sigset_t stop_set(bool catches) {
  sigset_t set;
  sigemptyset(&set);
  if (catches) {
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
  }
  return set;
}

bool is_of_stack(const Json& event) {
  return event.string_or("PhysicalResourceId", "") == event.string_or("StackId", "-");
}

bool is_failure_of_resource(const Json& event) {
  return event.string_or("ResourceStatus", "").ends_with("_FAILED") && !is_of_stack(event);
}

std::string padded(std::string text, std::size_t wide) {
  if (text.size() < wide) text.resize(wide, ' ');
  return text;
}

// The last line on a terminal while something is under way.
class LiveLine {
 public:
  LiveLine(Output& output, std::string name)
      : shown_(!output.json() && use_terminal()), name_(std::move(name)), began_(clock_.monotonic_now()) {}
  ~LiveLine() { clear(); }
  void clear() {
    if (shown_) std::cout << "\r\033[K" << std::flush;
  }
  void note(const Json& event) {
    if (is_of_stack(event)) return;
    const std::string id(event.string_or("LogicalResourceId", ""));
    if (event.string_or("ResourceStatus", "").ends_with("_IN_PROGRESS")) {
      running_.insert(id);
    } else {
      running_.erase(id);
      done_.insert(id);
    }
  }
  void show() {
    if (!shown_) return;
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(clock_.monotonic_now() - began_).count();
    std::cout << "\r\033[K" << name_ << ": " << done_.size() << " done, " << running_.size() << " under way, "
              << seconds << " s" << std::flush;
  }

 private:
  const bool shown_;
  const std::string name_;
  platform::MachineClock clock_;
  const Deadline began_;
  std::set<std::string> running_;
  std::set<std::string> done_;
};

}  // namespace

bool use_terminal() { return isatty(STDOUT_FILENO) != 0; }

bool is_good(std::string_view status) {
  return status == "CREATE_COMPLETE" || status == "UPDATE_COMPLETE" || status == "DELETE_COMPLETE";
}

bool is_in_progress(std::string_view status) {
  return status.ends_with("_IN_PROGRESS") && status != "REVIEW_IN_PROGRESS";
}

Pause::Pause(bool catches) : catches_(catches) {
  const sigset_t set = stop_set(catches_);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

Pause::~Pause() {
  const sigset_t set = stop_set(catches_);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

bool Pause::wait(Milliseconds time) {
  const sigset_t set = stop_set(catches_);
  const timespec limit{time.count() / 1000, (time.count() % 1000) * 1'000'000};
  if (!stopped_ && sigtimedwait(&set, nullptr, &limit) > 0) stopped_ = true;
  return !stopped_;
}

Result<std::vector<Json>> EventReader::next() {
  std::vector<Json> found;
  Json input = Json::object({{"StackName", stack_}});
  while (true) {
    MR_ASSIGN_OR_RETURN(const Json page, api_->form("cloudformation", kVersion, "DescribeStackEvents", input));
    bool known = false;
    for (const Json& event : elements(page, "StackEvents")) {
      known = known || event.string_or("EventId", "") == last_;
      if (known) break;
      found.push_back(event);
    }
    const std::string token(page.string_or("NextToken", ""));
    if (known || token.empty()) break;
    input.set("NextToken", token);
  }
  if (!found.empty()) last_ = found.front().string_or("EventId", "");
  std::ranges::reverse(found);
  return found;
}

void print_event(Output& output, const Json& event) {
  if (output.json()) {
    std::cout << event.dump() << std::endl;
    return;
  }
  const std::string status(event.string_or("ResourceStatus", ""));
  const std::string shown = padded(status, kStatusWidth);
  const bool bad = status.find("FAILED") != std::string::npos || status.find("ROLLBACK") != std::string::npos;
  std::string line = std::string(event.string_or("Timestamp", "")).substr(0, 19) + "Z  ";
  line += (bad ? output.warning(shown) : shown) + "  ";
  line += padded(std::string(event.string_or("ResourceType", "")), kTypeWidth) + "  ";
  line += event.string_or("LogicalResourceId", "");
  if (const auto reason = event.string_or("ResourceStatusReason", ""); !reason.empty())
    line += "  (" + std::string(reason) + ")";
  std::cout << line << std::endl;
}

Result<Json> StackClient::call(std::string_view operation, const Json& input) {
  return api_.form("cloudformation", kVersion, operation, input);
}

Result<std::optional<Json>> StackClient::find(const std::string& name) {
  MR_ASSIGN_OR_RETURN(const Json found, call("ListStacks", Json::object()));
  for (const Json& stack : elements(found, "StackSummaries")) {
    const bool exists = stack.string_or("StackStatus", "") != "DELETE_COMPLETE";
    if (stack.string_or("StackId", "") == name || (exists && stack.string_or("StackName", "") == name))
      return std::optional(stack);
  }
  return std::optional<Json>();
}

Result<EventReader> StackClient::events_from_now(const std::string& stack_id) {
  EventReader reader(api_, stack_id);
  MR_RETURN_IF_ERROR(reader.next());
  return reader;
}

Result<Outcome> StackClient::follow(const std::string& name, const std::string& stack_id, EventReader& reader,
                                    Pause& pause) {
  Outcome outcome;
  LiveLine line(output_, name);
  while (true) {
    MR_ASSIGN_OR_RETURN(const Json described, call("DescribeStacks", Json::object({{"StackName", stack_id}})));
    MR_ASSIGN_OR_RETURN(const auto events, reader.next());
    line.clear();
    for (const Json& event : events) {
      if (!output_.json()) print_event(output_, event);
      line.note(event);
      if (is_failure_of_resource(event) && !outcome.first) outcome.first = event;
    }
    const auto& stacks = elements(described, "Stacks");
    if (stacks.empty()) return Error(kNotFound, "the stack " + name + " is gone");
    const std::string status(stacks.front().string_or("StackStatus", ""));
    if (!is_in_progress(status)) {
      outcome.status = status;
      outcome.reason = stacks.front().string_or("StackStatusReason", "");
      return outcome;
    }
    line.show();
    if (!pause.wait(kLook)) return outcome;
  }
}

void StackClient::explain(const std::string& name, const Outcome& outcome) {
  std::string text = "millrace: " + name + ": ";
  if (outcome.first) {
    Json failed = *outcome.first;
    std::string path(failed.string_or("LogicalResourceId", ""));
    // A nested stack fails by one of its own resources.
    for (int depth = 0; depth < kNestedLooks && failed.string_or("ResourceType", "") == kStackType; ++depth) {
      EventReader nested(api_, std::string(failed.string_or("PhysicalResourceId", "")));
      const auto events = nested.next();
      if (!events.ok()) break;
      const auto first = std::ranges::find_if(*events, is_failure_of_resource);
      if (first == events->end()) break;
      failed = *first;
      path += "/" + std::string(failed.string_or("LogicalResourceId", ""));
    }
    text += path + " (" + std::string(failed.string_or("ResourceType", "")) +
            ") failed: " + std::string(failed.string_or("ResourceStatusReason", "no reason was given"));
  } else {
    text += outcome.reason.empty() ? "the operation failed" : outcome.reason;
  }
  std::cerr << text << "\nmillrace: the stack is in " << outcome.status << '\n';
}

}  // namespace millrace::cli
