#include "app/internal/function_invoker.h"

namespace millrace::app {
namespace {

triggers::InvokeResult result_of(functions::MappingResult answer) {
  triggers::InvokeResult result;
  using Kind = functions::MappingResult::Kind;
  result.outcome = answer.kind == Kind::kInvoked     ? triggers::Outcome::kAnswered
                   : answer.kind == Kind::kThrottled ? triggers::Outcome::kThrottled
                                                     : triggers::Outcome::kRefused;
  result.request_id = std::move(answer.answer.request_id);
  result.message = std::move(answer.message);
  result.payload = std::move(answer.answer.payload);
  result.function_error = std::move(answer.answer.function_error);
  result.executed_version = std::move(answer.answer.executed_version);
  result.duration = answer.answer.duration;
  result.memory_mb = answer.memory_mb;
  return result;
}

}  // namespace

void FunctionInvoker::invoke(triggers::InvokeRequest request, std::function<void(triggers::InvokeResult)> done) {
  using Kind = traces::Cause::Kind;
  const bool is_queue = request.source_arn.find(":sqs:") != std::string::npos;
  traces::Cause cause{.kind = is_queue ? Kind::kQueue : Kind::kStream,
                      .source_arn = std::move(request.source_arn),
                      .mapping = std::move(request.mapping),
                      .upstream = std::move(request.trace_header),
                      .records = request.records,
                      .attempt = request.attempt,
                      .written = request.first_record,
                      .read = request.read,
                      .formed = request.formed,
                      .has_window = request.has_window};
  functions_.invoke_for_mapping(request.function_arn, std::move(request.request_id), std::move(request.payload),
                                std::move(cause),
                                [this, done = std::move(done), arn = request.function_arn,
                                 last = request.last_record](functions::MappingResult answer) {
                                  // AWS: the age of the batch's last record when the function has handled it.
                                  if (answer.kind == functions::MappingResult::Kind::kInvoked && last != kNever)
                                    sources_.iterator_age(arn, std::max(Milliseconds(0), clock_.now() - last));
                                  done(result_of(std::move(answer)));
                                });
}

}  // namespace millrace::app
