#include "s3/internal/blob_keeper.h"

#include <utility>

#include "s3/internal/record.h"
#include "storage/store.h"
#include "telemetry/log.h"

namespace millrace::s3::internal {

void BlobKeeper::remove_later(std::vector<BlobId> ids) {
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(ids, [&](BlobId id) {
      const bool pinned = holds_ > 0 || pins_.contains(id);
      if (pinned) deferred_.insert(id);
      return pinned;
    });
  }
  if (ids.empty()) return;
  // Posted first: a full pool makes offload() wait, which must not happen on the committer's thread.
  scheduler_.post([self = shared_from_this(), ids = std::move(ids)]() mutable {
    self->scheduler_.offload([self, ids = std::move(ids)] { self->remove_now(ids); }, [] {});
  });
}

void BlobKeeper::remove_now(const std::vector<BlobId>& ids) {
  const auto removed = blobs_.remove(ids);
  if (!removed.ok()) {
    telemetry::log_error("s3", removed.error().message() + "; the next start tries again");
    return;
  }
  storage::WriteBatch batch;
  for (const BlobId id : ids) batch.erase(storage::Family::kObjects, trash_key(id));
  commits_.submit(std::move(batch));
}

void BlobKeeper::hold() {
  const std::lock_guard lock(mutex_);
  ++holds_;
}

void BlobKeeper::release() {
  std::vector<BlobId> free;
  {
    const std::lock_guard lock(mutex_);
    if (--holds_ > 0) return;
    std::erase_if(deferred_, [&](BlobId id) {
      const bool unpinned = !pins_.contains(id);
      if (unpinned) free.push_back(id);
      return unpinned;
    });
  }
  if (!free.empty()) remove_later(std::move(free));
}

void BlobKeeper::pin(const std::vector<BlobId>& ids) {
  const std::lock_guard lock(mutex_);
  for (const BlobId id : ids) ++pins_[id];
}

void BlobKeeper::unpin(const std::vector<BlobId>& ids) {
  std::vector<BlobId> free;
  {
    const std::lock_guard lock(mutex_);
    for (const BlobId id : ids) {
      const auto pin = pins_.find(id);
      if (--pin->second > 0) continue;
      pins_.erase(pin);
      if (holds_ == 0 && deferred_.erase(id) > 0) free.push_back(id);
    }
  }
  if (!free.empty()) remove_later(std::move(free));
}

}  // namespace millrace::s3::internal
