// mappings: what each one does, and what can be done about it.
#include <algorithm>

#include "app/internal/admin_endpoints.h"
#include "app/internal/mapping_actions.h"
#include "app/internal/mapping_metrics.h"
#include "app/internal/mapping_view.h"
#include "app/internal/mapping_watch.h"
#include "platform/control_loop.h"
#include "storage/group_committer.h"
#include "storage/rocks/rocks_store.h"
#include "telemetry/metrics.h"
#include "triggers/engine.h"

namespace millrace::app {
namespace {

using codec::Json;
using triggers::Status;

constexpr std::int64_t kHistoryShown = 100;
constexpr std::size_t kRecentErrors = 5;

// By UUID, the beginning of one, or the name of the function it invokes.
Result<Status> find_mapping(Parts& parts, const Scope& scope, const std::string& what) {
  std::vector<Status> found;
  for (auto& status : parts.engine->statuses()) {
    if (status.mapping.scope != scope) continue;
    const std::string function = function_of(status.mapping.function_arn);
    if (status.mapping.uuid.starts_with(what) || function == what) found.push_back(std::move(status));
  }
  if (found.empty())
    return Error(kNoSuchEndpoint,
                 "there is no mapping or mapped function '" + what + "'; `millrace mappings ls` lists them");
  if (found.size() > 1)
    return Error(kBadRequest,
                 "'" + what + "' fits " + std::to_string(found.size()) + " mappings; name one by its UUID");
  return std::move(found.front());
}

// The last failures, with the functions' own messages.
Json recent_errors(Parts& parts, const std::string& uuid) {
  Json errors = Json::array();
  const auto history = parts.engine->history(uuid, triggers::kHistoryMax);
  if (!history.ok()) return errors;
  for (const auto& entry : *history) {
    if (entry.text.empty() || entry.what == "skip") continue;
    errors.push(history_json(entry));
    if (errors.as_array().size() == kRecentErrors) break;
  }
  return errors;
}

// Everything about one mapping; reads the disk.
Json details(Parts& parts, Status status) {
  add_lane_backlogs(*parts.streams, status);
  Json json = mapping_details(status, parts.config->prices, parts.loop->now());
  Json warnings = Json::array();
  for (auto& text : warnings_of(parts, status)) warnings.push(std::move(text));
  json.set("warnings", std::move(warnings));
  return json.set("recent_errors", recent_errors(parts, status.mapping.uuid));
}

// Answers from the pool.
void reply_from_pool(Parts& parts, AdminReply reply, std::function<Result<Json>()> work) {
  auto answer = std::make_shared<Result<Json>>(Json());
  parts.loop->offload([answer, work = std::move(work)] { *answer = work(); },
                      [answer, reply = std::move(reply)] { reply(std::move(*answer)); });
}

Result<Json> history_page(Parts& parts, const std::string& uuid, std::int64_t limit) {
  MR_ASSIGN_OR_RETURN(const auto entries, parts.engine->history(uuid, static_cast<std::size_t>(limit)));
  Json list = Json::array();
  for (const auto& entry : entries) list.push(history_json(entry));
  return Json::object({{"mapping", uuid}, {"kept", triggers::kHistoryMax}, {"history", list}});
}

void set_enabled(Parts& parts, const Status& found, bool enabled, AdminReply reply) {
  const auto changed = parts.engine->set_enabled(found.mapping.scope, found.mapping.uuid, enabled);
  if (!changed.ok()) return reply(changed.error());
  // Behind the engine's own work, which begins once the change is durable, so that the answer shows what it led to.
  const auto answer = [&parts, reply, uuid = found.mapping.uuid] {
    auto status = parts.engine->status(uuid);
    if (!status) return reply(Error(kNoSuchEndpoint, "the mapping has just been deleted"));
    reply_from_pool(parts, reply,
                    [&parts, status = std::move(*status)]() -> Result<Json> { return details(parts, status); });
  };
  parts.committer->when_durable(changed->after, [&parts, reply, answer](const Error* failed) {
    if (failed != nullptr) return reply(*failed);
    parts.loop->post(answer);
  });
}

Json list_mappings(Parts& parts, const Scope& scope) {
  Json list = Json::array();
  for (const auto& status : parts.engine->statuses())
    if (status.mapping.scope == scope) list.push(mapping_summary(status, parts.loop->now()));
  return Json::object({{"mappings", list}});
}

// On the control thread.
void serve_mapping(Parts& parts, const Status& found, const AdminRequest& request, AdminReply reply) {
  if (request.method == "POST") {
    const auto action = request.body.string_or("action", "");
    if (action == "pause" || action == "resume") return set_enabled(parts, found, action == "resume", reply);
    return act_on_mapping(parts, found, request, std::move(reply));
  }
  if (request.path.size() > 2 && request.path[2] == "history") {
    const auto limit = request.number("limit", kHistoryShown);
    if (limit < 1) return reply(Error(kBadRequest, "limit must be a number from 1 on"));
    return reply_from_pool(parts, std::move(reply),
                           [&parts, uuid = found.mapping.uuid, limit] { return history_page(parts, uuid, limit); });
  }
  if (request.path.size() > 2 && request.path[2] == "jobs")
    return mapping_job(parts, found.mapping.uuid, request, std::move(reply));
  if (request.path.size() > 2)
    return reply(Error(kNoSuchEndpoint, "a mapping has no '" + request.path[2] + "'; there are: history, jobs"));
  reply_from_pool(parts, std::move(reply), [&parts, found]() -> Result<Json> { return details(parts, found); });
}

}  // namespace

void behind_the_engine(Parts& parts, std::function<void()> work, std::function<void()> done) {
  parts.loop->post([&parts, work = std::move(work), done = std::move(done)]() mutable {
    parts.loop->offload(std::move(work), std::move(done));
  });
}

Json mapping_warnings(Parts& parts) {
  Json warnings = Json::array();
  for (const auto& status : parts.engine->statuses())
    for (auto& text : warnings_of(parts, status)) warnings.push("mapping " + status.mapping.uuid + " " + text);
  return warnings;
}

Json mapping_waits(Parts& parts) {
  Json waits = Json::array();
  for (const auto& status : parts.engine->statuses()) {
    const std::string what = "mapping " + status.mapping.uuid + " to " + function_of(status.mapping.function_arn);
    std::uint64_t backlog = 0;
    for (const auto& shard : status.shards) backlog += shard.backlog_records;
    if (!status.mapping.enabled && backlog > 0)
      waits.push(Json::object(
          {{"what", what}, {"why", "it is disabled; " + std::to_string(backlog) + " records wait"}, {"until", "-"}}));
    for (const auto& shard : status.shards)
      for (const auto& lane : shard.lanes)
        if (lane.waiting == triggers::Waiting::kWindow || lane.waiting == triggers::Waiting::kTumbling ||
            lane.waiting == triggers::Waiting::kBackoff || lane.waiting == triggers::Waiting::kConcurrency)
          waits.push(Json::object(
              {{"what", what},
               {"why", lane.waiting == triggers::Waiting::kWindow ? "batching window"
                       : lane.waiting == triggers::Waiting::kTumbling
                           ? "tumbling window"
                           : "back-off after " + std::to_string(lane.tries.failures + lane.tries.refusals) +
                                 " attempts: " + status.last_error},
               {"until", until_text(lane.until)}}));
  }
  return waits;
}

void admin_metrics(Parts& parts, std::function<void(std::string)> done) {
  auto text = std::make_shared<std::string>();
  behind_the_engine(
      parts,
      [&parts, text] {
        auto statuses = parts.engine->statuses();
        for (auto& status : statuses) add_lane_backlogs(*parts.streams, status);
        for (const auto& [name, value] : parts.store->figures()) {
          if (name.ends_with("_total")) {
            parts.registry->counter("millrace_storage_" + name, {}, "Of the database, since the start.")
                .set(static_cast<std::uint64_t>(value));
          } else {
            parts.registry->gauge("millrace_storage_" + name, {}, "Of the database, at this moment.").set(value);
          }
        }
        parts.registry
            ->gauge("millrace_damaged_records", {}, "Met since the start, different ones, which cannot be decoded.")
            .set(static_cast<double>(parts.store->damage().count()));
        *text = parts.registry->prometheus() + mapping_metrics(statuses, parts.config->prices, parts.loop->now());
      },
      [text, done = std::move(done)] { done(std::move(*text)); });
}

void admin_mappings(Parts& parts, const AdminRequest& request, AdminReply reply) {
  if (request.path.size() == 1) {
    auto list = std::make_shared<Json>();
    return behind_the_engine(
        parts, [&parts, scope = request.scope, list] { *list = list_mappings(parts, scope); },
        [list, reply = std::move(reply)] { reply(std::move(*list)); });
  }
  auto found = std::make_shared<Result<Status>>(Status());
  behind_the_engine(
      parts, [&parts, request, found] { *found = find_mapping(parts, request.scope, request.path[1]); },
      [&parts, request, found, reply = std::move(reply)] {
        if (!found->ok()) return reply(found->error());
        serve_mapping(parts, **found, request, reply);
      });
}

}  // namespace millrace::app
