// What a fuzz target is, and what they share.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace millrace::fuzzing {

// Takes any bytes; neither crashes nor breaks the promise it checks.
using Target = void (*)(std::string_view input);
using Targets = std::map<std::string, Target>;

Targets request_targets();  // requests.cc: what clients and functions send, and the forms of items and positions
Targets record_targets();   // records.cc: single records and files on disk
Targets service_targets();  // services.cc: a store that a service is started from

// Of this process, removed with it (records.cc).
const std::filesystem::path& scratch_folder();
// Writes `bytes` as the file `name` in there.
std::filesystem::path scratch_file(std::string_view bytes, std::string_view name);

inline void require(bool holds, const char* promise) {
  if (holds) return;
  std::cerr << "broken: " << promise << std::endl;
  std::abort();
}

// The text before the first line break, and what follows it.
inline std::pair<std::string_view, std::string_view> two(std::string_view input) {
  const std::size_t end = input.find('\n');
  if (end == std::string_view::npos) return {input, {}};
  return {input.substr(0, end), input.substr(end + 1)};
}

}  // namespace millrace::fuzzing
