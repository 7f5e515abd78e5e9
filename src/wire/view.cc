#include "wire/view.h"

#include <algorithm>
#include <cmath>

#include "crypto/encoding.h"

namespace millrace::wire::internal {

const Document& empty_document() {
  static const Document empty = Document::object();
  return empty;
}

std::string decode_blob(const Document& document) {
  return crypto::base64_decode(document.as_string()).value_or(std::string());
}

Time to_time(const Document& document) {
  // Beyond the years that anything handles (0001 to 9999) there is no time to mean.
  constexpr double kSecondsMax = 253402300799.0;
  const double seconds = std::clamp(document.as_double(), -62135596800.0, kSecondsMax);
  return from_unix_ms(std::llround(seconds * 1000.0));
}

}  // namespace millrace::wire::internal
