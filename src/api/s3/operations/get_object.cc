#include <algorithm>

#include "api/s3/operations.h"
#include "s3/limits.h"

namespace millrace::api_s3 {
namespace {

// A part of an object as an answer's body. Keeps the object's file open, so that deleting it meanwhile changes nothing.
class ContentSource final : public http::BodySource {
 public:
  ContentSource(std::shared_ptr<store::ObjectContent> content, store::ByteRange range)
      : content_(std::move(content)), range_(range) {}

  Result<std::string> read(std::size_t max) override {
    // Up to a multiple of what is read at once: no block of the file is compared twice.
    const std::size_t count =
        std::min<std::uint64_t>({max, range_.count, store::kReadBytes - range_.first % store::kReadBytes});
    if (count == 0) return std::string();
    auto bytes = content_->read(range_.first, count);
    range_.first += count;
    range_.count -= count;
    return bytes;
  }

 private:
  std::shared_ptr<store::ObjectContent> content_;
  store::ByteRange range_;
};

struct Selection {
  store::ByteRange range;
  bool partial = false;
  int parts = 0;  // of which one was asked for
};

Result<Selection> select_part(const Document& request, const store::ObjectInfo& info,
                              const std::vector<std::uint64_t>& part_bytes) {
  const std::int64_t number = request.int_or("PartNumber", 0);
  const std::int64_t parts = std::max<std::int64_t>(1, static_cast<std::int64_t>(part_bytes.size()));
  if (number < 1 || number > parts) {
    return Error(store::kInvalidPartNumber, "The requested partnumber is not satisfiable")
        .with("ActualPartCount", std::to_string(parts))
        .with("PartNumberRequested", std::to_string(number));
  }
  if (part_bytes.empty()) return Selection{{0, info.bytes}, info.bytes > 0, 0};
  Selection selection{{0, part_bytes[static_cast<std::size_t>(number - 1)]}, true, static_cast<int>(parts)};
  for (std::int64_t i = 0; i + 1 < number; ++i) selection.range.first += part_bytes[static_cast<std::size_t>(i)];
  return selection;
}

Result<Selection> select(const Document& request, const store::ObjectInfo& info,
                         const std::vector<std::uint64_t>& part_bytes) {
  const std::string_view field = text(request, "Range");
  if (request.find("PartNumber") != nullptr) {
    if (!field.empty()) {
      return Error(store::kInvalidRequest, "Cannot specify both Range header and partNumber query parameter");
    }
    return select_part(request, info, part_bytes);
  }
  auto range = store::parse_range(field, info.bytes);
  if (!range.ok()) {
    return std::move(range)
        .error()
        .with("RangeRequested", Document(field).dump())
        .with("ActualObjectSize", std::to_string(info.bytes));
  }
  if (!*range) return Selection{{0, info.bytes}, false, 0};
  return Selection{**range, true, 0};
}

void describe_object(const store::ObjectInfo& info, Reply& reply) {
  const store::ObjectAttributes& attributes = info.attributes;
  Document& output = reply.output;
  output.set("AcceptRanges", "bytes").set("ETag", quoted(info.etag)).set("LastModified", timestamp(info.modified));
  output.set("ServerSideEncryption", "AES256");
  output.set_if(!info.expiration.empty(), "Expiration", info.expiration);
  output.set_if(attributes.storage_class != "STANDARD", "StorageClass", attributes.storage_class);
  output.set_if(!attributes.website_redirect.empty(), "WebsiteRedirectLocation", attributes.website_redirect);
  Document metadata = Document::object();
  for (const auto& [name, value] : attributes.metadata) metadata.set(name, value);
  output.set_if(!attributes.metadata.empty(), "Metadata", std::move(metadata));
}

// Content fields, which the query may override (AWS: response-content-type and so on).
void set_content_fields(const Document& request, const store::ObjectAttributes& attributes, Reply& reply) {
  const auto set = [&](std::string_view field, std::string_view member, const std::string& stored) {
    const std::string_view wanted = text(request, member);
    if (wanted.empty() && stored.empty()) return;
    reply.fields.set(field, wanted.empty() ? stored : std::string(wanted));
  };
  set("Content-Type", "ResponseContentType", attributes.content_type);
  set("Content-Encoding", "ResponseContentEncoding", attributes.content_encoding);
  set("Content-Language", "ResponseContentLanguage", attributes.content_language);
  set("Content-Disposition", "ResponseContentDisposition", attributes.content_disposition);
  set("Cache-Control", "ResponseCacheControl", attributes.cache_control);
  set("Expires", "", attributes.expires);
}

Reply not_modified(const store::ObjectInfo& info) {
  Reply reply;
  reply.status = 304;
  reply.output.set("ETag", quoted(info.etag)).set("LastModified", timestamp(info.modified));
  reply.after = info.after;
  return reply;
}

// What Get and Head have in common: all but the body.
Result<Reply> answer_for(const RequestContext& context, const Document& request, const store::ObjectInfo& info,
                         const std::vector<std::uint64_t>& part_bytes, store::ByteRange& range) {
  const auto holds =
      store::check_conditions(read_conditions(request, ""), info.etag, info.modified, store::ConditionalRequest::kRead);
  if (!holds.ok() && holds.error().is(store::kNotModified)) {
    range = {};
    return not_modified(info);
  }
  if (!holds.ok()) return holds.error();
  MR_ASSIGN_OR_RETURN(const Selection selection, select(request, info, part_bytes));
  range = selection.range;
  Reply reply;
  describe_object(info, reply);
  set_content_fields(request, info.attributes, reply);
  // The time of response-expires is sent as it came.
  if (const auto expires = context.head->query_value("response-expires"))
    reply.fields.set("Expires", std::string(*expires));
  if (selection.partial) {
    reply.status = 206;
    reply.output.set("ContentRange", "bytes " + std::to_string(range.first) + "-" +
                                         std::to_string(range.first + range.count - 1) + "/" +
                                         std::to_string(info.bytes));
  } else if (text(request, "ChecksumMode") == "ENABLED") {
    set_checksum(reply.output, info.checksum);
  }
  reply.output.set_if(selection.parts > 0, "PartsCount", selection.parts);
  reply.after = info.after;
  return reply;
}

}  // namespace

Result<Reply> get_object(ObjectStore& objects, const RequestContext& context, const Document& request) {
  MR_ASSIGN_OR_RETURN(const store::OpenedObject opened,
                      objects.open_object(account_of(context), text(request, "Bucket"), text(request, "Key")));
  const store::ObjectInfo& info = opened.info;
  if (store::is_archived(info.attributes.storage_class)) {
    return Error(store::kInvalidObjectState, "The operation is not valid for the object's storage class")
        .with("StorageClass", Document(info.attributes.storage_class).dump());
  }
  store::ByteRange range;
  MR_ASSIGN_OR_RETURN(Reply reply, answer_for(context, request, info, opened.part_bytes, range));
  reply.output.set_if(!info.attributes.tags.empty(), "TagCount", std::uint64_t{info.attributes.tags.size()});
  if (range.count == 0) return reply;
  if (opened.content->in_memory()) {
    MR_ASSIGN_OR_RETURN(reply.payload, opened.content->read(range.first, range.count));
  } else {
    reply.source = std::make_unique<ContentSource>(opened.content, range);
    reply.source_bytes = range.count;
  }
  return reply;
}

Result<Reply> head_object(ObjectStore& objects, const RequestContext& context, const Document& request) {
  store::ObjectInfo info;
  std::vector<std::uint64_t> part_bytes;
  if (request.find("PartNumber") != nullptr) {
    MR_ASSIGN_OR_RETURN(store::OpenedObject opened,
                        objects.open_object(account_of(context), text(request, "Bucket"), text(request, "Key")));
    info = std::move(opened.info);
    part_bytes = std::move(opened.part_bytes);
  } else {
    MR_ASSIGN_OR_RETURN(info, objects.head_object(account_of(context), text(request, "Bucket"), text(request, "Key")));
  }
  store::ByteRange range;
  MR_ASSIGN_OR_RETURN(Reply reply, answer_for(context, request, info, part_bytes, range));
  if (reply.status != 304) reply.fields.set("Content-Length", std::to_string(range.count));
  return reply;
}

}  // namespace millrace::api_s3
