// health, status, clock, settle, reset, faults, requests.
#include <algorithm>

#include <unistd.h>

#include "app/internal/admin_endpoints.h"
#include "app/internal/clock_note.h"
#include "events/service.h"
#include "functions/service.h"
#include "iam/identities.h"
#include "iam/managed_policies.h"
#include "iam/roles.h"
#include "iam/sessions.h"
#include "logs/service.h"
#include "metrics/alarms.h"
#include "metrics/store.h"
#include "platform/control_loop.h"
#include "records/records.h"
#include "s3/object_store.h"
#include "sns/service.h"
#include "sqs/service.h"
#include "stacks/stacks.h"
#include "storage/group_committer.h"
#include "storage/rocks/rocks_store.h"
#include "streams/streams.h"
#include "tables/tables.h"
#include "traces/store.h"
#include "triggers/engine.h"
#include "wire/dispatcher.h"

namespace millrace::app {
namespace {

using codec::Json;

constexpr Milliseconds kSettleLimitDefault = std::chrono::seconds(60);
constexpr std::size_t kTablesMax = 10'000;
constexpr Milliseconds kSettleLimitMax = std::chrono::minutes(30);

Json clock_json(const platform::ControlLoop& loop) {
  const Time now = loop.now();
  const Time machine = loop.machine_now();
  return Json::object({{"now", format_iso_ms(now)},
                       {"now_ms", to_unix_ms(now)},
                       {"machine_ms", to_unix_ms(machine)},
                       {"offset_ms", loop.offset().count()}});
}

// So that the next start continues with the time as it was moved, or is being moved.
storage::CommitNumber save_offset(Parts& parts) {
  const std::lock_guard lock(parts.clock_moves->mutex);
  Milliseconds offset = parts.loop->offset();
  if (const auto& moves = parts.clock_moves->offsets; !moves.empty()) offset = std::max(offset, *moves.rbegin());
  storage::WriteBatch batch;
  batch.put(storage::Family::kCatalogue, kClockKey, clock_note(offset));
  return parts.committer->submit(std::move(batch));
}

struct ClockMove {
  std::optional<Milliseconds> by;
  Time to{};
};

// The offset that the move will end with; none for a move that will be refused.
std::optional<Milliseconds> begin_move(Parts& parts, const ClockMove& move) {
  constexpr auto kMax = platform::ControlLoop::kAdvanceMax;
  const Milliseconds by = move.by.value_or(std::chrono::duration_cast<Milliseconds>(move.to - parts.loop->now()));
  if (by < Milliseconds(0) || by > kMax) return std::nullopt;
  const std::lock_guard lock(parts.clock_moves->mutex);
  auto& moves = parts.clock_moves->offsets;
  const Milliseconds now = parts.loop->offset();
  const Milliseconds from = move.by && !moves.empty() ? std::max(now, *moves.rbegin()) : now;
  moves.insert(from + by);
  return from + by;
}

void end_move(Parts& parts, Milliseconds offset) {
  const std::lock_guard lock(parts.clock_moves->mutex);
  parts.clock_moves->offsets.extract(offset);
}

// Answers a move of time. That it has moved is true whether or not writes are taken; "kept" tells whether a restart
// will know of it. What a full disk had no room for is noted when there is some.
void reply_moved(Parts& parts, Json clock, const AdminReply& reply) {
  constexpr auto kPurpose = storage::Commits::Purpose::kAdds;
  if (const auto refusal = parts.committer->refusal(kPurpose)) {
    parts.committer->when_accepting(kPurpose, [&parts] { parts.loop->post([&parts] { save_offset(parts); }); });
    clock.set("kept", false).set("why", refusal->message());
    return reply(std::move(clock));
  }
  parts.committer->when_answerable(save_offset(parts), [clock = std::move(clock), reply](const Error* failed) mutable {
    clock.set("kept", failed == nullptr);
    if (failed != nullptr) clock.set("why", failed->message());
    reply(std::move(clock));
  });
}

// What keeps the server from being idle, by name where there is one.
Json busy_work(Parts& parts) {
  Json busy = Json::array();
  for (const auto& function : parts.functions->list_all())
    if (const auto running = parts.functions->running(function.name); running > 0)
      busy.push("function " + function.name.name + ": " + std::to_string(running) + " running");
  busy.push(std::to_string(parts.loop->busy().count()) + " pieces of work in progress");
  return busy;
}

// Reads the disk.
Json status_of(Parts& parts, const Scope& scope) {
  const auto uptime = std::chrono::duration_cast<Milliseconds>(parts.loop->monotonic_now() - parts.started);
  Json status = Json::object({{"version", kVersion},
                              {"endpoint", parts.endpoint},
                              {"pid", static_cast<std::int64_t>(::getpid())},
                              {"uptime", format_duration(uptime)}});
  status.set("data", parts.config->data.string());
  status.set("durability", parts.config->durable ? "synced: acknowledged writes survive a power cut"
                                                 : "os: a power cut may undo acknowledged writes");
  const auto refusal = parts.committer->refusal(storage::Commits::Purpose::kAdds);
  status.set("writes", refusal ? "refused: " + refusal->message() : "taken");
  const storage::Room room = parts.store->room();
  if (room.reserve_bytes > 0) status.set("disk", storage::room_text(room));
  status.set("time", format_iso_ms(parts.loop->now()));
  if (parts.loop->offset().count() != 0) status.set("time_moved_by", format_duration(parts.loop->offset()));
  status.set("tables", parts.tables->list(scope, "", kTablesMax).names.size());
  status.set("streams", parts.streams->list(scope).size());
  status.set("functions", parts.functions->list(scope).size());
  status.set("mappings", parts.engine->list(scope).size());
  const auto queues = parts.queues->all_queues();
  status.set("queues",
             static_cast<std::int64_t>(std::count_if(
                 queues.begin(), queues.end(), [&](const sqs::QueueName& queue) { return queue.scope == scope; })));
  status.set("buckets", parts.objects->buckets(scope.account).size());
  Json disturbed = Json::array();
  for (const auto& stream : parts.streams->list(scope))
    if (stream.chaos.is_on()) disturbed.push(stream.table_name + " (" + stream.label + ")");
  if (!disturbed.as_array().empty()) status.set("streams_with_chaos", std::move(disturbed));
  Json warnings = mapping_warnings(parts);
  if (const auto met = parts.store->damage().count(); met > 0) {
    warnings.push("damaged records met since the start: " + std::to_string(met) +
                  ". The log names each; 'millrace check' on the stopped server's directory finds all");
  }
  if (refusal) warnings.push("writes are refused: " + refusal->message());
  status.set("warnings", std::move(warnings));
  return status;
}

}  // namespace

std::string until_text(Time until) { return until == kNever ? "-" : format_iso_ms(until); }

void admin_health(Parts& parts, const AdminRequest&, AdminReply reply) {
  const auto refusal = parts.committer->refusal(storage::Commits::Purpose::kAdds);
  if (refusal) return reply(Error(kStillBusy, "writes are refused: " + refusal->message()));
  const auto uptime = std::chrono::duration_cast<Milliseconds>(parts.loop->monotonic_now() - parts.started);
  reply(Json::object({{"status", "ok"}, {"version", kVersion}, {"uptime_ms", uptime.count()}}));
}

void admin_status(Parts& parts, const AdminRequest& request, AdminReply reply) {
  auto status = std::make_shared<Json>();
  behind_the_engine(
      parts, [&parts, scope = request.scope, status] { *status = status_of(parts, scope); },
      [status, reply = std::move(reply)] { reply(std::move(*status)); });
}

void admin_clock(Parts& parts, const AdminRequest& request, AdminReply reply) {
  if (request.method == "GET") return reply(clock_json(*parts.loop));
  const auto by = request.body.string_or("advance", "");
  const auto to = request.body.string_or("set", "");
  ClockMove move;
  if (!by.empty()) {
    move.by = parse_duration(by);
    if (!move.by)
      return reply(Error(kBadRequest, "'" + std::string(by) + "' is no duration such as 90s, 5m, 4h or 31d"));
  } else if (!to.empty()) {
    const auto time = parse_iso(to);
    if (!time) return reply(Error(kBadRequest, "'" + std::string(to) + "' is no time such as 2026-12-24T18:00:00Z"));
    move.to = *time;
  } else {
    return reply(Error(kBadRequest, R"(say {"advance": "31d"} or {"set": "2026-12-24T18:00:00Z"})"));
  }
  const auto offset = begin_move(parts, move);
  const auto done = [&parts, reply, offset](const platform::Advanced& advanced) {
    if (offset) end_move(parts, *offset);
    Json clock = clock_json(*parts.loop);
    clock.set("complete", advanced.complete);
    if (!advanced.complete) clock.set("blocked", busy_work(parts));
    reply_moved(parts, std::move(clock), reply);
  };
  // Whether it could be noted is told at the end.
  const auto go = [&parts, move, offset, done, reply](const Error*) {
    const auto moved = move.by ? parts.loop->advance(*move.by, done) : parts.loop->set(move.to, done);
    if (moved.ok()) return;
    if (offset) {
      end_move(parts, *offset);
      save_offset(parts);
    }
    reply(Error(kBadRequest, moved.error().message()));
  };
  if (!offset || parts.committer->refusal(storage::Commits::Purpose::kAdds)) return go(nullptr);
  parts.committer->when_answerable(save_offset(parts), go);
}

void admin_settle(Parts& parts, const AdminRequest& request, AdminReply reply) {
  const auto text = request.body.string_or("limit", "");
  const auto limit = text.empty() ? std::optional(kSettleLimitDefault) : parse_duration(text);
  if (!limit || *limit > kSettleLimitMax)
    return reply(Error(kBadRequest, "limit must be a duration of at most 30m, such as 60s"));
  parts.loop->when_idle(
      [&parts, reply](bool idle) {
        Json waiting = mapping_waits(parts);
        const Json more = function_waits(parts);
        for (const auto& wait : more.as_array()) waiting.push(wait);
        Json busy = Json::array();
        if (!idle) busy = busy_work(parts);
        reply(Json::object({{"settled", idle}, {"busy", busy}, {"waiting", waiting}}));
      },
      parts.loop->monotonic_now() + *limit);
}

void admin_reset(Parts& parts, const AdminRequest& request, AdminReply reply) {
  if (request.method != "POST") return reply(Error(kBadRequest, "reset is a POST"));
  const std::string service(request.body.string_or("service", ""));
  constexpr std::string_view kServices[] = {"dynamodb",   "lambda", "s3",   "sqs",    "sns", "iam", "logs",
                                            "cloudwatch", "ssm",    "xray", "events", "kms", "ecr", "cloudformation"};
  if (!service.empty() && std::find(std::begin(kServices), std::end(kServices), service) == std::end(kServices)) {
    std::string known;
    for (const auto name : kServices) known += (known.empty() ? "" : ", ") + std::string(name);
    return reply(Error(kBadRequest, "service must be one of " + known));
  }
  if (auto refused = parts.committer->refusal(storage::Commits::Purpose::kFrees)) return reply(*std::move(refused));
  auto result = std::make_shared<Result<void>>();
  parts.loop->offload(
      [&parts, scope = request.scope, service, result] {
        const auto wanted = [&service](std::string_view name) { return service.empty() || service == name; };
        // First: while a stack is being changed, nothing is emptied.
        if (wanted("cloudformation")) *result = parts.stacks->reset(scope.account);
        if (!result->ok()) return;
        if (wanted("lambda")) {
          for (const auto& status : parts.engine->statuses())
            if (status.mapping.scope.account == scope.account) parts.engine->remove_all(status.mapping.scope);
          parts.functions->reset(scope.account);
        }
        if (wanted("dynamodb")) parts.tables->reset(scope.account);
        if (wanted("s3")) {
          const auto emptied = parts.objects->reset(scope.account);
          if (!emptied.ok()) *result = emptied.error();
        }
        if (wanted("sqs")) parts.queues->reset(scope.account);
        if (wanted("sns")) parts.topics->reset(scope.account);
        if (wanted("iam")) {
          parts.roles->reset(scope.account);
          parts.identities->reset(scope.account);
          parts.policies->reset(scope.account);
          parts.sessions->reset(scope.account);
        }
        if (wanted("cloudwatch")) {
          parts.alarms->reset(scope.account);
          parts.metrics->reset(scope.account);
        }
        if (wanted("xray")) parts.traces->reset(scope.account);
        if (wanted("events")) parts.events->reset(scope.account);
        for (const std::string_view recorded : {"ssm", "kms", "ecr"}) {
          if (wanted(recorded)) parts.records->reset(scope.account, std::string(recorded) + "/");
        }
        if (wanted("logs")) parts.logs->reset(scope.account);
      },
      [&parts, result, reply] {
        if (!result->ok()) return reply(result->error());
        // Commits are in order: once this one is durable, everything that was emptied is.
        parts.committer->submit({}, [reply](const storage::Committed& committed) {
          if (committed.error != nullptr) return reply(*committed.error);
          reply(Json::object({{"reset", true}}));
        });
      });
}

namespace {

// A fault for what is not served would never hit, and nobody would know why.
Result<void> check_names(const wire::Fault& fault, const wire::Dispatcher& dispatcher) {
  bool is_service = fault.service.empty(), is_operation = false;
  std::string services;
  for (const auto& served : dispatcher.served()) {
    services += (services.empty() ? "" : ", ") + served.service;
    if (!fault.service.empty() && fault.service != served.service) continue;
    is_service = true;
    is_operation = is_operation || std::ranges::find(served.operations, fault.operation) != served.operations.end();
  }
  if (!is_service) return Error(kBadRequest, "there is no service '" + fault.service + "'; there are: " + services);
  if (!is_operation && !fault.operation.empty() && fault.operation.find('*') == std::string::npos)
    return Error(kBadRequest, "there is no operation '" + fault.operation + "'; GET /_millrace/operations lists them");
  return {};
}

Result<wire::Fault> parse_fault(const Json& body) {
  wire::Fault fault;
  const auto unstar = [](std::string_view text) { return std::string(text == "*" ? "" : text); };
  fault.service = unstar(body.string_or("service", ""));
  fault.operation = unstar(body.string_or("operation", ""));
  fault.resource = unstar(body.string_or("resource", ""));
  const auto kind = body.string_or("kind", "throttle");
  if (kind == "throttle")
    fault.action = wire::FaultAction::kThrottle;
  else if (kind == "error")
    fault.action = wire::FaultAction::kError;
  else if (kind == "delay")
    fault.action = wire::FaultAction::kDelay;
  else if (kind == "lost")
    fault.action = wire::FaultAction::kLoseAnswer;
  else if (kind == "conflict")
    fault.action = wire::FaultAction::kConflict;
  else if (kind == "in_progress")
    fault.action = wire::FaultAction::kInProgress;
  else
    return Error(kBadRequest, "kind must be throttle, error, delay, lost, conflict or in_progress");
  if (!wire::FaultPlan::applies(fault.action, fault.service, fault.operation))
    return Error(kBadRequest, "kind " + std::string(kind) + " is for DynamoDB's " +
                                  (kind == "conflict" ? "PutItem, UpdateItem, DeleteItem, TransactGetItems and " : "") +
                                  "TransactWriteItems");
  fault.delay = Milliseconds(body.int_or("delay_ms", 0));
  if (const Json* rate = body.find("rate"); rate != nullptr && rate->is_number()) fault.rate = rate->as_double();
  if (fault.action == wire::FaultAction::kDelay && fault.delay.count() <= 0)
    return Error(kBadRequest, "a delay needs delay_ms, how long in milliseconds");
  if (const Json* count = body.find("count"); count != nullptr && !count->is_null()) {
    if (!count->is_int() || count->as_int() < 1) return Error(kBadRequest, "count must be a number from 1 on");
    fault.count = static_cast<std::uint64_t>(count->as_int());
  }
  return fault;
}

std::string_view kind_name(wire::FaultAction action) {
  switch (action) {
    case wire::FaultAction::kThrottle:
      return "throttle";
    case wire::FaultAction::kError:
      return "error";
    case wire::FaultAction::kDelay:
      return "delay";
    case wire::FaultAction::kLoseAnswer:
      return "lost";
    case wire::FaultAction::kConflict:
      return "conflict";
    case wire::FaultAction::kInProgress:
      return "in_progress";
  }
  return "";
}

Json fault_json(const wire::Fault& fault) {
  const auto star = [](const std::string& text) { return text.empty() ? std::string("*") : text; };
  Json json = Json::object({{"id", std::to_string(fault.id)},
                            {"service", star(fault.service)},
                            {"operation", star(fault.operation)},
                            {"resource", star(fault.resource)},
                            {"kind", kind_name(fault.action)}});
  json.set("rate", fault.rate)
      .set_if(fault.count.has_value(), "count", fault.count.value_or(0))
      .set_if(fault.delay.count() > 0, "delay_ms", fault.delay.count());
  return json.set("matched", fault.matched).set("hits", fault.hits);
}

}  // namespace

void admin_faults(Parts& parts, const AdminRequest& request, AdminReply reply) {
  if (request.method == "POST") {
    auto fault = parse_fault(request.body);
    if (!fault.ok()) return reply(fault.error());
    if (const auto named = check_names(*fault, *parts.dispatcher); !named.ok()) return reply(named.error());
    const auto id = parts.faults->add(*fault);
    if (!id)
      return reply(Error(kBadRequest, "rate must be above 0 and at most 1, and no more than 1000 faults can be on"));
    fault->id = *id;
    return reply(fault_json(*fault));
  }
  if (request.method == "DELETE") {
    if (request.path.size() == 1) {
      parts.faults->clear();
      return reply(Json::object());
    }
    const bool removed = parts.faults->remove(std::strtoull(request.path[1].c_str(), nullptr, 10));
    return reply(removed ? Result<Json>(Json::object())
                         : Error(kNoSuchEndpoint, "there is no fault " + request.path[1]));
  }
  Json list = Json::array();
  for (const auto& fault : parts.faults->list()) list.push(fault_json(fault));
  reply(Json::object({{"faults", list}}));
}

void admin_operations(Parts& parts, const AdminRequest&, AdminReply reply) {
  Json services = Json::object();
  for (const auto& served : parts.dispatcher->served()) {
    Json operations = Json::array();
    for (const auto& name : served.operations) operations.push(name);
    services.set(served.service, std::move(operations));
  }
  reply(std::move(services));
}

void admin_requests(Parts& parts, const AdminRequest&, AdminReply reply) {
  Json services = Json::object();
  for (const auto& record : parts.dispatcher->records()) {
    if (services.find(record.service) == nullptr) services.set(record.service, Json::object());
    services.find(record.service)
        ->set(record.operation, Json::object({{"count", record.requests},
                                              {"errors", record.client_errors + record.server_errors},
                                              {"throttled", record.throttled},
                                              {"ms", record.milliseconds}}));
  }
  reply(std::move(services));
}

}  // namespace millrace::app
