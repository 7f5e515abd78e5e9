#include "traces/recorder.h"

#include <algorithm>
#include <chrono>

namespace millrace::traces {
namespace {

// As X-Ray's SDKs name services.
std::string service_name(std::string_view service) {
  constexpr std::pair<std::string_view, std::string_view> kNames[] = {{"dynamodb", "DynamoDB"},
                                                                      {"dynamodbstreams", "DynamoDBStreams"},
                                                                      {"s3", "S3"},
                                                                      {"sqs", "SQS"},
                                                                      {"sns", "SNS"},
                                                                      {"lambda", "Lambda"},
                                                                      {"logs", "CloudWatchLogs"},
                                                                      {"cloudwatch", "CloudWatch"},
                                                                      {"cloudformation", "CloudFormation"},
                                                                      {"events", "EventBridge"},
                                                                      {"iam", "IAM"},
                                                                      {"kms", "KMS"},
                                                                      {"ssm", "SSM"},
                                                                      {"sts", "STS"}};
  for (const auto& [id, name] : kNames) {
    if (id == service) return std::string(name);
  }
  return std::string(service);
}

std::string origin_of(std::string_view service) {
  if (service == "dynamodb") return "AWS::DynamoDB::Table";
  if (service == "s3") return "AWS::S3::Bucket";
  if (service == "sqs") return "AWS::SQS::Queue";
  if (service == "sns") return "AWS::SNS";
  return "AWS::" + service_name(service);
}

std::string_view resource_member(std::string_view service) {
  if (service == "dynamodb") return "table_name";
  if (service == "s3") return "bucket_name";
  return "resource_names";
}

double seconds(std::int64_t micros) { return static_cast<double>(micros) / 1e6; }

std::int64_t micros(Time time) { return to_unix_ms(time) * 1000; }

// AWS: throttle goes with error; fault is the server's.
void set_status(Json& segment, int status, bool throttled, std::string_view error, platform::Random& random) {
  segment.set_if(status >= 500, "fault", true);
  segment.set_if(status >= 400 && status < 500, "error", true);
  segment.set_if(throttled || status == 429, "throttle", true);
  if (error.empty()) return;
  segment.set(
      "cause",
      Json::object({{"exceptions", Json::array({Json::object(
                                       {{"id", new_segment_id(random)}, {"type", error}, {"remote", true}})})}}));
}

// The exception of a function's error document.
Json cause_of(const std::string& error, platform::Random& random) {
  Json exception = Json::object({{"id", new_segment_id(random)}});
  const auto document = codec::parse_json(error);
  const bool known = document.ok() && document->is_object();
  exception.set("message", known ? document->string_or("errorMessage", "") : std::string_view(error).substr(0, 1000));
  exception.set("type", known ? document->string_or("errorType", "Error") : std::string_view("Error"));
  return Json::object({{"exceptions", Json::array({std::move(exception)})}});
}

}  // namespace

class Recorder::Invocation {
 public:
  Start start;
  std::string root;
  std::string upstream;  // parent of the service segment, or ""
  std::string service_id;
  std::string function_id;
  std::string invocation_id;
  Deadline began;
  std::int64_t began_us = 0;  // the same by the day
  std::string access_key;     // guarded by the recorder's mutex, as what follows
  bool is_delivered = false;
  int calls = 0;
  int calls_left_out = 0;

  double at(Deadline moment) const {
    return seconds(began_us + std::chrono::duration_cast<std::chrono::microseconds>(moment - began).count());
  }
  Json part(std::string name, std::string id, double from, double to) const {
    return Json::object({{"id", std::move(id)}, {"name", std::move(name)}, {"start_time", from}, {"end_time", to}});
  }
  Json service_segment(const End& end, platform::Random& random) const;
  Json function_segment(const End& end, platform::Random& random) const;

