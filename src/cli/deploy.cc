#include "cli/internal/deploy.h"

#include <algorithm>
#include <iostream>

#include "cli/cli.h"

namespace millrace::cli {
namespace {

using codec::Json;
namespace fs = std::filesystem;

constexpr Milliseconds kWatchInterval{200};
constexpr std::string_view kNoUpdates = "No updates are to be performed.";
constexpr std::string_view kSkipMetadata = "Millrace::Skip";

std::string text_of_value(const Json& value) { return value.is_string() ? value.as_string() : value.dump(); }

Result<std::map<std::string, std::string>> read_parameters(const fs::path& path) {
  std::map<std::string, std::string> parameters;
  MR_ASSIGN_OR_RETURN(const std::string text, read_file(path));
  auto json = codec::parse_json(text);
  if (!json.ok()) return Error(kInvalidArgument, path.string() + " is not JSON: " + json.error().message());
  if (json->is_object()) {
    for (const auto& [name, value] : json->as_object()) parameters[name] = text_of_value(value);
    return parameters;
  }
  for (const Json& one : json->is_array() ? json->as_array() : Json::Array{Json()}) {
    const Json* key = one.find("ParameterKey");
    const Json* value = one.find("ParameterValue");
    if (key == nullptr || !key->is_string() || value == nullptr)
      return Error(kInvalidArgument,
                   path.string() + R"( must hold {"KEY": "VALUE"} or [{"ParameterKey": ..., "ParameterValue": ...}])");
    parameters[key->as_string()] = text_of_value(*value);
  }
  return parameters;
}

Json parameter_list(const std::map<std::string, std::string>& given, const std::set<std::string>& declared,
                    const std::set<std::string>& before) {
  Json list = Json::array();
  for (const std::string& name : declared) {
    Json one = Json::object({{"ParameterKey", name}});
    if (const auto value = given.find(name); value != given.end()) {
      list.push(one.set("ParameterValue", value->second));
    } else if (before.contains(name)) {
      list.push(one.set("UsePreviousValue", true));
    }
  }
  return list;
}

// The outputs, what has no effect, and that it is done.
void conclude(StackClient& client, const std::string& name, const std::string& what) {
  const auto shown = client.api().get("stacks/" + encode(name));
  if (client.output().json()) {
    Json document = Json::object({{"stack", name}, {"result", what}});
    if (shown.ok()) document.set("details", *shown);
    return client.output().document(document);
  }
  std::cout << name << ": " << what << std::endl;
  if (!shown.ok()) return;
  for (const Json& output : elements(*shown, "outputs"))
    std::cout << "  " << output.string_or("name", "") << " = " << output.string_or("value", "") << '\n';
  std::string idle;
  for (const Json& resource : elements(*shown, "resources")) {
    if (resource.string_or("not_in_effect", "-") == "-") continue;
    idle += (idle.empty() ? "" : ", ") + std::string(resource.string_or("resource", ""));
  }
  if (!idle.empty())
    std::cout << client.output().warning("not in effect here, in whole or in part: " + idle)
              << " (millrace stacks show " << name << ")\n";
  std::cout.flush();
}

// A stack that never came to be, or only what is left of it.
bool is_remnant(const Json& summary) {
  const std::string_view status = summary.string_or("StackStatus", "");
  return status == "ROLLBACK_COMPLETE" || status == "REVIEW_IN_PROGRESS";
}

// A remnant makes room.
Result<void> clear_the_way(StackClient& client, const std::string& name, const Json& summary, Pause& pause) {
  const std::string id(summary.string_or("StackId", ""));
  client.output().line(name + " is in " + std::string(summary.string_or("StackStatus", "")) +
                       " from an earlier attempt: deleting it first");
  MR_ASSIGN_OR_RETURN(EventReader reader, client.events_from_now(id));
  MR_RETURN_IF_ERROR(client.call("DeleteStack", Json::object({{"StackName", id}})));
  MR_ASSIGN_OR_RETURN(const Outcome outcome, client.follow(name, id, reader, pause));
  if (is_good(outcome.status)) return {};
  client.explain(name, outcome);
  return Error(kInvalidArgument, name + " could not be deleted");
}

// Deploys one template; its exit status, or the error to print.
Result<int> deploy_one(StackClient& client, const DeployOptions& options, const TemplateReader& read,
                       const fs::path& file, const std::string& name, Pause& pause, std::set<fs::path>* read_from) {
  MR_ASSIGN_OR_RETURN(auto existing, client.find(name));
  // Read and checked before anything of an earlier attempt is deleted.
  const bool exists = existing && !is_remnant(*existing);
  MR_ASSIGN_OR_RETURN(Prepared prepared,
                      prepare_deployment(client, options, read, file, name, exists, true, read_from));
  if (existing && !exists) MR_RETURN_IF_ERROR(clear_the_way(client, name, *existing, pause));
  std::string id;
  EventReader reader(client.api(), name);
  if (exists) {
    id = existing->string_or("StackId", "");
    MR_ASSIGN_OR_RETURN(reader, client.events_from_now(id));
    auto updated = client.call("UpdateStack", prepared.input);
    if (!updated.ok() && updated.error().message() == kNoUpdates) {
      conclude(client, name, "no changes");
      return kDone;
    }
    if (!updated.ok()) return std::move(updated).error();
  } else {
    MR_ASSIGN_OR_RETURN(const Json created, client.call("CreateStack", prepared.input));
    id = created.string_or("StackId", "");
    reader = EventReader(client.api(), id);
  }
  MR_ASSIGN_OR_RETURN(const Outcome outcome, client.follow(name, id, reader, pause));
  if (outcome.status.empty()) {
    client.output().line(name + ": the deployment goes on without being watched");
    return kDone;
  }
  if (!is_good(outcome.status)) {
    if (client.output().json()) {
      Json document = Json::object({{"stack", name}, {"result", "failed"}, {"status", outcome.status}});
      client.output().document(document.set("failed", outcome.first ? *outcome.first : Json(outcome.reason)));
    }
    client.explain(name, outcome);
    return kFailed;
  }
  conclude(client, name, exists ? "updated" : "created");
  return kDone;
}

// All templates, in order, until one fails.
Result<int> deploy_all(StackClient& client, const DeployOptions& options, const TemplateReader& read, Pause& pause,
                       std::set<fs::path>* read_from) {
  for (const fs::path& file : options.templates) {
    const std::string name = options.stack.empty() ? stack_name_of(file) : options.stack;
    if (read_from != nullptr) read_from->insert(file);
    MR_ASSIGN_OR_RETURN(const int status, deploy_one(client, options, read, file, name, pause, read_from));
    if (status != kDone || pause.stopped()) return status;
  }
  return kDone;
}

Result<int> watch(StackClient& client, const DeployOptions& options, const TemplateReader& read) {
  Pause pause(true);
  std::set<fs::path> watched;
  std::string seen;
  while (true) {
    // Before reading, so that what changes meanwhile is deployed next.
    const std::string before = fingerprint(watched);
    std::set<fs::path> read_from;
    const auto status = deploy_all(client, options, read, pause, &read_from);
    if (!status.ok()) {
      if (status.error().is(kNoServer)) return status.error();
      std::cerr << "millrace: " << status.error().message() << std::endl;
    }
    // A template that could not be read to its end has lost paths: what was watched stays so.
    if (status.ok()) {
      seen = watched == read_from ? before : fingerprint(read_from);
      watched = std::move(read_from);
    } else {
      watched.merge(read_from);
      seen = fingerprint(watched);
    }
    if (!pause.stopped()) client.output().line("Watching for changes; Ctrl-C ends it.");
    std::cout.flush();
    do {
      if (!pause.wait(kWatchInterval)) return kDone;
    } while (fingerprint(watched) == seen);
    client.output().line("Changed: deploying again.");
  }
}

}  // namespace

std::string stack_name_of(const fs::path& file) {
  constexpr std::string_view kPlain[] = {"template", "cloudformation", "stack", "sam", "main", "index"};
  std::string name = file.stem().string();
  if (std::ranges::find(kPlain, name) != std::end(kPlain)) {
    const std::string folder = fs::absolute(file).lexically_normal().parent_path().filename().string();
    if (!folder.empty()) name = folder;
  }
  for (char& c : name) {
    const bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!fits) c = '-';
  }
  const auto letter = std::ranges::find_if(name, [](unsigned char c) { return std::isalpha(c) != 0; });
  name.erase(name.begin(), letter);
  return name.empty() ? "stack" : name;
}

