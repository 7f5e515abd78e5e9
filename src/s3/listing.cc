// Listing: one seek per common prefix, however many keys lie below it.
#include <utility>

#include "s3/object_store.h"

namespace millrace::s3 {
namespace {

using storage::Family;

// The common prefix that `key` rolls up to, or empty.
std::string_view rolled_up(std::string_view key, const ListRequest& request) {
  if (request.delimiter.empty() || !key.starts_with(request.prefix)) return {};
  const std::size_t at = key.find(request.delimiter, request.prefix.size());
  return at == std::string_view::npos ? std::string_view() : key.substr(0, at + request.delimiter.size());
}

}  // namespace

Result<ListPage> ObjectStore::list_objects(std::string_view account, std::string_view bucket_name,
                                           const ListRequest& request) const {
  MR_ASSIGN_OR_RETURN(const BucketPointer owner, bucket(account, bucket_name));
  ListPage page;
  page.after = owner->after;
  if (request.max_keys == 0) return page;
  const std::string root = internal::object_key(owner->id, "");
  const std::string lower = root + request.prefix;
  const auto at = store_.iterate(Family::kObjects, {lower, storage::prefix_end(lower)});
  std::string start = lower;
  if (request.after >= request.prefix) {
    // A key inside a common prefix stands for all of it: that has been listed.
    const std::string_view passed = rolled_up(request.after, request);
    start = passed.empty() ? root + request.after + '\0' : storage::prefix_end(root + std::string(passed));
  }
  for (at->seek(std::max(start, lower)); at->valid();) {
    const std::string_view key = at->key().substr(root.size());
    if (page.objects.size() + page.common_prefixes.size() == request.max_keys) {
      page.truncated = true;
      break;
    }
    if (const std::string_view common = rolled_up(key, request); !common.empty()) {
      page.common_prefixes.emplace_back(common);
      page.last = common;
      at->seek(storage::prefix_end(root + page.last));
      continue;
    }
    const auto record = internal::decode_object(at->value());
    if (!record) return damaged("record", key);
    page.objects.push_back(internal::to_info(key, *record));
    page.last = key;
    at->next();
  }
  MR_RETURN_IF_ERROR(at->status());
  return page;
}

}  // namespace millrace::s3
