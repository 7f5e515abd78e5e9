#include "api/s3/service.h"

#include <utility>

#include "api/s3/internal/presigned.h"
#include "api/s3/operations.h"
#include "wire/generated/s3.h"
#include "wire/shapes.h"

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
    {"PutBucketPolicy", put_bucket_policy},
    {"GetBucketPolicy", get_bucket_policy},
    {"DeleteBucketPolicy", delete_bucket_policy},
    {"GetBucketPolicyStatus", get_bucket_policy_status},
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

// What every handler shares.
struct Face {
  ObjectStore& objects;
  BucketPresets presets;
};

// Makes a bucket that everybody has, before its first use. Asking whether it exists, making and removing it are none:
// who makes it himself is not in the way of himself.
Result<void> make_preset(const Face& face, const RequestContext& context, const Document& request) {
  if (!face.presets) return {};
  const std::string_view name = text(request, "Bucket");
  const auto region = face.presets(account_of(context), name);
  if (!region) return {};
  for (const std::string_view none : {"HeadBucket", "CreateBucket", "DeleteBucket"}) {
    if (context.operation->name == none) return {};
  }
  if (face.objects.bucket_of_any(name) != nullptr) return {};
  MR_RETURN_IF_ERROR(face.objects.create_bucket(account_of(context), *region, name));
  return {};
}

Result<void> check(const Face& face, const RequestContext& context, const Document& request) {
  MR_RETURN_IF_ERROR(check_presigned(*context.head, face.objects.scheduler().machine_now()));
  MR_RETURN_IF_ERROR(make_preset(face, context, request));
  return check_request(context, request);
}

using FacePointer = std::shared_ptr<const Face>;

void serve_on_the_pool(wire::Service& service, const FacePointer& face, const Served& served) {
  service.on_async(served.name, [face, operation = served.operation](const RequestContext& context,
                                                                     const Document& request, wire::Conversation talk) {
    face->objects.scheduler().offload(
        [face, operation, context, request, done = std::move(talk.done)] {
          auto checked = check(*face, context, request);
          done(checked.ok() ? operation(face->objects, context, request) : std::move(checked).error());
        },
        [] {});
  });
}

void serve_upload(wire::Service& service, const FacePointer& face, std::string_view name, Upload upload) {
  service.on_stream(
      name,
      [face, upload](const RequestContext& context, const Document& head) -> Result<std::unique_ptr<wire::BodySink>> {
        MR_RETURN_IF_ERROR(check(*face, context, head));
        return upload(face->objects, context, head);
      });
}

}  // namespace

std::unique_ptr<wire::Service> make_s3_service(millrace::s3::ObjectStore& objects, BucketPresets presets) {
  auto service = std::make_unique<wire::Service>(wire::s3::kModel);
  const auto face = std::make_shared<const Face>(Face{objects, std::move(presets)});
  for (const Served& served : kImmediate) {
    service->on(
        served.name,
        [face, operation = served.operation](const RequestContext& context, const Document& request) -> Result<Reply> {
          MR_RETURN_IF_ERROR(check(*face, context, request));
          return operation(face->objects, context, request);
        });
  }
  service->reads_disk({"GetObject", "HeadObject", "GetObjectAcl", "DeleteObject", "DeleteObjects", "ListObjects",
                       "ListObjectsV2", "ListObjectVersions", "PutObjectTagging", "GetObjectTagging",
                       "DeleteObjectTagging", "CompleteMultipartUpload", "DeleteBucket"});
  for (const Served& served : kOnThePool) serve_on_the_pool(*service, face, served);
  serve_upload(*service, face, "PutObject", put_object);
  serve_upload(*service, face, "UploadPart", upload_part);
  return service;
}

}  // namespace millrace::api_s3
