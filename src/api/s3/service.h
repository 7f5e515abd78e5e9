// The REST-XML face of the object store.
#pragma once

#include <memory>

#include "wire/service.h"

namespace millrace::s3 {
class ObjectStore;
}

namespace millrace::api_s3 {

// The Service to be added to the dispatcher. `objects` outlives it; its Scheduler's pool does what blocks.
std::unique_ptr<wire::Service> make_s3_service(millrace::s3::ObjectStore& objects);

}  // namespace millrace::api_s3
