// What surrounds a function's process: the command line of bubblewrap, or none; the environment variables; memory use.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <sys/types.h>

#include "runtimes/interpreters.h"
#include "runtimes/runtime.h"

namespace millrace::runtimes::internal {

// What bubblewrap can do here.
struct Bubblewrap {
  bool usable = false;
  bool user_namespace = false;  // runs the function as another user id
  std::string path;
  std::string label;  // "bubblewrap 0.8.0", or why not
};
// Runs it once. Blocks for some 20 ms.
Bubblewrap probe_bubblewrap();

struct SandboxPaths {
  std::string bootstrap_folder;  // seen as /var/runtime
  std::string private_folder;    // seen as /tmp
  std::vector<std::string> node_modules;
  std::vector<std::string> python_packages;
};

struct Command {
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
  std::string working_folder;
  std::string access_key;  // of the credentials that the process was given
};

// How to start `spec` with `interpreter`, talking to the Runtime API at `api` ("127.0.0.1:PORT") and logging to
// `stream`. Pure.
Command make_command(const FunctionSpec& spec, const Interpreter& interpreter, const Bubblewrap& bubblewrap,
                     const SandboxPaths& paths, const std::string& api, const std::string& stream);

// A process and its descendants, also those that left its process group (bounded effort).
std::vector<pid_t> process_tree(pid_t pid);
// Their resident memory in bytes; 0 when they have gone.
std::uint64_t tree_resident_bytes(pid_t pid);

// Ends what a killed server left of its sandboxes, by their private folders: a bubblewrap whose parent went away in the
// middle of setting it up waits for ever, --die-with-parent or not. REQUIRES: no other server uses the folder.
void end_orphaned_sandboxes(const std::filesystem::path& private_folders);

}  // namespace millrace::runtimes::internal
