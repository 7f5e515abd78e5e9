// What a function's answer says about its batch when ReportBatchItemFailures is configured.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "triggers/lane.h"

namespace millrace::triggers {

struct ReportedFailures {
  bool all = false;                      // the body cannot be understood, or names an identifier that is none
  std::vector<std::string> identifiers;  // as given; neither all nor any: complete success
};

// AWS: complete success: an empty body, null, "", [], {}, an empty or null list. Failure of everything: an identifier
// that is missing, null or empty, and any other body that is not the documented object. Pure.
ReportedFailures reported_failures(std::string_view body);

// How many leading records of the batch are done: all, those before the lowest reported number, or none.
//
// AWS: complete success: an empty body, null, "", [], {}, an empty or null list. Failure of the whole batch: an
// identifier that is missing, null, empty or no sequence number of this batch. Anything that is not the documented
// object is a failure as well: a body we cannot read must not lose records. Pure.
std::size_t leading_done(std::string_view body, const std::deque<Record>& records);

}  // namespace millrace::triggers
