// AWS::S3::BucketPolicy: kept and shown by the bucket; no policy of a bucket is enforced here.
#include "resources/type_base.h"
#include "resources/types.h"

namespace millrace::resources {
namespace s3_bucket_policy {

class Type final : public TypeBase {
 public:
  Type()
      : TypeBase("AWS::S3::BucketPolicy", {required("Bucket", Update::kReplace),
                                           {"PolicyDocument", Update::kInPlace, Effect::kRecorded, kRequired}}) {}
  // AWS: a bucket has one policy; a second resource for it fails.
  Result<bool> exists(const Work& work) const override {
    return work.call("s3", "GetBucketPolicy", bucket_of(work)).ok();
  }
  Result<Resource> create(const Work& work) const override {
    Document input = bucket_of(work);
    input.set("Policy", text_of(work.properties, "PolicyDocument"));
    MR_RETURN_IF_ERROR(work.call("s3", "PutBucketPolicy", std::move(input)));
    return Resource{text_of(work.properties, "Bucket"), Document::object(), ""};
  }
  Result<Resource> update(const Work& work) const override { return create(work); }
  Result<void> remove(const Work& work) const override {
    return ignore_gone(work.call("s3", "DeleteBucketPolicy", bucket_of(work)));
  }

 private:
  static Document bucket_of(const Work& work) {
    return Document::object({{"Bucket", text_of(work.properties, "Bucket")}});
  }
};

}  // namespace s3_bucket_policy

std::unique_ptr<stacks::ResourceType> make_s3_bucket_policy() { return std::make_unique<s3_bucket_policy::Type>(); }

}  // namespace millrace::resources
