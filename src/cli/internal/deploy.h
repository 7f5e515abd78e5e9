// `millrace deploy`: templates in, stacks out; once, or again whenever a file changes.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cli/internal/packaging.h"
#include "cli/internal/stack_client.h"

namespace millrace::cli {

struct DeployOptions {
  std::vector<std::filesystem::path> templates;
  std::string stack;                     // "": by stack_name_of
  std::vector<std::string> parameters;   // KEY=VALUE
  std::filesystem::path parameter_file;  // JSON: {KEY: VALUE} or [{"ParameterKey", "ParameterValue"}]
  std::vector<std::string> skip;         // resource types
  bool watch = false;
};

// A stack's name by its template's: orders.yaml is "orders", orders/template.yaml as well; what CloudFormation takes in
// no name becomes "-".
std::string stack_name_of(const std::filesystem::path& file);

// Those of the file, and those of the command line over them. Errors: kNotFound, kInvalidArgument.
Result<std::map<std::string, std::string>> parameters_of(const DeployOptions& options);

// `template` with `Metadata: {Millrace::Skip: [types]}`, added to what is there.
void add_skips(codec::Json& document, const std::vector<std::string>& types);

// What CreateStack, UpdateStack and CreateChangeSet take alike: StackName, TemplateBody, Parameters, Capabilities.
// Parameters that are not given keep their value when the stack is there. `with_upload` false: code is not sent.
// `read_from` gets what was read, also on failure.
struct Prepared {
  codec::Json input;
  std::set<std::string> declared;  // names of parameters
};
Result<Prepared> prepare_deployment(StackClient& client, const DeployOptions& options, const TemplateReader& read,
                                    const std::filesystem::path& file, const std::string& name, bool exists,
                                    bool with_upload, std::set<std::filesystem::path>* read_from);

Result<int> deploy(StackClient& client, const DeployOptions& options, const TemplateReader& read);

}  // namespace millrace::cli
