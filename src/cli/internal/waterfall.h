// A trace drawn in the terminal: one line per segment and subsegment, indented by what is part of what, its time, and a
// bar where it lies in the whole. Pure.
#pragma once

#include <string>
#include <vector>

#include "codec/json.h"

namespace millrace::cli {

struct WaterfallLine {
  std::string text;
  bool failed = false;
};

// `segments`: documents as BatchGetTraces gives them. `columns`: of the terminal, at least 60.
std::vector<WaterfallLine> waterfall(const std::vector<codec::Json>& segments, std::size_t columns);
// "60 s", "1.25 s", "12.3 ms", "85 us".
std::string span_text(double seconds);

}  // namespace millrace::cli
