#include "runtimes/interpreters.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <sstream>

#include "runtimes/internal/spawn.h"

namespace millrace::runtimes {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kChildrenMax = 64;  // of a configured folder that are looked into

std::optional<int> parse_number(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream{std::string(text)};
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

// Whether `name` is an executable of the language: node, node20, nodejs, python3, python3.12.
bool is_interpreter_name(std::string_view name) {
  if (name == "node" || name == "nodejs" || name == "python3") return true;
  if (name.starts_with("python3.")) return parse_number(name.substr(8)).has_value();
  return name.starts_with("node") && parse_number(name.substr(4)).has_value();
}

void add_executables(const fs::path& folder, std::vector<fs::path>& found) {
  if (folder.filename() == "shims") return;  // pyenv: one script per version, slow to ask; the versions are found below
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (is_interpreter_name(entry.path().filename().string()) && !entry.is_directory(ignored)) {
      found.push_back(entry.path());
    }
  }
}

void add_installation(const fs::path& folder, std::vector<fs::path>& found) {
  add_executables(folder, found);
  add_executables(folder / "bin", found);
  add_executables(folder / "node_modules/node/bin", found);
}

void add_tree(const fs::path& folder, std::vector<fs::path>& found) {
  add_installation(folder, found);
  std::error_code ignored;
  std::size_t count = 0;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (++count > kChildrenMax) return;
    if (entry.is_directory(ignored)) add_installation(entry.path(), found);
  }
}

std::vector<fs::path> candidates(const std::vector<std::string>& folders) {
  std::vector<fs::path> found;
  for (const auto& folder : folders) add_tree(folder, found);
  if (const char* path = std::getenv("PATH")) {
    for (const auto& folder : split(path, ':')) add_executables(folder, found);
  }
  for (const char* folder : {"/usr/local/bin", "/usr/bin"}) add_executables(folder, found);
  if (const char* home = std::getenv("HOME")) {
    add_tree(fs::path(home) / ".nvm/versions/node", found);
    add_tree(fs::path(home) / ".pyenv/versions", found);
  }
  return found;
}

// What lies outside the system folders must be made visible in a sandbox: the installation's folder.
std::string installation_of(const std::string& executable) {
  for (const char* system : {"/usr/", "/bin/", "/lib/"}) {
    if (executable.starts_with(system) && !executable.starts_with("/usr/local/")) return {};
  }
  if (executable.starts_with("/usr/local/")) return {};
  const fs::path parent = fs::path(executable).parent_path();
  return (parent.filename() == "bin" ? parent.parent_path() : parent).string();
}

// A shim or wrapper on PATH tells the executable behind it.
std::optional<Interpreter> inspect(const fs::path& path) {
  const bool node = path.filename().string().starts_with("node");
  const std::string question = node ? "console.log(process.versions.node); console.log(process.execPath)"
                                    : "import sys; print('%d.%d.%d' % sys.version_info[:3]); print(sys.executable)";
  const auto output = internal::run_and_read({path.string(), node ? "-e" : "-c", question}, Milliseconds(5000));
  if (!output) return std::nullopt;
  const auto lines = split(*output, '\n');
  if (lines.size() < 2) return std::nullopt;
  const auto numbers = split(lines[0], '.');
  if (numbers.size() != 3) return std::nullopt;
  Interpreter found{.language = node ? Language::kNode : Language::kPython};
  int* const parts[] = {&found.major, &found.minor, &found.patch};
  for (int i = 0; i < 3; ++i) {
    const auto number = parse_number(numbers[i]);
    if (!number) return std::nullopt;
    *parts[i] = *number;
  }
  std::error_code error;
  const auto real = fs::canonical(lines[1], error);
  found.path = error ? lines[1] : real.string();
  found.prefix = installation_of(found.path);
  return found;
}

