// The operations of S3 that are served, by file under operations/. Contracts are AWS's.
#pragma once

#include <memory>

#include "api/s3/internal/request.h"

namespace millrace::api_s3 {

// buckets.cc
Result<Reply> create_bucket(ObjectStore&, const RequestContext&, const Document&);
Result<Reply> delete_bucket(ObjectStore&, const RequestContext&, const Document&);
Result<Reply> head_bucket(ObjectStore&, const RequestContext&, const Document&);
Result<Reply> list_buckets(ObjectStore&, const RequestContext&, const Document&);
Result<Reply> get_bucket_location(ObjectStore&, const RequestContext&, const Document&);
Result<Reply> get_bucket_acl(ObjectStore&, const RequestContext&, const Document&);
Result<Reply> get_object_acl(ObjectStore&, const RequestContext&, const Document&);
Result<Reply> get_bucket_versioning(ObjectStore&, const RequestContext&, const Document&);
Result<Reply> put_bucket_versioning(ObjectStore&, const RequestContext&, const Document&);

// bucket_settings.cc
Result<Reply> put_bucket_lifecycle(ObjectStore&, const RequestContext&, const Document&);
Result<Reply> get_bucket_lifecycle(ObjectStore&, const RequestContext&, const Document&);
Result<Reply> delete_bucket_lifecycle(ObjectStore&, const RequestContext&, const Document&);
Result<Reply> put_bucket_encryption(ObjectStore&, const RequestContext&, const Document&);
Result<Reply> get_bucket_encryption(ObjectStore&, const RequestContext&, const Document&);
Result<Reply> delete_bucket_encryption(ObjectStore&, const RequestContext&, const Document&);
Result<Reply> put_bucket_tagging(ObjectStore&, const RequestContext&, const Document&);
Result<Reply> get_bucket_tagging(ObjectStore&, const RequestContext&, const Document&);
Result<Reply> delete_bucket_tagging(ObjectStore&, const RequestContext&, const Document&);
Result<Reply> put_public_access_block(ObjectStore&, const RequestContext&, const Document&);
Result<Reply> get_public_access_block(ObjectStore&, const RequestContext&, const Document&);
Result<Reply> delete_public_access_block(ObjectStore&, const RequestContext&, const Document&);
Result<Reply> put_ownership_controls(ObjectStore&, const RequestContext&, const Document&);
Result<Reply> get_ownership_controls(ObjectStore&, const RequestContext&, const Document&);
Result<Reply> delete_ownership_controls(ObjectStore&, const RequestContext&, const Document&);

// bucket_policy.cc
Result<Reply> put_bucket_policy(ObjectStore&, const RequestContext&, const Document&);
Result<Reply> get_bucket_policy(ObjectStore&, const RequestContext&, const Document&);
Result<Reply> delete_bucket_policy(ObjectStore&, const RequestContext&, const Document&);
Result<Reply> get_bucket_policy_status(ObjectStore&, const RequestContext&, const Document&);

// notifications.cc
Result<Reply> put_bucket_notification(ObjectStore&, const RequestContext&, const Document&);
Result<Reply> get_bucket_notification(ObjectStore&, const RequestContext&, const Document&);

// put_object.cc
Result<std::unique_ptr<wire::BodySink>> put_object(ObjectStore&, const RequestContext&, const Document&);

// get_object.cc
Result<Reply> get_object(ObjectStore&, const RequestContext&, const Document&);
Result<Reply> head_object(ObjectStore&, const RequestContext&, const Document&);

// copy_object.cc; blocks
Result<Reply> copy_object(ObjectStore&, const RequestContext&, const Document&);
Result<Reply> upload_part_copy(ObjectStore&, const RequestContext&, const Document&);

// delete_objects.cc
Result<Reply> delete_object(ObjectStore&, const RequestContext&, const Document&);
Result<Reply> delete_objects(ObjectStore&, const RequestContext&, const Document&);

// list_objects.cc
Result<Reply> list_objects(ObjectStore&, const RequestContext&, const Document&);
Result<Reply> list_objects_v2(ObjectStore&, const RequestContext&, const Document&);
Result<Reply> list_object_versions(ObjectStore&, const RequestContext&, const Document&);

// object_tagging.cc
Result<Reply> put_object_tagging(ObjectStore&, const RequestContext&, const Document&);
Result<Reply> get_object_tagging(ObjectStore&, const RequestContext&, const Document&);
Result<Reply> delete_object_tagging(ObjectStore&, const RequestContext&, const Document&);

// multipart.cc
Result<Reply> create_multipart_upload(ObjectStore&, const RequestContext&, const Document&);
Result<std::unique_ptr<wire::BodySink>> upload_part(ObjectStore&, const RequestContext&, const Document&);
Result<Reply> complete_multipart_upload(ObjectStore&, const RequestContext&, const Document&);
Result<Reply> abort_multipart_upload(ObjectStore&, const RequestContext&, const Document&);
Result<Reply> list_parts(ObjectStore&, const RequestContext&, const Document&);
Result<Reply> list_multipart_uploads(ObjectStore&, const RequestContext&, const Document&);

}  // namespace millrace::api_s3
