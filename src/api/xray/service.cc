#include "api/xray/service.h"

#include "api/xray/operations.h"
#include "wire/generated/xray.h"

namespace millrace::api_xray {

std::unique_ptr<wire::Service> make_xray_service(const Parts& parts) {
  auto service = std::make_unique<wire::Service>(wire::xray::kModel);
  using Operation = Result<Reply> (*)(const Parts&, const RequestContext&, const Document&);
  const auto serve = [&](std::string_view name, Operation operation) {
    service->on(name, [parts, operation](const RequestContext& context, const Document& input) {
      return operation(parts, context, input);
    });
  };
  serve("PutTraceSegments", put_trace_segments);
  serve("PutTelemetryRecords", put_telemetry_records);
  serve("BatchGetTraces", batch_get_traces);
  serve("GetTraceSummaries", get_trace_summaries);
  serve("GetSamplingRules", get_sampling_rules);
  serve("GetSamplingTargets", get_sampling_targets);
  service->on_pool({"BatchGetTraces", "GetTraceSummaries"});
  return service;
}

}  // namespace millrace::api_xray
