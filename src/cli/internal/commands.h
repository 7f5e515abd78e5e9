// The commands, grouped by noun. Each `add_...` puts its subcommands on `app` and leaves, when one of them was parsed,
// what to do in `Session::action`; it returns an exit status or the error to print.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "cli/cli.h"
#include "cli/internal/api.h"
#include "cli/internal/output.h"

namespace CLI {
class App;
}

namespace millrace::cli {

struct Session {
  const Callbacks* callbacks = nullptr;
  std::string endpoint;
  std::string account = "000000000000";
  std::string region = "us-east-1";
  bool json = false;
  std::function<Result<int>(Api&, Output&)> action;
};

void add_server_commands(CLI::App& app, Session& session);     // serve, run, env, hook, doctor
void add_directory_commands(CLI::App& app, Session& session);  // backup, restore, check
void add_control_commands(CLI::App& app, Session& session);    // status, settle, reset, faults, clock
void add_data_commands(CLI::App& app, Session& session);       // tables, streams, queues, objects
void add_topic_commands(CLI::App& app, Session& session);      // topics
void add_compute_commands(CLI::App& app, Session& session);    // functions
void add_metric_commands(CLI::App& app, Session& session);     // metrics, alarms
void add_trace_commands(CLI::App& app, Session& session);      // traces
void add_mapping_commands(CLI::App& app, Session& session);    // mappings
void add_stack_commands(CLI::App& app, Session& session);      // deploy, stacks

// A subcommand whose help ends with `examples`, and which sets `action`.
CLI::App* add_command(CLI::App& parent, Session& session, const std::string& name, const std::string& description,
                      const std::string& examples, std::function<Result<int>(Api&, Output&)> action);
// A noun: a command that only holds verbs.
CLI::App* add_noun(CLI::App& parent, const std::string& name, const std::string& description);

}  // namespace millrace::cli
