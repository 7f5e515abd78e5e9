#include "wire/refusals.h"

#include <algorithm>
#include <utility>

namespace millrace::wire {
namespace {

Result<Reply> held(Result<Reply> reply, const LastCommit& last_commit) {
  if (reply.ok()) return reply;
  const storage::CommitNumber until = std::max(last_commit(), reply.error().held_until());
  return std::move(std::move(reply).error()).hold_until(until);
}

}  // namespace

Handler hold_refusals(Handler handler, LastCommit last_commit) {
  return
      [handler = std::move(handler), last_commit = std::move(last_commit)](
          const RequestContext& context, const Document& input) { return held(handler(context, input), last_commit); };
}

AsyncHandler hold_refusals(AsyncHandler handler, LastCommit last_commit) {
  return [handler = std::move(handler), last_commit = std::move(last_commit)](
             const RequestContext& context, const Document& input, Conversation conversation) {
    conversation.done = [done = std::move(conversation.done), last_commit](Result<Reply> reply) {
      done(held(std::move(reply), last_commit));
    };
    handler(context, input, std::move(conversation));
  };
}

void hold_refusals(Service& service, const LastCommit& last_commit) {
  for (const std::string& name : service.operations()) {
    const Service::Entry entry = *service.find(name);
    if (entry.handler) service.on(name, hold_refusals(entry.handler, last_commit));
    if (entry.async) service.on_async(name, hold_refusals(entry.async, last_commit));
  }
}

}  // namespace millrace::wire
