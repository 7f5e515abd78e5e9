// The serverless transform: aws-sam-translator of PyPI, run in a Python process for each template.
//
// Thread-safe; one process at a time. REQUIRES: SIGPIPE is ignored. Times are the machine's.
#pragma once

#include <mutex>
#include <string>

#include <sys/types.h>

#include "platform/clock.h"
#include "stacks/transform.h"

namespace millrace::app {

inline constexpr Milliseconds kSamLimit = std::chrono::seconds(60);
inline constexpr std::size_t kSamBytesMax = 16u << 20;  // of its answer

class SamTransform final : public stacks::Transformer {
 public:
  // `python`: an interpreter's path or name; "": python3 of PATH.
  SamTransform(std::string python, const platform::Clock& clock);
  Result<codec::Json> serverless(const codec::Json& document, const std::map<std::string, std::string>& parameters,
                                 const Scope& scope) override;
  void stop() override;

 private:
  class Pipe;
  struct Ended {
    std::string out;
    std::string problems;  // standard error
    bool late = false;
  };
  Result<Ended> run(const std::string& input, const std::string& region);
  void exchange(Pipe& in, const Pipe& out, const Pipe& problems, const std::string& input, Ended& ended);

  const std::string python_;
  const platform::Clock& clock_;
  std::mutex one_;    // one process at a time; taken before mutex_
  std::mutex mutex_;  // guards below
  pid_t child_ = 0;   // not waited for yet
  bool stopped_ = false;
};

}  // namespace millrace::app
