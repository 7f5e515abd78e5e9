#include "api/s3/operations.h"
#include "s3/limits.h"

namespace millrace::api_s3 {

Result<Reply> put_object_tagging(ObjectStore& objects, const RequestContext& context, const Document& request) {
  MR_RETURN_IF_ERROR(check_body(context));
  const Document* tagging = request.find("Tagging");
  MR_ASSIGN_OR_RETURN(store::Tags tags,
                      tags_of(tagging == nullptr ? Document::object() : *tagging, store::kObjectTagsMax));
  Reply reply;
  MR_ASSIGN_OR_RETURN(reply.after, objects.set_object_tags(account_of(context), text(request, "Bucket"),
                                                           text(request, "Key"), std::move(tags), origin_of(context)));
  return reply;
}

Result<Reply> get_object_tagging(ObjectStore& objects, const RequestContext& context, const Document& request) {
  MR_ASSIGN_OR_RETURN(const store::ObjectInfo info,
                      objects.head_object(account_of(context), text(request, "Bucket"), text(request, "Key")));
  Reply reply;
  reply.output.set("TagSet", to_document(info.attributes.tags));
  reply.after = info.after;
  return reply;
}

Result<Reply> delete_object_tagging(ObjectStore& objects, const RequestContext& context, const Document& request) {
  Reply reply;
  MR_ASSIGN_OR_RETURN(reply.after, objects.set_object_tags(account_of(context), text(request, "Bucket"),
                                                           text(request, "Key"), {}, origin_of(context)));
  return reply;
}

}  // namespace millrace::api_s3
