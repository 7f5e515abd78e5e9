#include "app/internal/clock_note.h"

#include "codec/json.h"
#include "storage/scan.h"

namespace millrace::app {

using codec::Json;

std::string clock_note(Milliseconds offset) {
  return Json::object({{"v", 1}, {"offset_ms", static_cast<std::int64_t>(offset.count())}}).dump();
}

Result<Milliseconds> read_clock_note(std::string_view note) {
  constexpr std::int64_t kMost = std::int64_t{1} << 50;
  const auto json = codec::parse_json(note);
  const Json* offset = json.ok() ? json->find("offset_ms") : nullptr;
  if (offset == nullptr || !offset->is_int() || offset->as_int() < -kMost || offset->as_int() > kMost) {
    return storage::damaged("note of how far time has been moved", kClockKey);
  }
  return Milliseconds(offset->as_int());
}

}  // namespace millrace::app
