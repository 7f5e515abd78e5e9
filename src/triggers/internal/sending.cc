#include "triggers/internal/sending.h"

#include "codec/json.h"
#include "triggers/response.h"

namespace millrace::triggers::internal {
namespace {

constexpr std::size_t kFailureTextMax = 1000;

}  // namespace

std::string records_event(const std::deque<Record>& records) {
  std::string out = "{\"Records\":[";
  for (const Record& record : records) {
    if (out.back() != '[') out += ',';
    out += record.event;
  }
  return out += "]}";
}

std::size_t done_of(const InvokeResult& result, const std::deque<Record>& records, bool reports) {
  if (result.outcome != Outcome::kAnswered || !result.function_error.empty()) return 0;
  return reports ? leading_done(result.payload, records) : records.size();
}

std::string failure_text(const InvokeResult& result, bool all_done) {
  if (result.outcome != Outcome::kAnswered) return result.message;
  if (result.function_error.empty()) return all_done ? "" : "reported batch item failures";
  const auto json = codec::parse_json(result.payload);
  if (json.ok() && json->is_object() && json->find("errorMessage") != nullptr) {
    const std::string type(json->string_or("errorType", "Error"));
    return (type + ": " + std::string(json->string_or("errorMessage", ""))).substr(0, kFailureTextMax);
  }
  return result.payload.substr(0, kFailureTextMax);
}

std::string result_word(const InvokeResult& result, std::size_t done, std::size_t records) {
  if (result.outcome == Outcome::kThrottled) return "throttled";
  if (result.outcome == Outcome::kRefused) return "refused";
  if (done == records && result.function_error.empty()) return "ok";
  return done > 0 ? "partial" : "failed";
}

}  // namespace millrace::triggers::internal
