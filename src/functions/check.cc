#include "functions/check.h"

#include <fstream>
#include <iterator>
#include <set>
#include <string_view>

#include "codec/json.h"
#include "codec/key.h"
#include "crypto/digest.h"
#include "crypto/encoding.h"
#include "functions/attachments.h"
#include "functions/code_store.h"
#include "functions/internal/event_records.h"
#include "storage/scan.h"

namespace millrace::functions {

namespace {

using codec::Json;
using storage::Family;

class FunctionChecker {
 public:
  FunctionChecker(const storage::Store& store, const std::filesystem::path& folder,
                  const std::function<void(std::string)>& problem)
      : store_(store), code_(folder), layer_code_(folder / ".layers"), problem_(problem) {}

  Result<void> run() {
    MR_RETURN_IF_ERROR(storage::for_each(store_, Family::kCatalogue, "functions/", [this](auto key, auto value) {
      ++counts_.functions;
      return check_function(key, value);
    }));
    MR_RETURN_IF_ERROR(
        storage::for_each(store_, Family::kCatalogue, "function-versions/", [this](auto key, auto value) {
          ++counts_.versions;
          return check_version(key, value);
        }));
    MR_RETURN_IF_ERROR(storage::for_each(store_, Family::kCatalogue, "layers/",
                                         [this](auto key, auto value) { return check_layer(key, value); }));
    MR_RETURN_IF_ERROR(storage::for_each(store_, Family::kQueue, internal::kEventPrefix,
                                         [this](auto key, auto value) { return check_event(key, value); }));
    MR_RETURN_IF_ERROR(storage::for_each(store_, Family::kQueue, internal::kDamagedPrefix, [this](auto, auto) {
      problem_("There is an asynchronous event that cannot be decoded; it is kept and does not run");
      return Result<void>();
    }));
    return storage::for_each(store_, Family::kQueue, internal::kStatePrefix,
                             [this](auto key, auto value) { return check_state(key, value); });
  }

  const FunctionCheckCounts& counts() const { return counts_; }

 private:
  Result<void> check_function(std::string_view key, std::string_view value) {
    const auto json = codec::parse_json(value);
    const auto function = json.ok() ? function_from_json(*json) : std::nullopt;
    if (!function || function_key(function->name) != key) {
      problem_("The record " + std::string(key) + " of a function is damaged");
      return {};
    }
    check_archive("Function " + function->name.name, code_, function->name, function->code);
    const Json* attached = json->find("attached");
    if (attached == nullptr) return {};
    for (const auto& [name, alias] : attachments_from_json(*attached).aliases) {
      for (const std::string& version : {alias.version, alias.second_version}) {
        if (!is_version(version)) continue;
        MR_ASSIGN_OR_RETURN(const auto record,
                            store_.get(Family::kCatalogue, version_key(function->name, std::stoi(version))));
        if (!record) {
          problem_("Alias " + name + " of function " + function->name.name + " means version " + version +
                   ", which does not exist");
        }
      }
    }
    return {};
  }

  Result<void> check_version(std::string_view key, std::string_view value) {
    const auto json = codec::parse_json(value);
    const auto function = json.ok() ? function_from_json(*json) : std::nullopt;
    if (!function || !key.starts_with(version_prefix(function->name))) {
      problem_("The record " + std::string(key) + " of a version is damaged");
      return {};
    }
    const std::string name = "Version " + function->version + " of function " + function->name.name;
    MR_ASSIGN_OR_RETURN(const auto owner, store_.get(Family::kCatalogue, function_key(function->name)));
    if (!owner) problem_(name + " is of a function that does not exist");
    check_archive(name, code_, function->name, function->code);
    return {};
  }

  Result<void> check_layer(std::string_view key, std::string_view value) {
    const auto json = codec::parse_json(value);
    if (!json.ok() || json->string_or("code", "").empty()) {
      problem_("The record " + std::string(key) + " of a layer is damaged");
      return {};
    }
    if (json->bool_or("deleted", false)) return {};
    ++counts_.layers;
    const FunctionName name{{std::string(json->string_or("account", "")), std::string(json->string_or("region", ""))},
                            std::string(json->string_or("name", ""))};
    const Code code{.id = std::string(json->string_or("code", "")),
                    .sha256 = std::string(json->string_or("sha256", "")),
                    .bytes = json->int_or("bytes", 0),
                    .hot_folder = ""};
    check_archive("Layer " + name.name + ":" + std::to_string(json->int_or("version", 0)), layer_code_, name, code);
    return {};
  }

  // Versions share code: each archive is read once.
  void check_archive(const std::string& owner, const CodeStore& store, const FunctionName& name, const Code& code) {
    if (!code.hot_folder.empty()) return;
    const std::filesystem::path path = store.archive(name, code.id);
    if (!read_.insert(path).second) return;
    ++counts_.archives;
    std::ifstream file(path, std::ios::binary);
    if (!file) {
      problem_(owner + " has lost its code: " + path.string() + " is missing");
      return;
    }
    const std::string bytes((std::istreambuf_iterator<char>(file)), {});
    if (static_cast<std::int64_t>(bytes.size()) != code.bytes ||
        crypto::base64_encode(crypto::digest(crypto::Algorithm::kSha256, bytes)) != code.sha256) {
      problem_(owner + " has damaged code: " + path.string() + " is not what was sent");
    }
  }

  Result<void> check_event(std::string_view key, std::string_view value) {
    ++counts_.events;
    const auto place = internal::parse_event_key(key);
    if (!place || !internal::decode_event(place->first, value)) {
      problem_("There is an asynchronous event that cannot be decoded");
    }
    return {};
  }

  Result<void> check_state(std::string_view key, std::string_view value) {
    const std::string event =
        std::string(internal::kEventPrefix) + std::string(key.substr(internal::kStatePrefix.size()));
    const auto place = internal::parse_event_key(event);
    if (!place || !internal::decode_state(value)) {
      problem_("There is a state of an asynchronous event that cannot be decoded");
      return {};
    }
    MR_ASSIGN_OR_RETURN(const auto found, store_.get(Family::kQueue, event));
    if (!found) {
      problem_("There is the state of event " + std::to_string(place->second) + " of function " +
               place->first.resource() + ", but no such event");
    }
    return {};
  }

  const storage::Store& store_;
  const CodeStore code_;
  const CodeStore layer_code_;
  const std::function<void(std::string)>& problem_;
  std::set<std::filesystem::path> read_;
  FunctionCheckCounts counts_;
};

}  // namespace

Result<FunctionCheckCounts> check_functions(const storage::Store& store, const std::filesystem::path& folder,
                                            const std::function<void(std::string)>& problem) {
  FunctionChecker checker(store, folder, problem);
  MR_RETURN_IF_ERROR(checker.run());
  return checker.counts();
}

}  // namespace millrace::functions
