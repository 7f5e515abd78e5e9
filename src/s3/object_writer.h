// Receives the bytes of one object or part, piece by piece, with flat memory: small ones stay in memory, larger ones go
// to a temporary file. Digests are computed on the way.
//
// One thread at a time. seal() may block on the disk when in_file(); everything else only writes to the page cache.
// Destroying it gives up what was written.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "crypto/digest.h"
#include "s3/blob_store.h"
#include "s3/internal/blob_ids.h"
#include "s3/internal/block_sums.h"
#include "s3/internal/space.h"

namespace millrace::s3 {

class ObjectWriter {
 public:
  enum class Use { kObject, kPart };  // parts are always files
  // MD5 is always computed. `expected_bytes`: as announced, 0: unknown; decides early on a file.
  ObjectWriter(internal::BlobIds& ids, BlobStore& blobs, internal::Space& space, Use use,
               std::set<crypto::Algorithm> digests, std::uint64_t expected_bytes);
  ObjectWriter(ObjectWriter&&) noexcept = default;
  ObjectWriter& operator=(ObjectWriter&&) noexcept = default;

  // Claims room on the disk for what was announced, before any of it is accepted. Without, and for more than was
  // announced, append() claims room as the bytes come. Error: kUnavailable, there is none.
  Result<void> admit();

  // Errors: kEntityTooLarge beyond 5 GiB, kUnavailable, kBlobFailed. After an error only destruction is left.
  Result<void> append(std::string_view bytes);
  std::uint64_t bytes() const { return bytes_; }
  bool in_file() const { return file_ != nullptr || use_ == Use::kPart || lease_.id() != 0; }

  // Ends the bytes: digests are known.
  void close();
  // Closes if need be; a file is durable under its id. Errors: kBlobFailed.
  Result<void> seal();

  // REQUIRES: closed. Raw bytes; `algorithm` was asked for.
  const std::string& md5() const { return digest(crypto::Algorithm::kMd5); }
  const std::string& digest(crypto::Algorithm algorithm) const;

 private:
  friend class ObjectStore;
  Result<void> to_file();
  Result<void> write(std::string_view bytes);

  internal::BlobIds* ids_;
  BlobStore* blobs_;
  Use use_;
  std::uint64_t expected_bytes_;
  internal::Space::Claim claim_;
  std::uint64_t bytes_ = 0;
  std::vector<crypto::Digest> running_;
  std::vector<std::pair<crypto::Algorithm, std::string>> digests_;
  std::string memory_;
  std::unique_ptr<TemporaryBlob> file_;
  internal::BlockSums sums_;   // of the file
  internal::BlobLease lease_;  // of the placed file
  bool sealed_ = false;
};

}  // namespace millrace::s3
