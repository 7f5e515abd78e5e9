// functions.
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>

#include <CLI/CLI.hpp>

#include "cli/internal/commands.h"

namespace millrace::cli {
namespace {

using codec::Json;

// "-": standard input; "@file": the file; else the text itself.
Result<std::string> payload_of(const std::string& argument) {
  if (argument == "-") return std::string(std::istreambuf_iterator<char>(std::cin), {});
  if (!argument.starts_with('@')) return argument;
  std::ifstream file(argument.substr(1), std::ios::binary);
  if (!file) return Error(kNotFound, "cannot read " + argument.substr(1));
  return std::string(std::istreambuf_iterator<char>(file), {});
}

Result<int> follow_logs(Api& api, Output& output, const std::string& function, bool follow) {
  std::string after;
  while (true) {
    std::string path = "functions/" + encode(function) + "/logs?after=" + encode(after);
    if (follow && !after.empty()) path += "&wait_ms=10000";
    MR_ASSIGN_OR_RETURN(const Json page, api.get(path));
    const auto& events = page.find("events")->as_array();
    for (const auto& event : events) {
      std::string_view message = event.string_or("message", "");
      while (message.ends_with('\n')) message.remove_suffix(1);
      if (output.json())
        std::cout << event.dump() << '\n';
      else
        std::cout << event.string_or("time", "") << "  " << message << '\n';
    }
    std::cout.flush();
    after = page.string_or("next", after);
    if (!follow && events.empty()) return kDone;
  }
}

void add_functions(CLI::App& app, Session& session) {
  CLI::App* functions = add_noun(app, "functions", "functions and what they print");
  add_command(*functions, session, "ls", "all functions", "  millrace functions ls\n",
              [](Api& api, Output& output) -> Result<int> {
                MR_ASSIGN_OR_RETURN(const Json found, api.get("functions"));
                output.table(found, "functions",
                             {{"FUNCTION", "name"},
                              {"RUNTIME", "runtime"},
                              {"HANDLER", "handler"},
                              {"MEMORY", "memory_mb", true},
                              {"TIMEOUT", "timeout_s", true},
                              {"RUNNING", "running", true},
                              {"QUEUED", "queued", true}},
                             "No functions.");
                return kDone;
              });
  auto name = std::make_shared<std::string>();
  CLI::App* show =
      add_command(*functions, session, "show", "one function: interpreter, isolation, concurrency, versions, aliases",
                  "  millrace functions show indexer\n", [name](Api& api, Output& output) -> Result<int> {
                    MR_ASSIGN_OR_RETURN(const Json function, api.get("functions/" + encode(*name)));
                    output.details(function);
                    return kDone;
                  });
  show->add_option("function", *name)->required();

  auto payload = std::make_shared<std::string>("{}");
  auto event = std::make_shared<bool>(false);
  CLI::App* invoke = add_command(
      *functions, session, "invoke", "invoke a function and print its answer; exits with 1 when it failed",
      "  millrace functions invoke hello '{\"name\": \"world\"}'\n  millrace functions invoke hello @event.json\n",
      [name, payload, event](Api& api, Output&) -> Result<int> {
        MR_ASSIGN_OR_RETURN(std::string body, payload_of(*payload));
        MR_ASSIGN_OR_RETURN(const Api::Invoked answer, api.invoke(*name, std::move(body), *event));
        std::cout << answer.payload << (answer.payload.empty() ? "" : "\n");
        return answer.error.empty() ? kDone : kFailed;
      });
  invoke->add_option("function", *name)->required();
  invoke->add_option("payload", *payload, "JSON text, @file, or - for standard input")->capture_default_str();
  invoke->add_flag("--event", *event, "asynchronously");

  auto follow = std::make_shared<bool>(false);
  CLI::App* logs =
      add_command(*functions, session, "logs", "what a function printed", "  millrace functions logs indexer -f\n",
                  [name, follow](Api& api, Output& output) { return follow_logs(api, output, *name, *follow); });
  logs->add_option("function", *name)->required();
  logs->add_flag("-f,--follow", *follow, "go on until Ctrl-C");
}

}  // namespace

void add_compute_commands(CLI::App& app, Session& session) { add_functions(app, session); }

}  // namespace millrace::cli
