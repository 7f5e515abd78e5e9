// What older versions wrote, in the present form (app/upgrade.h).
#pragma once

#include "base/result.h"
#include "storage/store.h"

namespace millrace::functions {

// Format 2 to 3: keys of asynchronous events and of their states say with which qualifier the function was invoked;
// those without become events of the unqualified function. May run again after a stop in the middle. Errors: of the
// store; a key that no version wrote is damage (kStorageFailed).
Result<void> qualify_events(storage::Store& store);

}  // namespace millrace::functions
