#include "api/s3/operations.h"
#include "s3/limits.h"

namespace millrace::api_s3 {
namespace {

Document delete_error(std::string_view key, std::string_view version, const Error& error) {
  Document failed = Document::object({{"Key", key}, {"Code", error.type().name}, {"Message", error.message()}});
  failed.set_if(!version.empty(), "VersionId", version);
  return failed;
}

}  // namespace

Result<Reply> delete_object(ObjectStore& objects, const RequestContext& context, const Document& request) {
  store::WriteConditions conditions;
  conditions.if_match = text(request, "IfMatch");
  Reply reply;
  MR_ASSIGN_OR_RETURN(reply.after, objects.delete_object(account_of(context), text(request, "Bucket"),
                                                         text(request, "Key"), conditions, origin_of(context)));
  return reply;
}

Result<Reply> delete_objects(ObjectStore& objects, const RequestContext& context, const Document& request) {
  MR_RETURN_IF_ERROR(check_body(context, Integrity::kRequired));
  const Document* body = request.find("Delete");
  const Document* keys = body == nullptr ? nullptr : body->find("Objects");
  if (keys == nullptr || !keys->is_array() || keys->as_array().empty() ||
      keys->as_array().size() > store::kDeleteKeysMax) {
    return Error(store::kMalformedXml,
                 "The XML you provided was not well-formed or did not validate against our published schema");
  }
  Document errors = Document::array();
  std::vector<ObjectStore::DeleteTarget> targets;
  for (const Document& object : keys->as_array()) {
    if (object.find("LastModifiedTime") != nullptr || object.find("Size") != nullptr) {
      return Error(kNotImplemented, "The members LastModifiedTime and Size are not implemented by millrace.");
    }
    const std::string_view version = text(object, "VersionId");
    if (!version.empty() && version != "null") {
      static constexpr ErrorType kNoSuchVersion{"NoSuchVersion", 404, ErrorKind::kClient};
      errors.push(
          delete_error(text(object, "Key"), version, Error(kNoSuchVersion, "The specified version does not exist.")));
      continue;
    }
    targets.push_back({text_copy(object, "Key"), text_copy(object, "ETag")});
  }
  Reply reply;
  MR_ASSIGN_OR_RETURN(const auto results, objects.delete_objects(account_of(context), text(request, "Bucket"), targets,
                                                                 reply.after, origin_of(context)));
  Document deleted = Document::array();
  for (const store::DeleteResult& result : results) {
    if (result.error) {
      errors.push(delete_error(result.key, "", *result.error));
    } else {
      deleted.push(Document::object({{"Key", result.key}}));
    }
  }
  if (!body->bool_or("Quiet", false)) reply.output.set("Deleted", std::move(deleted));
  reply.output.set("Errors", std::move(errors));
  return reply;
}

}  // namespace millrace::api_s3
