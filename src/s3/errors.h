// Errors of the object store, by AWS's names (AWS: "S3 error responses").
#pragma once

#include "base/error.h"

namespace millrace::s3 {

inline constexpr ErrorType kAccessDenied{"AccessDenied", 403};
inline constexpr ErrorType kBadDigest{"BadDigest", 400};
inline constexpr ErrorType kBucketAlreadyExists{"BucketAlreadyExists", 409};
inline constexpr ErrorType kBucketAlreadyOwnedByYou{"BucketAlreadyOwnedByYou", 409};
inline constexpr ErrorType kBucketNotEmpty{"BucketNotEmpty", 409};
inline constexpr ErrorType kEntityTooLarge{"EntityTooLarge", 400};
inline constexpr ErrorType kEntityTooSmall{"EntityTooSmall", 400};
inline constexpr ErrorType kIncompleteBody{"IncompleteBody", 400};
inline constexpr ErrorType kInternal{"InternalError", 500, ErrorKind::kServer};
inline constexpr ErrorType kInvalidArgument{"InvalidArgument", 400};
inline constexpr ErrorType kInvalidBucketName{"InvalidBucketName", 400};
inline constexpr ErrorType kInvalidDigest{"InvalidDigest", 400};
inline constexpr ErrorType kInvalidObjectState{"InvalidObjectState", 403};
inline constexpr ErrorType kInvalidPart{"InvalidPart", 400};
inline constexpr ErrorType kInvalidPartNumber{"InvalidPartNumber", 416};
inline constexpr ErrorType kInvalidPartOrder{"InvalidPartOrder", 400};
inline constexpr ErrorType kInvalidRange{"InvalidRange", 416};
inline constexpr ErrorType kInvalidRequest{"InvalidRequest", 400};
inline constexpr ErrorType kInvalidStorageClass{"InvalidStorageClass", 400};
inline constexpr ErrorType kInvalidTag{"InvalidTag", 400};
inline constexpr ErrorType kKeyTooLong{"KeyTooLongError", 400};
inline constexpr ErrorType kMalformedXml{"MalformedXML", 400};
inline constexpr ErrorType kMetadataTooLarge{"MetadataTooLarge", 400};
inline constexpr ErrorType kNoSuchBucket{"NoSuchBucket", 404};
inline constexpr ErrorType kNoSuchKey{"NoSuchKey", 404};
inline constexpr ErrorType kNoSuchLifecycleConfiguration{"NoSuchLifecycleConfiguration", 404};
inline constexpr ErrorType kNoSuchTagSet{"NoSuchTagSet", 404};
inline constexpr ErrorType kNoSuchUpload{"NoSuchUpload", 404};
inline constexpr ErrorType kNotImplemented{"NotImplemented", 501, ErrorKind::kClient};
inline constexpr ErrorType kNotModified{"NotModified", 304};
inline constexpr ErrorType kPreconditionFailed{"PreconditionFailed", 412};
inline constexpr ErrorType kTooManyBuckets{"TooManyBuckets", 400};

}  // namespace millrace::s3
