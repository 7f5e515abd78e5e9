// Which interpreter on this machine runs a Lambda runtime id.
//
// `choose` is the rule, pure: the exact version, else the nearest newer one, else the newest older one; retired ids
// (nodejs14.x, python3.6) are treated alike. `Interpreters` finds what is installed: configured folders first, then
// PATH, then the usual places of version managers. The search runs in the background from construction on; the first
// question waits for it.
#pragma once

#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::runtimes {

enum class Language { kNode, kPython, kProvided };

struct RuntimeId {
  Language language = Language::kProvided;
  int major = 0;
  int minor = 0;  // Python only
};
// "nodejs20.x", "nodejs" (Node 0.10, retired), "python3.12", "provided", "provided.al2023". nullopt: not one of these.
std::optional<RuntimeId> parse_runtime(std::string_view id);

struct Interpreter {
  Language language = Language::kNode;
  int major = 0;
  int minor = 0;
  int patch = 0;
  std::string path;           // the real executable
  std::string prefix;         // the folder it needs besides /usr (its installation), or empty
  std::string label() const;  // "node 20.20.2 (/usr/bin/node)"
  bool matches(const RuntimeId& id) const;
};

// nullptr: no interpreter of that language. Of equal versions the first one listed wins.
const Interpreter* choose(const std::vector<Interpreter>& installed, const RuntimeId& id);

// Thread-safe.
class Interpreters {
 public:
  // Each folder may be an installation (bin/node), hold executables, hold node_modules/node, or hold such folders.
  explicit Interpreters(std::vector<std::string> folders);
  // These and no others.
  static std::unique_ptr<Interpreters> of(std::vector<Interpreter> installed);
  ~Interpreters();

  // Waits for the search. Error: kInvalidArgument naming what to install.
  Result<Interpreter> resolve(std::string_view runtime);
  const std::vector<Interpreter>& installed();

 private:
  struct Given {};
  Interpreters(Given, std::vector<Interpreter> installed);
  std::shared_future<std::vector<Interpreter>> search_;
};

}  // namespace millrace::runtimes
