#include "cli/cli.h"

#include <cstdlib>
#include <iostream>

#include <CLI/CLI.hpp>
#include <unistd.h>

#include "cli/internal/commands.h"

namespace millrace::cli {
namespace {

constexpr const char* kFooter =
    "Exit status: 0 done, 1 the server refused, 2 wrong usage, 3 no server reachable.\n"
    "The server is told by --endpoint, MILLRACE_ENDPOINT or AWS_ENDPOINT_URL, else http://127.0.0.1:4566.\n\n"
    "Examples:\n"
    "  millrace serve                        # durable, in the default directory\n"
    "  millrace run -- pytest tests/         # an ephemeral server for one command\n"
    "  millrace mappings ls\n"
    "  millrace clock advance 31d\n";

std::string default_endpoint() {
  for (const auto name : {"MILLRACE_ENDPOINT", "AWS_ENDPOINT_URL"})
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') return value;
  return "http://127.0.0.1:4566";
}

bool use_color() { return isatty(STDOUT_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr; }

}  // namespace

CLI::App* add_command(CLI::App& parent, Session& session, const std::string& name, const std::string& description,
                      const std::string& examples, std::function<Result<int>(Api&, Output&)> action) {
  CLI::App* command = parent.add_subcommand(name, description);
  command->footer("Examples:\n" + examples);
  // A noun's help shows what its verbs' do.
  if (parent.get_parent() != nullptr) {
    const std::string before = parent.get_footer();
    parent.footer((before.empty() ? "Examples:\n" : before) + examples);
  }
  command->callback([&session, action = std::move(action)] { session.action = action; });
  return command;
}

CLI::App* add_noun(CLI::App& parent, const std::string& name, const std::string& description) {
  CLI::App* noun = parent.add_subcommand(name, description);
  noun->require_subcommand(1);
  return noun;
}

int run(int argc, const char* const* argv, const Callbacks& callbacks) {
  CLI::App app("millrace: tables, change streams, event source mappings, functions, objects and queues in one server",
               "millrace");
  Session session;
  session.callbacks = &callbacks;
  session.endpoint = default_endpoint();
  app.set_version_flag("--version", "millrace " + callbacks.version);
  app.add_option("--endpoint", session.endpoint, "the server to talk to")->capture_default_str();
  app.add_option("--account", session.account, "account whose resources are meant")->capture_default_str();
  app.add_option("--region", session.region, "region whose resources are meant")->capture_default_str();
  app.add_flag("--json", session.json, "print JSON instead of tables");
  app.footer(kFooter);
  app.fallthrough();
  app.require_subcommand(1);
  add_server_commands(app, session);
  add_directory_commands(app, session);
  add_control_commands(app, session);
  add_data_commands(app, session);
  add_metric_commands(app, session);
  add_trace_commands(app, session);
  add_topic_commands(app, session);
  add_compute_commands(app, session);
  add_mapping_commands(app, session);
  add_stack_commands(app, session);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    return app.exit(problem) == 0 ? kDone : kUsage;
  }
  Api api({session.endpoint, session.account, session.region});
  Output output(session.json, use_color());
  const auto status = session.action(api, output);
  if (status.ok()) return *status;
  std::cerr << "millrace: " << status.error().message() << '\n';
  return status.error().is(kNoServer) ? kUnreachable : kFailed;
}

}  // namespace millrace::cli
