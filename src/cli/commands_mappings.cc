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
}

}  // namespace

void add_mapping_commands(CLI::App& app, Session& session) { add_mappings(app, session); }

}  // namespace millrace::cli
