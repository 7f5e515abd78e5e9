// The lines and error documents that Lambda's platform writes. Pure. Source: spec, measured against AWS.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace millrace::runtimes::internal {

struct Report {
  std::string_view request_id;
  double duration_ms = 0;
  std::optional<double> init_ms;
  int memory_mb = 0;
  std::int64_t memory_used_mb = 0;
  std::string_view status;      // "", "timeout", "error"
  std::string_view error_type;  // with status "error"
  std::string_view trace;       // "": not traced; else its header, as the function got it
};

std::string start_line(std::string_view request_id, std::string_view version);
std::string end_line(std::string_view request_id);
std::string report_line(const Report& report);
// Milliseconds billed: rounded up; AWS bills initialisation as well.
std::int64_t billed_ms(double duration_ms, std::optional<double> init_ms);

// {"errorType":...,"errorMessage":...}
std::string error_document(std::string_view type, std::string_view message);
std::string timeout_message(std::string_view request_id, Milliseconds timeout);
// `status` as of waitpid; `boxed`: the sandbox's init reports a signal as 128 + number.
std::string exit_message(std::string_view request_id, int status, bool boxed);

}  // namespace millrace::runtimes::internal
