#include "functions/layers.h"

#include <algorithm>
#include <charconv>

#include "crypto/digest.h"
#include "crypto/encoding.h"
#include "functions/errors.h"
#include "functions/limits.h"
#include "telemetry/log.h"

namespace millrace::functions {
namespace fs = std::filesystem;

using codec::Json;
using storage::Family;

namespace {

constexpr std::string_view kLayerRecords = "layers/";
constexpr std::size_t kLayerNameMax = 140;
constexpr std::size_t kMergedNameDigits = 32;

std::string layer_key(const LayerVersion& version) {
  return std::string(kLayerRecords) + version.layer.scope.account + "/" + version.layer.scope.region + "/" +
         version.layer.name + "/" + std::to_string(version.version);
}

Json names_json(const std::vector<std::string>& list) {
  Json json = Json::array();
  for (const auto& each : list) json.push(each);
  return json;
}

std::vector<std::string> names_from(const Json& json, std::string_view name) {
  std::vector<std::string> list;
  const Json* found = json.find(name);
  if (found == nullptr || !found->is_array()) return list;
  for (const auto& each : found->as_array()) list.push_back(each.is_string() ? each.as_string() : "");
  return list;
}

Json layer_json(const LayerVersion& version) {
  return Json::object({{"v", 1},
                       {"account", version.layer.scope.account},
                       {"region", version.layer.scope.region},
                       {"name", version.layer.name},
                       {"version", version.version},
                       {"description", version.description},
                       {"license", version.license},
                       {"runtimes", names_json(version.runtimes)},
                       {"architectures", names_json(version.architectures)},
                       {"code", version.code.id},
                       {"sha256", version.code.sha256},
                       {"bytes", version.code.bytes},
                       {"created", to_unix_ms(version.created)},
                       {"deleted", version.deleted},
                       {"revision", version.policy.revision},
                       {"statements", Json(version.policy.statements)}});
}

std::optional<LayerVersion> layer_from(const Json& json) {
  const auto text = [&](std::string_view name) { return std::string(json.string_or(name, "")); };
  LayerVersion version{.layer = {{text("account"), text("region")}, text("name")},
                       .version = static_cast<int>(json.int_or("version", 0)),
                       .description = text("description"),
                       .license = text("license"),
                       .runtimes = names_from(json, "runtimes"),
                       .architectures = names_from(json, "architectures"),
                       .code = {.id = text("code"), .sha256 = text("sha256"), .bytes = json.int_or("bytes", 0)},
                       .created = from_unix_ms(json.int_or("created", 0)),
                       .policy = {.revision = text("revision"), .statements = {}},
                       .deleted = json.bool_or("deleted", false)};
  if (const Json* statements = json.find("statements"); statements != nullptr && statements->is_array()) {
    version.policy.statements = statements->as_array();
  }
  if (json.int_or("v", 0) != 1 || version.version == 0 || version.layer.name.empty()) return std::nullopt;
  return version;
}

Error no_version(const LayerVersion& named) {
  return Error(kResourceNotFound, "Layer version " + named.arn() + " does not exist.");
}

Error no_layer() { return Error(kResourceNotFound, "The resource you requested does not exist."); }

Result<void> check_revision_of(const Policy& policy, const std::optional<std::string>& given) {
  if (!given || *given == policy.revision) return {};
  return Error(kPreconditionFailed,
               "The Revision Id provided does not match the latest Revision Id. Call the GetLayerVersionPolicy API to "
               "retrieve the latest Revision Id");
}

bool is_layer_name(std::string_view text) {
  return !text.empty() && text.size() <= kLayerNameMax && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

// Puts `from` over `to`; files are linked, not copied.
void lay_over(const fs::path& from, const fs::path& to) {
  std::error_code error;
  for (fs::recursive_directory_iterator it(from, error), end; !error && it != end; it.increment(error)) {
    const fs::path place = to / it->path().lexically_relative(from);
    std::error_code ignored;
    if (it->is_directory(ignored)) {
      if (!fs::is_directory(place, ignored)) fs::remove(place, ignored);
      fs::create_directories(place, ignored);
      continue;
    }
    fs::remove_all(place, ignored);
    std::error_code failed;
    fs::create_hard_link(it->path(), place, failed);
    if (failed) fs::copy_file(it->path(), place, failed);
    if (failed) telemetry::log_error("functions", "cannot lay out " + place.string() + ": " + failed.message());
  }
}

}  // namespace

std::string LayerVersion::layer_arn() const {
  return "arn:aws:lambda:" + layer.scope.region + ":" + layer.scope.account + ":layer:" + layer.name;
}

std::string LayerVersion::arn() const { return layer_arn() + ":" + std::to_string(version); }

std::optional<FunctionName> parse_layer(const Scope& scope, std::string_view text) {
  if (is_layer_name(text)) return FunctionName{scope, std::string(text)};
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == ':') {
      parts.emplace_back();
    } else {
      parts.back().push_back(c);
    }
  }
  const bool fits = parts.size() == 7 && parts[0] == "arn" && parts[2] == "lambda" && parts[5] == "layer";
  if (!fits || parts[3].empty() || parts[4].empty() || !is_layer_name(parts[6])) return std::nullopt;
  return FunctionName{{parts[4], parts[3]}, parts[6]};
}

