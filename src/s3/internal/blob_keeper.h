// Removes files whose deleting commit is durable, unless somebody still reads them. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "platform/clock.h"
#include "s3/blob_store.h"
#include "s3/internal/blob_ids.h"
#include "storage/committer.h"

namespace millrace::s3::internal {

class BlobKeeper : public std::enable_shared_from_this<BlobKeeper> {
 public:
  BlobKeeper(platform::Scheduler& scheduler, storage::Store& store, storage::Commits& commits, BlobStore& blobs)
      : scheduler_(scheduler), commits_(commits), blobs_(blobs), ids_(store, commits) {}

  BlobIds& ids() { return ids_; }
  BlobStore& blobs() { return blobs_; }

  // Removes the files on the pool, then their "t" entries. REQUIRES: those entries are durable. From any thread.
  void remove_later(std::vector<BlobId> ids);

  // From hold() to release() no file is removed; what was to be is removed afterwards.
  void hold();
  void release();

  // While pinned, files stay readable though removed.
  void pin(const std::vector<BlobId>& ids);
  void unpin(const std::vector<BlobId>& ids);

 private:
  void remove_now(const std::vector<BlobId>& ids);

  platform::Scheduler& scheduler_;
  storage::Commits& commits_;
  BlobStore& blobs_;
  BlobIds ids_;

  std::mutex mutex_;
  std::map<BlobId, int> pins_;
  std::set<BlobId> deferred_;
  int holds_ = 0;
};

// Pins while it lives.
class BlobPins {
 public:
  BlobPins(std::shared_ptr<BlobKeeper> keeper, std::vector<BlobId> ids)
      : keeper_(std::move(keeper)), ids_(std::move(ids)) {
    keeper_->pin(ids_);
  }
  BlobPins(const BlobPins&) = delete;
  BlobPins& operator=(const BlobPins&) = delete;
  ~BlobPins() { keeper_->unpin(ids_); }

 private:
  std::shared_ptr<BlobKeeper> keeper_;
  std::vector<BlobId> ids_;
};

}  // namespace millrace::s3::internal
