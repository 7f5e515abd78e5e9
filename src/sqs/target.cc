#include "sqs/target.h"

#include "sqs/errors.h"

namespace millrace::sqs {
namespace {

Result<QueueName> queue_of(std::string_view arn) {
  auto name = parse_queue_arn(arn);
  if (!name) return Error(delivery::kUnsupportedTarget, "Not the ARN of a queue: " + std::string(arn));
  return *std::move(name);
}

Error as_target_error(Error error, std::string_view arn) {
  if (!error.is(kQueueDoesNotExist)) return error;
  return Error(delivery::kNoSuchTarget, "The queue does not exist: " + std::string(arn));
}

}  // namespace

Result<void> QueueTarget::check(std::string_view arn) {
  MR_ASSIGN_OR_RETURN(const QueueName name, queue_of(arn));
  const auto facts = service_.facts(name);
  if (!facts.ok()) return as_target_error(facts.error(), arn);
  if (facts->is_fifo) {
    return Error(delivery::kUnsupportedTarget, "A FIFO queue cannot be a destination: " + std::string(arn));
  }
  return {};
}

Result<delivery::AfterCommit> QueueTarget::stage(std::string_view arn, const delivery::Message& message,
                                                 storage::WriteBatch& batch) {
  MR_ASSIGN_OR_RETURN(const QueueName name, queue_of(arn));
  Outgoing outgoing;
  outgoing.body = message.body;
  outgoing.sender = name.scope.account;
  for (const auto& attribute : message.attributes) {
    outgoing.attributes.push_back({attribute.name, attribute.type, attribute.value});
  }
  auto staged = service_.stage(name, std::move(outgoing), batch);
  if (!staged.ok()) return as_target_error(std::move(staged).error(), arn);
  return delivery::AfterCommit(std::move(staged).value());
}

}  // namespace millrace::sqs
