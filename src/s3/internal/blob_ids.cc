#include "s3/internal/blob_ids.h"

#include <charconv>
#include <future>
#include <optional>
#include <string>
#include <utility>

#include "codec/key.h"
#include "s3/internal/record.h"
#include "storage/scan.h"
#include "storage/store.h"

namespace millrace::s3::internal {
namespace {

using storage::Family;

constexpr std::string_view kNextBlock = "s3/blocks/next";
constexpr std::string_view kOpenBlocks = "s3/blocks/open/";

std::string open_key(std::uint64_t block) { return codec::KeyWriter(kOpenBlocks).be64(block).str(); }

Result<std::uint64_t> read_next_block(const storage::Store& store) {
  MR_ASSIGN_OR_RETURN(const auto stored, store.get(Family::kCatalogue, kNextBlock));
  std::uint64_t next = 1;
  if (!stored) return next;
  const char* const end = stored->data() + stored->size();
  const auto read = std::from_chars(stored->data(), end, next);
  // Numbers that were given out before would name files that are in use.
  if (read.ec != std::errc() || read.ptr != end || next == 0) return storage::damaged("number", kNextBlock);
  return next;
}

Result<std::vector<std::uint64_t>> ids_below(const storage::Store& store, Family family, std::string_view prefix) {
  std::vector<std::uint64_t> ids;
  const auto at = store.iterate(family, {std::string(prefix), storage::prefix_end(prefix)});
  for (at->seek(prefix); at->valid(); at->next()) {
    codec::KeyReader key(at->key().substr(prefix.size()));
    const auto id = key.be64();
    if (!id || !key.empty()) return storage::damaged("number of an object's file", at->key());
    ids.push_back(*id);
  }
  MR_RETURN_IF_ERROR(at->status());
  return ids;
}

}  // namespace

Result<void> wait_durable(storage::Commits& commits, storage::CommitNumber number) {
  if (commits.durable() >= number) return {};
  std::promise<std::optional<Error>> settled;
  commits.when_answerable(number, [&settled](const Error* error) {
    settled.set_value(error != nullptr ? std::optional<Error>(*error) : std::nullopt);
  });
  auto error = settled.get_future().get();
  if (!error) return {};
  if (!error->is(storage::kStorageFull)) return std::move(*error);
  return Error(kUnavailable,
               "The disk is full. Nothing of this write was done; writes are taken again when there is "
               "room");
}

Result<void> BlobIds::sweep(BlobStore& blobs) {
  MR_ASSIGN_OR_RETURN(next_block_, read_next_block(store_));
  MR_RETURN_IF_ERROR(blobs.remove_temporaries());
  MR_ASSIGN_OR_RETURN(const auto trash, ids_below(store_, Family::kObjects, "t"));
  MR_ASSIGN_OR_RETURN(const auto open, ids_below(store_, Family::kCatalogue, kOpenBlocks));
  std::vector<BlobId> orphans = trash;
  for (const std::uint64_t block : open) {
    MR_ASSIGN_OR_RETURN(const auto files, blobs.list_block(block));
    for (const BlobId id : files) {
      MR_ASSIGN_OR_RETURN(const auto used, store_.get(Family::kObjects, blob_key(id)));
      if (!used) orphans.push_back(id);
    }
  }
  if (!orphans.empty()) MR_RETURN_IF_ERROR(blobs.remove(orphans));
  storage::WriteBatch batch;
  for (const BlobId id : trash) batch.erase(Family::kObjects, trash_key(id));
  for (const std::uint64_t block : open) batch.erase(Family::kCatalogue, open_key(block));
  if (!batch.empty()) commits_.submit(std::move(batch));
  return {};
}

Result<BlobId> BlobIds::allocate() {
  BlobId id = 0;
  storage::CommitNumber lease = 0;
  {
    const std::lock_guard allocating(allocation_mutex_);
    if (next_ == end_) {
      const std::uint64_t block = next_block_++;
      storage::WriteBatch batch;
      batch.put(Family::kCatalogue, kNextBlock, std::to_string(next_block_));
      batch.put(Family::kCatalogue, open_key(block), "");
      lease_ = commits_.submit(std::move(batch));
      next_ = block * kBlobBlock;
      end_ = next_ + kBlobBlock;
    }
    id = next_++;
    lease = lease_;
    const std::lock_guard lock(mutex_);
    Block& block = blocks_[id / kBlobBlock];
    ++block.unsettled;
    block.exhausted = next_ == end_;
  }
  const auto durable = wait_durable(commits_, lease);
  if (!durable.ok()) {
    settle(id);
    return durable.error();
  }
  return id;
}

void BlobIds::settle(BlobId id) {
  const std::uint64_t number = id / kBlobBlock;
  {
    const std::lock_guard lock(mutex_);
    const auto at = blocks_.find(number);
    if (at == blocks_.end()) return;
    if (--at->second.unsettled > 0 || !at->second.exhausted) return;
    blocks_.erase(at);
  }
  storage::WriteBatch batch;
  batch.erase(Family::kCatalogue, open_key(number));
  commits_.submit(std::move(batch));
}

BlobLease::BlobLease(BlobLease&& other) noexcept
    : ids_(std::exchange(other.ids_, nullptr)), blobs_(other.blobs_), id_(other.id_) {}

BlobLease& BlobLease::operator=(BlobLease&& other) noexcept {
  std::swap(ids_, other.ids_);
  std::swap(blobs_, other.blobs_);
  std::swap(id_, other.id_);
  return *this;
}

BlobLease::~BlobLease() {
  if (ids_ == nullptr) return;
  // A file that cannot be removed keeps its block leased; the next start tries again.
  if (blobs_->remove({id_}).ok()) ids_->settle(id_);
}

}  // namespace millrace::s3::internal
