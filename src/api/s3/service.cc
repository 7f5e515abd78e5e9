#include "api/s3/service.h"

#include <utility>

#include "api/s3/internal/presigned.h"
#include "api/s3/operations.h"
#include "wire/generated/s3.h"

namespace millrace::api_s3 {
namespace {

using Operation = Result<Reply> (*)(ObjectStore&, const RequestContext&, const Document&);
using Upload = Result<std::unique_ptr<wire::BodySink>> (*)(ObjectStore&, const RequestContext&, const Document&);

struct Served {
  std::string_view name;
  Operation operation;
};

constexpr Served kImmediate[] = {
    {"CreateBucket", create_bucket},
    {"DeleteBucket", delete_bucket},
    {"HeadBucket", head_bucket},
    {"ListBuckets", list_buckets},
    {"GetBucketLocation", get_bucket_location},
    {"GetBucketAcl", get_bucket_acl},
    {"GetObjectAcl", get_object_acl},
    {"GetBucketVersioning", get_bucket_versioning},
    {"PutBucketVersioning", put_bucket_versioning},
    {"PutBucketLifecycleConfiguration", put_bucket_lifecycle},
    {"GetBucketLifecycleConfiguration", get_bucket_lifecycle},
    {"PutBucketLifecycle", put_bucket_lifecycle},
    {"GetBucketLifecycle", get_bucket_lifecycle},
    {"DeleteBucketLifecycle", delete_bucket_lifecycle},
    {"PutBucketEncryption", put_bucket_encryption},
    {"GetBucketEncryption", get_bucket_encryption},
    {"DeleteBucketEncryption", delete_bucket_encryption},
    {"PutBucketTagging", put_bucket_tagging},
    {"GetBucketTagging", get_bucket_tagging},
    {"DeleteBucketTagging", delete_bucket_tagging},
    {"PutPublicAccessBlock", put_public_access_block},
    {"GetPublicAccessBlock", get_public_access_block},
    {"DeletePublicAccessBlock", delete_public_access_block},
    {"PutBucketOwnershipControls", put_ownership_controls},
    {"GetBucketOwnershipControls", get_ownership_controls},
    {"DeleteBucketOwnershipControls", delete_ownership_controls},
    {"PutBucketNotificationConfiguration", put_bucket_notification},
    {"GetBucketNotificationConfiguration", get_bucket_notification},
    {"GetObject", get_object},
    {"HeadObject", head_object},
    {"DeleteObject", delete_object},
    {"DeleteObjects", delete_objects},
    {"ListObjects", list_objects},
    {"ListObjectsV2", list_objects_v2},
    {"ListObjectVersions", list_object_versions},
    {"PutObjectTagging", put_object_tagging},
    {"GetObjectTagging", get_object_tagging},
    {"DeleteObjectTagging", delete_object_tagging},
    {"CreateMultipartUpload", create_multipart_upload},
    {"CompleteMultipartUpload", complete_multipart_upload},
    {"AbortMultipartUpload", abort_multipart_upload},
    {"ListParts", list_parts},
    {"ListMultipartUploads", list_multipart_uploads},
};
constexpr Served kOnThePool[] = {
    {"CopyObject", copy_object},
    {"UploadPartCopy", upload_part_copy},
};

Result<void> check(ObjectStore& objects, const RequestContext& context, const Document& request) {
  MR_RETURN_IF_ERROR(check_presigned(*context.head, objects.scheduler().machine_now()));
  return check_request(context, request);
}

void serve_on_the_pool(wire::Service& service, ObjectStore& objects, const Served& served) {
  service.on_async(served.name, [&objects, operation = served.operation](
                                    const RequestContext& context, const Document& request, wire::Conversation talk) {
    objects.scheduler().offload(
        [&objects, operation, context, request, done = std::move(talk.done)] {
          auto checked = check(objects, context, request);
          done(checked.ok() ? operation(objects, context, request) : std::move(checked).error());
        },
        [] {});
  });
}

void serve_upload(wire::Service& service, ObjectStore& objects, std::string_view name, Upload upload) {
  service.on_stream(name,
                    [&objects, upload](const RequestContext& context,
                                       const Document& head) -> Result<std::unique_ptr<wire::BodySink>> {
                      MR_RETURN_IF_ERROR(check(objects, context, head));
                      return upload(objects, context, head);
                    });
}

}  // namespace

std::unique_ptr<wire::Service> make_s3_service(millrace::s3::ObjectStore& objects) {
  auto service = std::make_unique<wire::Service>(wire::s3::kModel);
  for (const Served& served : kImmediate) {
    service->on(served.name,
                [&objects, operation = served.operation](const RequestContext& context,
                                                         const Document& request) -> Result<Reply> {
                  MR_RETURN_IF_ERROR(check(objects, context, request));
                  return operation(objects, context, request);
                });
  }
  for (const Served& served : kOnThePool) serve_on_the_pool(*service, objects, served);
  serve_upload(*service, objects, "PutObject", put_object);
  serve_upload(*service, objects, "UploadPart", upload_part);
  return service;
}

}  // namespace millrace::api_s3
