// What a mapping's status looks like to people and to programs: GET /_millrace/mappings.
#pragma once

#include "codec/json.h"
#include "triggers/status.h"

namespace millrace::app {

codec::Json mapping_summary(const triggers::Status& status, Time now);
codec::Json mapping_details(const triggers::Status& status, Time now);
// One sentence that says what it waits for: "records", "back-off until ..., attempt 7".
std::string waiting_text(const triggers::Status& status);
// The name of the function in an ARN, qualifier included.
std::string function_of(std::string_view arn);

}  // namespace millrace::app
