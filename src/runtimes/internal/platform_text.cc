#include "runtimes/internal/platform_text.h"

#include <cmath>
#include <csignal>
#include <cstdio>

#include <sys/wait.h>

#include "codec/json.h"

namespace millrace::runtimes::internal {
namespace {

std::string fixed2(double value) {
  char text[64];
  std::snprintf(text, sizeof text, "%.2f", value);
  return text;
}

std::string signal_name(int signal) {
  switch (signal) {
    case SIGKILL:
      return "killed";
    case SIGSEGV:
      return "segmentation fault";
    case SIGABRT:
      return "aborted";
    case SIGTERM:
      return "terminated";
    case SIGBUS:
      return "bus error";
    case SIGILL:
      return "illegal instruction";
    case SIGFPE:
      return "floating point exception";
    default:
      return "signal " + std::to_string(signal);
  }
}

std::string header_field(std::string_view header, std::string_view name) {
  const auto at = header.find(name);
  if (at == std::string_view::npos) return {};
  header.remove_prefix(at + name.size());
  return std::string(header.substr(0, header.find(';')));
}

}  // namespace

std::string start_line(std::string_view request_id, std::string_view version) {
  return "START RequestId: " + std::string(request_id) + " Version: " + std::string(version);
}

std::string end_line(std::string_view request_id) { return "END RequestId: " + std::string(request_id); }

std::int64_t billed_ms(double duration_ms, std::optional<double> init_ms) {
  return static_cast<std::int64_t>(std::ceil(duration_ms + init_ms.value_or(0)));
}

std::string report_line(const Report& report) {
  std::string line = "REPORT RequestId: " + std::string(report.request_id) +
                     "\tDuration: " + fixed2(report.duration_ms) +
                     " ms\tBilled Duration: " + std::to_string(billed_ms(report.duration_ms, report.init_ms)) +
                     " ms\tMemory Size: " + std::to_string(report.memory_mb) +
                     " MB\tMax Memory Used: " + std::to_string(report.memory_used_mb) + " MB\t";
  if (report.init_ms) line += "Init Duration: " + fixed2(*report.init_ms) + " ms\t";
  if (!report.status.empty()) line += "Status: " + std::string(report.status) + "\t";
  if (!report.error_type.empty()) line += "Error Type: " + std::string(report.error_type) + "\t";
  if (!report.trace.empty()) {
    line += "\nXRAY TraceId: " + header_field(report.trace, "Root=") +
            "\tSegmentId: " + header_field(report.trace, "Parent=") + "\tSampled: true\t";
  }
  return line;
}

std::string error_document(std::string_view type, std::string_view message) {
  return codec::Json::object({{"errorType", type}, {"errorMessage", message}}).dump();
}

std::string timeout_message(std::string_view request_id, Milliseconds timeout) {
  return "RequestId: " + std::string(request_id) + " Error: Task timed out after " +
         fixed2(static_cast<double>(timeout.count()) / 1000) + " seconds";
}

std::string exit_message(std::string_view request_id, int status, bool boxed) {
  const std::string start = "RequestId: " + std::string(request_id) + " Error: Runtime exited ";
  if (WIFSIGNALED(status)) return start + "with error: signal: " + signal_name(WTERMSIG(status));
  const int code = WEXITSTATUS(status);
  if (code == 0) return start + "without providing a reason";
  if (boxed && code == 128 + SIGKILL) return start + "with error: signal: killed";
  return start + "with error: exit status " + std::to_string(code);
}

}  // namespace millrace::runtimes::internal