std::optional<std::pair<FunctionName, int>> parse_layer_version(std::string_view arn) {
  const auto colon = arn.rfind(':');
  if (colon == std::string_view::npos || !arn.starts_with("arn:")) return std::nullopt;
  auto layer = parse_layer({}, arn.substr(0, colon));
  int version = 0;
  const auto [end, error] = std::from_chars(arn.data() + colon + 1, arn.data() + arn.size(), version);
  if (!layer || error != std::errc() || end != arn.data() + arn.size() || version < 1) return std::nullopt;
  return std::pair{*std::move(layer), version};
}

Layers::Layers(storage::Store& store, storage::Commits& commits, platform::Scheduler& scheduler,
               platform::Random& random, const fs::path& folder)
    : store_(store),
      commits_(commits, "functions"),
      scheduler_(scheduler),
      random_(random),
      folder_(fs::absolute(folder)),
      code_(folder, fs::absolute(folder).parent_path().parent_path()) {
  commits_.set_restore([this] { return restore(); });
}

Result<void> Layers::restore() {
  const std::lock_guard lock(mutex_);
  return read_versions();
}

Result<void> Layers::read_versions() {
  versions_.clear();
  const std::string prefix(kLayerRecords);
  const auto iterator = store_.iterate(Family::kCatalogue, {prefix, storage::prefix_end(prefix)});
  for (iterator->seek(prefix); iterator->valid(); iterator->next()) {
    auto json = codec::parse_json(iterator->value());
    auto version = json.ok() ? layer_from(*json) : std::nullopt;
    if (!version) {
      return Error(storage::kStorageFailed,
                   "damaged record of a layer in the data directory: " + std::string(iterator->key()));
    }
    const Key key{version->layer, version->version};
    versions_.emplace(key, std::move(*version));
  }
  return iterator->status();
}

Result<void> Layers::load(const std::set<std::string>& used) {
  std::set<std::string> keep;
  const std::lock_guard lock(mutex_);
  MR_RETURN_IF_ERROR(read_versions());
  for (const auto& [key, version] : versions_) {
    if (!version.deleted || used.contains(version.arn())) keep.insert(version.code.id);
  }
  code_.sweep(keep);
  std::error_code ignored;
  fs::remove_all(folder_ / ".merged", ignored);
  return {};
}

void Layers::save(const LayerVersion& version) {
  storage::WriteBatch batch;
  batch.put(Family::kCatalogue, layer_key(version), layer_json(version).dump());
  commits_.submit(std::move(batch));
}

Result<LayerVersion*> Layers::find(const FunctionName& layer, int version) {
  const auto it = versions_.find({layer, version});
  if (it == versions_.end() || it->second.deleted) return no_layer();
  return &it->second;
}

std::optional<LayerVersion> Layers::any(const FunctionName& layer, int version) const {
  const std::lock_guard lock(mutex_);
  const auto it = versions_.find({layer, version});
  return it == versions_.end() ? std::nullopt : std::optional(it->second);
}

LayerVersion Layers::add(LayerVersion version) {
  const std::lock_guard lock(mutex_);
  version.version = 1;
  for (const auto& [key, each] : versions_) {
    if (key.first == version.layer) version.version = std::max(version.version, key.second + 1);
  }
  version.created = scheduler_.now();
  save(version);
  versions_[{version.layer, version.version}] = version;
  return version;
}

Result<LayerVersion> Layers::get(const FunctionName& layer, int version) const {
  auto found = any(layer, version);
  if (!found || found->deleted) return no_layer();
  return *std::move(found);
}

std::vector<LayerVersion> Layers::versions(const FunctionName& layer) const {
  const std::lock_guard lock(mutex_);
  std::vector<LayerVersion> all;
  for (const auto& [key, version] : versions_) {
    if (key.first == layer && !version.deleted) all.insert(all.begin(), version);
  }
  return all;
}

std::vector<LayerVersion> Layers::latest(const Scope& scope) const {
  const std::lock_guard lock(mutex_);
  std::map<std::string, LayerVersion> by_name;
  for (const auto& [key, version] : versions_) {
    if (key.first.scope == scope && !version.deleted) by_name[key.first.name] = version;
  }
  std::vector<LayerVersion> all;
  for (auto& [name, version] : by_name) all.push_back(std::move(version));
  return all;
}

