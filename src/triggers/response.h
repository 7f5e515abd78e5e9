// What a function's answer says about its batch when ReportBatchItemFailures is configured.
#pragma once

#include <cstddef>
#include <deque>
#include <string_view>

#include "triggers/lane.h"

namespace millrace::triggers {

// How many leading records of the batch are done: all, those before the lowest reported number, or none.
//
// AWS: complete success: an empty body, null, "", [], {}, an empty or null list. Failure of the whole batch: an
// identifier that is missing, null, empty or no sequence number of this batch. Anything that is not the documented
// object is a failure as well: a body we cannot read must not lose records. Pure.
std::size_t leading_done(std::string_view body, const std::deque<Record>& records);

}  // namespace millrace::triggers