Result<std::map<std::string, std::string>> parameters_of(const DeployOptions& options) {
  std::map<std::string, std::string> parameters;
  if (!options.parameter_file.empty()) {
    MR_ASSIGN_OR_RETURN(parameters, read_parameters(options.parameter_file));
  }
  for (const std::string& text : options.parameters) {
    const auto equals = text.find('=');
    if (equals == std::string::npos || equals == 0)
      return Error(kInvalidArgument, "a parameter is KEY=VALUE, not " + text);
    parameters[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return parameters;
}

void add_skips(Json& document, const std::vector<std::string>& types) {
  if (types.empty()) return;
  if (document.find("Metadata") == nullptr) document.set("Metadata", Json::object());
  Json& metadata = *document.find("Metadata");
  if (!metadata.is_object()) return;  // the server says so
  if (metadata.find(kSkipMetadata) == nullptr) metadata.set(kSkipMetadata, Json::array());
  Json& list = *metadata.find(kSkipMetadata);
  if (!list.is_array()) return;
  for (const std::string& type : types) list.push(type);
}

Result<Prepared> prepare_deployment(StackClient& client, const DeployOptions& options, const TemplateReader& read,
                                    const fs::path& file, const std::string& name, bool exists, bool with_upload,
                                    std::set<fs::path>* read_from) {
  const Target& target = client.api().target();
  Uploader uploader;
  uploader.bucket = "cdk-hnb659fds-assets-" + target.account + "-" + target.region;
  uploader.upload = [&](const std::string& key, std::string content) -> Result<void> {
    if (!with_upload && !key.ends_with(".template")) return {};
    return client.api().put_object(uploader.bucket, key, std::move(content));
  };
  MR_ASSIGN_OR_RETURN(Packaged packaged, package(file, read, uploader, read_from));
  std::string body = std::move(packaged.text);
  if (packaged.changed || !options.skip.empty()) {
    add_skips(packaged.document, options.skip);
    body = packaged.document.dump_pretty();
  }
  Prepared prepared;
  if (const Json* parameters = packaged.document.find("Parameters"); parameters != nullptr && parameters->is_object()) {
    for (const auto& [key, declaration] : parameters->as_object()) prepared.declared.insert(key);
  }
  std::set<std::string> before;
  if (exists) {
    MR_ASSIGN_OR_RETURN(const Json described, client.call("DescribeStacks", Json::object({{"StackName", name}})));
    for (const Json& stack : elements(described, "Stacks")) {
      for (const Json& parameter : elements(stack, "Parameters"))
        before.insert(std::string(parameter.string_or("ParameterKey", "")));
    }
  }
  MR_ASSIGN_OR_RETURN(const auto given, parameters_of(options));
  for (const std::string& text : options.parameters) {
    const std::string key = text.substr(0, text.find('='));
    if (options.templates.size() == 1 && !prepared.declared.contains(key))
      return Error(kInvalidArgument, file.string() + " has no parameter " + key);
  }
  Json& input = prepared.input;
  input = Json::object({{"StackName", name}, {"TemplateBody", std::move(body)}});
  if (Json list = parameter_list(given, prepared.declared, before); !list.as_array().empty())
    input.set("Parameters", std::move(list));
  input.set("Capabilities", Json::array({"CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"}));
  return prepared;
}

Result<int> deploy(StackClient& client, const DeployOptions& options, const TemplateReader& read) {
  if (options.watch) return watch(client, options, read);
  Pause pause(false);
  return deploy_all(client, options, read, pause, nullptr);
}

}  // namespace millrace::cli
