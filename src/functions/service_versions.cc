// Published versions and the aliases that name them.
#include <algorithm>

#include "functions/errors.h"
#include "functions/internal/entry.h"
#include "functions/service.h"

namespace millrace::functions {

using storage::Family;
using storage::WriteBatch;

namespace {

std::string qualified_arn(const FunctionName& name, const std::string& qualifier) {
  return FunctionReference{name, qualifier}.arn();
}

// AWS: the text names the aliases.
Result<void> check_unreferenced(const Attachments& attached, const std::string& version) {
  std::string names;
  for (const auto& [name, alias] : attached.aliases) {
    if (alias.version == version || alias.second_version == version) names += (names.empty() ? "" : ", ") + name;
  }
  if (names.empty()) return {};
  return Error(kResourceConflict,
               "Unable to delete version because the following aliases reference it: [" + names + "]");
}

}  // namespace

// ---- versions

// The version's record goes into `batch`; the caller saves the function with it.
Result<Function> Functions::publish_guarded(const EntryPointer& entry, const PublishRequest& request,
                                            WriteBatch& batch) {
  const Function& latest = entry->function;
  Attachments& attached = entry->attached;
  MR_RETURN_IF_ERROR(check_revision(latest.revision, request.revision));
  if (request.code_sha256 && *request.code_sha256 != latest.code.sha256) {
    return Error(kInvalidParameterValue,
                 "CodeSHA256 (" + *request.code_sha256 + ") is different from current CodeSHA256 in $LATEST (" +
                     latest.code.sha256 + "). Please try again with the CodeSHA256 in $LATEST.");
  }
  if (const auto last = entry->versions.find(attached.last_version); last != entry->versions.end()) {
    // AWS: without a change of code or configuration there is no new version.
    const Function& published = last->second->function;
    Settings comparable = published.settings;
    comparable.description = attached.last_description;
    const bool same_code = latest.code.hot_folder.empty() ? published.code.sha256 == latest.code.sha256
                                                          : published.code.id == latest.code.id;
    if (same_code && comparable == latest.settings) return published;
  }
  auto unit = std::make_shared<Unit>();
  unit->function = latest;
  Function& version = unit->function;
  version.version = std::to_string(++attached.last_version);
  version.reserved_concurrency.reset();
  version.tags.clear();
  if (request.description) version.settings.description = *request.description;
  attached.last_description = latest.settings.description;
  stamp(version);
  batch.put(Family::kCatalogue, version_key(version.name, attached.last_version), to_json(version).dump());
  entry->versions[attached.last_version] = unit;
  return version;
}

Result<Function> Functions::publish(const PublishRequest& request) {
  const std::lock_guard lock(mutex_);
  MR_ASSIGN_OR_RETURN(const EntryPointer entry, find(request.name));
  WriteBatch batch;
  MR_ASSIGN_OR_RETURN(Function version, publish_guarded(entry, request, batch));
  save(*entry, std::move(batch));
  return version;
}

std::vector<Function> Functions::versions(const FunctionName& name) const {
  const std::lock_guard lock(mutex_);
  std::vector<Function> all;
  const auto it = functions_.find(name);
  if (it == functions_.end()) return all;
  for (const auto& [number, unit] : it->second->versions) all.push_back(unit->function);
  return all;
}

Result<void> Functions::remove_version(const FunctionName& name, const std::string& version) {
  const std::lock_guard lock(mutex_);
  const auto entry = find(name);
  const UnitPointer unit = entry.ok() ? Entry::unit(*entry, version) : nullptr;
  if (unit == nullptr || version == kLatest) return not_found({name, version});
  MR_RETURN_IF_ERROR(check_unreferenced((*entry)->attached, version));
  const std::string code = unit->function.code.id;
  const int number = std::stoi(version);
  unit->runtime = nullptr;
  (*entry)->versions.erase(number);
  (*entry)->attached.forget(version);
  WriteBatch batch;
  batch.erase(Family::kCatalogue, version_key(name, number));
  save(**entry, std::move(batch));
  if (!uses_code(**entry, code)) retire_code(name, code, (*entry)->commit);
  return {};
}

// ---- aliases

// REQUIRES: `entry` is the one that `alias` is of; nothing is changed when it fails.
Result<void> Functions::change_alias(Entry& entry, Alias& alias, const AliasChange& change) const {
  const FunctionName& name = entry.function.name;
  const auto it = functions_.find(name);
  const auto exists = [&](const std::string& version) {
    return (is_version(version) || version == kLatest) && Entry::unit(it->second, version) != nullptr;
  };
  Alias changed = alias;
  if (change.version) changed.version = *change.version;
  if (change.description) changed.description = *change.description;
  if (!exists(changed.version)) return not_found({name, changed.version});
  if (change.weights) {
    changed.second_version.clear();
    changed.second_weight = 0;
    if (change.weights->size() > 1) {
      return Error(kInvalidParameterValue, "Number of items in AdditionalVersionWeights cannot be greater than 1");
    }
    for (const auto& [version, weight] : *change.weights) {
      changed.second_version = version;
      changed.second_weight = weight;
    }
  }
  const std::string& second = changed.second_version;
  if (!second.empty()) {
    if (changed.version == kLatest || second == kLatest) {
      return Error(kInvalidParameterValue, "$LATEST is not supported for an alias pointing to more than 1 version");
    }
    if (second == changed.version) {
      return Error(kInvalidParameterValue, "Invalid function version " + second + ". Function version " + second +
                                               " is already included in routing configuration.");
    }
    if (!(changed.second_weight >= 0 && changed.second_weight <= 1)) {
      return Error(kInvalidParameterValue, "Invalid weight of version " + second + ": it must be between 0.0 and 1.0.");
    }
    if (!exists(second)) return not_found({name, second});
  }
  changed.revision = services_.random.uuid();
  alias = std::move(changed);
  return {};
}

Result<Alias> Functions::create_alias(const FunctionName& name, const std::string& text, const AliasChange& change) {
  const std::lock_guard lock(mutex_);
  MR_ASSIGN_OR_RETURN(const EntryPointer entry, find(name));
  if (entry->attached.aliases.contains(text)) {
    return Error(kResourceConflict, "Alias already exists: " + qualified_arn(name, text));
  }
  Alias alias{.name = text};
  MR_RETURN_IF_ERROR(change_alias(*entry, alias, change));
  entry->attached.aliases[text] = alias;
  save(*entry);
  return alias;
}

Result<Alias> Functions::update_alias(const FunctionName& name, const std::string& text, const AliasChange& change) {
  Alias shown;
  {
    const std::lock_guard lock(mutex_);
    MR_ASSIGN_OR_RETURN(const EntryPointer entry, find(name));
    const auto alias = entry->attached.aliases.find(text);
    if (alias == entry->attached.aliases.end()) {
      return Error(kResourceNotFound, "Alias not found: " + qualified_arn(name, text));
    }
    MR_RETURN_IF_ERROR(check_revision(alias->second.revision, change.revision));
    MR_RETURN_IF_ERROR(change_alias(*entry, alias->second, change));
    shown = alias->second;
    save(*entry);
  }
  queue_.wake(name);
  return shown;
}

Result<void> Functions::remove_alias(const FunctionName& name, const std::string& text) {
  {
    const std::lock_guard lock(mutex_);
    MR_ASSIGN_OR_RETURN(const EntryPointer entry, find(name));
    if (!entry->attached.aliases.contains(text)) return {};
    entry->attached.forget(text);
    save(*entry);
  }
  queue_.wake(name);
  return {};
}

Result<Alias> Functions::get_alias(const FunctionName& name, const std::string& text) const {
  const std::lock_guard lock(mutex_);
  MR_ASSIGN_OR_RETURN(const EntryPointer entry, find(name));
  const auto alias = entry->attached.aliases.find(text);
  if (alias == entry->attached.aliases.end()) {
    return Error(kResourceNotFound, "Cannot find alias arn: " + qualified_arn(name, text));
  }
  return alias->second;
}

Result<std::vector<Alias>> Functions::aliases(const FunctionName& name) const {
  const std::lock_guard lock(mutex_);
  MR_ASSIGN_OR_RETURN(const EntryPointer entry, find(name));
  std::vector<Alias> all;
  for (const auto& [text, alias] : entry->attached.aliases) all.push_back(alias);
  return all;
}

}  // namespace millrace::functions
