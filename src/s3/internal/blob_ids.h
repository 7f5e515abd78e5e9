// Gives out ids of blobs so that a start finds every file that nobody refers to without looking at all of them.
//
// Ids are leased in blocks: a block's lease is durable before a file of it can exist, and is given back once all its
// ids are settled (referred to by a durable commit, or their file durably removed). A start looks at the files of
// leased blocks only. Thread-safe; no lock is held by settle() that a submitter holds.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <vector>

#include "base/result.h"
#include "s3/blob_store.h"
#include "storage/committer.h"

namespace millrace::s3::internal {

// Waits until `number` is durable. Blocks, but not while the disk is full (error: kUnavailable), as the pool has others
// to serve: for the pool and for tests.
Result<void> wait_durable(storage::Commits& commits, storage::CommitNumber number);

class BlobIds {
 public:
  BlobIds(storage::Store& store, storage::Commits& commits) : store_(store), commits_(commits) {}

  // Removes files of leased blocks without "b" entry and all with a "t" entry, then gives the leases back.
  // REQUIRES: called before anything else.
  Result<void> sweep(BlobStore& blobs);

  // A new id, whose lease is durable. Blocks when the lease is new.
  Result<BlobId> allocate();
  // The fate of the id's file is durable: never from within a lock held while submitting.
  void settle(BlobId id);

 private:
  struct Block {
    std::uint64_t unsettled = 0;
    bool exhausted = false;
  };
  void close(std::uint64_t block);

  storage::Store& store_;
  storage::Commits& commits_;

  std::mutex allocation_mutex_;  // held while submitting; taken before mutex_
  BlobId next_ = 0;
  BlobId end_ = 0;
  std::uint64_t next_block_ = 1;
  storage::CommitNumber lease_ = 0;

  std::mutex mutex_;
  std::map<std::uint64_t, Block> blocks_;
};

// The right to name one file. Unless kept, the file is removed and the id settled when this goes away.
class BlobLease {
 public:
  BlobLease() = default;
  BlobLease(BlobIds& ids, BlobStore& blobs, BlobId id) : ids_(&ids), blobs_(&blobs), id_(id) {}
  BlobLease(BlobLease&& other) noexcept;
  BlobLease& operator=(BlobLease&& other) noexcept;
  ~BlobLease();

  BlobId id() const { return id_; }
  // The file belongs to a submitted commit, which settles the id when durable.
  void keep() { ids_ = nullptr; }

 private:
  BlobIds* ids_ = nullptr;
  BlobStore* blobs_ = nullptr;
  BlobId id_ = 0;
};

}  // namespace millrace::s3::internal
