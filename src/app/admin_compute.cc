// functions, invocations, doctor.
#include <algorithm>

#include "app/doctor.h"
#include "app/internal/admin_endpoints.h"
#include "app/internal/long_poll.h"
#include "functions/service.h"
#include "logs/service.h"
#include "platform/control_loop.h"
#include "runtimes/process_host.h"
#include "storage/group_committer.h"
#include "triggers/engine.h"

namespace millrace::app {
namespace {

using codec::Json;
}  // namespace

Json function_waits(Parts& parts) {
  Json waits = Json::array();
  for (const auto& lane : parts.functions->async_status()) {
    if (lane.waiting == 0) continue;
    const std::string why = lane.failed > 0      ? "next try of failed asynchronous events"
                            : lane.throttled > 0 ? "throttled asynchronous events"
                                                 : "asynchronous events";
    waits.push(Json::object({{"what", "function " + lane.function.resource()},
                             {"why", std::to_string(lane.waiting) + " waiting: " + why},
                             {"until", until_text(lane.next_try)}}));
  }
  return waits;
}

namespace {

Json function_json(Parts& parts, const functions::Function& function) {
  const auto& settings = function.settings;
  Json json = Json::object({{"name", function.name.name},
                            {"runtime", settings.runtime},
                            {"handler", settings.handler},
                            {"memory_mb", settings.memory_mb},
                            {"timeout_s", settings.timeout_seconds}});
  std::size_t queued = 0;
  for (const auto& lane : parts.functions->async_status())
    if (lane.function.function == function.name) queued += lane.waiting;
  return json.set("running", parts.functions->running(function.name)).set("queued", queued);
}

Json function_details(Parts& parts, const functions::Function& function) {
  Json json = function_json(parts, function);
  json.set("interpreter", parts.functions->interpreter_of(function.settings.runtime))
      .set("isolation", parts.processes->isolation());
  json.set("reserved_concurrency",
           function.reserved_concurrency ? std::to_string(*function.reserved_concurrency) : "none");
  json.set("role", function.settings.role).set("log_group", function.log_group()).set("arn", function.name.arn());
  json.set("code", function.code.hot_folder.empty()
                       ? std::to_string(function.code.bytes) + " bytes, sha256 " + function.code.sha256
                       : "hot reload from " + function.code.hot_folder);
  json.set("dead_letter_queue",
           function.settings.dead_letter_arn.empty()
               ? "none"
               : function.settings.dead_letter_arn + " (asynchronous events only, never stream batches)");
  Json mapped = Json::array();
  for (const auto& status : parts.engine->statuses())
    if (const auto mapped_to = functions::parse_reference({}, status.mapping.function_arn);
        mapped_to && mapped_to->function == function.name)
      mapped.push(status.mapping.uuid);
  json.set("mappings", mapped);
  Json versions = Json::array();
  for (const auto& version : parts.functions->versions(function.name))
    versions.push(Json::object({{"version", version.version},
                                {"published", format_iso_ms(version.last_modified)},
                                {"sha256", version.code.sha256},
                                {"description", version.settings.description}}));
  Json aliases = Json::array();
  if (const auto all = parts.functions->aliases(function.name); all.ok())
    for (const auto& alias : *all) {
      Json shown = Json::object({{"alias", alias.name}, {"version", alias.version}});
      if (!alias.second_version.empty())
        shown.set("second_version", alias.second_version).set("second_weight", alias.second_weight);
      aliases.push(std::move(shown));
    }
  return json.set("versions", versions).set("aliases", aliases);
}

// What the function printed after `token`, oldest first; without a token: the last hour.
Result<Json> function_logs(Parts& parts, const logs::GroupName& group, const std::string& after) {
  logs::EventQuery query;
  query.limit = 1000;
  logs::Position from;
  if (after.empty()) {
    from.timestamp = parts.loop->now() - std::chrono::hours(1);
  } else {
    long long ms = 0;
    unsigned long long chunk = 0, index = 0;
    if (std::sscanf(after.c_str(), "%lld.%llu.%llu", &ms, &chunk, &index) != 3)
      return Error(kBadRequest, "after must be the `next` of an earlier answer");
    from = {from_unix_ms(ms), chunk, index};
  }
  query.start = from.timestamp;
  const auto page = parts.logs->filter_events(
      group, query, [](std::string_view) { return true; }, [](std::string_view) { return true; });
  Json events = Json::array();
  logs::Position last = from;
  if (page.ok())
    for (const auto& event : page->items) {
      if (!after.empty() && !(from < event.position)) continue;
      last = std::max(last, event.position);
      events.push(Json::object(
          {{"time", format_iso_ms(event.position.timestamp)}, {"stream", event.stream}, {"message", event.message}}));
    }
  const std::string next =
      std::to_string(to_unix_ms(last.timestamp)) + "." + std::to_string(last.chunk) + "." + std::to_string(last.index);
  return Json::object({{"events", events}, {"next", next}});
}

}  // namespace

void admin_functions(Parts& parts, const AdminRequest& request, AdminReply reply) {
  if (request.path.size() == 1) {
    Json list = Json::array();
    for (const auto& function : parts.functions->list(request.scope)) list.push(function_json(parts, function));
    return reply(Json::object({{"functions", list}}));
  }
  const auto function = parts.functions->get(functions::FunctionName{request.scope, request.path[1]});
  if (!function.ok()) return reply(Error(kNoSuchEndpoint, "there is no function " + request.path[1]));
  if (request.path.size() > 2 && request.path[2] == "logs") {
    const logs::GroupName group{request.scope, function->log_group()};
    LongPoll::Source source;
    source.subscribe = [logs = parts.logs, group](std::function<void()> grew) {
      return logs->subscribe(group, [grew = std::move(grew)](const logs::Event&) { grew(); });
    };
    source.read = [&parts, group, after = request.query("after")] { return function_logs(parts, group, after); };
    source.list = "events";
    return LongPoll::start(*parts.loop, std::move(source), Milliseconds(request.number("wait_ms", 0)),
                           std::move(reply));
  }
  reply(function_details(parts, *function));
}

void admin_invocations(Parts& parts, const AdminRequest& request, AdminReply reply) {
  const auto function = parts.functions->get(functions::FunctionName{request.scope, request.query("function")});
  if (!function.ok()) return reply(Error(kNoSuchEndpoint, "name a function: ?function=NAME"));
  auto past = parts.functions->history(function->name);
  std::reverse(past.begin(), past.end());
  Json list = Json::array();
  for (const auto& one : past)
    list.push(Json::object({{"request_id", one.request_id},
                            {"time", format_iso_ms(one.time)},
                            {"source", one.source},
                            {"version", one.version},
                            {"start_ms", to_unix_ms(one.machine_start)},
                            {"end_ms", to_unix_ms(one.machine_end)},
                            {"duration_ms", one.duration.count()},
                            {"init_ms", one.init_duration.count()},
                            {"memory_mb", one.memory_mb},
                            {"error", one.error}}));
  reply(Json::object({{"invocations", list}}));
}

void admin_doctor(Parts& parts, const AdminRequest&, AdminReply reply) {
  reply(doctor(*parts.config, parts.processes));
}

}  // namespace millrace::app
