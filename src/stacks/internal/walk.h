// Steps that wait for each other, taken several at a time.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "platform/clock.h"

namespace millrace::stacks {

// Of the step that runs on this thread; released while the step waits for what comes from outside, so that time may be
// moved meanwhile.
extern thread_local platform::Busy thread_busy;

using Waits = std::map<std::string, std::set<std::string>>;  // step -> the steps that come before it

// The same graph, walked from its other end.
Waits reversed(const Waits& waits);
// Takes the steps out that are on a cycle or wait for one: "" of `waits` alone would never begin. Returns them.
std::set<std::string> without_cycles(Waits& waits);

struct Walk {
  const Waits& waits;
  std::function<bool(const std::string&)>
      step;                         // on a thread of its own; false: failed, what waits for it never begins
  std::function<bool()> may_begin;  // asked before each step
  std::function<void(const std::string&)> on_failure;  // on the calling thread
  std::size_t at_once = 8;
};

// Returns the steps that failed, when nothing runs or can begin any more. Steps that are ready begin in the order of
// their names. REQUIRES: thread_busy of the calling thread is held; it is again on return.
std::set<std::string> take(platform::BusyCounter& busy, const Walk& walk);

}  // namespace millrace::stacks
