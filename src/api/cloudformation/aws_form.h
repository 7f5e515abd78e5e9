// Addresses of AWS's form in answers, for clients that came by one of AWS's host names (through a hook or a proxy).
//
// serverless-plugin-lambda-dead-letter, for one, reads region and account out of a queue's physical id.
#pragma once

#include <string_view>

#include "wire/service.h"

namespace millrace::api_cloudformation {

// Queue URLs (http://HOST:PORT/ACCOUNT/NAME) that are a whole PhysicalResourceId, OutputValue or Value anywhere in
// `document` become https://sqs.REGION.amazonaws.com/ACCOUNT/NAME. Pure.
void use_aws_queue_urls(wire::Document& document, std::string_view region);

}  // namespace millrace::api_cloudformation
