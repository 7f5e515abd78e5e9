// Sending records to a function outside of the lanes: the event, and what an answer says about its records. Pure.
#pragma once

#include <cstddef>
#include <deque>
#include <string>

#include "triggers/lane.h"
#include "triggers/ports.h"

namespace millrace::triggers::internal {

std::string records_event(const std::deque<Record>& records);  // {"Records":[...]}

// How many leading records are done; `reports`: the function reports batch item failures.
std::size_t done_of(const InvokeResult& result, const std::deque<Record>& records, bool reports);

// "Error: boom" of a failing function's answer, or why it was not invoked; "" when everything is done.
std::string failure_text(const InvokeResult& result, bool all_done);

// "ok", "partial", "failed", "throttled", "refused": for the history.
std::string result_word(const InvokeResult& result, std::size_t done, std::size_t records);

}  // namespace millrace::triggers::internal