 private:
  std::int64_t waiting_since() const {
    return start.cause.written == kNever ? began_us : std::min(micros(start.cause.written), began_us);
  }
  Json waits(platform::Random& random) const;
};

// What lies before the invocation, in order and without gaps.
Json Recorder::Invocation::waits(platform::Random& random) const {
  const Cause& cause = start.cause;
  Json out = Json::array();
  std::int64_t from = waiting_since();
  const auto add = [&](const char* name, Time until) {
    const std::int64_t to = until == kNever ? began_us : std::clamp(micros(until), from, began_us);
    if (to > from) out.push(part(name, new_segment_id(random), seconds(from), seconds(to)));
    from = to;
  };
  switch (cause.kind) {
    case Cause::Kind::kDirect:
      break;
    case Cause::Kind::kAsync:
      add("Dwell Time", kNever);
      break;
    case Cause::Kind::kStream:
    case Cause::Kind::kQueue:
      if (cause.read != kNever) add(cause.kind == Cause::Kind::kStream ? "Stream wait" : "Queue wait", cause.read);
      if (cause.attempt > 1 && cause.formed != kNever) {
        add(cause.has_window ? "Batch" : "Queue", cause.formed);
        add("Retry", kNever);
      } else {
        add(cause.has_window ? "Batch" : "Queue", kNever);
      }
  }
  return out;
}

Json Recorder::Invocation::service_segment(const End& end, platform::Random& random) const {
  Json out = part(start.function, service_id, seconds(waiting_since()), at(end.ended));
  out.set("trace_id", root);
  out.set_if(!upstream.empty(), "parent_id", upstream);
  out.set("origin", "AWS::Lambda").set("resource_arn", start.arn);
  out.set("http", Json::object({{"response", Json::object({{"status", end.ran ? 200 : 429}})}}));
  out.set("aws", Json::object({{"request_id", start.request_id},
                               {"function_arn", start.arn},
                               {"resource_names", Json::array({start.function})}}));
  out.set_if(!end.error.empty(), "fault", true);
  out.set_if(!end.ran, "error", true).set_if(!end.ran, "throttle", true);
  // What one looks a trace up by: the request as logs and histories name it, the mapping.
  Json annotations = Json::object({{"request", start.request_id}});
  annotations.set_if(!start.cause.mapping.empty(), "mapping", start.cause.mapping);
  annotations.set_if(start.cause.attempt > 1, "attempt", start.cause.attempt);
  annotations.set_if(start.cause.records > 0, "records", static_cast<std::int64_t>(start.cause.records));
  out.set("annotations", std::move(annotations));
  Json metadata = Json::object();
  metadata.set_if(!start.cause.source_arn.empty(), "source", start.cause.source_arn);
  if (!metadata.as_object().empty()) out.set("metadata", Json::object({{"millrace", std::move(metadata)}}));
  Json parts = waits(random);
  Json attempt =
      part("Attempt #" + std::to_string(start.cause.attempt), new_segment_id(random), seconds(began_us), at(end.ended));
  attempt.set_if(!end.error.empty(), "fault", true);
  attempt.set_if(!end.ran, "error", true).set_if(!end.ran, "throttle", true);
  attempt.set("aws", Json::object({{"request_id", start.request_id}}));
  parts.push(std::move(attempt));
  return out.set("subsegments", std::move(parts));
}

Json Recorder::Invocation::function_segment(const End& end, platform::Random& random) const {
  const bool cold = end.init_ended > end.init_began;
  Json out = part(start.function, function_id, at(cold ? end.init_began : end.delivered), at(end.ended));
  out.set("trace_id", root).set("parent_id", service_id);
  out.set("origin", "AWS::Lambda::Function").set("resource_arn", start.arn);
  out.set("aws", Json::object({{"request_id", start.request_id}, {"function_arn", start.arn}}));
  if (!end.error.empty()) out.set("fault", true).set("cause", cause_of(end.error, random));
  Json metadata = Json::object({{"version", start.version}, {"memory_used_mb", end.memory_used_mb}});
  metadata.set_if(calls_left_out > 0, "calls_left_out", calls_left_out);
  out.set("metadata", Json::object({{"millrace", std::move(metadata)}}));
  Json parts = Json::array();
  if (cold) {
    Json init = part("Initialization", new_segment_id(random), at(end.init_began), at(end.init_ended));
    init.set_if(!is_delivered && !end.error.empty(), "fault", true);
    parts.push(std::move(init));
  }
  // A process that did not come up never saw the event.
  if (is_delivered || !cold) {
    Json invocation = part("Invocation", invocation_id, at(end.delivered), at(end.ended));
    invocation.set_if(!end.error.empty(), "fault", true);
    parts.push(std::move(invocation));
  }
  return out.set("subsegments", std::move(parts));
}

Recorder::Recorder(Store& store, platform::Clock& clock, platform::Random& random, Sampler& sampler)
    : store_(store), clock_(clock), random_(random), sampler_(sampler), fine_(clock) {}

Recorder::~Recorder() = default;

TraceHeader Recorder::decide(std::string_view header, bool active, const std::string& who) {
  TraceHeader out = header.empty() ? TraceHeader() : parse_header(header);
  if (out.sampled == TraceHeader::Sampled::kUnknown) {
    const bool sampled = active && sampler_.sample(who, clock_.now());
    out.sampled = sampled ? TraceHeader::Sampled::kYes : TraceHeader::Sampled::kNo;
  }
  if (out.root.empty()) out.root = new_trace_id(random_, clock_.now());
  return out;
}

Recorder::Handle Recorder::begin(const Start& start, TraceHeader& decided) {
  const std::string upstream = std::exchange(decided.parent, new_segment_id(random_));
  if (decided.sampled != TraceHeader::Sampled::kYes) return nullptr;
  auto out = std::make_shared<Invocation>();
  out->start = start;
  out->root = decided.root;
  out->upstream = upstream;
  out->service_id = new_segment_id(random_);
  out->function_id = new_segment_id(random_);
  out->invocation_id = decided.parent;
  out->began = clock_.monotonic_now();
  out->began_us = fine_.at(out->began);
  store_.expect(start.scope, out->root);
  const std::lock_guard lock(mutex_);
  by_parent_[out->invocation_id] = out;
  running_.fetch_add(1, std::memory_order_relaxed);
  return out;
}

void Recorder::delivered(const Handle& invocation, std::string_view access_key) {
  const std::lock_guard lock(mutex_);
  invocation->is_delivered = true;
  if (access_key.empty()) return;
  invocation->access_key = access_key;
  by_access_key_.insert_or_assign(invocation->access_key, invocation);
}

void Recorder::end(const Handle& invocation, const End& end) {
  {
    const std::lock_guard lock(mutex_);
    by_parent_.erase(invocation->invocation_id);
    const auto found = by_access_key_.find(invocation->access_key);
    if (found != by_access_key_.end() && found->second == invocation) by_access_key_.erase(found);
    running_.fetch_sub(1, std::memory_order_relaxed);
  }
  End complete = end;
  if (complete.ended == Deadline()) complete.ended = clock_.monotonic_now();
  if (complete.delivered == Deadline()) complete.delivered = complete.ended;
  store_.put(invocation->start.scope, own_segment(invocation->service_segment(complete, random_)));
  if (end.ran) store_.put(invocation->start.scope, own_segment(invocation->function_segment(complete, random_)));
}

Recorder::Handle Recorder::find(const TraceHeader& header, const Call& call) {
  if (call.header.empty()) {
    const auto found = by_access_key_.find(call.access_key);
    return found == by_access_key_.end() ? nullptr : found->second;
  }
  const auto found = by_parent_.find(header.parent);
  return found == by_parent_.end() ? nullptr : found->second;
}

void Recorder::call(const Call& call) {
  if (call.service == "xray") return;
  const TraceHeader header = parse_header(call.header);
  Handle invocation;
  {
    const std::lock_guard lock(mutex_);
    invocation = find(header, call);
    if (invocation != nullptr && ++invocation->calls > kCallsMax) {
      ++invocation->calls_left_out;
      return;
    }
  }
  if (invocation == nullptr && (header.root.empty() || header.parent.empty())) return;
  const Deadline now = clock_.monotonic_now();
  const double end = invocation != nullptr ? invocation->at(now) : seconds(fine_.at(now));
  Json out = Json::object({{"id", new_segment_id(random_)},
                           {"name", service_name(call.service)},
                           {"start_time", end - call.milliseconds / 1000},
                           {"end_time", end},
                           {"trace_id", invocation != nullptr ? invocation->root : header.root},
                           {"parent_id", invocation != nullptr ? invocation->invocation_id : header.parent}});
  if (invocation != nullptr) {
    out.set("type", "subsegment").set("namespace", "aws");
  } else {
    out.set("inferred", true).set("origin", origin_of(call.service));
  }
  Json aws = Json::object({{"operation", call.operation},
                           {"region", call.scope.region},
                           {"account_id", call.scope.account},
                           {"request_id", call.request_id}});
  aws.set_if(!call.resource.empty(), resource_member(call.service), call.resource);
  out.set("aws", std::move(aws));
  out.set("http", Json::object({{"request", Json::object({{"method", call.method}, {"url", call.url}})},
                                {"response", Json::object({{"status", call.status}})}}));
  set_status(out, call.status, call.throttled, call.error, random_);
  store_.put(invocation != nullptr ? invocation->start.scope : call.scope, own_segment(out));
}

}  // namespace millrace::traces
