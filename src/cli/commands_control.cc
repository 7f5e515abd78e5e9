// status, settle, reset, faults, clock.
#include <iostream>
#include <memory>

#include <CLI/CLI.hpp>

#include "base/time.h"
#include "cli/internal/commands.h"

namespace millrace::cli {
namespace {

using codec::Json;

Result<int> show_clock(Output& output, const Json& clock) {
  if (output.json()) {
    output.document(clock);
  } else {
    const Milliseconds moved(clock.int_or("offset_ms", 0));
    std::cout << clock.string_or("now", "");
    if (moved.count() != 0) std::cout << "  (moved by " << format_duration(moved) << ')';
    std::cout << '\n';
  }
  if (!clock.bool_or("kept", true)) {
    std::cerr << "millrace: time has moved, but a restart does not know of it: " << clock.string_or("why", "") << '\n';
  }
  if (!clock.bool_or("complete", true)) {
    std::cerr << "millrace: time stopped at " << clock.string_or("now", "?") << ": "
              << (clock.find("blocked") != nullptr ? plain(*clock.find("blocked")) : "something") << " stayed busy\n";
    return kFailed;
  }
  return kDone;
}

void add_clock(CLI::App& app, Session& session) {
  CLI::App* clock = add_noun(app, "clock", "the server's clock, which can be moved forward");
  add_command(*clock, session, "show", "the time as the server sees it", "  millrace clock show\n",
              [](Api& api, Output& output) -> Result<int> {
                MR_ASSIGN_OR_RETURN(const Json now, api.get("clock"));
                return show_clock(output, now);
              });
  auto by = std::make_shared<std::string>();
  CLI::App* advance = add_command(
      *clock, session, "advance", "move time forward; whatever falls due on the way happens in order",
      "  millrace clock advance 31d\n  millrace clock advance 90s\n", [by](Api& api, Output& output) -> Result<int> {
        MR_ASSIGN_OR_RETURN(const Json now, api.post("clock", Json::object({{"advance", *by}})));
        return show_clock(output, now);
      });
  advance->add_option("duration", *by, "such as 500ms, 90s, 5m, 4h, 31d")->required();
  auto to = std::make_shared<std::string>();
  CLI::App* set =
      add_command(*clock, session, "set", "move time forward to a moment",
                  "  millrace clock set 2026-12-24T18:00:00Z\n", [to](Api& api, Output& output) -> Result<int> {
                    MR_ASSIGN_OR_RETURN(const Json now, api.post("clock", Json::object({{"set", *to}})));
                    return show_clock(output, now);
                  });
  set->add_option("time", *to, "UTC, such as 2026-12-24T18:00:00Z")->required();
}

struct Fault {
  std::string service, operation = "*", resource = "*", kind = "throttle", id;
  int count = 0, delay_ms = 0;
  double rate = 0;
};

void add_faults(CLI::App& app, Session& session) {
  CLI::App* faults = add_noun(app, "faults", "make operations fail on purpose");
  const std::vector<Column> columns = {
      {"ID", "id"},     {"SERVICE", "service"}, {"OPERATION", "operation"}, {"RESOURCE", "resource"},
      {"KIND", "kind"}, {"RATE", "rate", true}, {"LEFT", "count", true},    {"HIT", "hits", true}};
  add_command(*faults, session, "ls", "the faults that are switched on", "  millrace faults ls\n",
              [columns](Api& api, Output& output) -> Result<int> {
                MR_ASSIGN_OR_RETURN(const Json found, api.get("faults"));
                output.table(found, "faults", columns, "No faults.");
                return kDone;
              });
  auto fault = std::make_shared<Fault>();
  CLI::App* add =
      add_command(*faults, session, "add", "switch a fault on",
                  "  millrace faults add s3 --operation DeleteObject --kind throttle --rate 0.33\n  millrace faults "
                  "add dynamodb --kind error --count 3\n",
                  [fault](Api& api, Output& output) -> Result<int> {
                    Json body = Json::object({{"service", fault->service},
                                              {"operation", fault->operation},
                                              {"resource", fault->resource},
                                              {"kind", fault->kind}});
                    body.set_if(fault->count > 0, "count", fault->count).set_if(fault->rate > 0, "rate", fault->rate);
                    body.set_if(fault->delay_ms > 0, "delay_ms", fault->delay_ms);
                    MR_ASSIGN_OR_RETURN(const Json added, api.post("faults", body));
                    output.details(added);
                    return kDone;
                  });
  add->add_option("service", fault->service, "dynamodb, dynamodbstreams, lambda, s3, sqs, iam, sts or logs")
      ->required();
  add->add_option("--operation", fault->operation, "operation, may end in *")->capture_default_str();
  add->add_option("--resource", fault->resource, "resource name, may hold *")->capture_default_str();
  add->add_option("--kind", fault->kind,
                  "throttle, error, delay, lost (done, answer cut off); DynamoDB: conflict, in_progress")
      ->capture_default_str()
      ->check(CLI::IsMember({"throttle", "error", "delay", "lost", "conflict", "in_progress"}));
  add->add_option("--count", fault->count, "the next N calls only")->check(CLI::PositiveNumber);
  add->add_option("--rate", fault->rate, "this part of the calls, evenly spread (0.33: every third)")
      ->check(CLI::Range(0.0, 1.0));
  add->add_option("--delay-ms", fault->delay_ms, "for --kind delay")->check(CLI::PositiveNumber);
  CLI::App* clear = add_command(
      *faults, session, "clear", "switch one fault off, or all", "  millrace faults clear\n  millrace faults clear 3\n",
      [fault](Api& api, Output& output) -> Result<int> {
        MR_ASSIGN_OR_RETURN(const Json done, api.remove(fault->id.empty() ? "faults" : "faults/" + encode(fault->id)));
        output.document(done);
        output.line("Done.");
        return kDone;
      });
  clear->add_option("id", fault->id, "as `faults ls` shows it");
}

Result<int> settle(Api& api, Output& output, const std::string& limit) {
  MR_ASSIGN_OR_RETURN(const Json result, api.post("settle", Json::object({{"limit", limit}})));
  if (output.json()) {
    output.document(result);
    return result.bool_or("settled", false) ? kDone : kFailed;
  }
  const bool settled = result.bool_or("settled", false);
  output.line(settled ? "Everything is idle or blocked." : "Still busy after " + limit + ":");
  if (const Json* busy = result.find("busy"); !settled && busy != nullptr)
    for (const auto& what : busy->as_array()) output.line("  " + plain(what));
  if (const Json* waiting = result.find("waiting"); waiting != nullptr && !waiting->as_array().empty())
    output.table(result, "waiting", {{"WAITING", "what"}, {"FOR", "why"}, {"UNTIL", "until"}}, "");
  return settled ? kDone : kFailed;
}

}  // namespace

void add_control_commands(CLI::App& app, Session& session) {
  add_command(app, session, "status", "what the server is and holds, and what needs attention", "  millrace status\n",
              [](Api& api, Output& output) -> Result<int> {
                MR_ASSIGN_OR_RETURN(Json status, api.get("status"));
                Json warnings;
                if (const Json* found = status.find("warnings"); found != nullptr) warnings = *found;
                if (!output.json()) status.erase("warnings");
                output.details(status);
                if (!output.json() && warnings.is_array())
                  for (const auto& text : warnings.as_array()) output.line(output.warning("warning: " + plain(text)));
                return kDone;
              });
  auto limit = std::make_shared<std::string>("60s");
  CLI::App* settling = add_command(
      app, session, "settle", "wait until every mapping, queue, sweeper and rule is idle or blocked",
      "  millrace settle --limit 10s\n", [limit](Api& api, Output& output) { return settle(api, output, *limit); });
  settling->add_option("--limit", *limit, "give up after this long (the machine's time)")->capture_default_str();
  auto service = std::make_shared<std::string>();
  CLI::App* reset = add_command(app, session, "reset", "empty an account, or one service of it, in all regions",
                                "  millrace reset\n  millrace reset sqs --account 111122223333\n",
                                [service](Api& api, Output& output) -> Result<int> {
                                  Json body = Json::object();
                                  body.set_if(!service->empty(), "service", *service);
                                  MR_ASSIGN_OR_RETURN(const Json done, api.post("reset", body));
                                  output.document(done);
                                  output.line("Emptied.");
                                  return kDone;
                                });
  reset->add_option("service", *service,
                    "dynamodb, lambda, s3, sqs, sns, iam, logs, cloudwatch, ssm, xray, events, kms, ecr, "
                    "cloudformation; or all");
  add_clock(app, session);
  add_faults(app, session);
}

}  // namespace millrace::cli
