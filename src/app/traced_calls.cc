#include "app/internal/traced_calls.h"

#include "wire/shapes.h"

namespace millrace::app {

void trace_call(traces::Recorder& recorder, const wire::Finished& finished) {
  const auto& context = finished.context;
  if (context.head == nullptr) return;
  const auto header = context.head->fields.get(traces::kHeaderField);
  if (!recorder.wants(header)) return;
  // Without a header only a function's own calls are known, by the key it was given: a role's (AWS: ASIA...), or its
  // account. All others are spared the look.
  const std::string& key = context.caller.access_key;
  if (header.empty() && !key.starts_with("ASIA") && key != context.caller.scope.account) return;
  const bool is_bucket = !finished.bucket.empty();
  recorder.call({.scope = context.caller.scope,
                 .header = header,
                 .access_key = context.caller.access_key,
                 .service = finished.service,
                 .operation = context.operation->name,
                 .resource = is_bucket ? finished.bucket : std::string_view(context.resource),
                 .method = context.head->method,
                 .url = context.head->path,
                 .request_id = context.request_id,
                 .error = finished.error,
                 .throttled = finished.throttled,
                 .status = finished.status,
                 .milliseconds = finished.milliseconds});
}

}  // namespace millrace::app