std::vector<Interpreter> search(const std::vector<std::string>& folders) {
  std::vector<Interpreter> installed;
  std::set<std::string> inspected;  // by real path
  std::set<std::string> known;
  for (const auto& path : candidates(folders)) {
    std::error_code error;
    const auto real = fs::canonical(path, error);
    if (error || !inspected.insert(real.string()).second) continue;
    auto found = inspect(path);
    if (found && known.insert(found->path).second) installed.push_back(std::move(*found));
  }
  return installed;
}

}  // namespace

std::optional<RuntimeId> parse_runtime(std::string_view id) {
  if (id == "provided" || id.starts_with("provided.")) return RuntimeId{.language = Language::kProvided};
  if (id == "nodejs") return RuntimeId{.language = Language::kNode, .major = 0};
  if (id.starts_with("nodejs")) {
    auto rest = id.substr(6);
    const auto dot = rest.find('.');
    const auto major = parse_number(rest.substr(0, dot));
    if (!major) return std::nullopt;
    return RuntimeId{.language = Language::kNode, .major = *major};
  }
  if (id.starts_with("python")) {
    const auto parts = split(id.substr(6), '.');
    if (parts.size() != 2) return std::nullopt;
    const auto major = parse_number(parts[0]);
    const auto minor = parse_number(parts[1]);
    if (!major || !minor) return std::nullopt;
    return RuntimeId{.language = Language::kPython, .major = *major, .minor = *minor};
  }
  return std::nullopt;
}

std::string Interpreter::label() const {
  return std::string(language == Language::kNode ? "node " : "python ") + std::to_string(major) + "." +
         std::to_string(minor) + "." + std::to_string(patch) + " (" + path + ")";
}

bool Interpreter::matches(const RuntimeId& id) const {
  return language == id.language && major == id.major && (language == Language::kNode || minor == id.minor);
}

const Interpreter* choose(const std::vector<Interpreter>& installed, const RuntimeId& id) {
  const auto rank = [&](int major, int minor) { return major * 1000 + (id.language == Language::kPython ? minor : 0); };
  const int wanted = rank(id.major, id.minor);
  const Interpreter* newer = nullptr;
  const Interpreter* older = nullptr;
  for (const auto& candidate : installed) {
    if (candidate.language != id.language) continue;
    const int version = rank(candidate.major, candidate.minor);
    if (version >= wanted) {
      if (newer == nullptr || version < rank(newer->major, newer->minor)) newer = &candidate;
    } else if (older == nullptr || version > rank(older->major, older->minor)) {
      older = &candidate;
    }
  }
  return newer != nullptr ? newer : older;
}

Interpreters::Interpreters(std::vector<std::string> folders)
    : search_(std::async(std::launch::async, [folders = std::move(folders)] { return search(folders); })) {}

Interpreters::Interpreters(Given, std::vector<Interpreter> installed) {
  std::promise<std::vector<Interpreter>> found;
  found.set_value(std::move(installed));
  search_ = found.get_future();
}

Interpreters::~Interpreters() = default;

std::unique_ptr<Interpreters> Interpreters::of(std::vector<Interpreter> installed) {
  return std::unique_ptr<Interpreters>(new Interpreters(Given{}, std::move(installed)));
}

const std::vector<Interpreter>& Interpreters::installed() { return search_.get(); }

Result<Interpreter> Interpreters::resolve(std::string_view runtime) {
  const auto id = parse_runtime(runtime);
  if (!id) return Error(kInvalidArgument, "Runtime " + std::string(runtime) + " is not supported");
  if (id->language == Language::kProvided) return Interpreter{.language = Language::kProvided};
  if (const auto* found = choose(installed(), *id)) return *found;
  if (id->language == Language::kNode) {
    return Error(kInvalidArgument, "No Node.js found on this machine for runtime " + std::string(runtime) +
                                       ": install the Debian package nodejs or the npm package node, or add its folder "
                                       "to the configuration");
  }
  return Error(kInvalidArgument, "No Python 3 found on this machine for runtime " + std::string(runtime) +
                                     ": install the Debian package python3, or add its folder to the configuration");
}

}  // namespace millrace::runtimes
