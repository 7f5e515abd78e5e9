#include "app/internal/sam_transform.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "codec/json.h"
#include "stacks/errors.h"

namespace millrace::app {
namespace {

using codec::Json;

// Reads {"template", "parameters"}; answers {"template"}, {"error"} or {"missing"}.
constexpr const char* kProgram = R"python(
import json, sys
request, answer = json.load(sys.stdin), sys.stdout
sys.stdout = sys.stderr
def say(**document):
    json.dump(document, answer)
    answer.flush()
try:
    from samtranslator.model.exceptions import InvalidDocumentException
    from samtranslator.translator.transform import transform
except ImportError as problem:
    say(missing=str(problem))
    sys.exit()
class Policies:
    def load(self):
        return {}
try:
    say(template=transform(request["template"], request["parameters"], Policies()))
except InvalidDocumentException as problem:
    say(error=" ".join([problem.message, *(cause.message for cause in problem.causes)]))
)python";

// This process's environment with the region that the translator asks for.
std::vector<std::string> environment_with(const std::string& region) {
  std::vector<std::string> variables{"AWS_DEFAULT_REGION=" + region};
  for (char** each = environ; *each != nullptr; ++each) {
    const std::string_view variable = *each;
    if (!variable.starts_with("AWS_")) variables.emplace_back(variable);
  }
  return variables;
}

std::string last_line(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  const auto begin = text.rfind('\n');
  return std::string(begin == std::string_view::npos ? text : text.substr(begin + 1));
}

std::string transform_text(const std::string& what) {
  return "Transform " + std::string(stacks::kServerlessTransform) + " " + what;
}

}  // namespace

class SamTransform::Pipe {
 public:
  Pipe() {
    if (::pipe2(ends_.data(), O_CLOEXEC) != 0) ends_ = {-1, -1};
  }
  ~Pipe() {
    close(0);
    close(1);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  int operator[](std::size_t end) const { return ends_[end]; }
  void close(std::size_t end) {
    if (ends_[end] >= 0) ::close(std::exchange(ends_[end], -1));
  }

 private:
  std::array<int, 2> ends_{-1, -1};
};

SamTransform::SamTransform(std::string python, const platform::Clock& clock)
    : python_(python.empty() ? "python3" : std::move(python)), clock_(clock) {}

void SamTransform::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  if (child_ > 0) ::kill(child_, SIGKILL);
}

// Feeds the process and reads what it says, until it has closed both of its outputs, or the limit.
void SamTransform::exchange(Pipe& in, const Pipe& out, const Pipe& problems, const std::string& input, Ended& ended) {
  const Deadline end = clock_.monotonic_now() + kSamLimit;
  std::array<pollfd, 3> watched{{{in[1], POLLOUT, 0}, {out[0], POLLIN, 0}, {problems[0], POLLIN, 0}}};
  std::size_t written = 0;
  std::array<char, 65536> buffer;
  while (watched[1].fd >= 0 || watched[2].fd >= 0) {
    const auto left = std::chrono::duration_cast<Milliseconds>(end - clock_.monotonic_now());
    if (left.count() <= 0 || ended.out.size() > kSamBytesMax) {
      ended.late = true;
      return;
    }
    if (::poll(watched.data(), watched.size(), static_cast<int>(left.count())) < 0 && errno != EINTR) return;
    if (watched[0].fd >= 0 && watched[0].revents != 0) {
      const ssize_t count = ::write(in[1], input.data() + written, input.size() - written);
      if (count > 0) written += static_cast<std::size_t>(count);
      if (written == input.size() || (count < 0 && errno != EINTR && errno != EAGAIN)) {
        in.close(1);
        watched[0].fd = -1;
      }
    }
    for (const std::size_t each : {1u, 2u}) {
      if (watched[each].fd < 0 || watched[each].revents == 0) continue;
      const ssize_t count = ::read(watched[each].fd, buffer.data(), buffer.size());
      if (count > 0) (each == 1 ? ended.out : ended.problems).append(buffer.data(), static_cast<std::size_t>(count));
      if (count == 0 || (count < 0 && errno != EINTR)) watched[each].fd = -1;
    }
  }
}

Result<SamTransform::Ended> SamTransform::run(const std::string& input, const std::string& region) {
  Pipe in, out, problems;
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, in[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&files, out[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files, problems[1], STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  std::vector<std::string> texts = environment_with(region);
  std::vector<char*> variables;
  for (std::string& text : texts) variables.push_back(text.data());
  variables.push_back(nullptr);
  std::string python = python_;
  std::string option = "-c";
  std::string program = kProgram;
  char* const arguments[] = {python.data(), option.data(), program.data(), nullptr};
  pid_t child = 0;
  int failed = 0;
  {
    const std::lock_guard lock(mutex_);
    failed =
        stopped_ ? ECANCELED : ::posix_spawnp(&child, python.c_str(), &files, &attributes, arguments, variables.data());
    if (failed == 0) child_ = child;
  }
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  if (failed != 0) {
    return stacks::invalid(transform_text("needs Python, but " + python_ + " cannot be run (" + std::strerror(failed) +
                                          "): install it, or name an interpreter that has aws-sam-translator in the "
                                          "configuration file (stacks: {python: PATH})"));
  }
  in.close(0);
  out.close(1);
  problems.close(1);
  ::fcntl(in[1], F_SETFL, O_NONBLOCK);
  Ended ended;
  exchange(in, out, problems, input, ended);
  {
    const std::lock_guard lock(mutex_);
    if (ended.late) ::kill(child, SIGKILL);
  }
  while (true) {
    {
      const std::lock_guard lock(mutex_);  // so that stop() never kills what has been waited for
      if (::waitpid(child, nullptr, WNOHANG) != 0) {
        child_ = 0;
        return ended;
      }
    }
    ::poll(nullptr, 0, 1);
  }
}

Result<Json> SamTransform::serverless(const Json& document, const std::map<std::string, std::string>& parameters,
                                      const Scope& scope) {
  Json texts = Json::object();
  for (const auto& [name, text] : parameters) texts.set(name, text);
  const std::string input = Json::object({{"template", document}, {"parameters", std::move(texts)}}).dump();
  const std::lock_guard one(one_);
  MR_ASSIGN_OR_RETURN(const Ended ended, run(input, scope.region));
  if (ended.late) return stacks::invalid(transform_text("failed with: aws-sam-translator took longer than a minute"));
  const auto answer = codec::parse_json(ended.out);
  if (!answer.ok()) {
    const std::string line = last_line(ended.problems);
    return stacks::invalid(
        transform_text("failed with: " + (line.empty() ? python_ + " ended without an answer" : line)));
  }
  if (answer->find("missing") != nullptr) {
    return stacks::invalid(transform_text("needs the Python package aws-sam-translator, which " + python_ +
                                          " does not have: run `" + python_ +
                                          " -m pip install aws-sam-translator`, or name an interpreter that has it in "
                                          "the configuration file (stacks: {python: PATH})"));
  }
  if (const Json* error = answer->find("error"))
    return stacks::invalid(transform_text("failed with: " + error->as_string()));
  const Json* made = answer->find("template");
  if (made == nullptr || !made->is_object())
    return stacks::invalid(transform_text("failed with: no template came back"));
  return *made;
}

}  // namespace millrace::app
