// What is known of an object: values without behaviour.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"
#include "s3/checksum.h"
#include "storage/committer.h"

namespace millrace::s3 {

struct Tag {
  std::string key;
  std::string value;
  friend bool operator==(const Tag&, const Tag&) = default;
};
using Tags = std::vector<Tag>;

// Who causes a change, as notifications tell it. Empty: unknown.
struct Origin {
  std::string principal;  // "AWS:" and an access key or account
  std::string address;    // without the port
  std::string request_id;
};

// What a client sets with a PutObject, CopyObject or CreateMultipartUpload.
struct ObjectAttributes {
  std::string content_type = "binary/octet-stream";
  std::string content_encoding;  // "" here and below: not set
  std::string content_language;
  std::string content_disposition;
  std::string cache_control;
  std::string expires;  // as sent
  std::string website_redirect;
  std::string storage_class = "STANDARD";
  std::vector<std::pair<std::string, std::string>> metadata;  // names in lower case, without "x-amz-meta-"
  Tags tags;
};

struct ObjectInfo {
  std::string key;
  std::uint64_t bytes = 0;
  Time modified{};
  std::string etag;  // without quotes
  ObjectAttributes attributes;
  Checksum checksum;
  int part_count = 0;      // 0: not made of parts
  std::string expiration;  // value of x-amz-expiration; "": no rule expires it
  // The answer may be given once this is durable.
  storage::CommitNumber after = 0;
};

// AWS: objects of these classes have to be restored before they can be read.
inline bool is_archived(std::string_view storage_class) {
  return storage_class == "GLACIER" || storage_class == "DEEP_ARCHIVE";
}
// Those that a client may ask for on an ordinary bucket.
bool is_storage_class(std::string_view name);

}  // namespace millrace::s3
