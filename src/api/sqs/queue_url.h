// Queue URLs: what we hand out, and what we take.
//
//   http://127.0.0.1:4566/000000000000/orders                      handed out (the address the client used)
//   https://sqs.eu-west-1.amazonaws.com/000000000000/orders        taken, with its region
//   https://eu-west-1.queue.amazonaws.com/000000000000/orders      taken, with its region (legacy)
//   https://queue.amazonaws.com/000000000000/orders                taken, us-east-1 (legacy)
//   /000000000000/orders, orders                                   taken, the caller's region (and account)
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "sqs/attributes.h"
#include "sqs/service.h"
#include "wire/service.h"

namespace millrace::api_sqs {

std::string queue_url(std::string_view service_host, const sqs::QueueName& name);

// `caller` gives what the URL does not say. sqs::kInvalidAddress for what is no queue URL.
Result<sqs::QueueName> parse_queue_url(std::string_view url, const Scope& caller);

// The queue a request is about: its QueueUrl, or, when that is empty, the path it was sent to.
Result<sqs::QueueName> queue_of(std::string_view url, const wire::RequestContext& context);

// `output` as an answer that waits for what the queues have done so far.
wire::Reply reply(const sqs::Service& queues, wire::Document output = wire::Document::object());

}  // namespace millrace::api_sqs
