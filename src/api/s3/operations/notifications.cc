#include "api/s3/operations.h"

namespace millrace::api_s3 {

Result<Reply> put_bucket_notification(ObjectStore& objects, const RequestContext& context, const Document& request) {
  MR_RETURN_IF_ERROR(check_body(context));
  const Document* sent = request.find("NotificationConfiguration");
  MR_ASSIGN_OR_RETURN(auto rules, store::parse_notifications(sent == nullptr ? Document::object() : *sent));
  const bool skip = request.bool_or("SkipDestinationValidation", false);
  using Check = ObjectStore::DestinationCheck;
  Reply reply;
  MR_ASSIGN_OR_RETURN(reply.after,
                      objects.set_notifications(account_of(context), text(request, "Bucket"), std::move(rules),
                                                skip ? Check::kSkip : Check::kCheck, origin_of(context)));
  return reply;
}

Result<Reply> get_bucket_notification(ObjectStore& objects, const RequestContext& context, const Document& request) {
  MR_ASSIGN_OR_RETURN(const store::BucketPointer bucket, objects.bucket(account_of(context), text(request, "Bucket")));
  Reply reply;
  reply.output = bucket->notifications.to_json();
  reply.after = bucket->after;
  return reply;
}

}  // namespace millrace::api_s3
