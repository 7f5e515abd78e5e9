#include <cmath>
#include <functional>

#include "api/xray/operations.h"
#include "traces/filter.h"
#include "traces/header.h"
#include "traces/summary.h"
#include "wire/generated/xray.h"
#include "wire/generated/xray_views.h"

namespace millrace::api_xray {
namespace {

constexpr std::size_t kTracesPerCall = 5;      // AWS: BatchGetTraces
constexpr std::size_t kExaminedPerPage = 500;  // by GetTraceSummaries
constexpr std::size_t kSummariesPerPage = 100;

Error invalid(std::string text) { return Error(wire::xray::kInvalidRequestException, std::move(text)); }
Error not_supported(std::string_view member) {
  return invalid("The parameter " + std::string(member) + " is not supported by this server.");
}

// The same traces for the same rate, whoever asks.
bool is_in_share(std::string_view id, double rate) {
  const std::size_t hash = std::hash<std::string_view>()(id.substr(11));
  return static_cast<double>(hash % 10'000) < rate * 10'000;
}

Document trace_document(const traces::Trace& trace) {
  const traces::Picture picture(trace.id, traces::assemble(trace.documents));
  Document segments = Document::array();
  for (const auto& segment : picture.segments()) {
    segments.push(Document::object({{"Id", segment.string_or("id", "")}, {"Document", segment.dump()}}));
  }
  Document out = Document::object({{"Id", trace.id}, {"LimitExceeded", trace.limit_exceeded}});
  if (!picture.segments().empty()) out.set("Duration", picture.duration());
  return out.set("Segments", std::move(segments));
}

}  // namespace

Result<Reply> batch_get_traces(const Parts& parts, const RequestContext& context, const Document& input) {
  const wire::xray::BatchGetTracesRequest request(input);
  if (request.next_token()) return not_supported("NextToken");  // no answer of ours has one
  std::vector<std::string> ids;
  for (const std::string_view each : request.trace_ids()) {
    const auto id = traces::trace_id_of(each);
    if (!id) return invalid("Invalid trace id: " + std::string(each));
    ids.push_back(*id);
  }
  if (ids.size() > kTracesPerCall) return invalid("Too many trace IDs: at most 5 can be given.");
  Document found = Document::array();
  for (const auto& id : ids) {
    MR_ASSIGN_OR_RETURN(const auto trace, parts.store.find(context.caller.scope, id));
    if (trace) found.push(trace_document(*trace));
  }
  Reply reply;
  // AWS: what does not exist is left out.
  reply.output.set("Traces", std::move(found)).set("UnprocessedTraceIds", Document::array());
  return reply;
}

Result<Reply> get_trace_summaries(const Parts& parts, const RequestContext& context, const Document& input) {
  const wire::xray::GetTraceSummariesRequest request(input);
  const auto type = request.time_range_type().value_or("TraceId");
  if (type == "Service") return not_supported("TimeRangeType Service");
  if (request.end_time() <= request.start_time()) return invalid("The end time must be after the start time.");
  double rate = 1;
  if (const auto strategy = request.sampling_strategy(); strategy && request.sampling().value_or(false)) {
    if (strategy->name().value_or("PartialScan") == "FixedRate") {
      rate = strategy->value().value_or(0);
      if (rate <= 0 || rate > 1)
        return invalid("The value of the sampling strategy must be greater than 0 and at most 1.");
    }
  }
  auto filter = traces::Filter::parse(request.filter_expression().value_or(""));
  if (!filter.ok()) return invalid(filter.error().message());
  const std::string after(request.next_token().value_or(""));
  if (!after.empty() && !traces::is_trace_id(after)) return invalid("Invalid next token.");
  const Scope& scope = context.caller.scope;
  const auto ids = parts.store.list(scope, type == "Event" ? traces::RangeType::kEvent : traces::RangeType::kTraceId,
                                    request.start_time(), request.end_time(), kExaminedPerPage + 1, after);
  Document summaries = Document::array();
  std::size_t examined = 0;
  for (; examined < ids.size() && examined < kExaminedPerPage; ++examined) {
    if (summaries.as_array().size() >= kSummariesPerPage) break;
    if (!is_in_share(ids[examined], rate)) continue;
    MR_ASSIGN_OR_RETURN(const auto trace, parts.store.find(scope, ids[examined]));
    if (!trace) continue;
    const traces::Picture picture(trace->id, traces::assemble(trace->documents));
    if (picture.nodes().empty() || !filter->passes(picture, scope.account)) continue;
    summaries.push(picture.summary(scope.account));
  }
  Reply reply;
  reply.output.set("TraceSummaries", std::move(summaries))
      .set("ApproximateTime", static_cast<double>(to_unix_ms(parts.clock.now())) / 1000)
      .set("TracesProcessedCount", static_cast<std::int64_t>(examined));
  if (examined < ids.size()) reply.output.set("NextToken", ids[examined - 1]);
  return reply;
}

}  // namespace millrace::api_xray
