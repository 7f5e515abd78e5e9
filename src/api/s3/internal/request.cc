#include "api/s3/internal/request.h"

#include <algorithm>

#include "crypto/digest.h"
#include "crypto/encoding.h"
#include "s3/limits.h"

namespace millrace::api_s3 {
namespace {

constexpr ErrorType kAclNotSupported{"AccessControlListNotSupported", 400};
constexpr ErrorType kBadRequest{"BadRequest", 400};
constexpr ErrorType kInvalidEncryption{"InvalidEncryptionAlgorithmError", 400};

// Members that mean something we do not do.
constexpr std::string_view kRefused[] = {
    "SSECustomerAlgorithm",
    "SSECustomerKey",
    "SSECustomerKeyMD5",
    "CopySourceSSECustomerAlgorithm",
    "CopySourceSSECustomerKey",
    "CopySourceSSECustomerKeyMD5",
    "SSEKMSKeyId",
    "SSEKMSEncryptionContext",
    "ObjectLockMode",
    "ObjectLockRetainUntilDate",
    "ObjectLockLegalHoldStatus",
    "BypassGovernanceRetention",
    "MFA",
    "WriteOffsetBytes",
    "ChecksumSHA512",
    "ChecksumMD5",
    "ChecksumXXHASH64",
    "ChecksumXXHASH3",
    "ChecksumXXHASH128",
    "IfMatchLastModifiedTime",
    "IfMatchSize",
    "IfMatchInitiatedTime",
};

Error invalid_tag(std::string message) { return Error(store::kInvalidTag, std::move(message)); }

// Characters of a UTF-8 text.
std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

Result<void> check_tags(const store::Tags& tags, std::size_t count_max) {
  if (tags.size() > count_max) {
    return Error(kBadRequest, count_max == store::kObjectTagsMax ? "Object tags cannot be greater than 10"
                                                                 : "Bucket tag count cannot be greater than 50");
  }
  std::set<std::string_view> keys;
  for (const store::Tag& tag : tags) {
    if (tag.key.empty() || characters(tag.key) > store::kTagKeyMax) {
      return invalid_tag("The TagKey you have provided is invalid");
    }
    if (characters(tag.value) > store::kTagValueMax) return invalid_tag("The TagValue you have provided is invalid");
    if (tag.key.starts_with("aws:")) return invalid_tag("System tags cannot be added/updated by requester");
    if (!keys.insert(tag.key).second) return invalid_tag("Cannot provide multiple Tags with the same key");
  }
  return {};
}

Result<store::Tags> tags_of_header(std::string_view header) {
  store::Tags tags;
  while (!header.empty()) {
    const std::size_t end = std::min(header.find('&'), header.size());
    const std::string_view pair = header.substr(0, end);
    header.remove_prefix(std::min(end + 1, header.size()));
    const std::size_t equals = std::min(pair.find('='), pair.size());
    tags.push_back({http::url_decode(pair.substr(0, equals), true),
                    http::url_decode(pair.substr(std::min(equals + 1, pair.size())), true)});
  }
  MR_RETURN_IF_ERROR(check_tags(tags, store::kObjectTagsMax));
  return tags;
}

// "aws-chunked" is about the transfer, not about the object.
std::string without_aws_chunked(std::string_view encodings) {
  std::string kept;
  while (!encodings.empty()) {
    const std::size_t end = std::min(encodings.find(','), encodings.size());
    std::string_view one = encodings.substr(0, end);
    encodings.remove_prefix(std::min(end + 1, encodings.size()));
    while (one.starts_with(' ')) one.remove_prefix(1);
    while (one.ends_with(' ')) one.remove_suffix(1);
    if (one.empty() || http::equals_ignore_case(one, "aws-chunked")) continue;
    if (!kept.empty()) kept += ',';
    kept += one;
  }
  return kept;
}

std::optional<Time> time_of(const Document& request, const std::string& name) {
  const Document* value = request.find(name);
  if (value == nullptr || !value->is_number()) return std::nullopt;
  return from_unix_ms(static_cast<std::int64_t>(value->as_double() * 1000));
}

Result<std::string> md5_claim(const http::RequestHead& head) {
  const auto field = head.fields.find("Content-MD5");
  if (!field) return std::string();
  auto raw = crypto::base64_decode(*field);
  if (raw && raw->size() == 16) return std::move(*raw);
  return Error(store::kInvalidDigest, "The Content-MD5 you specified was invalid.")
      .with("Content-MD5", Document(*field).dump());
}

Result<std::string> sha256_claim(const http::RequestHead& head) {
  const std::string_view field = head.fields.get("x-amz-content-sha256");
  if (field.empty() || field == "UNSIGNED-PAYLOAD" || field.starts_with("STREAMING-")) return std::string();
  const auto raw = crypto::hex_decode(field);
  if (raw && raw->size() == 32) return crypto::hex_encode(*raw);
  return Error(store::kInvalidArgument,
               "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
               "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, "
               "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER or a valid "
               "sha256 value.")
      .with("ArgumentName", "\"x-amz-content-sha256\"")
      .with("ArgumentValue", Document(field).dump());
}

Result<void> checksum_claim(const http::RequestHead& head, BodyClaims& claims) {
  for (const store::ChecksumAlgorithm algorithm : store::kChecksumAlgorithms) {
    const auto field = head.fields.find(store::checksum_header(algorithm));
    const bool announced =
        http::equals_ignore_case(head.fields.get("x-amz-trailer"), store::checksum_header(algorithm));
    if (!field && !announced) continue;
    if (claims.checksum) {
      return Error(store::kInvalidRequest,
                   "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.");
    }
    claims.checksum = algorithm;
    claims.in_trailer = !field;
    if (!field) continue;
    claims.checksum_value = *field;
    if (!store::is_checksum_value(algorithm, claims.checksum_value)) {
      return Error(store::kInvalidRequest,
                   "Value for " + std::string(store::checksum_header(algorithm)) + " header is invalid.");
    }
  }
  const std::string_view trailer = head.fields.get("x-amz-trailer");
  if (!trailer.empty() && !claims.in_trailer) {
    return Error(store::kInvalidRequest, "The value specified in the x-amz-trailer header is not supported");
  }
  const std::string_view named = head.fields.get("x-amz-sdk-checksum-algorithm");
  if (named.empty()) return {};
  const auto algorithm = store::parse_checksum_algorithm(named);
  if (!algorithm && named != "MD5") {
    return Error(kNotImplemented, "The checksum algorithm " + std::string(named) + " is not implemented by millrace.");
  }
  if (!claims.checksum && !head.fields.find("Content-MD5")) {
    return Error(store::kInvalidRequest,
                 "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer "
                 "headers were found.");
  }
  if (claims.checksum && algorithm != claims.checksum) {
    return Error(store::kInvalidRequest, "Value for x-amz-sdk-checksum-algorithm header is invalid.");
  }
  return {};
}

}  // namespace

store::Origin origin_of(const RequestContext& context) {
  store::Origin origin;
  const auto& caller = context.caller;
  origin.principal = "AWS:" + (caller.access_key.empty() ? caller.scope.account : caller.access_key);
  if (context.head != nullptr) origin.address = context.head->peer.substr(0, context.head->peer.rfind(':'));
  std::erase_if(origin.address, [](char c) { return c == '[' || c == ']'; });
  origin.request_id = context.request_id;
  return origin;
}

Result<void> check_request(const RequestContext& context, const Document& request) {
  for (const std::string_view name : kRefused) {
    if (request.find(name) != nullptr) {
      return Error(kNotImplemented, "The member " + std::string(name) + " is not implemented by millrace.")
          .with("Member", Document(name).dump());
    }
  }
  const std::string_view version = text(request, "VersionId");
  if (request.find("VersionId") != nullptr && version != "null") {
    return Error(store::kInvalidArgument, "Invalid version id specified")
        .with("ArgumentName", "\"versionId\"")
        .with("ArgumentValue", Document(version).dump());
  }
  for (const char* name : {"ExpectedBucketOwner", "ExpectedSourceBucketOwner"}) {
    const std::string_view owner = text(request, name);
    if (!owner.empty() && owner != account_of(context)) return Error(store::kAccessDenied, "Access Denied");
  }
  const std::string_view acl = text(request, "ACL");
  bool grants = !acl.empty() && acl != "private" && acl != "bucket-owner-full-control";
  for (const char* name : {"GrantFullControl", "GrantRead", "GrantReadACP", "GrantWrite", "GrantWriteACP"}) {
    grants = grants || request.find(name) != nullptr;
  }
  if (grants) return Error(kAclNotSupported, "The bucket does not allow ACLs");
  return {};
}

Result<BodyClaims> body_claims(const http::RequestHead& head) {
  BodyClaims claims;
  MR_ASSIGN_OR_RETURN(claims.md5, md5_claim(head));
  MR_ASSIGN_OR_RETURN(claims.sha256, sha256_claim(head));
  MR_RETURN_IF_ERROR(checksum_claim(head, claims));
  return claims;
}

std::set<crypto::Algorithm> digests_of(const BodyClaims& claims) {
  std::set<crypto::Algorithm> digests;
  if (!claims.sha256.empty()) digests.insert(crypto::Algorithm::kSha256);
  if (claims.checksum) digests.insert(store::digest_algorithm(*claims.checksum));
  return digests;
}

Error bad_digest(std::string_view what) {
  return Error(store::kBadDigest, "The " + std::string(what) + " you specified did not match the calculated checksum.");
}

Error bad_md5(std::string_view expected, std::string_view calculated) {
  return Error(store::kBadDigest, "The Content-MD5 you specified did not match what we received.")
      .with("ExpectedDigest", Document(crypto::base64_encode(expected)).dump())
      .with("CalculatedDigest", Document(crypto::base64_encode(calculated)).dump());
}

Result<void> check_body(const RequestContext& context, Integrity integrity) {
  MR_ASSIGN_OR_RETURN(const BodyClaims claims, body_claims(*context.head));
  if (integrity == Integrity::kRequired && claims.md5.empty() && !claims.checksum) {
    return Error(store::kInvalidRequest, "Missing required header for this request: Content-MD5 OR x-amz-checksum-*");
  }
  if (context.payload == nullptr) return {};
  const std::string& body = *context.payload;
  if (!claims.md5.empty() && crypto::md5(body) != claims.md5) return bad_md5(claims.md5, crypto::md5(body));
  if (claims.checksum && !claims.in_trailer &&
      crypto::base64_encode(crypto::digest(store::digest_algorithm(*claims.checksum), body)) != claims.checksum_value) {
    return bad_digest(store::checksum_name(*claims.checksum));
  }
  return {};
}

Result<void> check_encryption(const Document& request) {
  const std::string_view encryption = text(request, "ServerSideEncryption");
  if (encryption.empty() || encryption == "AES256") return {};
  if (encryption.starts_with("aws:")) {
    return Error(kNotImplemented,
                 "ServerSideEncryption " + std::string(encryption) + " is not implemented by millrace; AES256 is.");
  }
  return Error(kInvalidEncryption, "The encryption request you specified is not valid. Supported value: AES256.");
}

Result<store::ObjectAttributes> attributes_of(const RequestContext& context, const Document& request) {
  MR_RETURN_IF_ERROR(check_encryption(request));
  store::ObjectAttributes attributes;
  if (const auto type = text(request, "ContentType"); !type.empty()) attributes.content_type = type;
  attributes.content_encoding = without_aws_chunked(text(request, "ContentEncoding"));
  attributes.content_language = text(request, "ContentLanguage");
  attributes.content_disposition = text(request, "ContentDisposition");
  attributes.cache_control = text(request, "CacheControl");
  attributes.expires = context.head->fields.get("Expires");
  attributes.website_redirect = text(request, "WebsiteRedirectLocation");
  if (const auto storage_class = text(request, "StorageClass"); !storage_class.empty()) {
    if (!store::is_storage_class(storage_class)) {
      return Error(store::kInvalidStorageClass, "The storage class you specified is not valid");
    }
    attributes.storage_class = storage_class;
  }
  std::size_t bytes = 0;
  if (const Document* metadata = request.find("Metadata"); metadata != nullptr && metadata->is_object()) {
    for (const auto& [name, value] : metadata->as_object()) {
      attributes.metadata.emplace_back(name, value.is_string() ? value.as_string() : value.dump());
      bytes += name.size() + attributes.metadata.back().second.size();
    }
  }
  if (bytes > store::kUserMetadataBytesMax) {
    return Error(store::kMetadataTooLarge, "Your metadata headers exceed the maximum allowed metadata size")
        .with("Size", std::to_string(bytes))
        .with("MaxSizeAllowed", std::to_string(store::kUserMetadataBytesMax));
  }
  MR_ASSIGN_OR_RETURN(attributes.tags, tags_of_header(text(request, "Tagging")));
  return attributes;
}

Result<store::Tags> tags_of(const Document& tagging, std::size_t count_max) {
  store::Tags tags;
  if (const Document* set = tagging.find("TagSet"); set != nullptr && set->is_array()) {
    for (const Document& tag : set->as_array()) tags.push_back({text_copy(tag, "Key"), text_copy(tag, "Value")});
  }
  MR_RETURN_IF_ERROR(check_tags(tags, count_max));
  return tags;
}

Document to_document(const store::Tags& tags) {
  Document set = Document::array();
  for (const store::Tag& tag : tags) set.push(Document::object({{"Key", tag.key}, {"Value", tag.value}}));
  return set;
}

store::ReadConditions read_conditions(const Document& request, const std::string& prefix) {
  return {text_copy(request, prefix + "IfMatch"), text_copy(request, prefix + "IfNoneMatch"),
          time_of(request, prefix + "IfModifiedSince"), time_of(request, prefix + "IfUnmodifiedSince")};
}

Result<store::WriteConditions> write_conditions(const Document& request) {
  store::WriteConditions conditions;
  conditions.if_match = text(request, "IfMatch");
  const std::string_view none = text(request, "IfNoneMatch");
  if (!none.empty() && none != "*") {
    return Error(kNotImplemented, "A header you provided implies functionality that is not implemented")
        .with("Header", "\"If-None-Match\"");
  }
  conditions.if_none_match = none == "*";
  return conditions;
}

std::string quoted(std::string_view etag) { return "\"" + std::string(etag) + "\""; }

std::string unquoted(std::string_view etag) {
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') etag = etag.substr(1, etag.size() - 2);
  return std::string(etag);
}

Document timestamp(Time time) { return to_unix_s(time); }

void set_checksum(Document& output, const store::Checksum& checksum) {
  if (checksum.value.empty()) return;
  output.set(store::checksum_member(checksum.algorithm), checksum.value);
  output.set("ChecksumType", store::checksum_type_name(checksum.type));
}

Document owner_of(const RequestContext& context) {
  return Document::object({{"ID", store::canonical_user(account_of(context))}});
}

}  // namespace millrace::api_s3
