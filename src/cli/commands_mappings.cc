// mappings.
#include <iostream>
#include <memory>

#include <CLI/CLI.hpp>

#include "cli/internal/commands.h"

namespace millrace::cli {
namespace {

using codec::Json;

constexpr std::size_t kResultWidth = 60;

constexpr const char* kWhich = "its UUID, the beginning of it, or the name of its function";

void add_history(CLI::App& mappings, Session& session) {
  auto id = std::make_shared<std::string>();
  auto limit = std::make_shared<int>(20);
  CLI::App* history = add_command(
      mappings, session, "history", "the last invocations, newest first; at most 1000 are kept per mapping",
      "  millrace mappings history 63290901 --limit 100\n", [id, limit](Api& api, Output& output) -> Result<int> {
        MR_ASSIGN_OR_RETURN(const Json found,
                            api.get("mappings/" + encode(*id) + "/history?limit=" + std::to_string(*limit)));
        output.table(found, "history",
                     {{"TIME", "time"},
                      {"WHAT", "what"},
                      {"RESULT", "result"},
                      {"SHARD", "shard", false, Form::kText, kResultWidth},
                      {"LANE", "lane", true},
                      {"FIRST", "first"},
                      {"LAST", "last"},
                      {"RECORDS", "records", true},
                      {"ATTEMPT", "attempt", true},
                      {"TOOK", "duration_ms", true, Form::kDuration},
                      {"MESSAGE", "message", false, Form::kText, kResultWidth}},
                     "Nothing yet.");
        return kDone;
      });
  history->add_option("mapping", *id, kWhich)->required();
  history->add_option("--limit", *limit, "how many")->capture_default_str()->check(CLI::Range(1, 1000));
}

// Posts an action and prints the answer.
Result<int> act(Api& api, Output& output, const std::string& id, const Json& body) {
  MR_ASSIGN_OR_RETURN(const Json answer, api.post("mappings/" + encode(id), body));
  output.details(answer);
  return kDone;
}

std::string progress_line(const Json& job) {
  if (job.string_or("what", "") == "replay")
    return std::to_string(job.int_or("records", 0)) + " records done in " + std::to_string(job.int_or("batches", 0)) +
           " batches";
  const auto ended =
      job.int_or("removed", 0) + job.int_or("failed", 0) + job.int_or("kept_back", 0) + job.int_or("unusable", 0);
  return std::to_string(ended) + " of " + std::to_string(job.int_or("documents", 0)) + " documents, " +
         std::to_string(job.int_or("removed", 0)) + " removed";
}

// Starts a job and waits for its end; what it has done so far goes to the error output. Fails when something is left.
Result<int> run_job(Api& api, Output& output, const std::string& id, const Json& body) {
  MR_ASSIGN_OR_RETURN(Json job, api.post("mappings/" + encode(id), body));
  std::string last;
  while (!job.bool_or("finished", false)) {
    MR_ASSIGN_OR_RETURN(
        job, api.get("mappings/" + encode(id) + "/jobs/" + std::string(job.string_or("job", "")) + "?wait_ms=1000"));
    const std::string line = progress_line(job);
    if (!job.bool_or("finished", false) && line != last) std::cerr << line << std::endl;
    last = line;
  }
  output.details(job);
  const Json* left = job.find("left");
  const bool is_complete =
      job.find("stopped") == nullptr && job.int_or("left_out", 0) == 0 && (left == nullptr || left->as_array().empty());
  return is_complete ? kDone : kFailed;
}

void add_rewind(CLI::App& mappings, Session& session) {
  auto id = std::make_shared<std::string>();
  auto to = std::make_shared<std::string>();
  CLI::App* rewind = add_command(
      mappings, session, "rewind", "move the position back: everything from there on is delivered again, in order",
      "  millrace mappings rewind 63290901 --to horizon\n  millrace mappings rewind my-function --to 15m\n",
      [id, to](Api& api, Output& output) {
        return act(api, output, *id, Json::object({{"action", "rewind"}, {"to", *to}}));
      });
  rewind->add_option("mapping", *id, kWhich)->required();
  rewind->add_option("--to", *to, "horizon, a time, how long ago as in 15m, or the sequence number that comes next")
      ->required();
}

void add_skip(CLI::App& mappings, Session& session) {
  auto id = std::make_shared<std::string>();
  auto record = std::make_shared<std::string>();
  auto reason = std::make_shared<std::string>();
  CLI::App* skip = add_command(
      mappings, session, "skip", "let one record go: it is never delivered; the reason is kept in the history",
      "  millrace mappings skip 63290901 --record 100000001789651619772 --reason 'price is not a number'\n",
      [id, record, reason](Api& api, Output& output) {
        return act(api, output, *id, Json::object({{"action", "skip"}, {"record", *record}, {"reason", *reason}}));
      });
  skip->add_option("mapping", *id, kWhich)->required();
  skip->add_option("--record", *record, "its sequence number, as `show` and `history` print it")->required();
  skip->add_option("--reason", *reason, "why, for whoever looks later")->required();
}

void add_try(CLI::App& mappings, Session& session) {
  auto id = std::make_shared<std::string>();
  auto function = std::make_shared<std::string>();
  CLI::App* attempt =
      add_command(mappings, session, "try",
                  "invoke once with the batch that is failing; changes nothing; exits with 1 on a failure",
                  "  millrace mappings try 63290901\n  millrace mappings try 63290901 --function my-function-fixed\n",
                  [id, function](Api& api, Output& output) -> Result<int> {
                    Json body = Json::object({{"action", "try"}});
                    body.set_if(!function->empty(), "function", *function);
                    MR_ASSIGN_OR_RETURN(const Json tried, api.post("mappings/" + encode(*id), body));
                    output.details(tried);
                    return tried.bool_or("ok", false) ? kDone : kFailed;
                  });
  attempt->add_option("mapping", *id, kWhich)->required();
  attempt->add_option("--function", *function, "another function than the mapping's");
}

void add_set(CLI::App& mappings, Session& session) {
  auto id = std::make_shared<std::string>();
  auto payload = std::make_shared<std::string>();
  CLI::App* set = add_command(
      mappings, session, "set", "options that AWS does not have; they are kept with the mapping",
      "  millrace mappings set 63290901 --payload-in-failures on\n", [id, payload](Api& api, Output& output) {
        return act(api, output, *id, Json::object({{"action", "set"}, {"payload_in_failures", *payload == "on"}}));
      });
  set->add_option("mapping", *id, kWhich)->required();
  set->add_option(
         "--payload-in-failures", *payload,
         "on: failure documents on SQS and SNS carry the batch, as AWS's on S3 do; off: they are AWS's exactly")
      ->required()
      ->check(CLI::IsMember({"on", "off"}));
}

struct JobOptions {
  std::string id, from, to = "now", function;
  int retries = 2;
  bool keep_going = false;
  Json body(const char* action) const {
    Json out = Json::object({{"action", action}, {"retries", retries}});
    return out.set_if(!from.empty(), "from", from).set_if(!function.empty(), "function", function);
  }
};

void add_jobs(CLI::App& mappings, Session& session) {
  auto options = std::make_shared<JobOptions>();
  CLI::App* replay =
      add_command(mappings, session, "replay", "send a part of the stream once more, without moving the position",
                  "  millrace mappings replay 63290901 --from horizon --function my-function-v2\n"
                  "  millrace mappings replay 63290901 --from 2026-12-24T18:00:00Z --to 15m\n",
                  [options](Api& api, Output& output) {
                    Json body = options->body("replay");
                    body.set("to", options->to).set("keep_going", options->keep_going);
                    return run_job(api, output, options->id, body);
                  });
  replay->add_option("mapping", options->id, kWhich)->required();
  replay
      ->add_option("--from", options->from, "horizon, a time, how long ago as in 15m, or a sequence number (included)")
      ->required();
  replay->add_option("--to", options->to, "the same, or now; a sequence number is included, a time is not")
      ->capture_default_str();
  replay->add_option("--function", options->function, "another function than the mapping's");
  replay->add_flag("--keep-going", options->keep_going, "leave out batches that fail; without it, stop at the first");
  CLI::App* redrive = add_command(
      mappings, session, "redrive",
      "send the batches of failure documents again, oldest first and in order per key; removes what succeeds",
      "  millrace mappings redrive 63290901\n  millrace mappings redrive 63290901 --from queue-of-the-topic --retries "
      "0\n",
      [options](Api& api, Output& output) { return run_job(api, output, options->id, options->body("redrive")); });
  redrive->add_option("mapping", options->id, kWhich)->required();
  redrive->add_option(
      "--from", options->from,
      "queue (name or ARN) or bucket (ARN) that holds the documents; the mapping's destination if not said");
  redrive->add_option("--function", options->function, "another function than the mapping's");
  for (CLI::App* command : {replay, redrive})
    command->add_option("--retries", options->retries, "of a batch that fails")
        ->capture_default_str()
        ->check(CLI::Range(0, 100));
  CLI::App* cancel = add_command(
      mappings, session, "cancel", "end the replay or redrive that runs, after the batch that is being sent",
      "  millrace mappings cancel 63290901\n", [options](Api& api, Output& output) -> Result<int> {
        MR_ASSIGN_OR_RETURN(const Json job, api.remove("mappings/" + encode(options->id) + "/jobs"));
        output.details(job);
        return kDone;
      });
  cancel->add_option("mapping", options->id, kWhich)->required();
}

void add_mappings(CLI::App& app, Session& session) {
  CLI::App* mappings = add_noun(app, "mappings", "event source mappings: what is delivered, and why not");
  add_command(*mappings, session, "ls", "all mappings", "  millrace mappings ls\n",
              [](Api& api, Output& output) -> Result<int> {
                MR_ASSIGN_OR_RETURN(const Json found, api.get("mappings"));
                output.table(found, "mappings",
                             {{"MAPPING", "uuid"},
                              {"SOURCE", "source"},
                              {"FUNCTION", "function"},
                              {"STATE", "state", false, Form::kState},
                              {"BACKLOG", "backlog", true},
                              {"OLDEST", "oldest_age_ms", true, Form::kDuration},
                              {"WAITS FOR", "waits_for"},
                              {"LAST RESULT", "last_result", false, Form::kText, kResultWidth}},
                             "No mappings.");
                for (const auto& mapping : found.find("mappings")->as_array())
                  if (mapping.bool_or("blocked", false))
                    output.line(output.warning("warning: " + std::string(mapping.string_or("function", "")) +
                                               " gets nothing more of " + std::string(mapping.string_or("source", "")) +
                                               " until its batch succeeds; `millrace mappings show " +
                                               std::string(mapping.string_or("uuid", "").substr(0, 8)) + "` says why"));
                return kDone;
              });
  auto id = std::make_shared<std::string>();
  CLI::App* show = add_command(
      *mappings, session, "show", "one mapping: position, backlog, what it waits for, last error, next retry",
      "  millrace mappings show 63290901-c1d8-47d3-9a63-df61b41346fc\n  millrace mappings show my-function\n",
      [id](Api& api, Output& output) -> Result<int> {
        MR_ASSIGN_OR_RETURN(const Json mapping, api.get("mappings/" + encode(*id)));
        output.details(mapping);
        return kDone;
      });
  show->add_option("mapping", *id, kWhich)->required();
  for (const auto action : {"pause", "resume"}) {
    CLI::App* command =
        add_command(*mappings, session, action,
                    std::string(action) +
                        (action[0] == 'p' ? " a mapping; it keeps its position" : " a paused mapping where it stopped"),
                    std::string("  millrace mappings ") + action + " 63290901\n",
                    [id, action](Api& api, Output& output) -> Result<int> {
                      MR_ASSIGN_OR_RETURN(const Json mapping,
                                          api.post("mappings/" + encode(*id), Json::object({{"action", action}})));
                      output.details(mapping);
                      return kDone;
                    });
    command->add_option("mapping", *id, kWhich)->required();
  }
  add_history(*mappings, session);
  add_try(*mappings, session);
  add_skip(*mappings, session);
  add_rewind(*mappings, session);
  add_jobs(*mappings, session);
  add_set(*mappings, session);
}

}  // namespace

void add_mapping_commands(CLI::App& app, Session& session) { add_mappings(app, session); }

}  // namespace millrace::cli
