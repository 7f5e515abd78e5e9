#include "functions/service.h"

#include <algorithm>
#include <set>

#include "codec/json.h"
#include "functions/errors.h"
#include "functions/internal/entry.h"
#include "telemetry/log.h"

namespace millrace::functions {
namespace fs = std::filesystem;

using storage::Family;
using storage::WriteBatch;

namespace {

constexpr std::string_view kRecords = "functions/";
constexpr std::string_view kVersionRecords = "function-versions/";
constexpr std::string_view kHotReload = "hot-reload";
// Old code stays for what still runs on it.
constexpr Seconds kCodeRetention{kTimeoutSecondsMax + 60};

Error exists_already(const FunctionName& name) {
  return Error(kResourceConflict, "Function already exist: " + name.name);
}

}  // namespace

Result<void> check_revision(const std::string& present, const std::optional<std::string>& given) {
  if (!given || *given == present) return {};
  return Error(kPreconditionFailed,
               "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to "
               "retrieve the latest Revision Id");
}

Result<void> check_destination(delivery::Delivery& delivery, const FunctionName& function, const std::string& arn,
                               std::string_view what) {
  if (arn.empty()) return {};
  if (arn == function.arn() || arn.starts_with(function.arn() + ":")) {
    return Error(kInvalidParameterValue, "You can't specify the function as a destination for itself.");
  }
  // AWS: a bucket gets what failed, and nothing else.
  if (arn.find(":s3:::") != std::string::npos && what != kFailureDestination) {
    return Error(kInvalidParameterValue, "The destination ARN " + arn + " is invalid.");
  }
  const auto checked = delivery.check(arn);
  if (checked.ok()) return {};
  if (checked.error().is(delivery::kNoSuchTarget)) {
    telemetry::log_warning("functions", function.arn() + ": its " + std::string(what) + " " + arn +
                                            " does not exist (yet): " + checked.error().message());
    return {};
  }
  return Error(kInvalidParameterValue, "The destination ARN " + arn + " is invalid. " + checked.error().message());
}

Functions::Functions(const Services& services, Options options)
    : services_(services),
      options_(std::move(options)),
      code_(options_.folder),
      layers_(services.store, services.commits, services.scheduler, services.random, options_.folder / ".layers"),
      commits_(services.commits, "functions"),
      queue_(services.store, services.commits, services.scheduler, services.delivery, services.registry, *this) {
  commits_.set_restore([this] { return restore(); });
}

Functions::~Functions() = default;

Result<void> Functions::load() {
  std::set<std::string> code_ids;
  std::set<std::string> layers;
  {
    const std::lock_guard lock(mutex_);
    MR_ASSIGN_OR_RETURN(functions_, read_functions());
    const auto uses = [&](const Function& function) {
      code_ids.insert(function.code.id);
      for (const auto& use : function.settings.layers) layers.insert(use.arn);
    };
    for (const auto& [name, entry] : functions_) {
      uses(entry->function);
      for (const auto& [number, unit] : entry->versions) uses(unit->function);
    }
  }
  code_.sweep(code_ids);
  MR_RETURN_IF_ERROR(layers_.load(layers));
  return queue_.load();
}

Result<Functions::Registry> Functions::read_functions() const {
  Registry functions;
  const std::string prefix(kRecords);
  const auto iterator = services_.store.iterate(Family::kCatalogue, {prefix, storage::prefix_end(prefix)});
  for (iterator->seek(prefix); iterator->valid(); iterator->next()) {
    auto json = codec::parse_json(iterator->value());
    auto function = json.ok() ? function_from_json(*json) : std::nullopt;
    if (!function) {
      return Error(storage::kStorageFailed,
                   "damaged record of a function in the data directory: " + std::string(iterator->key()));
    }
    auto entry = std::make_shared<Entry>();
    entry->function = std::move(*function);
    if (const codec::Json* attached = json->find("attached")) entry->attached = attachments_from_json(*attached);
    functions[entry->function.name] = std::move(entry);
  }
  MR_RETURN_IF_ERROR(iterator->status());
  MR_RETURN_IF_ERROR(read_versions(functions));
  return functions;
}

Result<void> Functions::read_versions(Registry& functions) const {
  const std::string prefix(kVersionRecords);
  const auto iterator = services_.store.iterate(Family::kCatalogue, {prefix, storage::prefix_end(prefix)});
  for (iterator->seek(prefix); iterator->valid(); iterator->next()) {
    auto json = codec::parse_json(iterator->value());
    auto function = json.ok() ? function_from_json(*json) : std::nullopt;
    const auto owner = function ? functions.find(function->name) : functions.end();
    if (!function || !is_version(function->version) || owner == functions.end()) {
      return Error(storage::kStorageFailed,
                   "damaged record of a version in the data directory: " + std::string(iterator->key()));
    }
    auto unit = std::make_shared<Unit>();
    unit->function = std::move(*function);
    owner->second->versions[std::stoi(unit->function.version)] = std::move(unit);
  }
  return iterator->status();
}

// Those whose last change is on the disk stay as they are, with what runs.
Result<void> Functions::restore() {
  const std::lock_guard lock(mutex_);
  MR_ASSIGN_OR_RETURN(Registry stored, read_functions());
  for (auto& [name, entry] : stored) {
    const auto present = functions_.find(name);
    if (present == functions_.end()) continue;
    if (present->second->commit <= services_.commits.durable()) {
      entry = present->second;
    } else {
      entry->history = present->second->history;
    }
  }
  functions_ = std::move(stored);
  return {};
}

std::optional<Error> Functions::refused_upload(const FunctionName& name, const Code& code) {
  auto refused = services_.commits.refusal(storage::Commits::Purpose::kAdds);
  if (refused) retire_code(name, code.id, 0);
  return refused;
}

void Functions::set_endpoint(std::string url) {
  const std::lock_guard lock(mutex_);
  endpoint_ = std::move(url);
}

// ---- code

Result<Code> Functions::obtain_code(const CodeStore& store, const FunctionName& name, const CodeSource& source,
                                    const std::string& id) const {
  if (source.bucket == kHotReload) {
    std::error_code error;
    if (!fs::path(source.key).is_absolute() || !fs::is_directory(source.key, error)) {
      return Error(kInvalidParameterValue,
                   "hot-reload: S3Key '" + source.key + "' is not the absolute path of a folder");
    }
    return Code{.id = id, .hot_folder = source.key};
  }
  if (source.bucket.empty()) return store.add(name, id, source.archive);
  if (!options_.fetch_object) return Error(kInvalidParameterValue, "Code from S3 is not available in this server");
  auto archive = options_.fetch_object(name.scope, source.bucket, source.key, source.version);
  if (!archive.ok()) {
    return Error(kInvalidParameterValue,
                 "Error occurred while GetObject. S3 Error Code: " + std::string(archive.error().type().name) +
                     ". S3 Error Message: " + archive.error().message());
  }
  return store.add(name, id, *archive);
}

void Functions::publish_layer(LayerVersion version, CodeSource code, std::function<void(Result<LayerVersion>)> done) {
  if (code.bucket == kHotReload) return done(Error(kInvalidParameterValue, "hot-reload: layers cannot be reloaded."));
  struct Job {
    LayerVersion version;
    CodeSource source;
    std::optional<Result<Code>> code;
  };
  auto job = std::make_shared<Job>(Job{std::move(version), std::move(code), std::nullopt});
  services_.scheduler.offload(
      [this, job] {
        job->code = obtain_code(layers_.code(), job->version.layer, job->source, services_.random.hex(16));
      },
      [this, job, done = std::move(done)] {
        if (!job->code->ok()) return done(std::move(*job->code).error());
        if (auto refused = services_.commits.refusal(storage::Commits::Purpose::kAdds)) {
          return done(*std::move(refused));  // the next start removes what was uploaded
        }
        job->version.code = std::move(*job->code).value();
        done(layers_.add(std::move(job->version)));
      });
}

void Functions::create(CreateRequest request, FunctionDone done) {
  Settings defaults;
  defaults.architecture = options_.architecture;
  auto settings = apply(std::move(defaults), request.settings, options_.architecture);
  if (!settings.ok()) return done(std::move(settings).error());
  if (request.settings.layers) {
    auto layers = layers_.resolve(request.name.scope, *request.settings.layers, {});
    if (!layers.ok()) return done(std::move(layers).error());
    settings->layers = std::move(layers).value();
  }
  if (auto complete = check_complete(*settings); !complete.ok()) return done(std::move(complete).error());
  auto letters = check_destination(services_.delivery, request.name, settings->dead_letter_arn, "dead letter queue");
  if (!letters.ok()) return done(std::move(letters).error());
  {
    const std::lock_guard lock(mutex_);
    if (functions_.contains(request.name)) return done(exists_already(request.name));
  }
  struct Job {
    CreateRequest request;
    Settings settings;
    std::optional<Result<Code>> code;
  };
  auto job = std::make_shared<Job>(Job{std::move(request), std::move(settings).value(), std::nullopt});
  services_.scheduler.offload(
      [this, job] { job->code = obtain_code(code_, job->request.name, job->request.code, services_.random.hex(16)); },
      [this, job, done = std::move(done)] {
        if (!job->code->ok()) return done(std::move(*job->code).error());
        done(add(std::move(job->request), std::move(job->settings), std::move(*job->code).value()));
      });
}

Result<Function> Functions::add(CreateRequest request, Settings settings, Code code) {
  if (auto refused = refused_upload(request.name, code)) return *std::move(refused);
  const bool publish = request.publish;
  auto entry = std::make_shared<Entry>();
  entry->function = {.name = std::move(request.name),
                     .settings = std::move(settings),
                     .code = std::move(code),
                     .tags = std::move(request.tags)};
  const std::lock_guard lock(mutex_);
  auto& place = functions_[entry->function.name];
  if (place) {  // by another request, meanwhile
    retire_code(entry->function.name, entry->function.code.id, 0);
    return exists_already(entry->function.name);
  }
  place = entry;
  stamp(entry->function);
  WriteBatch batch;
  Function shown = entry->function;
  if (publish) {
    MR_ASSIGN_OR_RETURN(shown, publish_guarded(entry, {.name = shown.name}, batch));
  }
  save(*entry, std::move(batch));
  return shown;
}

void Functions::update_code(UpdateCodeRequest request, FunctionDone done) {
  const auto present = get(request.name);
  if (!present.ok()) return done(present.error());
  if (auto checked = check_revision(present->revision, request.revision); !checked.ok())
    return done(std::move(checked).error());
  auto settings = apply(present->settings, {.architecture = request.architecture}, options_.architecture);
  if (!settings.ok()) return done(std::move(settings).error());
  struct Job {
    UpdateCodeRequest request;
    std::optional<Result<Code>> code;
  };
  auto job = std::make_shared<Job>(Job{std::move(request), std::nullopt});
  services_.scheduler.offload(
      [this, job] {
        job->code = obtain_code(code_, job->request.name, job->request.code, services_.random.hex(16));
        if (job->request.dry_run && job->code->ok()) code_.remove(job->request.name, (*job->code)->id);
      },
      [this, job, done = std::move(done)] {
        if (!job->code->ok()) return done(std::move(*job->code).error());
        done(replace_code(job->request, std::move(*job->code).value()));
      });
}

Result<Function> Functions::replace_code(const UpdateCodeRequest& request, Code code) {
  if (auto refused = refused_upload(request.name, code)) return *std::move(refused);
  const std::lock_guard lock(mutex_);
  const auto found = find(request.name);
  const auto checked = found.ok() ? check_revision((*found)->function.revision, request.revision) : Result<void>();
  if (!found.ok() || !checked.ok()) {
    retire_code(request.name, code.id, 0);
    return found.ok() ? checked.error() : found.error();
  }
  Entry& entry = **found;
  if (request.dry_run) {
    Function would_be = entry.function;
    would_be.code = std::move(code);
    return would_be;
  }
  const std::string old = std::exchange(entry.function.code, std::move(code)).id;
  if (request.architecture) entry.function.settings.architecture = *request.architecture;
  entry.runtime = nullptr;
  stamp(entry.function);
  WriteBatch batch;
  Function shown = entry.function;
  if (request.publish) {
    MR_ASSIGN_OR_RETURN(shown, publish_guarded(*found, {.name = request.name}, batch));
  }
  save(entry, std::move(batch));
  if (!uses_code(entry, old)) retire_code(request.name, old, entry.commit);
  return shown;
}

bool Functions::uses_code(const Entry& entry, const std::string& id) const {
  return entry.function.code.id == id || std::any_of(entry.versions.begin(), entry.versions.end(),
                                                     [&](const auto& v) { return v.second->function.code.id == id; });
}

void Functions::retire_code(const FunctionName& name, const std::string& id, storage::CommitNumber freed_by) {
  services_.commits.when_durable(freed_by, [this, name, id](const Error* error) {
    // The record that names it may be the one on disk: what the next start finds there decides (CodeStore::sweep).
    if (error != nullptr) return;
    auto& scheduler = services_.scheduler;
    scheduler
        .at(scheduler.now() + kCodeRetention,
            [this, name, id] { services_.scheduler.offload([this, name, id] { code_.remove(name, id); }, [] {}); })
        .release();
  });
}

// ---- registry

Result<Functions::EntryPointer> Functions::find(const FunctionName& name) const {
  const auto it = functions_.find(name);
  if (it != functions_.end()) return it->second;
  for (const auto& [other, entry] : functions_) {
    if (other.name == name.name) {
      telemetry::log_info("functions", "function " + name.name + " is not in account " + name.scope.account +
                                           ", region " + name.scope.region + ", but there is " + other.arn());
    }
  }
  return Error(kResourceNotFound, "Function not found: " + name.arn());
}

void Functions::stamp(Function& function) const {
  function.last_modified = services_.scheduler.now();
  function.revision = services_.random.uuid();
}

void Functions::save(Entry& entry, WriteBatch batch) {
  const auto record = to_json(entry.function).set("attached", to_json(entry.attached));
  batch.put(Family::kCatalogue, function_key(entry.function.name), record.dump());
  entry.commit = commits_.submit(std::move(batch));
}

void Functions::save(Entry& entry) { save(entry, {}); }

Result<Function> Functions::update_settings(const FunctionName& name, const SettingsChange& change,
                                            const std::optional<std::string>& revision) {
  if (change.dead_letter_arn) {
    MR_RETURN_IF_ERROR(check_destination(services_.delivery, name, *change.dead_letter_arn, "dead letter queue"));
  }
  const std::lock_guard lock(mutex_);
  MR_ASSIGN_OR_RETURN(const EntryPointer entry, find(name));
  MR_RETURN_IF_ERROR(check_revision(entry->function.revision, revision));
  MR_ASSIGN_OR_RETURN(auto settings, apply(entry->function.settings, change, options_.architecture));
  if (change.layers) {
    MR_ASSIGN_OR_RETURN(settings.layers, layers_.resolve(name.scope, *change.layers, settings.layers));
  }
  MR_RETURN_IF_ERROR(check_complete(settings));
  entry->function.settings = std::move(settings);
  entry->runtime = nullptr;
  stamp(entry->function);
  save(*entry);
  return entry->function;
}

Result<void> Functions::remove(const FunctionName& name) {
  const std::lock_guard lock(mutex_);
  MR_ASSIGN_OR_RETURN(const EntryPointer entry, find(name));
  WriteBatch batch;
  batch.erase(Family::kCatalogue, function_key(name));
  batch.erase_range(Family::kCatalogue, version_prefix(name), storage::prefix_end(version_prefix(name)));
  queue_.drop(name, batch);
  const storage::CommitNumber removal = commits_.submit(std::move(batch));
  entry->runtime = nullptr;
  std::set<std::string> code{entry->function.code.id};
  for (const auto& [number, unit] : entry->versions) {
    unit->runtime = nullptr;
    code.insert(unit->function.code.id);
  }
  functions_.erase(name);
  for (const auto& id : code) retire_code(name, id, removal);
  return {};
}

void Functions::reset(std::string_view account) {
  for (const auto& function : list_all()) {
    // Deleted by somebody else meanwhile: just as well.
    if (function.name.scope.account == account) (void)remove(function.name).ok();
  }
}

Result<Function> Functions::get(const FunctionName& name) const {
  const std::lock_guard lock(mutex_);
  MR_ASSIGN_OR_RETURN(const EntryPointer entry, find(name));
  return entry->function;
}

Result<Function> Functions::get(const FunctionReference& reference) const {
  const std::lock_guard lock(mutex_);
  const auto entry = find(reference.function);
  const UnitPointer unit = entry.ok() ? Entry::resolve(*entry, reference.qualifier) : nullptr;
  if (unit == nullptr) return not_found(reference);
  return unit->function;
}

std::vector<Function> Functions::list(const Scope& scope) const {
  const std::lock_guard lock(mutex_);
  std::vector<Function> all;
  for (auto it = functions_.lower_bound({scope, ""}); it != functions_.end() && it->first.scope == scope; ++it) {
    all.push_back(it->second->function);
  }
  return all;
}

std::vector<Function> Functions::list_all() const {
  const std::lock_guard lock(mutex_);
  std::vector<Function> all;
  for (const auto& [name, entry] : functions_) all.push_back(entry->function);
  return all;
}

Result<fs::path> Functions::archive_of(const FunctionReference& reference) const {
  MR_ASSIGN_OR_RETURN(const Function function, get(reference));
  if (!function.code.hot_folder.empty()) {
    return Error(kResourceNotFound, "The function's code is the folder " + function.code.hot_folder);
  }
  return code_.archive(reference.function, function.code.id);
}

}  // namespace millrace::functions
