// Stored forms of the object store (family kObjects).
//
//   "o" be64(bucket) key              ObjectRecord
//   "d" be64(bucket) key              be64(generation of the record) and the bytes (inline) or PartTable (kParts)
//   "b" be64(blob)                    the blob is in use by a record, a part table or an upload's part
//   "t" be64(blob)                    the blob is to be removed
//   "u" upload id                     UploadRecord
//   "p" upload id be32(part number)   PartRecord
// and in kCatalogue
//   "s3/bucket/" name                 JSON
//   "s3/blocks/next"                  number of the next block of blob ids, decimal
//   "s3/blocks/open/" be64(block)     ids of this block may name files that nobody refers to
//
// A record and its "d" entry are read one after the other: the generation tells when they do not belong together.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "s3/blob_store.h"
#include "s3/object.h"

namespace millrace::s3::internal {

using BucketId = std::uint64_t;

enum class Place : std::uint8_t { kInline = 0, kBlob = 1, kParts = 2 };

struct ObjectRecord {
  std::uint64_t bytes = 0;
  Time modified{};
  std::uint64_t generation = 0;
  Place place = Place::kInline;
  BlobId blob = 0;  // of kBlob
  std::uint32_t part_count = 0;
  std::string etag;
  Checksum checksum;
  ObjectAttributes attributes;
};

struct PartRecord {
  std::uint32_t number = 0;
  BlobId blob = 0;
  std::uint64_t bytes = 0;
  std::string md5;       // raw
  std::string checksum;  // base64, of the upload's or object's algorithm; "": of a copy by an older version
  Time modified{};
};
using PartTable = std::vector<PartRecord>;

struct UploadRecord {
  BucketId bucket = 0;
  std::string key;
  Time initiated{};
  ObjectAttributes attributes;
  ChecksumAlgorithm algorithm = ChecksumAlgorithm::kCrc64Nvme;
  ChecksumType type = ChecksumType::kFullObject;
  bool checksum_requested = false;  // else the algorithm is the default and not shown
};

std::string object_key(BucketId bucket, std::string_view key);
std::string data_key(BucketId bucket, std::string_view key);
std::string blob_key(BlobId blob);
std::string trash_key(BlobId blob);
std::string upload_key(std::string_view upload_id);
std::string part_key(std::string_view upload_id, std::uint32_t number);
std::string part_prefix(std::string_view upload_id);

std::string encode(const ObjectRecord& record);
std::string encode(const PartRecord& part);
std::string encode(const PartTable& parts);
std::string encode(const UploadRecord& upload);
// nullopt: not what encode() wrote.
std::optional<ObjectRecord> decode_object(std::string_view bytes);
std::optional<PartRecord> decode_part(std::string_view bytes);
std::optional<PartTable> decode_parts(std::string_view bytes);
std::optional<PartTable> decode_part_table(std::string_view data);  // with the generation in front, as it is stored
std::optional<UploadRecord> decode_upload(std::string_view bytes);

ObjectInfo to_info(std::string_view key, const ObjectRecord& record);

}  // namespace millrace::s3::internal
