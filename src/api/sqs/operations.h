// One function per operation; the AWS API reference says what each does. Thread-safe.
#pragma once

#include "sqs/service.h"
#include "wire/service.h"

namespace millrace::api_sqs {

using wire::Document;
using wire::Reply;
using wire::RequestContext;

// operations/queues.cc
Result<Reply> create_queue(sqs::Service& queues, const RequestContext& context, const Document& input);
Result<Reply> delete_queue(sqs::Service& queues, const RequestContext& context, const Document& input);
Result<Reply> get_queue_url(sqs::Service& queues, const RequestContext& context, const Document& input);
Result<Reply> list_queues(sqs::Service& queues, const RequestContext& context, const Document& input);
Result<Reply> list_dead_letter_source_queues(sqs::Service& queues, const RequestContext& context,
                                             const Document& input);
Result<Reply> get_queue_attributes(sqs::Service& queues, const RequestContext& context, const Document& input);
Result<Reply> set_queue_attributes(sqs::Service& queues, const RequestContext& context, const Document& input);
Result<Reply> purge_queue(sqs::Service& queues, const RequestContext& context, const Document& input);
Result<Reply> tag_queue(sqs::Service& queues, const RequestContext& context, const Document& input);
Result<Reply> untag_queue(sqs::Service& queues, const RequestContext& context, const Document& input);
Result<Reply> list_queue_tags(sqs::Service& queues, const RequestContext& context, const Document& input);

// operations/messages.cc
Result<Reply> send_message(sqs::Service& queues, const RequestContext& context, const Document& input);
Result<Reply> send_message_batch(sqs::Service& queues, const RequestContext& context, const Document& input);
void receive_message(sqs::Service& queues, const RequestContext& context, const Document& input,
                     wire::Conversation conversation);

// operations/receipts.cc
Result<Reply> delete_message(sqs::Service& queues, const RequestContext& context, const Document& input);
Result<Reply> delete_message_batch(sqs::Service& queues, const RequestContext& context, const Document& input);
Result<Reply> change_message_visibility(sqs::Service& queues, const RequestContext& context, const Document& input);
Result<Reply> change_message_visibility_batch(sqs::Service& queues, const RequestContext& context,
                                              const Document& input);

}  // namespace millrace::api_sqs
