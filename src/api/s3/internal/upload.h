// The body of a PutObject or UploadPart as it arrives: framing taken off, digests compared, bytes handed to the store.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "api/s3/internal/aws_chunked.h"
#include "api/s3/internal/request.h"
#include "s3/object_writer.h"

namespace millrace::api_s3 {

struct UploadTerms {
  BodyClaims claims;
  bool chunked = false;                        // aws-chunked framing
  std::optional<std::uint64_t> decoded_bytes;  // x-amz-decoded-content-length, or Content-Length of an unframed body
  // Reads what storing it will read: ObjectStore::look_ahead(). Empty: it reads nothing.
  std::function<Result<void>()> look_ahead;
};
// Errors: those of body_claims(), EntityTooLarge, InvalidArgument, MissingContentLength.
Result<UploadTerms> upload_terms(const http::RequestHead& head);

// Called with a sealed writer; may block when the writer is in a file, and runs on the pool then, or after a look ahead
// that would have blocked.
using StoreUpload = std::function<Result<Reply>(millrace::s3::ObjectWriter writer, const BodyClaims& claims)>;

std::unique_ptr<wire::BodySink> make_upload_sink(ObjectStore& objects, UploadTerms terms,
                                                 millrace::s3::ObjectWriter writer, StoreUpload store_upload);

}  // namespace millrace::api_s3
