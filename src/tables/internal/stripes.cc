#include "tables/internal/stripes.h"

#include <algorithm>

namespace millrace::tables::internal {

Stripes::Latch::Latch(Stripes& stripes, std::vector<std::size_t> wanted) {
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  locks_.reserve(wanted.size());
  for (const std::size_t index : wanted) locks_.emplace_back(stripes.stripes_[index].latch);
}

std::optional<Pending> Stripes::find(const std::string& key) {
  Stripe& at = stripe(key);
  const std::lock_guard lock(at.pending_mutex);
  const auto it = at.pending.find(key);
  if (it == at.pending.end()) return std::nullopt;
  return it->second;
}

void Stripes::enter(const std::string& key, std::shared_ptr<const std::string> stored, std::uint64_t token) {
  Stripe& at = stripe(key);
  const std::lock_guard lock(at.pending_mutex);
  at.pending[key] = Pending{std::move(stored), token, 0};
}

void Stripes::set_commit(const std::string& key, std::uint64_t token, storage::CommitNumber commit) {
  Stripe& at = stripe(key);
  const std::lock_guard lock(at.pending_mutex);
  const auto it = at.pending.find(key);
  if (it != at.pending.end() && it->second.token == token) it->second.commit = commit;
}

void Stripes::settle(const std::string& key, std::uint64_t token) {
  Stripe& at = stripe(key);
  const std::lock_guard lock(at.pending_mutex);
  const auto it = at.pending.find(key);
  if (it != at.pending.end() && it->second.token == token) at.pending.erase(it);
}

}  // namespace millrace::tables::internal
