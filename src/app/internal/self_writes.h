// Recognises functions that write to the table whose stream triggers them: each batch may then cause another, for ever.
//
// A function's processes sign with credentials of its role (a session named after the function), so that a write tells
// which function made it. Said once per mapping in the log, and in `mappings show` and `status` from then on until the
// server ends. Looks at a caller's mappings at most once per second. Thread-safe.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "app/internal/parts.h"
#include "base/scope.h"
#include "base/time.h"
#include "wire/dispatcher.h"

namespace millrace::app {

// The tables that the call writes to, by name or ARN as given. Pure.
std::vector<std::string> written_tables(std::string_view operation, const codec::Json& input);

class SelfWrites final : public wire::CallWatch {
 public:
  // `parts` outlives this.
  explicit SelfWrites(const Parts& parts) : parts_(parts) {}
  bool wants(const wire::Caller& caller, std::string_view operation) override;
  void succeeded(const wire::Caller& caller, std::string_view operation, const wire::Document& input) override;

  // When the function of that mapping was first seen writing to its table; kNever: not yet.
  Time seen(const std::string& uuid) const;

 private:
  struct Target {
    std::string table;
    std::string uuid;
    std::string function;
  };
  struct Writer {
    Deadline until;  // look again
    std::vector<Target> targets;
  };
  Writer look(const wire::Caller& caller) const;

  const Parts& parts_;
  mutable std::mutex mutex_;                            // guards what follows
  std::map<std::string, Writer, std::less<>> writers_;  // by access key and region
  std::map<std::string, Time, std::less<>> seen_;       // by mapping
};

}  // namespace millrace::app
