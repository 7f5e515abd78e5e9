// What the operations of S3 share: reading their requests, refusing what is not served, rendering what is known of an
// object. Pure functions; thread-safe.
#pragma once

#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/result.h"
#include "s3/object_store.h"
#include "wire/service.h"

namespace millrace::api_s3 {

using millrace::s3::ObjectStore;
using wire::Document;
using wire::Reply;
using wire::RequestContext;
namespace store = millrace::s3;

inline constexpr ErrorType kNotImplemented{"NotImplemented", 501, ErrorKind::kClient};

inline std::string_view text(const Document& document, std::string_view name) { return document.string_or(name, ""); }
inline std::string text_copy(const Document& document, std::string_view name) {
  return std::string(text(document, name));
}
inline const std::string& account_of(const RequestContext& context) { return context.caller.scope.account; }

// Who asks, as notifications tell it.
store::Origin origin_of(const RequestContext& context);

// Refuses, by name, members of the request that are not served, and every version but "null"; checks
// ExpectedBucketOwner and that no ACL is asked for (AWS: buckets are made with ACLs disabled).
// Errors: NotImplemented, AccessDenied, AccessControlListNotSupported, InvalidArgument.
Result<void> check_request(const RequestContext& context, const Document& request);

// Content-MD5 and x-amz-checksum-* of a buffered body. `required`: AWS wants one of them for this operation.
// Errors: InvalidDigest, BadDigest, InvalidRequest.
enum class Integrity { kOptional, kRequired };
Result<void> check_body(const RequestContext& context, Integrity integrity = Integrity::kOptional);

// What a client claims about a body.
struct BodyClaims {
  std::string md5;                                   // raw; empty: not given
  std::string sha256;                                // lower-case hex of x-amz-content-sha256, if it is one
  std::optional<store::ChecksumAlgorithm> checksum;  // given now or in a trailer
  std::string checksum_value;                        // base64; empty: in a trailer
  bool in_trailer = false;
};
// Errors: InvalidDigest, InvalidRequest, InvalidArgument.
Result<BodyClaims> body_claims(const http::RequestHead& head);
std::set<crypto::Algorithm> digests_of(const BodyClaims& claims);
Error bad_digest(std::string_view what);
Error bad_md5(std::string_view expected, std::string_view calculated);  // raw

// Attributes that PutObject, CopyObject and CreateMultipartUpload have in common.
// Errors: InvalidStorageClass, MetadataTooLarge, InvalidTag, NotImplemented (encryption other than AES256).
Result<store::ObjectAttributes> attributes_of(const RequestContext& context, const Document& request);
Result<void> check_encryption(const Document& request);
// From {"TagSet": [{"Key":..., "Value":...}]}. Errors: InvalidTag, BadRequest.
Result<store::Tags> tags_of(const Document& tagging, std::size_t count_max);
Document to_document(const store::Tags& tags);  // the TagSet

// `prefix`: "" or "CopySource".
store::ReadConditions read_conditions(const Document& request, const std::string& prefix);
Result<store::WriteConditions> write_conditions(const Document& request);

std::string quoted(std::string_view etag);
std::string unquoted(std::string_view etag);
Document timestamp(Time time);  // whole seconds, as S3 keeps them
void set_checksum(Document& output, const store::Checksum& checksum);
Document owner_of(const RequestContext& context);

}  // namespace millrace::api_s3
