// One function per operation; the AWS API reference says what each does. Thread-safe.
#pragma once

#include "api/xray/service.h"

namespace millrace::api_xray {

using wire::Document;
using wire::Reply;
using wire::RequestContext;

// segments.cc
Result<Reply> put_trace_segments(const Parts& parts, const RequestContext& context, const Document& input);
Result<Reply> put_telemetry_records(const Parts& parts, const RequestContext& context, const Document& input);
// queries.cc
Result<Reply> batch_get_traces(const Parts& parts, const RequestContext& context, const Document& input);
Result<Reply> get_trace_summaries(const Parts& parts, const RequestContext& context, const Document& input);
// sampling.cc
Result<Reply> get_sampling_rules(const Parts& parts, const RequestContext& context, const Document& input);
Result<Reply> get_sampling_targets(const Parts& parts, const RequestContext& context, const Document& input);

}  // namespace millrace::api_xray
