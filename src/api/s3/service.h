// The REST-XML face of the object store.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "wire/service.h"

namespace millrace::s3 {
class ObjectStore;
}

namespace millrace::api_s3 {

// Buckets that an account has without making them: they come to be when they are first used, so that nobody's list
// shows what nobody uses. Gives the region of such a bucket, nullopt for any other name. Pure, thread-safe.
using BucketPresets = std::function<std::optional<std::string>(std::string_view account, std::string_view name)>;

// The Service to be added to the dispatcher. `objects` outlives it; its Scheduler's pool does what blocks.
std::unique_ptr<wire::Service> make_s3_service(millrace::s3::ObjectStore& objects, BucketPresets presets = {});

}  // namespace millrace::api_s3
