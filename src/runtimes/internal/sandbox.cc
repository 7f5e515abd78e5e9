#include "runtimes/internal/sandbox.h"

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <unistd.h>

#include "runtimes/internal/spawn.h"

namespace millrace::runtimes::internal {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kTreeProcessesMax = 1024;
constexpr const char* kSandboxUser = "993";  // AWS: sbx_user1051; any id that is not root

std::string find_bubblewrap() {
  for (const char* path : {"/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap"}) {
    if (::access(path, X_OK) == 0) return path;
  }
  return {};
}

// The system, read-only: only what interpreters need. No home folders, no /var, no /run.
void add_system(std::vector<std::string>& arguments) {
  for (const char* folder : {"/usr", "/etc"}) {
    arguments.insert(arguments.end(), {"--ro-bind", folder, folder});
  }
  for (const char* folder : {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}) {
    std::error_code error;
    if (fs::is_symlink(folder, error)) {
      arguments.insert(arguments.end(), {"--symlink", fs::read_symlink(folder, error).string(), folder});
    } else {
      arguments.insert(arguments.end(), {"--ro-bind-try", folder, folder});
    }
  }
  arguments.insert(arguments.end(), {"--ro-bind-try", "/run/systemd/resolve", "/run/systemd/resolve"});
  arguments.insert(arguments.end(), {"--dev", "/dev", "--proc", "/proc"});
}

std::vector<std::string> base_arguments(const std::string& path, bool user_namespace) {
  std::vector<std::string> arguments{path, "--die-with-parent", "--unshare-pid", "--unshare-ipc", "--unshare-uts"};
  if (user_namespace) {
    arguments.insert(arguments.end(), {"--unshare-user", "--uid", kSandboxUser, "--gid", kSandboxUser});
  }
  add_system(arguments);
  return arguments;
}

bool works(const std::string& path, bool user_namespace) {
  auto arguments = base_arguments(path, user_namespace);
  arguments.push_back("/bin/true");
  return run_and_read(std::move(arguments), Milliseconds(5000)).has_value();
}

bool is_system_path(const std::string& path) { return path.starts_with("/usr/") || path.starts_with("/etc/"); }

void bind_read_only(std::vector<std::string>& arguments, const std::string& from, const std::string& to) {
  arguments.insert(arguments.end(), {"--ro-bind", from, to});
}

std::string joined(const std::vector<std::string>& parts) {
  std::string result;
  for (const auto& part : parts) {
    if (!result.empty()) result += ':';
    result += part;
  }
  return result;
}

// AWS: what scripts in packages and layers name in their first line (#!/var/lang/bin/python).
std::vector<std::string> interpreter_names(const Interpreter& interpreter) {
  if (interpreter.language == Language::kNode) return {"node"};
  if (interpreter.language != Language::kPython) return {};
  return {"python", "python3", "python3." + std::to_string(interpreter.minor)};
}

void add_sandbox(Command& command, const FunctionSpec& spec, const Interpreter& interpreter,
                 const Bubblewrap& bubblewrap, const SandboxPaths& paths) {
  auto arguments = base_arguments(bubblewrap.path, bubblewrap.user_namespace);
  arguments.insert(arguments.end(), {"--bind", paths.private_folder, "/tmp"});
  bind_read_only(arguments, spec.code_folder, "/var/task");
  bind_read_only(arguments, paths.bootstrap_folder, "/var/runtime");
  if (spec.layer_folder.empty()) {
    arguments.insert(arguments.end(), {"--dir", "/opt"});
  } else {
    bind_read_only(arguments, spec.layer_folder, "/opt");
  }
  arguments.insert(arguments.end(), {"--dir", "/var/lang/bin"});
  for (const auto& name : interpreter_names(interpreter)) {
    arguments.insert(arguments.end(), {"--symlink", interpreter.path, "/var/lang/bin/" + name});
  }
  std::vector<std::string> outside;
  if (!interpreter.prefix.empty()) outside.push_back(interpreter.prefix);
  const auto& packages = interpreter.language == Language::kNode ? paths.node_modules : paths.python_packages;
  outside.insert(outside.end(), packages.begin(), packages.end());
  for (const auto& folder : outside) {
    std::error_code error;
    if (!is_system_path(folder) && fs::is_directory(folder, error)) bind_read_only(arguments, folder, folder);
  }
  arguments.insert(arguments.end(), {"--chdir", "/var/task", "--"});
  command.arguments.insert(command.arguments.begin(), arguments.begin(), arguments.end());
}

std::vector<std::pair<std::string, std::string>> fixed_variables(const FunctionSpec& spec, const std::string& api,
                                                                 const std::string& stream,
                                                                 const Credentials& credentials) {
  const std::string execution = spec.runtime.starts_with("provided") ? spec.runtime : "AWS_Lambda_" + spec.runtime;
  std::vector<std::pair<std::string, std::string>> variables{
      {"_HANDLER", spec.handler},
      {"AWS_REGION", spec.scope.region},
      {"AWS_DEFAULT_REGION", spec.scope.region},
      {"AWS_EXECUTION_ENV", execution},
      {"AWS_LAMBDA_FUNCTION_NAME", spec.name},
      {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE", std::to_string(spec.memory_mb)},
      {"AWS_LAMBDA_FUNCTION_VERSION", spec.version},
      {"AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"},
      {"AWS_LAMBDA_LOG_GROUP_NAME", spec.log_group},
      {"AWS_LAMBDA_LOG_STREAM_NAME", stream},
      {"AWS_ACCESS_KEY_ID", credentials.access_key},
      {"AWS_SECRET_ACCESS_KEY", credentials.secret_key},
      {"AWS_LAMBDA_RUNTIME_API", api},
      {"TZ", ":UTC"},
      {"LANG", "en_US.UTF-8"},
      {"HOME", "/tmp"},
      {"AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR"},
      {"AWS_XRAY_DAEMON_ADDRESS", spec.tracing_daemon.empty() ? "127.0.0.1:2000" : spec.tracing_daemon},
      {"AWS_EC2_METADATA_DISABLED", "true"},
  };
  if (!credentials.session_token.empty()) variables.emplace_back("AWS_SESSION_TOKEN", credentials.session_token);
  if (!spec.endpoint_url.empty()) variables.emplace_back("AWS_ENDPOINT_URL", spec.endpoint_url);
  if (spec.log_format == "JSON") {
    variables.emplace_back("AWS_LAMBDA_LOG_FORMAT", "JSON");
    variables.emplace_back("AWS_LAMBDA_LOG_LEVEL", spec.log_level.empty() ? "INFO" : spec.log_level);
  }
  return variables;
}

}  // namespace

Bubblewrap probe_bubblewrap() {
  Bubblewrap result{.path = find_bubblewrap()};
  if (result.path.empty()) {
    result.label = "no bubblewrap (not installed)";
    return result;
  }
  for (const bool user_namespace : {true, false}) {
    if (!works(result.path, user_namespace)) continue;
    result.usable = true;
    result.user_namespace = user_namespace;
    result.label = run_and_read({result.path, "--version"}, Milliseconds(5000)).value_or("bubblewrap");
    while (result.label.ends_with('\n')) result.label.pop_back();
    return result;
  }
  result.label = "no bubblewrap (installed, but this machine does not allow namespaces)";
  return result;
}

Command make_command(const FunctionSpec& spec, const Interpreter& interpreter, const Bubblewrap& bubblewrap,
                     const SandboxPaths& paths, const std::string& api, const std::string& stream) {
  const bool boxed = bubblewrap.usable;
  const std::string task = boxed ? "/var/task" : spec.code_folder;
  const std::string opt = boxed || spec.layer_folder.empty() ? "/opt" : spec.layer_folder;
  const std::string runtime = boxed ? "/var/runtime" : paths.bootstrap_folder;
  Command command{.working_folder = boxed ? "/" : spec.code_folder};
  const Credentials credentials = spec.credentials ? spec.credentials() : Credentials{};
  command.access_key = credentials.access_key;
  auto variables = fixed_variables(spec, api, stream, credentials);
  variables.emplace_back("LAMBDA_TASK_ROOT", task);
  variables.emplace_back("LAMBDA_RUNTIME_DIR", runtime);
  variables.emplace_back("PATH", "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:" + opt + "/bin");
  variables.emplace_back("LD_LIBRARY_PATH", "/var/lang/lib:" + task + ":" + task + "/lib:" + opt + "/lib");
  if (!boxed) {
    for (auto& [name, value] : variables) {
      if (name == "HOME") value = paths.private_folder;
    }
    variables.emplace_back("TMPDIR", paths.private_folder);
  }
  const std::string version = std::to_string(interpreter.major);
  switch (interpreter.language) {
    case Language::kNode: {
      std::vector<std::string> folders{opt + "/nodejs/node" + version + "/node_modules", opt + "/nodejs/node_modules",
                                       runtime + "/node_modules", runtime, task};
      folders.insert(folders.end(), paths.node_modules.begin(), paths.node_modules.end());
      variables.emplace_back("NODE_PATH", joined(folders));
      command.arguments = {interpreter.path, runtime + "/bootstrap.cjs"};
      break;
    }
    case Language::kPython: {
      const std::string full = version + "." + std::to_string(interpreter.minor);
      std::vector<std::string> folders{opt + "/python", opt + "/python/lib/python" + full + "/site-packages"};
      folders.insert(folders.end(), paths.python_packages.begin(), paths.python_packages.end());
      variables.emplace_back("PYTHONPATH", joined(folders));
      variables.emplace_back("PYTHONDONTWRITEBYTECODE", "1");
      command.arguments = {interpreter.path, runtime + "/bootstrap.py"};
      break;
    }
    case Language::kProvided:
      // AWS: the package's own bootstrap first.
      command.arguments = {(::access((spec.code_folder + "/bootstrap").c_str(), X_OK) == 0 ? task : opt) +
                           "/bootstrap"};
      break;
  }
  if (boxed) add_sandbox(command, spec, interpreter, bubblewrap, paths);
  // Where both name a variable, the fixed one wins, except for those that AWS lets a function set.
  for (const auto& [name, value] : spec.variables) {
    const auto same = [&n = name](const auto& v) { return v.first == n; };
    const auto fixed = std::find_if(variables.begin(), variables.end(), same);
    if (fixed == variables.end()) {
      variables.emplace_back(name, value);
    } else if (name == "PATH" || name == "TZ" || name == "LANG" || name == "LD_LIBRARY_PATH" || name == "NODE_PATH" ||
               name == "PYTHONPATH" || name == "AWS_ENDPOINT_URL" || name == "HOME" || name == "TMPDIR") {
      fixed->second = value;
    }
  }
  for (const auto& [name, value] : variables) command.environment.push_back(name + "=" + value);
  return command;
}

std::vector<pid_t> process_tree(pid_t pid) {
  std::vector<pid_t> members{pid};
  for (std::size_t i = 0; i < members.size() && members.size() < kTreeProcessesMax; ++i) {
    const std::string folder = "/proc/" + std::to_string(members[i]) + "/task";
    std::error_code gone;
    for (const auto& thread : fs::directory_iterator(folder, gone)) {
      std::ifstream children(thread.path() / "children");
      for (pid_t child = 0; children >> child;) members.push_back(child);
    }
  }
  return members;
}

std::uint64_t tree_resident_bytes(pid_t pid) {
  static const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  std::uint64_t total = 0;
  for (const pid_t member : process_tree(pid)) {
    std::ifstream statm("/proc/" + std::to_string(member) + "/statm");
    std::uint64_t size = 0;
    std::uint64_t resident = 0;
    if (statm >> size >> resident) total += resident * page;
  }
  return total;
}

void end_orphaned_sandboxes(const fs::path& private_folders) {
  using namespace std::string_literals;
  const std::string sign = "\0--bind\0"s + private_folders.string() + "/";
  std::error_code gone;
  for (const auto& process : fs::directory_iterator("/proc", gone)) {
    const std::string name = process.path().filename();
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error != std::errc() || end != name.data() + name.size()) continue;
    std::ifstream file(process.path() / "cmdline", std::ios::binary);
    const std::string arguments{std::istreambuf_iterator<char>(file), {}};
    if (arguments.find(sign) != std::string::npos) ::kill(pid, SIGKILL);
  }
}

}  // namespace millrace::runtimes::internal
