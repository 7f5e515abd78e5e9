// Tells the recorder of traces about finished requests that belong to one. Costs a look at one header field otherwise.
#pragma once

#include "traces/recorder.h"
#include "wire/dispatcher.h"

namespace millrace::app {

void trace_call(traces::Recorder& recorder, const wire::Finished& finished);

}  // namespace millrace::app
