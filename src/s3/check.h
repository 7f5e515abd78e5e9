// Looks at every object of a store that is at rest, with its files. For `millrace check`.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "s3/blob_store.h"
#include "storage/store.h"

namespace millrace::s3 {

struct ObjectCheckCounts {
  std::uint64_t objects = 0;
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;  // of files
};

// `problem` is told of each, as a sentence; `progress` of all bytes read so far. Checked: every record can be decoded
// and has its data; every file it names exists, has its size, its checksum and those of its blocks and is noted as in
// use, also the files of uploads in progress; every file that is noted as in use belongs to an object or an upload;
// every part to an upload. Errors: of the store, and of the disk beyond single files.
Result<ObjectCheckCounts> check_objects(const storage::Store& store, BlobStore& blobs,
                                        const std::function<void(std::string)>& problem,
                                        const std::function<void(std::uint64_t)>& progress);

}  // namespace millrace::s3
