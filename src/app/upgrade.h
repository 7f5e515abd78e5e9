// Brings a data directory that an older version wrote into the present format, at start, before anything is loaded.
//
// One step per format number; each may run again after a stop in the middle. The format is noted when all are durable.
#pragma once

#include "base/result.h"
#include "storage/rocks/data_directory.h"
#include "storage/store.h"

namespace millrace::app {

// Nothing for a directory in the present format. Errors: of the store; a damaged record is named, and nothing is noted.
Result<void> upgrade(storage::DataDirectory& directory, storage::Store& store);

}  // namespace millrace::app
