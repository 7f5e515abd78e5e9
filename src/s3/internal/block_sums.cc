#include "s3/internal/block_sums.h"

#include <algorithm>
#include <utility>

#include "codec/key.h"
#include "crypto/digest.h"

namespace millrace::s3::internal {

namespace {

constexpr std::string_view kBlockSumsName = "MRBLOCK1";
constexpr std::size_t kSumBytes = 4;

std::uint64_t blocks_of(std::uint64_t bytes) { return (bytes + kBlockBytes - 1) / kBlockBytes; }

std::string be32(std::uint32_t value) { return codec::KeyWriter().be32(value).str(); }

}  // namespace

std::uint64_t block_sums_bytes(std::uint64_t bytes) {
  return (blocks_of(bytes) + 1) * kSumBytes + kBlockSumsName.size();
}

void BlockSums::update(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto piece = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), kBlockBytes - filled_));
    sum_ = crypto::crc32(bytes.substr(0, piece), sum_);
    filled_ += piece;
    bytes.remove_prefix(piece);
    if (filled_ < kBlockBytes) return;
    sums_ += be32(std::exchange(sum_, 0));
    filled_ = 0;
  }
}

std::string BlockSums::finish() {
  if (filled_ > 0) sums_ += be32(sum_);
  sums_ += kBlockSumsName;
  sums_ += be32(crypto::crc32(sums_));
  return std::move(sums_);
}

std::optional<std::vector<std::uint32_t>> parse_block_sums(std::string_view stored, std::uint64_t bytes) {
  if (stored.size() != block_sums_bytes(bytes)) return std::nullopt;
  const std::string_view checked = stored.substr(0, stored.size() - kSumBytes);
  if (!checked.ends_with(kBlockSumsName) || stored.substr(checked.size()) != be32(crypto::crc32(checked))) {
    return std::nullopt;
  }
  std::vector<std::uint32_t> sums;
  codec::KeyReader reader(stored);
  for (std::uint64_t left = blocks_of(bytes); left > 0; --left) sums.push_back(reader.be32().value_or(0));
  return sums;
}

std::optional<std::uint64_t> damaged_block(std::string_view bytes, std::uint64_t first,
                                           const std::vector<std::uint32_t>& sums) {
  for (std::uint64_t block = first; !bytes.empty(); ++block) {
    const std::string_view piece = bytes.substr(0, kBlockBytes);
    if (block >= sums.size() || crypto::crc32(piece) != sums[block]) return block;
    bytes.remove_prefix(piece.size());
  }
  return std::nullopt;
}

}  // namespace millrace::s3::internal
