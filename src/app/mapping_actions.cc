#include "app/internal/mapping_actions.h"

#include <map>

#include "api/lambda/mappings.h"
#include "app/internal/mapping_jobs.h"
#include "app/internal/mapping_view.h"
#include "app/internal/redrive.h"
#include "app/internal/stream_positions.h"
#include "functions/service.h"
#include "model/change_record.h"
#include "platform/control_loop.h"
#include "storage/group_committer.h"
#include "streams/streams.h"
#include "triggers/engine.h"
#include "triggers/replay.h"

namespace millrace::app {
namespace {

using codec::Json;
using triggers::Mapping;

constexpr std::size_t kAnswerShown = 4096;  // bytes of a function's answer
constexpr std::size_t kReasonMax = triggers::kHistoryTextMax;
constexpr Milliseconds kJobWaitMax = std::chrono::seconds(30);
constexpr Milliseconds kJobLook = std::chrono::milliseconds(100);

// One action: what was asked, and who wants to know.
struct Ask {
  Parts& parts;
  Mapping mapping;
  Json body;
  AdminReply reply;
};
using AskPointer = std::shared_ptr<Ask>;

std::string text_of(const Ask& ask, std::string_view name) { return std::string(ask.body.string_or(name, "")); }

// Answers behind everything that the engine has committed.
void reply_durably(const AskPointer& ask, Json json) {
  ask->parts.committer->when_durable(ask->parts.engine->last_commit(), [ask, json](const Error* failed) {
    if (failed != nullptr) return ask->reply(*failed);
    ask->reply(json);
  });
}

Result<streams::Stream> stream_of(const Ask& ask) {
  auto stream = ask.parts.streams->find(ask.mapping.stream_arn);
  if (!stream) return Error(kBadRequest, "the stream of this mapping does not exist any more");
  return std::move(*stream);
}

// "": not asked for. Error: there is no such function.
Result<std::string> function_asked(const Ask& ask) {
  const std::string name = text_of(ask, "function");
  if (name.empty()) return name;
  std::string arn = api_lambda::function_arn_of(ask.mapping.scope, name);
  if (!ask.parts.functions->exists(arn)) return Error(kBadRequest, "there is no function " + name);
  return arn;
}

Result<int> retries_asked(const Ask& ask) {
  const auto retries = ask.body.int_or("retries", triggers::kSendRetriesDefault);
  if (retries < 0 || retries > triggers::kSendRetriesMax)
    return Error(kBadRequest, "retries must be 0 to " + std::to_string(triggers::kSendRetriesMax));
  return static_cast<int>(retries);
}

// Runs `work` on the pool and `then` on the control thread with what it found; an error is the answer.
template <typename T>
void find_out(const AskPointer& ask, std::function<Result<T>()> work, std::function<void(T)> then) {
  auto found = std::make_shared<Result<T>>(Error(kBadRequest, ""));
  ask->parts.loop->offload([found, work = std::move(work)] { *found = work(); },
                           [ask, found, then = std::move(then)] {
                             if (!found->ok()) return ask->reply(found->error());
                             then(std::move(*found).value());
                           });
}

void rewind(const AskPointer& ask) {
  const std::string place = text_of(*ask, "to");
  if (place.empty()) return ask->reply(Error(kBadRequest, "say where \"to\": horizon, a time, or a sequence number"));
  find_out<streams::Stamp>(
      ask,
      [ask, place]() -> Result<streams::Stamp> {
        MR_ASSIGN_OR_RETURN(const auto stream, stream_of(*ask));
        return stamp_before(*ask->parts.streams, stream, place);
      },
      [ask, place](streams::Stamp target) {
        ask->parts.engine->rewind(ask->mapping.scope, ask->mapping.uuid, target, place,
                                  [ask, place, target](const Result<void>& result) {
                                    if (!result.ok()) return ask->reply(Error(kBadRequest, result.error().message()));
                                    reply_durably(ask, Json::object({{"mapping", ask->mapping.uuid},
                                                                     {"rewound_to", place},
                                                                     {"position", model::sequence_number(target)}}));
                                  });
      });
}

void skip(const AskPointer& ask) {
  const std::string sequence = text_of(*ask, "record");
  const std::string reason = text_of(*ask, "reason");
  if (sequence.empty()) return ask->reply(Error(kBadRequest, "say which \"record\", by its sequence number"));
  if (reason.empty()) return ask->reply(Error(kBadRequest, "say the \"reason\"; the history keeps it"));
  if (reason.size() > kReasonMax)
    return ask->reply(Error(kBadRequest, "the reason must be at most " + std::to_string(kReasonMax) + " bytes"));
  find_out<FoundRecord>(
      ask,
      [ask, sequence]() -> Result<FoundRecord> {
        MR_ASSIGN_OR_RETURN(const auto stream, stream_of(*ask));
        return find_record(*ask->parts.streams, stream, sequence);
      },
      [ask, sequence, reason](FoundRecord found) {
        const triggers::SkippedRecord record{found.shard, *model::parse_sequence_number(sequence)};
        ask->parts.engine->skip(
            ask->mapping.scope, ask->mapping.uuid, record, found.key_hash, reason,
            [ask, sequence, reason](const Result<void>& result) {
              if (!result.ok()) return ask->reply(Error(kBadRequest, result.error().message()));
              reply_durably(ask,
                            Json::object({{"mapping", ask->mapping.uuid}, {"skipped", sequence}, {"reason", reason}}));
            });
      });
}

Json tried_json(const triggers::Tried& tried) {
  const auto& result = tried.result;
  Json json = Json::object({{"ok", tried.ok}, {"records", tried.records}, {"done", tried.done}});
  json.set("shard", tried.shard).set("lane", tried.lane);
  if (tried.records > 0)
    json.set("first", model::sequence_number(tried.first)).set("last", model::sequence_number(tried.last));
  json.set("invocations_before", tried.tries.invocations).set("duration_ms", result.duration.count());
  json.set_if(!result.request_id.empty(), "request_id", result.request_id);
  json.set_if(!result.function_error.empty(), "function_error", result.function_error);
  json.set_if(!result.message.empty(), "not_invoked", result.message);
  return json.set("answer", shortened(result.payload, kAnswerShown));
}

void try_batch(const AskPointer& ask) {
  auto function = function_asked(*ask);
  if (!function.ok()) return ask->reply(function.error());
  ask->parts.engine->try_batch(ask->mapping.scope, ask->mapping.uuid, *function,
                               [ask](const Result<triggers::Tried>& tried) {
                                 if (!tried.ok()) return ask->reply(Error(kBadRequest, tried.error().message()));
                                 ask->reply(tried_json(*tried));
                               });
}

void set(const AskPointer& ask) {
  const Json* wanted = ask->body.find("payload_in_failures");
  if (wanted == nullptr || !wanted->is_bool())
    return ask->reply(Error(kBadRequest, R"(say what to set: {"payload_in_failures": true or false})"));
  const auto changed = ask->parts.engine->update(ask->mapping.scope, ask->mapping.uuid,
                                                 [on = wanted->as_bool()](Mapping& mapping) -> Result<void> {
                                                   mapping.payload_in_failures = on;
                                                   return {};
                                                 });
  if (!changed.ok()) return ask->reply(changed.error());
  reply_durably(ask, Json::object({{"mapping", ask->mapping.uuid}, {"payload_in_failures", wanted->as_bool()}}));
}

class ReplayJob final : public MappingJob {
 public:
  explicit ReplayJob(std::shared_ptr<triggers::Replay> replay) : replay_(std::move(replay)) {}
  bool is_finished() const override { return replay_->progress().finished; }
  void cancel() override { replay_->cancel(); }
  Json progress() const override {
    const auto now = replay_->progress();
    Json json = Json::object({{"what", "replay"}, {"finished", now.finished}, {"records", now.records}});
    json.set("batches", now.batches).set("left_out", now.failed);
    if (now.position != 0) json.set("position", model::sequence_number(now.position));
    json.set_if(!now.stopped.empty(), "stopped", now.stopped);
    return json.set_if(!now.last_error.empty(), "last_error", now.last_error);
  }

