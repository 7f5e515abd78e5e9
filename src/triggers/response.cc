#include "triggers/response.h"

#include <algorithm>

#include "codec/json.h"
#include "model/change_record.h"

namespace millrace::triggers {
namespace {

using codec::Json;

bool is_empty(const Json& answer) {
  return answer.is_null() || (answer.is_string() && answer.as_string().empty()) ||
         (answer.is_array() && answer.as_array().empty()) || (answer.is_object() && answer.as_object().empty());
}

}  // namespace

ReportedFailures reported_failures(std::string_view body) {
  if (body.find_first_not_of(" \t\r\n") == std::string_view::npos) return {};
  const Result<Json> answer = codec::parse_json(body);
  if (!answer.ok()) return {.all = true, .identifiers = {}};
  if (is_empty(*answer)) return {};
  if (!answer->is_object()) return {.all = true, .identifiers = {}};
  const Json* failures = answer->find("batchItemFailures");
  if (failures == nullptr || failures->is_null()) return {};
  if (!failures->is_array()) return {.all = true, .identifiers = {}};
  ReportedFailures out;
  for (const Json& failure : failures->as_array()) {
    out.identifiers.emplace_back(failure.is_object() ? failure.string_or("itemIdentifier", "") : "");
    if (out.identifiers.back().empty()) return {.all = true, .identifiers = {}};
  }
  return out;
}

std::size_t leading_done(std::string_view body, const std::deque<Record>& records) {
  const ReportedFailures reported = reported_failures(body);
  if (reported.all) return 0;
  std::size_t done = records.size();
  for (const std::string& identifier : reported.identifiers) {
    const auto sequence = model::parse_sequence_number(identifier);
    if (!sequence) return 0;
    const auto found = std::lower_bound(records.begin(), records.end(), *sequence,
                                        [](const Record& record, SequenceNumber id) { return record.sequence < id; });
    if (found == records.end() || found->sequence != *sequence) return 0;
    done = std::min(done, static_cast<std::size_t>(found - records.begin()));
  }
  return done;
}

}  // namespace millrace::triggers
