#include <algorithm>

#include "api/s3/internal/upload.h"
#include "api/s3/operations.h"
#include "crypto/encoding.h"
#include "s3/limits.h"

namespace millrace::api_s3 {
namespace {

struct CopySource {
  std::string bucket;
  std::string key;
};

// "/bucket/key" or "bucket/key", percent-encoded, perhaps with "?versionId=null".
Result<CopySource> copy_source(const Document& request) {
  std::string_view field = text(request, "CopySource");
  if (const std::size_t question = field.rfind("?versionId="); question != std::string_view::npos) {
    if (field.substr(question + 11) != "null") {
      return Error(store::kInvalidArgument, "Invalid version id specified");
    }
    field = field.substr(0, question);
  }
  std::string decoded = http::url_decode(field, true);
  if (decoded.starts_with('/')) decoded.erase(0, 1);
  const std::size_t slash = decoded.find('/');
  if (slash == std::string::npos || slash == 0 || slash + 1 == decoded.size()) {
    return Error(store::kInvalidArgument, "Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
        .with("ArgumentName", "\"x-amz-copy-source\"")
        .with("ArgumentValue", Document(text(request, "CopySource")).dump());
  }
  return CopySource{decoded.substr(0, slash), decoded.substr(slash + 1)};
}

Result<bool> replaces(const Document& request, std::string_view directive) {
  const std::string_view value = text(request, directive);
  if (value.empty() || value == "COPY") return false;
  if (value == "REPLACE") return true;
  return Error(store::kInvalidArgument, "Unknown " + std::string(directive) + ".")
      .with("ArgumentValue", Document(value).dump());
}

Result<store::CopyRequest> copy_request(const RequestContext& context, const Document& request) {
  store::CopyRequest copy;
  MR_ASSIGN_OR_RETURN(CopySource source, copy_source(request));
  copy.source_bucket = std::move(source.bucket);
  copy.source_key = std::move(source.key);
  copy.source_conditions = read_conditions(request, "CopySource");
  copy.bucket = text(request, "Bucket");
  copy.key = text(request, "Key");
  copy.origin = origin_of(context);
  MR_ASSIGN_OR_RETURN(copy.conditions, write_conditions(request));
  MR_ASSIGN_OR_RETURN(store::ObjectAttributes attributes, attributes_of(context, request));
  MR_ASSIGN_OR_RETURN(const bool new_metadata, replaces(request, "MetadataDirective"));
  MR_ASSIGN_OR_RETURN(const bool new_tags, replaces(request, "TaggingDirective"));
  if (request.find("StorageClass") != nullptr) copy.storage_class = attributes.storage_class;
  if (new_tags) copy.tags = attributes.tags;
  if (new_metadata) copy.replaced = std::move(attributes);
  if (const std::string_view name = text(request, "ChecksumAlgorithm"); !name.empty()) {
    copy.checksum = store::parse_checksum_algorithm(name);
    if (!copy.checksum) {
      return Error(kNotImplemented, "The checksum algorithm " + std::string(name) + " is not implemented by millrace.");
    }
  }
  return copy;
}

Result<void> append_range(store::ObjectContent& content, store::ByteRange range, store::ObjectWriter& writer) {
  while (range.count > 0) {
    const std::size_t count = std::min<std::uint64_t>(range.count, store::kReadBytes);
    MR_ASSIGN_OR_RETURN(const std::string bytes, content.read(range.first, count));
    MR_RETURN_IF_ERROR(writer.append(bytes));
    range.first += count;
    range.count -= count;
  }
  return {};
}

}  // namespace

Result<Reply> copy_object(ObjectStore& objects, const RequestContext& context, const Document& request) {
  MR_ASSIGN_OR_RETURN(store::CopyRequest copy, copy_request(context, request));
  MR_ASSIGN_OR_RETURN(const store::ObjectInfo info, objects.copy_object(account_of(context), std::move(copy)));
  Document result = Document::object({{"ETag", quoted(info.etag)}, {"LastModified", timestamp(info.modified)}});
  set_checksum(result, info.checksum);
  Reply reply;
  reply.output.set("CopyObjectResult", std::move(result)).set("ServerSideEncryption", "AES256");
  reply.output.set_if(!info.expiration.empty(), "Expiration", info.expiration);
  reply.after = info.after;
  return reply;
}

// The bytes are read once, as the part's ETag is theirs.
Result<Reply> upload_part_copy(ObjectStore& objects, const RequestContext& context, const Document& request) {
  const std::string& account = account_of(context);
  MR_ASSIGN_OR_RETURN(const CopySource from, copy_source(request));
  MR_ASSIGN_OR_RETURN(const store::UploadInfo upload, objects.upload(account, text(request, "Bucket"),
                                                                     text(request, "Key"), text(request, "UploadId")));
  MR_ASSIGN_OR_RETURN(const store::OpenedObject source, objects.open_object(account, from.bucket, from.key));
  MR_RETURN_IF_ERROR(store::check_conditions(read_conditions(request, "CopySource"), source.info.etag,
                                             source.info.modified, store::ConditionalRequest::kCopySource));
  if (store::is_archived(source.info.attributes.storage_class)) {
    return Error(store::kInvalidObjectState, "The operation is not valid for the object's storage class");
  }
  store::ByteRange range{0, source.info.bytes};
  if (const auto field = text(request, "CopySourceRange"); !field.empty()) {
    MR_ASSIGN_OR_RETURN(range, store::parse_copy_range(field, source.info.bytes));
  }
  auto writer =
      objects.writer(store::ObjectWriter::Use::kPart, {store::digest_algorithm(upload.checksum)}, range.count);
  MR_RETURN_IF_ERROR(writer.admit());
  MR_RETURN_IF_ERROR(append_range(*source.content, range, writer));
  MR_RETURN_IF_ERROR(writer.seal());
  MR_ASSIGN_OR_RETURN(
      const store::PartInfo part,
      objects.put_part(account, text(request, "Bucket"), text(request, "Key"), text(request, "UploadId"),
                       static_cast<int>(request.int_or("PartNumber", 0)), std::move(writer)));
  Document result = Document::object({{"ETag", quoted(part.etag)}, {"LastModified", timestamp(part.modified)}});
  result.set_if(upload.checksum_requested, store::checksum_member(upload.checksum), part.checksum);
  Reply reply;
  reply.output.set("CopyPartResult", std::move(result)).set("ServerSideEncryption", "AES256");
  reply.after = part.after;
  return reply;
}

}  // namespace millrace::api_s3
