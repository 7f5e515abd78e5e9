#include <algorithm>
#include <set>

#include "api/s3/internal/upload.h"
#include "api/s3/operations.h"
#include "s3/limits.h"

namespace millrace::api_s3 {
namespace {

constexpr std::int64_t kPageMax = 1000;

void set_upload_checksum(Document& output, const store::UploadInfo& upload) {
  if (!upload.checksum_requested) return;
  output.set("ChecksumAlgorithm", store::checksum_name(upload.checksum));
  output.set("ChecksumType", store::checksum_type_name(upload.checksum_type));
}

void set_abort(Document& output, const store::UploadInfo& upload) {
  if (upload.abort.when == kNever) return;
  output.set("AbortDate", timestamp(upload.abort.when)).set("AbortRuleId", upload.abort.rule);
}

Result<std::size_t> page_size(const Document& request, const char* member) {
  const std::int64_t max = request.int_or(member, kPageMax);
  if (max < 0) {
    return Error(store::kInvalidArgument,
                 "Argument " + std::string(member) + " must be an integer between 0 and 2147483647");
  }
  return static_cast<std::size_t>(std::min(max, kPageMax));
}

// The client's own algorithm must be the upload's, where one was asked for.
Result<void> check_part_checksum(const BodyClaims& claims, const store::UploadInfo& upload) {
  if (!upload.checksum_requested || !claims.checksum || *claims.checksum == upload.checksum) return {};
  return Error(
      store::kInvalidRequest,
      "Checksum Type mismatch occurred, expected checksum Type: " + std::string(store::checksum_name(upload.checksum)) +
          ", actual checksum Type: " + std::string(store::checksum_name(*claims.checksum)));
}

Result<int> part_number(const Document& request) {
  const std::int64_t number = request.int_or("PartNumber", 0);
  if (number >= 1 && number <= store::kPartNumberMax) return static_cast<int>(number);
  return Error(store::kInvalidArgument, "Part number must be an integer between 1 and 10000, inclusive")
      .with("ArgumentName", "\"partNumber\"")
      .with("ArgumentValue", std::to_string(number));
}

Result<store::CompleteRequest> complete_request(const Document& request) {
  store::CompleteRequest complete;
  const Document* body = request.find("MultipartUpload");
  const Document* parts = body == nullptr ? nullptr : body->find("Parts");
  if (parts == nullptr || !parts->is_array() || parts->as_array().empty()) {
    return Error(store::kMalformedXml,
                 "The XML you provided was not well-formed or did not validate against our published schema");
  }
  for (const Document& part : parts->as_array()) {
    store::CompletedPart completed;
    completed.number = static_cast<int>(part.int_or("PartNumber", 0));
    completed.etag = unquoted(text(part, "ETag"));
    for (const store::ChecksumAlgorithm algorithm : store::kChecksumAlgorithms) {
      const std::string_view value = text(part, store::checksum_member(algorithm));
      if (!value.empty()) completed.checksums.emplace_back(algorithm, value);
    }
    complete.parts.push_back(std::move(completed));
  }
  MR_ASSIGN_OR_RETURN(complete.conditions, write_conditions(request));
  for (const store::ChecksumAlgorithm algorithm : store::kChecksumAlgorithms) {
    const std::string_view value = text(request, store::checksum_member(algorithm));
    if (!value.empty())
      complete.checksum = store::Checksum{algorithm, store::ChecksumType::kFullObject, std::string(value)};
  }
  if (const Document* bytes = request.find("MpuObjectSize"); bytes != nullptr && bytes->is_int()) {
    complete.bytes = static_cast<std::uint64_t>(bytes->as_int());
  }
  return complete;
}

Document upload_entry(const RequestContext& context, const store::UploadInfo& upload, const std::string& key) {
  Document entry = Document::object({{"UploadId", upload.id},
                                     {"Key", key},
                                     {"Initiated", timestamp(upload.initiated)},
                                     {"StorageClass", upload.storage_class},
                                     {"Owner", owner_of(context)},
                                     {"Initiator", owner_of(context)}});
  set_upload_checksum(entry, upload);
  return entry;
}

}  // namespace

Result<Reply> create_multipart_upload(ObjectStore& objects, const RequestContext& context, const Document& request) {
  store::UploadRequest upload;
  upload.key = text(request, "Key");
  MR_ASSIGN_OR_RETURN(upload.attributes, attributes_of(context, request));
  if (const auto name = text(request, "ChecksumAlgorithm"); !name.empty()) {
    upload.checksum = store::parse_checksum_algorithm(name);
    if (!upload.checksum) {
      return Error(kNotImplemented, "The checksum algorithm " + std::string(name) + " is not implemented by millrace.");
    }
  }
  if (const auto name = text(request, "ChecksumType"); !name.empty()) {
    upload.checksum_type = store::parse_checksum_type(name);
    if (!upload.checksum_type) return Error(store::kInvalidRequest, "Value for x-amz-checksum-type header is invalid.");
  }
  MR_ASSIGN_OR_RETURN(const store::UploadInfo info,
                      objects.create_upload(account_of(context), text(request, "Bucket"), std::move(upload)));
  Reply reply;
  reply.output.set("Bucket", text(request, "Bucket")).set("Key", info.key).set("UploadId", info.id);
  reply.output.set("ServerSideEncryption", "AES256");
  set_upload_checksum(reply.output, info);
  set_abort(reply.output, info);
  reply.after = info.after;
  return reply;
}

Result<std::unique_ptr<wire::BodySink>> upload_part(ObjectStore& objects, const RequestContext& context,
                                                    const Document& head) {
  MR_ASSIGN_OR_RETURN(UploadTerms terms, upload_terms(*context.head));
  MR_ASSIGN_OR_RETURN(const int number, part_number(head));
  MR_ASSIGN_OR_RETURN(const store::UploadInfo upload, objects.upload(account_of(context), text(head, "Bucket"),
                                                                     text(head, "Key"), text(head, "UploadId")));
  MR_RETURN_IF_ERROR(check_part_checksum(terms.claims, upload));
  auto digests = digests_of(terms.claims);
  digests.insert(store::digest_algorithm(upload.checksum));
  auto writer = objects.writer(store::ObjectWriter::Use::kPart, std::move(digests), terms.decoded_bytes.value_or(0));
  MR_RETURN_IF_ERROR(writer.admit());
  auto finish = [&objects, account = account_of(context), head, number, requested = upload.checksum_requested,
                 algorithm = upload.checksum](store::ObjectWriter sealed, const BodyClaims& claims) -> Result<Reply> {
    MR_ASSIGN_OR_RETURN(const store::PartInfo part,
                        objects.put_part(account, text(head, "Bucket"), text(head, "Key"), text(head, "UploadId"),
                                         number, std::move(sealed)));
    Reply reply;
    reply.output.set("ETag", quoted(part.etag)).set("ServerSideEncryption", "AES256");
    if (requested) {
      reply.output.set(store::checksum_member(algorithm), part.checksum);
    } else if (claims.checksum) {
      reply.output.set(store::checksum_member(*claims.checksum), claims.checksum_value);
    }
    reply.after = part.after;
    return reply;
  };
  return make_upload_sink(objects, std::move(terms), std::move(writer), std::move(finish));
}

Result<Reply> complete_multipart_upload(ObjectStore& objects, const RequestContext& context, const Document& request) {
  MR_ASSIGN_OR_RETURN(store::CompleteRequest complete, complete_request(request));
  complete.origin = origin_of(context);
  const std::string_view bucket = text(request, "Bucket");
  const std::string_view key = text(request, "Key");
  MR_ASSIGN_OR_RETURN(const store::ObjectInfo info,
                      objects.complete_upload(account_of(context), bucket, key, text(request, "UploadId"), complete));
  Reply reply;
  reply.output.set("Location", context.service_host + "/" + std::string(bucket) + "/" + http::url_encode(key, true));
  reply.output.set("Bucket", bucket).set("Key", key).set("ETag", quoted(info.etag));
  reply.output.set("ServerSideEncryption", "AES256");
  reply.output.set_if(!info.expiration.empty(), "Expiration", info.expiration);
  set_checksum(reply.output, info.checksum);
  reply.after = info.after;
  return reply;
}

Result<Reply> abort_multipart_upload(ObjectStore& objects, const RequestContext& context, const Document& request) {
  Reply reply;
  MR_ASSIGN_OR_RETURN(reply.after, objects.abort_upload(account_of(context), text(request, "Bucket"),
                                                        text(request, "Key"), text(request, "UploadId")));
  return reply;
}

Result<Reply> list_parts(ObjectStore& objects, const RequestContext& context, const Document& request) {
  MR_ASSIGN_OR_RETURN(const std::size_t max, page_size(request, "MaxParts"));
  MR_ASSIGN_OR_RETURN(const store::UploadInfo upload, objects.upload(account_of(context), text(request, "Bucket"),
                                                                     text(request, "Key"), text(request, "UploadId")));
  const std::int64_t marker = std::clamp<std::int64_t>(request.int_or("PartNumberMarker", 0), 0, store::kPartNumberMax);
  MR_ASSIGN_OR_RETURN(const auto page,
                      objects.list_parts(account_of(context), text(request, "Bucket"), text(request, "Key"), upload.id,
                                         static_cast<int>(marker), max));
  Document parts = Document::array();
  for (const store::PartInfo& part : page.first) {
    Document entry = Document::object({{"PartNumber", part.number},
                                       {"LastModified", timestamp(part.modified)},
                                       {"ETag", quoted(part.etag)},
                                       {"Size", std::uint64_t{part.bytes}}});
    entry.set_if(upload.checksum_requested, store::checksum_member(upload.checksum), part.checksum);
    parts.push(std::move(entry));
  }
  Reply reply;
  Document& output = reply.output;
  output.set("Bucket", text(request, "Bucket")).set("Key", upload.key).set("UploadId", upload.id);
  output.set("PartNumberMarker", marker).set("MaxParts", std::uint64_t{max}).set("IsTruncated", page.second);
  output.set("NextPartNumberMarker", page.first.empty() ? 0 : page.first.back().number);
  output.set("Parts", std::move(parts)).set("StorageClass", upload.storage_class);
  output.set("Owner", owner_of(context)).set("Initiator", owner_of(context));
  set_upload_checksum(output, upload);
  set_abort(output, upload);
  reply.after = upload.after;
  return reply;
}

Result<Reply> list_multipart_uploads(ObjectStore& objects, const RequestContext& context, const Document& request) {
  MR_ASSIGN_OR_RETURN(const std::size_t max, page_size(request, "MaxUploads"));
  MR_ASSIGN_OR_RETURN(const auto uploads, objects.list_uploads(account_of(context), text(request, "Bucket")));
  const std::string prefix = text_copy(request, "Prefix");
  const std::string delimiter = text_copy(request, "Delimiter");
  const std::string marker = text_copy(request, "KeyMarker");
  const std::string id_marker = text_copy(request, "UploadIdMarker");
  const bool encoded = text(request, "EncodingType") == "url";
  const auto encode = [&](const std::string& value) { return encoded ? http::url_encode(value, true) : value; };
  Document entries = Document::array();
  Document common = Document::array();
  std::set<std::string> prefixes;
  Reply reply;
  bool truncated = false;
  bool past_id = id_marker.empty();  // within the marker's own key, uploads follow the one named
  std::string last_key, last_id;
  reply.after = objects.last_removal();
  for (const store::UploadInfo& upload : uploads) {
    reply.after = std::max(reply.after, upload.after);
    if (!upload.key.starts_with(prefix) || upload.key < marker) continue;
    if (upload.key == marker && (id_marker.empty() || !past_id)) {
      past_id = past_id || upload.id == id_marker;
      continue;
    }
    const std::size_t cut = delimiter.empty() ? std::string::npos : upload.key.find(delimiter, prefix.size());
    const std::string rolled = cut == std::string::npos ? "" : upload.key.substr(0, cut + delimiter.size());
    if (!rolled.empty() && (prefixes.contains(rolled) || rolled <= marker)) continue;
    if (entries.as_array().size() + prefixes.size() == max) {
      truncated = true;
      break;
    }
    last_key = rolled.empty() ? upload.key : rolled;
    last_id = rolled.empty() ? upload.id : "";
    if (rolled.empty()) {
      entries.push(upload_entry(context, upload, encode(upload.key)));
    } else {
      prefixes.insert(rolled);
      common.push(Document::object({{"Prefix", encode(rolled)}}));
    }
  }
  Document& output = reply.output;
  output.set("Bucket", text(request, "Bucket")).set("KeyMarker", encode(marker)).set("UploadIdMarker", id_marker);
  output.set("Prefix", encode(prefix)).set("MaxUploads", std::uint64_t{max}).set("IsTruncated", truncated);
  output.set_if(!delimiter.empty(), "Delimiter", encode(delimiter)).set_if(encoded, "EncodingType", "url");
  output.set_if(truncated, "NextKeyMarker", encode(last_key)).set_if(truncated, "NextUploadIdMarker", last_id);
  output.set("Uploads", std::move(entries)).set("CommonPrefixes", std::move(common));
  return reply;
}

}  // namespace millrace::api_s3
