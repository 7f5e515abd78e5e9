// Layers: numbered archives that functions lay over each other under /opt.
//
// A version's record is in Family::kCatalogue under "layers/<account>/<region>/<name>/<number>" (JSON), its archive in
// a CodeStore of its own. As on AWS a deleted version stays for the functions that use it; its number is never used
// again.
//
// Thread-safe: one mutex; calls nobody with it held. An answer that shows a change must be held until last_commit().
#pragma once

#include <atomic>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "functions/attachments.h"
#include "functions/code_store.h"
#include "functions/configuration.h"
#include "platform/clock.h"
#include "platform/random.h"
#include "storage/service_commits.h"
#include "storage/store.h"

namespace millrace::functions {

struct LayerVersion {
  FunctionName layer;  // scope and name
  int version = 0;
  std::string description;
  std::string license;
  std::vector<std::string> runtimes, architectures;
  Code code;
  Time created{};
  Policy policy;
  bool deleted = false;

  std::string layer_arn() const;  // arn:aws:lambda:<region>:<account>:layer:<name>
  std::string arn() const;        // with :<number>
};

// "name", or its ARN. nullopt: neither.
std::optional<FunctionName> parse_layer(const Scope& scope, std::string_view text);
// The ARN of a version.
std::optional<std::pair<FunctionName, int>> parse_layer_version(std::string_view arn);

class Layers {
 public:
  Layers(storage::Store& store, storage::Commits& commits, platform::Scheduler& scheduler, platform::Random& random,
         const std::filesystem::path& folder);

  // `used`: ARNs that functions name. Archives of deleted versions that nobody uses are removed.
  Result<void> load(const std::set<std::string>& used);
  storage::CommitNumber last_commit() const { return commits_.last(); }
  const CodeStore& code() const { return code_; }

  // Gives it the next number.
  LayerVersion add(LayerVersion version);
  // kResourceNotFound with AWS's text.
  Result<LayerVersion> get(const FunctionName& layer, int version) const;
  std::vector<LayerVersion> versions(const FunctionName& layer) const;  // newest first
  std::vector<LayerVersion> latest(const Scope& scope) const;           // of each layer, by name
  void remove(const FunctionName& layer, int version);                  // fine when there is none

  Result<std::pair<codec::Json, std::string>> add_permission(const FunctionName& layer, int version,
                                                             const Permission& permission,
                                                             const std::optional<std::string>& revision);
  Result<void> remove_permission(const FunctionName& layer, int version, const std::string& sid,
                                 const std::optional<std::string>& revision);
  Result<Policy> policy(const FunctionName& layer, int version) const;

  // What a function in `scope` may use; of `present` also deleted ones. kInvalidParameterValue with AWS's texts.
  Result<std::vector<LayerUse>> resolve(const Scope& scope, const std::vector<std::string>& arns,
                                        const std::vector<LayerUse>& present) const;
  // The folder that a process sees as /opt; "" without layers. Blocks on disk the first time. Errors: of
  // CodeStore::unpacked().
  Result<std::string> opt_folder(const std::vector<LayerUse>& layers) const;
  std::filesystem::path archive(const LayerVersion& version) const {
    return code_.archive(version.layer, version.code.id);
  }

 private:
  using Key = std::pair<FunctionName, int>;
  Result<void> restore();
  Result<void> read_versions();                                                   // guarded
  void save(const LayerVersion& version);                                         // guarded
  Result<LayerVersion*> find(const FunctionName& layer, int version);             // guarded
  std::optional<LayerVersion> any(const FunctionName& layer, int version) const;  // deleted ones too

  storage::Store& store_;
  storage::ServiceCommits commits_;
  platform::Scheduler& scheduler_;
  platform::Random& random_;
  const std::filesystem::path folder_;
  const CodeStore code_;

  mutable std::mutex mutex_;  // guards below
  std::map<Key, LayerVersion> versions_;
};

}  // namespace millrace::functions
