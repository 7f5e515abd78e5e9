// The command line: noun then verb, tables for people, `--json` for programs.
//
// `run` parses the arguments and either talks to a server over its one port (AWS operations and /_millrace/), or calls
// back into app for what starts one. Exit status: 0 done; 1 the server refused, or a verification failed; 2 wrong
// usage; 3 no server reachable; `millrace run` passes on the status of its command.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/json.h"

namespace millrace::cli {

enum ExitStatus : int { kDone = 0, kFailed = 1, kUsage = 2, kUnreachable = 3 };

// What the command line said; empty = not said, so that the configuration file or the default applies.
struct ServeOptions {
  std::string address;
  int port = -1;
  std::filesystem::path data;
  std::filesystem::path config;
  std::string durability;  // "synced" or "os"
  std::string log_level;
  std::string memory;   // a size such as 256MiB
  std::string reserve;  // the same
  int threads = 0;
  std::vector<std::string> skip_types;  // added to the file's
  bool ephemeral = false;
  bool allow_anyone = false;
  bool aws_timing = false;
  bool accept_lost_writes = false;
};

struct Callbacks {
  std::function<int(const ServeOptions&)> serve;
  // An ephemeral server on a free port for the time of one command.
  std::function<int(const ServeOptions&, const std::vector<std::string>& command)> run;
  // Interpreters, isolation, port, disk and limits of this machine; JSON text.
  std::function<std::string(const ServeOptions&)> doctor;
  // A module that sends a Node.js process's calls to AWS to the server instead.
  std::function<std::string_view()> hook;
  // Told what is being done and how much of it (0: not known how much there is).
  using Progress = std::function<void(std::string_view what, std::uint64_t done, std::uint64_t all)>;
  std::function<Result<codec::Json>(const std::filesystem::path& backup, const std::filesystem::path& data,
                                    const Progress&)>
      restore;
  // {"ok","problems","problem_count","checked"}
  std::function<Result<codec::Json>(const std::filesystem::path& directory, const Progress&)> check;
  // A CloudFormation template, JSON or YAML with short tags, as one document. Error: what is wrong with it.
  std::function<Result<codec::Json>(std::string_view text)> read_template;
  std::string version;
};

int run(int argc, const char* const* argv, const Callbacks& callbacks);

}  // namespace millrace::cli
