// The processes of one function version: hands an invocation to a warm one or starts one. On the host's thread only.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "runtimes/internal/environment.h"

namespace millrace::runtimes::internal {

class Pool : public std::enable_shared_from_this<Pool> {
 public:
  // `make_room` tells whether one more process may be started now (it may end an idle one of another pool).
  Pool(HostState& host, FunctionSpec spec, std::function<bool()> make_room);

  void run(Pending pending);
  void retire();
  void kill_all();
  // Ends processes not used since `before`.
  void reap(Deadline before);
  // The idle process that was used longest ago, or nullptr.
  Environment* oldest_idle() const;
  std::size_t size() const { return environments_.size(); }
  std::size_t living() const;  // not yet being ended
  bool retired() const { return retired_; }

 private:
  void start(Pending pending);

  HostState& host_;
  const std::shared_ptr<const FunctionSpec> spec_;
  const std::function<bool()> make_room_;
  std::vector<std::shared_ptr<Environment>> environments_;
  bool retired_ = false;
  bool announced_ = false;  // which interpreter runs it has been logged
};

}  // namespace millrace::runtimes::internal
