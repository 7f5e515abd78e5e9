// What a mapping's status looks like to people and to programs: GET /_millrace/mappings. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "app/config.h"
#include "codec/json.h"
#include "triggers/history.h"
#include "triggers/status.h"

namespace millrace::app {

codec::Json mapping_summary(const triggers::Status& status, Time now);
codec::Json mapping_details(const triggers::Status& status, const Prices& prices, Time now);
codec::Json history_json(const triggers::HistoryEntry& entry);
// One sentence that says what it waits for: "records", "back-off until ..., attempt 7".
std::string waiting_text(const triggers::Status& status);
// The same as one word, for programs: "records", "backoff".
std::string_view waiting_word(triggers::Waiting waiting);
// The name of the function in an ARN, qualifier included.
std::string function_of(std::string_view arn);
// Of a DynamoDB stream's ARN: the name of its table; of any other ARN, itself.
std::string table_of(const std::string& stream_arn);
// At most `bytes` of it, cut between characters.
std::string shortened(const std::string& text, std::size_t bytes);

}  // namespace millrace::app
