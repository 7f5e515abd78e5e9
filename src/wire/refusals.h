// Refusals of services that keep their state in memory.
//
// A handler that finds no such function, or one that exists already, has looked at memory, which may be ahead of the
// disk: a power cut can still undo what the refusal rests on. So a refusal waits for the service's last commit, as
// every other answer does (Reply::after). This is the one place that sees to it, for all operations of a service:
//
//   wire::hold_refusals(*service, [&topics] { return topics.last_commit(); });
#pragma once

#include <functional>

#include "storage/committer.h"
#include "wire/service.h"

namespace millrace::wire {

using LastCommit = std::function<storage::CommitNumber()>;  // thread-safe

// The same handler, whose errors are held until what was the last commit when it had failed is durable (or until their
// own commit, if that is a later one). Costs nothing when nothing is pending, and nothing for answers that are none.
Handler hold_refusals(Handler handler, LastCommit last_commit);
AsyncHandler hold_refusals(AsyncHandler handler, LastCommit last_commit);
// The same for all handlers that `service` has so far (but raw ones).
void hold_refusals(Service& service, const LastCommit& last_commit);

}  // namespace millrace::wire
