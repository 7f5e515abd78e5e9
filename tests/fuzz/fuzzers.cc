// libFuzzer's entry. MILLRACE_FUZZ names the target.
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>

#include "targets.h"
#include "telemetry/log.h"

namespace {

using namespace millrace::fuzzing;

Target chosen() {
  millrace::telemetry::set_log_sink([](auto, auto, auto) {});
  Targets targets = request_targets();
  targets.merge(record_targets());
  targets.merge(service_targets());
  const char* name = std::getenv("MILLRACE_FUZZ");
  const auto found = targets.find(name == nullptr ? "" : name);
  if (found != targets.end()) return found->second;
  std::cerr << "MILLRACE_FUZZ names one of:";
  for (const auto& [each, target] : targets) std::cerr << ' ' << each;
  std::cerr << std::endl;
  std::exit(2);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Target target = chosen();
  target({reinterpret_cast<const char*>(data), size});
  return 0;
}
