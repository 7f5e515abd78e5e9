#include "api/sqs/service.h"

#include <utility>

#include "api/sqs/operations.h"
#include "wire/generated/sqs.h"
#include "wire/refusals.h"

namespace millrace::api_sqs {

std::unique_ptr<wire::Service> make_sqs_service(sqs::Service& queues) {
  auto service = std::make_unique<wire::Service>(wire::sqs::kModel);
  using Operation = Result<Reply> (*)(sqs::Service&, const RequestContext&, const Document&);
  const auto serve = [&](std::string_view name, Operation operation) {
    service->on(name, [&queues, operation](const RequestContext& context, const Document& input) {
      return operation(queues, context, input);
    });
  };
  serve("CreateQueue", create_queue);
  serve("DeleteQueue", delete_queue);
  serve("GetQueueUrl", get_queue_url);
  serve("ListQueues", list_queues);
  serve("ListDeadLetterSourceQueues", list_dead_letter_source_queues);
  serve("GetQueueAttributes", get_queue_attributes);
  serve("SetQueueAttributes", set_queue_attributes);
  serve("PurgeQueue", purge_queue);
  serve("TagQueue", tag_queue);
  serve("UntagQueue", untag_queue);
  serve("ListQueueTags", list_queue_tags);
  serve("SendMessage", send_message);
  serve("SendMessageBatch", send_message_batch);
  serve("DeleteMessage", delete_message);
  serve("DeleteMessageBatch", delete_message_batch);
  serve("ChangeMessageVisibility", change_message_visibility);
  serve("ChangeMessageVisibilityBatch", change_message_visibility_batch);
  service->reads_disk({"SetQueueAttributes"});
  service->on_async("ReceiveMessage",
                    [&queues](const RequestContext& context, const Document& input, wire::Conversation conversation) {
                      receive_message(queues, context, input, std::move(conversation));
                    });
  wire::hold_refusals(*service, [&queues] { return queues.last_commit(); });
  return service;
}

}  // namespace millrace::api_sqs