 private:
  const std::shared_ptr<triggers::Replay> replay_;
};

Json job_json(std::uint64_t number, const MappingJob& job) {
  Json json = Json::object({{"job", std::to_string(number)}});
  const Json progress = job.progress();
  for (const auto& [name, value] : progress.as_object()) json.set(name, value);
  return json;
}

void replay(const AskPointer& ask) {
  const std::string from = text_of(*ask, "from");
  const std::string to(ask->body.string_or("to", "now"));
  if (from.empty()) return ask->reply(Error(kBadRequest, "say where \"from\": horizon, a time, or a sequence number"));
  triggers::ReplayRequest request;
  auto function = function_asked(*ask);
  if (!function.ok()) return ask->reply(function.error());
  const auto retries = retries_asked(*ask);
  if (!retries.ok()) return ask->reply(retries.error());
  request.function_arn = *function;
  request.retries = *retries;
  request.keep_going = ask->body.bool_or("keep_going", false);
  find_out<triggers::ReplayRequest>(
      ask,
      [ask, from, to, request]() -> Result<triggers::ReplayRequest> {
        triggers::ReplayRequest out = request;
        MR_ASSIGN_OR_RETURN(const auto stream, stream_of(*ask));
        MR_ASSIGN_OR_RETURN(out.after, stamp_before(*ask->parts.streams, stream, from));
        MR_ASSIGN_OR_RETURN(out.last, stamp_up_to(*ask->parts.streams, stream, to));
        if (out.last <= out.after)
          return Error(kBadRequest, "there are no records between '" + from + "' and '" + to + "'");
        return out;
      },
      [ask](triggers::ReplayRequest asked) {
        if (const auto other = ask->parts.jobs->running(ask->mapping.uuid); other != 0)
          return ask->reply(ask->parts.jobs->busy(other));
        auto started = ask->parts.engine->replay(ask->mapping.scope, ask->mapping.uuid, std::move(asked));
        if (!started.ok()) return ask->reply(started.error());
        const auto job = std::make_shared<ReplayJob>(std::move(*started));
        const auto number = ask->parts.jobs->add(ask->mapping.uuid, job);
        ask->reply(job_json(number, *job));
      });
}

void redrive(const AskPointer& ask) {
  RedriveRequest request;
  request.mapping = ask->mapping;
  request.source = text_of(*ask, "from");
  if (request.source.empty()) request.source = ask->mapping.destination;
  if (!request.source.empty() && !request.source.starts_with("arn:"))
    request.source =
        "arn:aws:sqs:" + ask->mapping.scope.region + ":" + ask->mapping.scope.account + ":" + request.source;
  auto function = function_asked(*ask);
  if (!function.ok()) return ask->reply(function.error());
  const auto retries = retries_asked(*ask);
  if (!retries.ok()) return ask->reply(retries.error());
  request.function_arn = *function;
  request.retries = *retries;
  auto documents = open_documents(ask->parts, request);
  if (!documents.ok()) return ask->reply(documents.error());
  if (const auto other = ask->parts.jobs->running(ask->mapping.uuid); other != 0)
    return ask->reply(ask->parts.jobs->busy(other));
  const auto job = std::make_shared<Redrive>(ask->parts, request, *std::move(documents));
  const auto number = ask->parts.jobs->add(ask->mapping.uuid, job);
  job->start();
  ask->reply(job_json(number, *job));
}

// Answers once the job has ended, or the wait has.
void reply_when_ended(Parts& parts, std::shared_ptr<MappingJob> job, std::uint64_t number, Deadline end,
                      AdminReply reply) {
  if (job->is_finished() || parts.loop->monotonic_now() >= end) return reply(job_json(number, *job));
  auto timer = std::make_shared<platform::Timer>();
  *timer = parts.loop->at(parts.loop->now() + kJobLook, [&parts, job, number, end, reply, timer] {
    timer->release();
    reply_when_ended(parts, job, number, end, reply);
  });
}

using Action = void (*)(const AskPointer&);
const std::map<std::string, Action, std::less<>>& actions() {
  static const std::map<std::string, Action, std::less<>> kActions{
      {"rewind", rewind}, {"replay", replay}, {"skip", skip}, {"try", try_batch}, {"set", set}, {"redrive", redrive}};
  return kActions;
}

}  // namespace

void act_on_mapping(Parts& parts, const triggers::Status& status, const AdminRequest& request, AdminReply reply) {
  const auto name = request.body.string_or("action", "");
  const auto action = actions().find(name);
  if (action == actions().end()) {
    std::string known = "pause, resume";
    for (const auto& [each, _] : actions()) known += ", " + each;
    return reply(Error(kBadRequest, "\"action\" must be one of: " + known));
  }
  if (status.mapping.stream_arn.find(":dynamodb:") == std::string::npos)
    return reply(Error(kBadRequest,
                       "the mapping's source is a queue, which has no positions: what failed comes again when its "
                       "visibility ends, and goes where the queue's own redrive policy says"));
  action->second(std::make_shared<Ask>(Ask{parts, status.mapping, request.body, std::move(reply)}));
}

void mapping_job(Parts& parts, const std::string& uuid, const AdminRequest& request, AdminReply reply) {
  const auto number =
      request.path.size() > 3 ? std::strtoull(request.path[3].c_str(), nullptr, 10) : parts.jobs->running(uuid);
  const auto job = parts.jobs->find(uuid, number);
  if (job == nullptr)
    return reply(Error(kNoSuchEndpoint, request.path.size() > 3 ? "this mapping has no job " + request.path[3]
                                                                : "no job of this mapping is running"));
  if (request.method == "DELETE") {
    job->cancel();
    return reply(job_json(number, *job));
  }
  const auto wait = std::min(Milliseconds(std::max<std::int64_t>(0, request.number("wait_ms", 0))), kJobWaitMax);
  reply_when_ended(parts, job, number, parts.loop->monotonic_now() + wait, std::move(reply));
}

}  // namespace millrace::app
