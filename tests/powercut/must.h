// For work that has to succeed while a load is recorded.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "base/result.h"

namespace millrace::powercut {

// Exits with a message that names `what` otherwise.
inline void must(const Result<void>& result, const char* what) {
  if (result.ok()) return;
  std::fprintf(stderr, "powercut: %s: %s\n", what, result.error().message().c_str());
  std::exit(2);
}
template <typename T>
T must(Result<T> result, const char* what) {
  if (!result.ok()) must(Result<void>(std::move(result).error()), what);
  return std::move(result).value();
}

}  // namespace millrace::powercut