void Layers::remove(const FunctionName& layer, int version) {
  const std::lock_guard lock(mutex_);
  const auto found = find(layer, version);
  if (!found.ok()) return;
  (*found)->deleted = true;
  save(**found);
}

Result<std::pair<Json, std::string>> Layers::add_permission(const FunctionName& layer, int version,
                                                            const Permission& permission,
                                                            const std::optional<std::string>& revision) {
  const std::lock_guard lock(mutex_);
  const auto found = find(layer, version);
  const LayerVersion named{.layer = layer, .version = version};
  if (!found.ok()) return no_version(named);
  Policy& policy = (*found)->policy;
  MR_RETURN_IF_ERROR(check_revision_of(policy, revision));
  if (policy.find(permission.sid) != nullptr) return statement_exists(permission.sid);
  Json statement = statement_of(permission, named.arn());
  policy.statements.push_back(statement);
  policy.revision = random_.uuid();
  save(**found);
  return std::pair{std::move(statement), policy.revision};
}

Result<void> Layers::remove_permission(const FunctionName& layer, int version, const std::string& sid,
                                       const std::optional<std::string>& revision) {
  const std::lock_guard lock(mutex_);
  const auto found = find(layer, version);
  if (!found.ok()) return no_version({.layer = layer, .version = version});
  Policy& policy = (*found)->policy;
  MR_RETURN_IF_ERROR(check_revision_of(policy, revision));
  MR_RETURN_IF_ERROR(remove_statement(policy, sid));
  policy.revision = random_.uuid();
  save(**found);
  return {};
}

Result<Policy> Layers::policy(const FunctionName& layer, int version) const {
  const auto found = any(layer, version);
  if (!found || found->deleted) return no_version({.layer = layer, .version = version});
  if (found->policy.statements.empty()) {
    return Error(kResourceNotFound, "No policy is associated with the given resource.");
  }
  return found->policy;
}

Result<std::vector<LayerUse>> Layers::resolve(const Scope& scope, const std::vector<std::string>& arns,
                                              const std::vector<LayerUse>& present) const {
  const auto refused = [](std::string text) { return Error(kInvalidParameterValue, std::move(text)); };
  if (arns.size() > kLayersMax) return refused("Cannot reference more than 5 layers.");
  std::vector<LayerUse> uses;
  std::map<std::string, std::string> seen;  // layer -> version's ARN
  for (const auto& arn : arns) {
    const auto parsed = parse_layer_version(arn);
    if (!parsed) return refused("Layer version " + arn + " does not exist.");
    if (parsed->first.scope.region != scope.region) {
      return refused("Layers are not in the same region as the function. Layers are expected to be in region " +
                     scope.region + ".");
    }
    const auto version = any(parsed->first, parsed->second);
    const bool kept = std::any_of(present.begin(), present.end(), [&](const auto& use) { return use.arn == arn; });
    if (!version || (version->deleted && !kept)) return refused("Layer version " + arn + " does not exist.");
    const auto [other, is_new] = seen.emplace(version->layer_arn(), arn);
    if (!is_new) {
      return refused(
          "Two different versions of the same layer are not allowed to be referenced in the same function. " +
          other->second + " and " + arn + " are versions of the same layer.");
    }
    uses.push_back({arn, version->code.bytes});
  }
  return uses;
}

Result<std::string> Layers::opt_folder(const std::vector<LayerUse>& layers) const {
  std::vector<fs::path> folders;
  std::string names;
  for (const auto& use : layers) {
    const auto parsed = parse_layer_version(use.arn);
    const auto version = parsed ? any(parsed->first, parsed->second) : std::nullopt;
    if (!version) continue;
    MR_ASSIGN_OR_RETURN(auto unpacked, code_.unpacked(version->layer, version->code.id));
    folders.push_back(std::move(unpacked));
    names += use.arn + "\n";
  }
  if (folders.empty()) return std::string();
  if (folders.size() == 1) return folders.front().string();
  const fs::path place = folder_ / ".merged" / crypto::hex_encode(crypto::sha256(names)).substr(0, kMergedNameDigits);
  std::error_code error;
  if (fs::is_directory(place, error)) return place.string();
  const fs::path temporary = place.string() + "." + random_.hex(8);
  fs::create_directories(temporary, error);
  for (const auto& folder : folders) lay_over(folder, temporary);
  fs::rename(temporary, place, error);
  if (error) fs::remove_all(temporary, error);  // somebody else was faster
  return place.string();
}

}  // namespace millrace::functions
