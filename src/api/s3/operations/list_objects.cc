#include <algorithm>

#include "api/s3/operations.h"
#include "crypto/encoding.h"
#include "s3/limits.h"

namespace millrace::api_s3 {
namespace {

struct Listing {
  store::ListRequest request;
  bool encoded = false;  // encoding-type=url
  std::string encode(std::string_view value) const {
    return encoded ? http::url_encode(value, true) : std::string(value);
  }
};

Result<Listing> listing_of(const Document& request) {
  Listing listing;
  listing.request.prefix = text(request, "Prefix");
  listing.request.delimiter = text(request, "Delimiter");
  const std::int64_t max_keys = request.int_or("MaxKeys", store::kListKeysMax);
  if (max_keys < 0) {
    return Error(store::kInvalidArgument, "Argument maxKeys must be an integer between 0 and 2147483647")
        .with("ArgumentName", "\"max-keys\"")
        .with("ArgumentValue", std::to_string(max_keys));
  }
  listing.request.max_keys = std::min<std::size_t>(static_cast<std::size_t>(max_keys), store::kListKeysMax);
  listing.encoded = text(request, "EncodingType") == "url";
  if (!listing.encoded && !text(request, "EncodingType").empty()) {
    return Error(store::kInvalidArgument, "Invalid Encoding Method specified in Request")
        .with("ArgumentName", "\"encoding-type\"");
  }
  return listing;
}

Document entry_of(const store::ObjectInfo& object, const Listing& listing) {
  Document entry = Document::object({{"Key", listing.encode(object.key)},
                                     {"LastModified", timestamp(object.modified)},
                                     {"ETag", quoted(object.etag)},
                                     {"Size", std::uint64_t{object.bytes}},
                                     {"StorageClass", object.attributes.storage_class}});
  Document algorithms = Document::array();
  algorithms.push(store::checksum_name(object.checksum.algorithm));
  entry.set("ChecksumAlgorithm", std::move(algorithms));
  entry.set("ChecksumType", store::checksum_type_name(object.checksum.type));
  return entry;
}

Document render(const Document& request, const Listing& listing, const store::ListPage& page,
                const std::optional<Document>& owner) {
  Document output = Document::object();
  output.set("Name", text(request, "Bucket")).set("Prefix", listing.encode(listing.request.prefix));
  output.set_if(!listing.request.delimiter.empty(), "Delimiter", listing.encode(listing.request.delimiter));
  output.set("MaxKeys", std::uint64_t{listing.request.max_keys}).set("IsTruncated", page.truncated);
  output.set_if(listing.encoded, "EncodingType", "url");
  Document contents = Document::array();
  for (const store::ObjectInfo& object : page.objects) {
    Document entry = entry_of(object, listing);
    if (owner) entry.set("Owner", *owner);
    contents.push(std::move(entry));
  }
  output.set("Contents", std::move(contents));
  Document prefixes = Document::array();
  for (const std::string& prefix : page.common_prefixes) {
    prefixes.push(Document::object({{"Prefix", listing.encode(prefix)}}));
  }
  output.set("CommonPrefixes", std::move(prefixes));
  return output;
}

}  // namespace

Result<Reply> list_objects(ObjectStore& objects, const RequestContext& context, const Document& request) {
  MR_ASSIGN_OR_RETURN(Listing listing, listing_of(request));
  listing.request.after = text(request, "Marker");
  MR_ASSIGN_OR_RETURN(const store::ListPage page,
                      objects.list_objects(account_of(context), text(request, "Bucket"), listing.request));
  Reply reply;
  reply.after = page.after;
  reply.output = render(request, listing, page, owner_of(context));
  reply.output.set("Marker", listing.encode(listing.request.after));
  // AWS: only with a delimiter; otherwise the last key serves.
  reply.output.set_if(page.truncated && !listing.request.delimiter.empty(), "NextMarker", listing.encode(page.last));
  return reply;
}

Result<Reply> list_objects_v2(ObjectStore& objects, const RequestContext& context, const Document& request) {
  MR_ASSIGN_OR_RETURN(Listing listing, listing_of(request));
  listing.request.after = text(request, "StartAfter");
  if (const Document* token = request.find("ContinuationToken")) {
    const auto after = crypto::base64url_decode(token->is_string() ? token->as_string() : "");
    if (!after || !after->starts_with('1')) {
      return Error(store::kInvalidArgument, "The continuation token provided is incorrect")
          .with("ArgumentName", "\"continuation-token\"");
    }
    listing.request.after = after->substr(1);
  }
  MR_ASSIGN_OR_RETURN(const store::ListPage page,
                      objects.list_objects(account_of(context), text(request, "Bucket"), listing.request));
  Reply reply;
  reply.after = page.after;
  reply.output = render(request, listing, page,
                        request.bool_or("FetchOwner", false) ? std::optional(owner_of(context)) : std::nullopt);
  reply.output.set("KeyCount", std::uint64_t{page.objects.size() + page.common_prefixes.size()});
  if (const Document* token = request.find("ContinuationToken")) reply.output.set("ContinuationToken", *token);
  reply.output.set_if(page.truncated, "NextContinuationToken", crypto::base64url_encode("1" + page.last));
  reply.output.set_if(request.find("StartAfter") != nullptr, "StartAfter", listing.encode(text(request, "StartAfter")));
  return reply;
}

// Buckets have no versions: every object is its own only one, which AWS calls "null".
Result<Reply> list_object_versions(ObjectStore& objects, const RequestContext& context, const Document& request) {
  MR_ASSIGN_OR_RETURN(Listing listing, listing_of(request));
  listing.request.after = text(request, "KeyMarker");
  MR_ASSIGN_OR_RETURN(const store::ListPage page,
                      objects.list_objects(account_of(context), text(request, "Bucket"), listing.request));
  Reply reply;
  reply.after = page.after;
  reply.output = render(request, listing, page, owner_of(context));
  Document versions = Document::array();
  for (Document& entry : reply.output.find("Contents")->as_array()) {
    entry.set("VersionId", "null").set("IsLatest", true);
    versions.push(std::move(entry));
  }
  reply.output.erase("Contents");
  reply.output.set("Versions", std::move(versions)).set("KeyMarker", listing.encode(listing.request.after));
  reply.output.set("VersionIdMarker", text(request, "VersionIdMarker"));
  if (page.truncated) {
    const bool ends_with_key = !page.objects.empty() && page.objects.back().key == page.last;
    reply.output.set("NextKeyMarker", listing.encode(page.last));
    reply.output.set_if(ends_with_key, "NextVersionIdMarker", "null");
  }
  return reply;
}

}  // namespace millrace::api_s3
