// serve, run, env, hook, doctor.
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <memory>

#include <CLI/CLI.hpp>
#include <unistd.h>

#include "cli/internal/commands.h"

namespace millrace::cli {
namespace {

void add_serve_options(CLI::App& command, ServeOptions& options) {
  command.add_option("--config", options.config, "configuration file (YAML)");
  command.add_option("--log-level", options.log_level, "debug, info, warning or error");
  command
      .add_option("--skip-type", options.skip_types,
                  "a resource type that stacks only record: AWS::EC2::VPC, AWS::EC2::*; may be given again")
      ->allow_extra_args(false);
  command.add_flag("--aws-timing", options.aws_timing,
                   "tables take seconds to be created, updated and deleted; TTL changes have a cool-down");
}

std::string exports(const Target& target) {
  return "export AWS_ENDPOINT_URL=" + target.endpoint + "\nexport MILLRACE_ENDPOINT=" + target.endpoint +
         "\nexport AWS_REGION=" + target.region + "\nexport AWS_DEFAULT_REGION=" + target.region +
         "\nexport AWS_ACCESS_KEY_ID=" + target.account + "\nexport AWS_SECRET_ACCESS_KEY=test\n";
}

void print_doctor(const codec::Json& report, Output& output) {
  if (output.json()) return output.document(report);
  for (const auto& check : report.find("checks")->as_array()) {
    const bool good = check.bool_or("ok", false);
    const std::string mark = good ? "ok  " : output.warning("note");
    std::cout << mark << "  " << check.string_or("what", "") << ": " << check.string_or("found", "") << '\n';
    if (const auto advice = check.string_or("advice", ""); !good && !advice.empty())
      std::cout << "      " << advice << '\n';
  }
}

std::filesystem::path default_hook_path() {
  const auto variable = [](const char* name) {
    return std::string(std::getenv(name) == nullptr ? "" : std::getenv(name));
  };
  std::filesystem::path cache = variable("XDG_CACHE_HOME");
  if (cache.empty() && !variable("HOME").empty()) cache = std::filesystem::path(variable("HOME")) / ".cache";
  if (cache.empty()) cache = std::filesystem::temp_directory_path();
  return cache / "millrace" / "aws-redirect.cjs";
}

// Renamed into place: another process may be reading it.
Result<std::filesystem::path> write_hook(std::filesystem::path file, std::string_view text) {
  if (file.empty()) file = default_hook_path();
  file = std::filesystem::absolute(file);
  std::error_code failed;
  std::filesystem::create_directories(file.parent_path(), failed);
  const std::filesystem::path fresh = file.string() + "." + std::to_string(::getpid());
  std::ofstream out(fresh, std::ios::binary | std::ios::trunc);
  out << text;
  out.close();
  if (out) std::filesystem::rename(fresh, file, failed);
  if (!out || failed) return Error(kInvalidArgument, "cannot write " + file.string());
  return file;
}

}  // namespace

void add_server_commands(CLI::App& app, Session& session) {
  auto options = std::make_shared<ServeOptions>();
  CLI::App* serve =
      add_command(app, session, "serve", "run a server until it is stopped by SIGTERM or Ctrl-C",
                  "  millrace serve --port 8000 --data ./data\n  millrace serve --ephemeral --port 0\n",
                  [&session, options](Api&, Output&) -> Result<int> { return session.callbacks->serve(*options); });
  serve->add_option("--address", options->address, "address to listen on (default 127.0.0.1)");
  serve->add_option("--port", options->port, "port (default 4566); 0 picks a free one and prints it")
      ->check(CLI::Range(0, 65535));
  serve->add_option("--data", options->data, "data directory (default: MILLRACE_DATA, else the XDG data directory)");
  serve->add_flag("--ephemeral", options->ephemeral,
                  "a temporary directory, removed at the end; writes are not synced");
  serve
      ->add_option("--durability", options->durability,
                   "synced: acknowledged writes survive a power cut (default); os: they may not")
      ->check(CLI::IsMember({"synced", "os"}));
  serve->add_option("--memory", options->memory,
                    "the database's memory: block cache, write buffers, hot rows (default 128MiB)");
  serve->add_option("--reserve", options->reserve,
                    "free disk space that writes leave (default 256MiB, at most 5 % of the disk)");
  serve->add_flag("--accept-lost-writes", options->accept_lost_writes,
                  "start although the write-ahead log is damaged, without the writes that are lost");
  serve->add_option("--threads", options->threads, "I/O threads (default 2)");
  serve->add_flag("--allow-anyone", options->allow_anyone,
                  "listen beyond loopback although credentials are not verified");
  add_serve_options(*serve, *options);

  auto command = std::make_shared<std::vector<std::string>>();
  CLI::App* run =
      add_command(app, session, "run", "run a command against an ephemeral server of its own; exits with its status",
                  "  millrace run -- pytest tests/\n  millrace run -- aws dynamodb list-tables\n",
                  [&session, options, command](Api&, Output&) -> Result<int> {
                    return session.callbacks->run(*options, *command);
                  });
  add_serve_options(*run, *options);
  run->add_option("command", *command, "the command and its arguments, after --")->required();
  run->positionals_at_end();

  add_command(app, session, "env", "print the exports that point AWS SDKs and the AWS CLI at the server",
              "  eval \"$(millrace env)\"\n", [](Api& api, Output& output) -> Result<int> {
                if (!output.json()) std::cout << exports(api.target());
                codec::Json document = codec::Json::object();
                document.set("AWS_ENDPOINT_URL", api.target().endpoint).set("AWS_REGION", api.target().region);
                document.set("AWS_ACCESS_KEY_ID", api.target().account).set("AWS_SECRET_ACCESS_KEY", "test");
                output.document(document);
                return kDone;
              });

  auto file = std::make_shared<std::filesystem::path>();
  CLI::App* hook = add_command(
      app, session, "hook", "write the module that sends a Node.js tool's calls to AWS to the server; prints its path",
      "  NODE_OPTIONS=\"--require $(millrace hook)\" serverless deploy\n  millrace hook "
      "/usr/local/lib/millrace-hook.cjs\n",
      [&session, file](Api&, Output& output) -> Result<int> {
        MR_ASSIGN_OR_RETURN(const auto written, write_hook(*file, session.callbacks->hook()));
        if (!output.json()) std::cout << written.string() << '\n';
        output.document(codec::Json::object({{"path", written.string()}}));
        return kDone;
      });
  hook->add_option("file", *file, "where to (default: millrace/aws-redirect.cjs in XDG_CACHE_HOME, else in ~/.cache)");

  CLI::App* doctor = add_command(
      app, session, "doctor", "what this machine offers: interpreters, isolation, port, disk, limits, clients",
      "  millrace doctor\n  millrace doctor --config millrace.yaml --json\n",
      [&session, options](Api&, Output& output) -> Result<int> {
        MR_ASSIGN_OR_RETURN(const auto report, codec::parse_json(session.callbacks->doctor(*options)));
        print_doctor(report, output);
        return kDone;
      });
  doctor->add_option("--config", options->config, "configuration file (YAML)");
}

}  // namespace millrace::cli
