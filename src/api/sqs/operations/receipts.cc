#include "api/sqs/batch.h"
#include "api/sqs/operations.h"
#include "api/sqs/queue_url.h"
#include "sqs/errors.h"
#include "wire/generated/sqs_views.h"

namespace millrace::api_sqs {
namespace {

Document no_members(bool) { return Document::object(); }

}  // namespace

Result<Reply> delete_message(sqs::Service& queues, const RequestContext& context, const Document& input) {
  const wire::sqs::DeleteMessageRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto name, queue_of(request.queue_url(), context));
  MR_RETURN_IF_ERROR(queues.delete_message(name, request.receipt_handle()));
  return reply(queues);
}

Result<Reply> delete_message_batch(sqs::Service& queues, const RequestContext& context, const Document& input) {
  const wire::sqs::DeleteMessageBatchRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto name, queue_of(request.queue_url(), context));
  std::vector<sqs::ReceiptEntry> entries;
  for (auto entry : request.entries()) {
    entries.push_back({std::string(entry.id()), std::string(entry.receipt_handle()), std::nullopt});
  }
  MR_ASSIGN_OR_RETURN(const auto results, queues.delete_batch(name, entries));
  return reply(queues, batch_output(results, no_members));
}

Result<Reply> change_message_visibility(sqs::Service& queues, const RequestContext& context, const Document& input) {
  const wire::sqs::ChangeMessageVisibilityRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto name, queue_of(request.queue_url(), context));
  MR_RETURN_IF_ERROR(
      queues.change_visibility(name, request.receipt_handle(), static_cast<int>(request.visibility_timeout())));
  return reply(queues);
}

Result<Reply> change_message_visibility_batch(sqs::Service& queues, const RequestContext& context,
                                              const Document& input) {
  const wire::sqs::ChangeMessageVisibilityBatchRequest request(input);
  MR_ASSIGN_OR_RETURN(const auto name, queue_of(request.queue_url(), context));
  std::vector<sqs::ReceiptEntry> entries;
  for (auto entry : request.entries()) {
    std::optional<int> seconds;
    if (entry.visibility_timeout()) seconds = static_cast<int>(*entry.visibility_timeout());
    entries.push_back({std::string(entry.id()), std::string(entry.receipt_handle()), seconds});
  }
  MR_ASSIGN_OR_RETURN(const auto results, queues.change_visibility_batch(name, entries));
  return reply(queues, batch_output(results, no_members));
}

}  // namespace millrace::api_sqs
