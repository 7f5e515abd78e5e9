// Mappings of SQS queues: their own defaults, rules and form of answer. Called from mapping_request.cc and
// mapping_document.cc. Pure but for the lookups.
#pragma once

#include <string_view>

#include "api/lambda/internal/mapping_document.h"
#include "api/lambda/mappings.h"
#include "base/result.h"
#include "triggers/mapping.h"
#include "wire/service.h"

namespace millrace::api_lambda {

// Sets the defaults of a queue's mapping. Error: what CreateEventSourceMapping may not say of a queue.
Result<void> begin_queue_mapping(const wire::Document& request, triggers::Mapping& mapping);
// Refuses what belongs to other sources and applies what only queues have, of a create or an update.
Result<void> apply_queue_settings(const wire::Document& request, triggers::Mapping& mapping);
// Rules over several members, and over the function and the queue, on the settings as they would be.
Result<void> check_queue_mapping(const MappingLookups& lookups, const triggers::Mapping& mapping);

// AWS: no member that only streams have, no LastProcessingResult.
wire::Document queue_mapping_document(const triggers::Mapping& mapping, std::string_view state,
                                      ModifiedPrecision precision);

}  // namespace millrace::api_lambda
