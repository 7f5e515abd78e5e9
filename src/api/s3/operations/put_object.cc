#include "api/s3/internal/upload.h"
#include "api/s3/operations.h"

namespace millrace::api_s3 {

Result<std::unique_ptr<wire::BodySink>> put_object(ObjectStore& objects, const RequestContext& context,
                                                   const Document& head) {
  MR_ASSIGN_OR_RETURN(UploadTerms terms, upload_terms(*context.head));
  store::PutRequest request;
  request.key = text(head, "Key");
  MR_ASSIGN_OR_RETURN(request.attributes, attributes_of(context, head));
  MR_ASSIGN_OR_RETURN(request.conditions, write_conditions(head));
  request.origin = origin_of(context);
  // AWS: without a checksum of the client's, CRC64NVME is computed and kept.
  request.checksum = terms.claims.checksum.value_or(store::ChecksumAlgorithm::kCrc64Nvme);
  MR_RETURN_IF_ERROR(objects.bucket(account_of(context), text(head, "Bucket")));
  auto digests = digests_of(terms.claims);
  digests.insert(store::digest_algorithm(request.checksum));
  auto writer = objects.writer(store::ObjectWriter::Use::kObject, std::move(digests), terms.decoded_bytes.value_or(0));
  MR_RETURN_IF_ERROR(writer.admit());
  terms.look_ahead = [&objects, account = account_of(context), bucket = text_copy(head, "Bucket"), key = request.key] {
    return objects.look_ahead(account, bucket, key);
  };
  auto finish = [&objects, account = account_of(context), bucket = text_copy(head, "Bucket"),
                 request = std::move(request)](store::ObjectWriter sealed, const BodyClaims&) -> Result<Reply> {
    MR_ASSIGN_OR_RETURN(const store::ObjectInfo info, objects.put_object(account, bucket, request, std::move(sealed)));
    Reply reply;
    reply.output.set("ETag", quoted(info.etag)).set("ServerSideEncryption", "AES256");
    reply.output.set_if(!info.expiration.empty(), "Expiration", info.expiration);
    set_checksum(reply.output, info.checksum);
    reply.after = info.after;
    return reply;
  };
  return make_upload_sink(objects, std::move(terms), std::move(writer), std::move(finish));
}

}  // namespace millrace::api_s3
