// The EventSourceMappingConfiguration of an answer, members in AWS's order. Pure.
#pragma once

#include <string>
#include <string_view>

#include "triggers/mapping.h"
#include "wire/service.h"

namespace millrace::api_lambda {

// AWS: answers of Create and Update carry LastModified with milliseconds, later ones cut to the whole minute.
enum class ModifiedPrecision { kMilliseconds, kMinutes };

wire::Document mapping_document(const triggers::Mapping& mapping, std::string_view state, std::string last_result,
                                ModifiedPrecision precision);
// Its parts.
wire::Document filter_document(const triggers::Mapping& mapping);
double modified_seconds(Time modified, ModifiedPrecision precision);
// The state a mapping is in when no change is under way: "Enabled" or "Disabled".
std::string_view settled_state(const triggers::Mapping& mapping);

}  // namespace millrace::api_lambda
