// Files that hold the bytes of large objects: the file system behind a small interface, so that tests can fail any
// operation of it.
//
//   <root>/tmp/NAME           being written; all removed at start
//   <root>/xx/0123456789abcdef  blob of that id (hexadecimal); xx = (id / kBlobBlock) mod 256, hexadecimal
//
// Blobs never change once placed. A sync that failed is not tried again, as the system may have dropped what it could
// not write and report success then: from there on every operation but reading fails, until the server is restarted.
// All operations may block on the disk. Thread-safe; a TemporaryBlob or BlobReader belongs to one thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::s3 {

using BlobId = std::uint64_t;
inline constexpr BlobId kBlobBlock = 256;  // ids are leased in blocks of this many; a block lies in one directory

inline constexpr ErrorType kNoSuchBlob{"NoSuchBlob", 404};
inline constexpr ErrorType kBlobFailed{"InternalError", 500, ErrorKind::kServer};

// A file being written. Destroying it removes the file unless it has been placed.
class TemporaryBlob {
 public:
  virtual ~TemporaryBlob() = default;
  virtual Result<void> append(std::string_view bytes) = 0;
  virtual Result<void> sync() = 0;  // the bytes survive a power cut
};

// An open blob; reads on even when the blob is removed meanwhile.
class BlobReader {
 public:
  virtual ~BlobReader() = default;
  virtual Result<std::uint64_t> bytes() = 0;  // of the file
  // Exactly `count` bytes from `offset`, or an error.
  virtual Result<std::string> read(std::uint64_t offset, std::size_t count) = 0;
};

class BlobStore {
 public:
  virtual ~BlobStore() = default;
  virtual Result<std::unique_ptr<TemporaryBlob>> create() = 0;
  // Names a synced temporary file; on success the name survives a power cut. REQUIRES: made by create() of this store.
  virtual Result<void> place(TemporaryBlob& blob, BlobId id) = 0;
  // Makes `to` a second name of the bytes of `from`, durably. Error: kNoSuchBlob.
  virtual Result<void> link(BlobId from, BlobId to) = 0;
  virtual Result<std::unique_ptr<BlobReader>> open(BlobId id) = 0;  // kNoSuchBlob
  // Removes them, durably; those that do not exist are no error.
  virtual Result<void> remove(const std::vector<BlobId>& ids) = 0;
  virtual Result<std::vector<BlobId>> list_block(std::uint64_t block) = 0;  // ids in [block * kBlobBlock, + kBlobBlock)
  virtual Result<void> remove_temporaries() = 0;
};

// How a FileBlobStore makes things durable: the machine's calls, or those of a test. errno tells why they fail.
struct FileSyncs {
  std::function<bool(int file)> file;
  std::function<bool(const std::string& path)> directory;
};
FileSyncs machine_syncs();

// Files below `root`, which is created when it does not exist. Error: it cannot be. `failed` is told of the sync that
// failed, once, on the thread that wanted it.
Result<std::unique_ptr<BlobStore>> open_file_blob_store(const std::string& root,
                                                        std::function<void(const Error&)> failed = {},
                                                        FileSyncs syncs = machine_syncs());
// For a look at files at rest: changes nothing and makes no folder.
std::unique_ptr<BlobStore> view_file_blob_store(const std::string& root);

}  // namespace millrace::s3
