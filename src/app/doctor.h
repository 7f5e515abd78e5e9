// What this machine offers a server, checked without starting one: interpreters, isolation, port, disk, limits, and
// clients that are too old for AWS_ENDPOINT_URL. May take a second: it starts interpreters and clients to ask for their
// versions.
#pragma once

#include "app/config.h"
#include "codec/json.h"

namespace millrace::runtimes {
class ProcessHost;
}

namespace millrace::app {

// {"checks": [{"what", "found", "ok", "advice"?}]}. `processes` may be null: then isolation is probed by a host of its
// own.
codec::Json doctor(const Config& config, runtimes::ProcessHost* processes);

}  // namespace millrace::app
