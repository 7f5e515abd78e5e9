#include "sns/target.h"

#include "sns/errors.h"

namespace millrace::sns {
namespace {

Result<TopicName> topic_of(std::string_view arn) {
  auto name = parse_topic_arn(arn);
  if (!name) return Error(delivery::kUnsupportedTarget, "Not the ARN of a topic: " + std::string(arn));
  return *std::move(name);
}

Error as_target_error(Error error, std::string_view arn) {
  if (!error.is(kTopicNotFound)) return error;
  return Error(delivery::kNoSuchTarget, "The topic does not exist: " + std::string(arn));
}

}  // namespace

Result<void> TopicTarget::check(std::string_view arn) {
  MR_ASSIGN_OR_RETURN(const TopicName name, topic_of(arn));
  auto found = service_.topic(name);
  if (!found.ok()) return as_target_error(std::move(found).error(), arn);
  return {};
}

Result<delivery::AfterCommit> TopicTarget::stage(std::string_view arn, const delivery::Message& message,
                                                 storage::WriteBatch& batch) {
  MR_ASSIGN_OR_RETURN(const TopicName name, topic_of(arn));
  Outgoing outgoing;
  outgoing.body = message.body;
  outgoing.subject = message.subject;
  for (const auto& attribute : message.attributes) {
    outgoing.attributes.push_back({attribute.name, attribute.type, attribute.value});
  }
  auto staged = service_.stage(name, outgoing, batch);
  if (!staged.ok()) return as_target_error(std::move(staged).error(), arn);
  return std::move(staged).value();
}

}  // namespace millrace::sns
