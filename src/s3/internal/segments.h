// What the files of an object must hold, as far as its record knows. Pure.
#pragma once

#include "s3/internal/record.h"
#include "s3/object_reader.h"

namespace millrace::s3::internal {

// Of Place::kBlob.
inline ObjectContent::Segment segment_of(const ObjectRecord& record) {
  const bool whole = record.checksum.type == ChecksumType::kFullObject;
  return {record.blob, record.bytes, record.checksum.algorithm, whole ? record.checksum.value : std::string()};
}
// Of Place::kParts. Parts that an older version copied have no checksum.
inline ObjectContent::Segment segment_of(const ObjectRecord& record, const PartRecord& part) {
  return {part.blob, part.bytes, record.checksum.algorithm, part.checksum};
}

}  // namespace millrace::s3::internal
