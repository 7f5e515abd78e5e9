#include "triggers/tumbling.h"

#include "base/assert.h"
#include "codec/json.h"

namespace millrace::triggers {

Window window_at(Time time, Milliseconds length) {
  MR_ASSERT(length > Milliseconds(0));
  const std::int64_t at = to_unix_ms(time);
  const std::int64_t start = at - ((at % length.count()) + length.count()) % length.count();
  return {from_unix_ms(start), from_unix_ms(start) + length};
}

std::optional<std::string> returned_state(std::string_view answer) {
  const auto json = codec::parse_json(answer);
  if (!json.ok() || !json->is_object()) return std::nullopt;
  const codec::Json* state = json->find("state");
  if (state == nullptr || !state->is_object()) return std::nullopt;
  return state->dump();
}

}  // namespace millrace::triggers
