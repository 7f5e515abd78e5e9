// AWS::S3::BucketPolicy: recorded, as no policy of a bucket is enforced here.
#include "resources/type_base.h"
#include "resources/types.h"

namespace millrace::resources {
namespace s3_bucket_policy {

class Type final : public TypeBase {
 public:
  Type()
      : TypeBase("AWS::S3::BucketPolicy", {required("Bucket", Update::kReplace),
                                           {"PolicyDocument", Update::kInPlace, Effect::kRecorded, kRequired}}) {}
  Result<Resource> create(const Work& work) const override {
    const std::string bucket = text_of(work.properties, "Bucket");
    MR_RETURN_IF_ERROR(work.call("s3", "HeadBucket", Document::object({{"Bucket", bucket}})));
    return Resource{bucket, Document::object(), ""};
  }
  Result<Resource> update(const Work& work) const override { return create(work); }
  Result<void> remove(const Work&) const override { return {}; }
};

}  // namespace s3_bucket_policy

std::unique_ptr<stacks::ResourceType> make_s3_bucket_policy() { return std::make_unique<s3_bucket_policy::Type>(); }

}  // namespace millrace::resources
