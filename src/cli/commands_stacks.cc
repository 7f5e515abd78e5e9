// deploy, stacks: CloudFormation for people without its tools.
#include <iostream>
#include <memory>

#include <CLI/CLI.hpp>

#include "cli/internal/commands.h"
#include "cli/internal/deploy.h"

namespace millrace::cli {
namespace {

using codec::Json;

constexpr Milliseconds kEventsInterval{300};
constexpr std::size_t kIdWidth = 60;
constexpr const char* kDiffName = "millrace-diff";

TemplateReader reader_of(const Session& session) {
  return [&session](std::string_view text) { return session.callbacks->read_template(text); };
}

Result<int> list_stacks(Api& api, Output& output) {
  MR_ASSIGN_OR_RETURN(const Json found, api.get("stacks"));
  output.table(found, "stacks",
               {{"STACK", "name"},
                {"STATUS", "status"},
                {"RESOURCES", "resources", true},
                {"NOT IN EFFECT", "not_in_effect", true},
                {"CREATED", "created"},
                {"UPDATED", "updated"}},
               "No stacks.");
  return kDone;
}

Result<int> show_stack(Api& api, Output& output, const std::string& name) {
  MR_ASSIGN_OR_RETURN(Json stack, api.get("stacks/" + encode(name)));
  if (output.json()) {
    output.document(stack);
    return kDone;
  }
  const Json all = stack;
  for (const std::string_view member : {"parameters", "outputs", "resources", "tags"}) stack.erase(member);
  output.details(stack);
  output.line("");
  output.table(
      all, "resources",
      {{"RESOURCE", "resource"}, {"TYPE", "type"}, {"STATUS", "status"}, {"ID", "id", false, Form::kText, kIdWidth}},
      "No resources.");
  Json idle = Json::array();
  for (const Json& resource : elements(all, "resources"))
    if (resource.string_or("not_in_effect", "-") != "-") idle.push(resource);
  if (!idle.as_array().empty()) {
    output.line("");
    output.table(Json::object({{"idle", std::move(idle)}}), "idle",
                 {{"NOT IN EFFECT", "resource"}, {"TYPE", "type"}, {"WHAT", "not_in_effect"}}, "");
  }
  for (const auto& [member, title] : {std::pair("parameters", "PARAMETER"), {"outputs", "OUTPUT"}, {"tags", "TAG"}}) {
    if (elements(all, member).empty()) continue;
    output.line("");
    output.table(all, member, {{title, "name"}, {"VALUE", "value"}}, "");
  }
  return kDone;
}

Result<int> show_events(Api& api, Output& output, const std::string& name, bool follow) {
  EventReader reader(api, name);
  Pause pause(false);
  while (true) {
    MR_ASSIGN_OR_RETURN(const auto events, reader.next());
    for (const Json& event : events) print_event(output, event);
    if (!follow || !pause.wait(kEventsInterval)) return kDone;
  }
}

void print_changes(Output& output, const Json& changes) {
  Json rows = Json::array();
  for (const Json& each : elements(changes, "Changes")) {
    const Json* change = each.find("ResourceChange");
    if (change == nullptr) continue;
    std::string properties;
    for (const Json& detail : elements(*change, "Details")) {
      const Json* target = detail.find("Target");
      if (target == nullptr) continue;
      properties += (properties.empty() ? "" : ", ") + std::string(target->string_or("Name", ""));
    }
    const std::string_view replaces = change->string_or("Replacement", "");
    const std::string action(change->string_or("Action", ""));
    rows.push(Json::object({{"action", replaces == "True"          ? "Replace"
                                       : replaces == "Conditional" ? "Replace?"
                                                                   : action},
                            {"resource", change->string_or("LogicalResourceId", "")},
                            {"type", change->string_or("ResourceType", "")},
                            {"id", change->string_or("PhysicalResourceId", "-")},
                            {"properties", properties.empty() ? "-" : properties}}));
  }
  output.table(Json::object({{"changes", std::move(rows)}}), "changes",
               {{"ACTION", "action"},
                {"RESOURCE", "resource"},
                {"TYPE", "type"},
                {"ID", "id", false, Form::kText, kIdWidth},
                {"PROPERTIES", "properties"}},
               "No resource changes; outputs or tags do.");
}

// Whatever happens, neither the change set nor a stack made for it stays.
Result<int> diff_stack(StackClient& client, const DeployOptions& options, const TemplateReader& read) {
  const std::string& name = options.stack;
  MR_ASSIGN_OR_RETURN(const auto existing, client.find(name));
  const bool exists = existing && existing->string_or("StackStatus", "") != "REVIEW_IN_PROGRESS";
  MR_ASSIGN_OR_RETURN(Prepared prepared, prepare_deployment(client, options, read, options.templates.front(), name,
                                                            exists, false, nullptr));
  prepared.input.set("ChangeSetName", kDiffName).set("ChangeSetType", exists ? "UPDATE" : "CREATE");
  MR_ASSIGN_OR_RETURN(const Json made, client.call("CreateChangeSet", prepared.input));
  const Json chosen = Json::object({{"StackName", name}, {"ChangeSetName", made.string_or("Id", "")}});
  const auto described = client.call("DescribeChangeSet", chosen);
  MR_RETURN_IF_ERROR(client.call("DeleteChangeSet", chosen));
  if (!existing) MR_RETURN_IF_ERROR(client.call("DeleteStack", Json::object({{"StackName", name}})));
  if (!described.ok()) return described.error();
  if (client.output().json()) {
    client.output().document(*described);
    return kDone;
  }
  const std::string_view reason = described->string_or("StatusReason", "");
  if (described->string_or("Status", "") != "FAILED") {
    print_changes(client.output(), *described);
  } else if (reason.starts_with("The submitted information didn't contain changes.")) {
    client.output().line("No changes.");
  } else {
    return Error(kInvalidArgument, std::string(reason));
  }
  return kDone;
}

Result<int> delete_stack(StackClient& client, const std::string& name, const std::vector<std::string>& retain) {
  MR_ASSIGN_OR_RETURN(const auto existing, client.find(name));
  if (!existing) return Error(kNotFound, "there is no stack " + name);
  const std::string id(existing->string_or("StackId", ""));
  MR_ASSIGN_OR_RETURN(EventReader reader, client.events_from_now(id));
  Json input = Json::object({{"StackName", id}});
  Json kept = Json::array();
  for (const std::string& each : retain) kept.push(each);
  input.set_if(!retain.empty(), "RetainResources", std::move(kept));
  MR_RETURN_IF_ERROR(client.call("DeleteStack", input));
  Pause pause(false);
  MR_ASSIGN_OR_RETURN(const Outcome outcome, client.follow(name, id, reader, pause));
  const bool good = is_good(outcome.status);
  client.output().document(Json::object({{"stack", name}, {"status", outcome.status}}));
  if (!good) {
    client.explain(name, outcome);
    return kFailed;
  }
  client.output().line(name + ": deleted");
  return kDone;
}

void add_deploy_options(CLI::App& command, DeployOptions& options) {
  command.add_option("--parameter", options.parameters, "KEY=VALUE; may be given again")->allow_extra_args(false);
  command.add_option("--parameters", options.parameter_file,
                     R"(a JSON file: {"KEY": "VALUE"}, or the list that the AWS CLI takes)");
  command
      .add_option("--skip", options.skip,
                  "a resource type to record instead of making it: AWS::EC2::VPC, or AWS::EC2::*; may be given again")
      ->allow_extra_args(false);
}

void add_deploy(CLI::App& app, Session& session) {
  auto options = std::make_shared<DeployOptions>();
  CLI::App* command = add_command(
      app, session, "deploy", "deploy CloudFormation or SAM templates as stacks, local code folders included",
      "  millrace deploy orders.yaml --parameter Stage=dev\n"
      "  millrace deploy network.yaml orders.yaml --skip 'AWS::EC2::*'\n"
      "  millrace deploy template.yaml --stack orders --watch\n",
      [&session, options](Api& api, Output& output) -> Result<int> {
        if (!options->stack.empty() && options->templates.size() > 1)
          return Error(kInvalidArgument, "--stack names one stack: several templates are named by their files");
        StackClient client(api, output);
        return deploy(client, *options, reader_of(session));
      });
  command->add_option("template", options->templates, "files in JSON or YAML; several are deployed in this order")
      ->required();
  command->add_option("--stack", options->stack,
                      "the stack's name (default: the template's, or its folder's for template.yaml)");
  add_deploy_options(*command, *options);
  command->add_flag("--watch", options->watch, "deploy again when a template or its code changes, until Ctrl-C");
}

}  // namespace

void add_stack_commands(CLI::App& app, Session& session) {
  add_deploy(app, session);
  CLI::App* stacks = add_noun(app, "stacks", "CloudFormation stacks");
  add_command(*stacks, session, "ls", "all stacks and their states", "  millrace stacks ls\n", list_stacks);
  auto name = std::make_shared<std::string>();
  CLI::App* show = add_command(
      *stacks, session, "show", "one stack: parameters, resources, outputs, and what is not in effect here",
      "  millrace stacks show orders\n", [name](Api& api, Output& output) { return show_stack(api, output, *name); });
  show->add_option("stack", *name)->required();
  auto follow = std::make_shared<bool>(false);
  CLI::App* events =
      add_command(*stacks, session, "events", "what happened to a stack and its resources, oldest first",
                  "  millrace stacks events orders --follow\n",
                  [name, follow](Api& api, Output& output) { return show_events(api, output, *name, *follow); });
  events->add_option("stack", *name, "name; the id of a deleted stack")->required();
  events->add_flag("-f,--follow", *follow, "go on until Ctrl-C");
  auto options = std::make_shared<DeployOptions>();
  auto file = std::make_shared<std::filesystem::path>();
  CLI::App* diff =
      add_command(*stacks, session, "diff", "what deploying a template would change; changes nothing",
                  "  millrace stacks diff orders orders.yaml\n", [&session, options, file](Api& api, Output& output) {
                    options->templates = {*file};
                    StackClient client(api, output);
                    return diff_stack(client, *options, reader_of(session));
                  });
  diff->add_option("stack", options->stack)->required();
  diff->add_option("template", *file)->required();
  add_deploy_options(*diff, *options);
  auto retain = std::make_shared<std::vector<std::string>>();
  CLI::App* remove = add_command(*stacks, session, "delete", "delete a stack with its resources, and wait for it",
                                 "  millrace stacks delete orders\n  millrace stacks delete orders --retain Uploads\n",
                                 [name, retain](Api& api, Output& output) {
                                   StackClient client(api, output);
                                   return delete_stack(client, *name, *retain);
                                 });
  remove->add_option("stack", *name)->required();
  remove
      ->add_option("--retain", *retain,
                   "leave this resource where it is; for stacks in DELETE_FAILED; may be given again")
      ->allow_extra_args(false);
}

}  // namespace millrace::cli
