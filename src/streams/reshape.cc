#include "streams/reshape.h"

#include <algorithm>
#include <string>

namespace millrace::streams {

namespace {

// By range.
std::vector<Shard> open_shards(const Stream& stream) {
  std::vector<Shard> open;
  std::copy_if(stream.shards.begin(), stream.shards.end(), std::back_inserter(open),
               [](const Shard& shard) { return shard.is_open(); });
  std::sort(open.begin(), open.end(), [](const Shard& a, const Shard& b) { return a.hash_from < b.hash_from; });
  return open;
}

}  // namespace

Result<Reshape> choose_reshape(const Stream& stream, Reshape::Kind kind, std::string_view shard_id) {
  const std::vector<Shard> open = open_shards(stream);
  const auto named = std::find_if(open.begin(), open.end(), [&](const Shard& shard) { return shard.id == shard_id; });
  if (!shard_id.empty() && named == open.end()) {
    return Error(kValidation, "The stream has no open shard " + std::string(shard_id));
  }
  const auto width = [](const Shard& from, const Shard& to) { return to.hash_to - from.hash_from; };
  if (kind == Reshape::Kind::kRoll) {
    return shard_id.empty() ? Reshape{kind, {}} : Reshape{kind, {named->number}};
  }
  if (kind == Reshape::Kind::kSplit) {
    const auto widest = std::max_element(open.begin(), open.end(),
                                         [&](const Shard& a, const Shard& b) { return width(a, a) < width(b, b); });
    return Reshape{kind, {shard_id.empty() ? widest->number : named->number}};
  }
  if (open.size() < 2) return Error(kValidation, "The stream has one open shard: there is nothing to merge");
  std::size_t first = 0;
  if (!shard_id.empty()) {
    first = std::min(static_cast<std::size_t>(named - open.begin()), open.size() - 2);
  } else {
    for (std::size_t i = 1; i + 1 < open.size(); ++i) {
      if (width(open[i], open[i + 1]) < width(open[first], open[first + 1])) first = i;
    }
  }
  return Reshape{kind, {open[first].number, open[first + 1].number}};
}

}  // namespace millrace::streams
