// Tells the operator, in the log, where something is that a request looked for in the wrong account or region.
//
// Most "not found" answers in development are a forgotten region or another access key. One line per name and scope in
// a minute: clients ask again. Thread-safe.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "app/internal/parts.h"
#include "base/time.h"
#include "wire/dispatcher.h"

namespace millrace::app {

class Elsewhere {
 public:
  // `parts` outlives this.
  explicit Elsewhere(const Parts& parts) : parts_(parts) {}
  void look(const wire::NotFound& missing);

 private:
  bool said_lately(const std::string& line);

  const Parts& parts_;
  std::mutex mutex_;
  std::map<std::string, Deadline> said_;
};

}  // namespace millrace::app
