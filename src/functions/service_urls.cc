// Function URLs: which there are. They are served by api/lambda/function_urls.h.
#include "functions/errors.h"
#include "functions/internal/entry.h"
#include "functions/service.h"

namespace millrace::functions {
namespace {

constexpr std::size_t kUrlIdLength = 32;

Error no_url() { return Error(kResourceNotFound, "The resource you requested does not exist."); }

}  // namespace

Result<FunctionUrl> Functions::create_url(const FunctionReference& target, const UrlChange& change) {
  const std::lock_guard lock(mutex_);
  const auto entry = find_qualified(target);
  if (!entry.ok()) return Error(kResourceNotFound, "Function does not exist");
  auto& urls = (*entry)->attached.urls;
  if (urls.contains(target.qualifier)) {
    return Error(kResourceConflict, "Failed to create function url config for [functionArn = " + target.arn() +
                                        "]. Error message:  FunctionUrlConfig exists for this Lambda function");
  }
  const Time now = services_.scheduler.now();
  const FunctionUrl url{.id = services_.random.hex(kUrlIdLength),
                        .auth_type = change.auth_type.value_or("AWS_IAM"),
                        .cors = change.cors,
                        .created = now,
                        .last_modified = now};
  urls[target.qualifier] = url;
  save(**entry);
  return url;
}

Result<FunctionUrl> Functions::update_url(const FunctionReference& target, const UrlChange& change) {
  const std::lock_guard lock(mutex_);
  const auto entry = find_qualified(target);
  if (!entry.ok()) return no_url();
  const auto url = (*entry)->attached.urls.find(target.qualifier);
  if (url == (*entry)->attached.urls.end()) return no_url();
  if (change.auth_type) url->second.auth_type = *change.auth_type;
  if (change.cors) url->second.cors = change.cors;
  url->second.last_modified = services_.scheduler.now();
  save(**entry);
  return url->second;
}

Result<FunctionUrl> Functions::url(const FunctionReference& target) const {
  const std::lock_guard lock(mutex_);
  const auto entry = find_qualified(target);
  if (!entry.ok()) return no_url();
  const auto url = (*entry)->attached.urls.find(target.qualifier);
  if (url == (*entry)->attached.urls.end()) return no_url();
  return url->second;
}

Result<void> Functions::delete_url(const FunctionReference& target) {
  const std::lock_guard lock(mutex_);
  const auto entry = find_qualified(target);
  if (!entry.ok() || (*entry)->attached.urls.erase(target.qualifier) == 0) return no_url();
  save(**entry);
  return {};
}

std::map<std::string, FunctionUrl> Functions::urls(const FunctionName& name) const {
  const std::lock_guard lock(mutex_);
  const auto it = functions_.find(name);
  return it == functions_.end() ? std::map<std::string, FunctionUrl>() : it->second->attached.urls;
}

std::optional<std::pair<FunctionReference, FunctionUrl>> Functions::find_url(std::string_view id) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [name, entry] : functions_) {
    for (const auto& [qualifier, url] : entry->attached.urls) {
      if (url.id == id) return std::pair{FunctionReference{name, qualifier}, url};
    }
  }
  return std::nullopt;
}

}  // namespace millrace::functions
