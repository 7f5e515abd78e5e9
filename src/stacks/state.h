// What the engine remembers: stacks, their resources and change sets, and how these are stored. Values.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "stacks/evaluate.h"

namespace millrace::stacks {

// A resource that the stack owns, or tries to.
struct Owned {
  std::string logical_id;
  std::string type;
  std::string physical_id;  // "" : not known; while it is being made it may exist all the same
  bool is_unmade = false;   // its creation has not ended, or has failed
  std::string ref;
  std::string suffix;
  std::string status;
  std::string reason;
  Time updated{};
  Document properties = Document::object();
  Document attributes = Document::object();
  std::string deletion_policy = "Delete";
  std::string replace_policy = "Delete";
  std::vector<std::string> depends;
  Document metadata;
  bool hides_attributes = false;  // NoEcho
  bool skipped = false;           // a record only: its type was skipped when it was deployed
  bool is_imported = false;       // by the running operation: a rollback leaves it alone
  // An update that has been begun and not ended: what it was to bring. null: none.
  Document attempted;
  std::map<std::string, std::string> tags;  // of the stack, when it was made or updated last

  bool is_custom() const { return type.starts_with("Custom::") || type == "AWS::CloudFormation::CustomResource"; }
  bool is_busy() const { return status.ends_with("_IN_PROGRESS"); }
  bool may_exist() const { return !physical_id.empty() || (is_unmade && (is_busy() || status == "DELETE_FAILED")); }
  bool is_same(const Owned& other) const { return suffix == other.suffix && physical_id == other.physical_id; }
};

// The inputs of a deployment: what a stack was last given, or a change set will give it.
struct Inputs {
  std::string template_text;
  std::vector<Parameter> parameters;
  std::map<std::string, std::string> tags;
  Document capabilities = Document::array();
  std::string role;
  std::string original_text;  // "": as template_text; else what a transform made it of

  const std::string& written_text() const { return original_text.empty() ? template_text : original_text; }
};

struct ChangeSet {
  std::string id;  // ARN
  std::string name;
  std::string description;
  std::string status;
  std::string reason;
  std::string execution;
  std::string type;  // CREATE, UPDATE
  Inputs inputs;
  Document changes = Document::array();
  Time created{};
  std::map<std::string, std::string> imports;  // logical id -> physical id; "": by its name
  std::string on_failure;                      // OnStackFailure: "", ROLLBACK, DELETE, DO_NOTHING
};

struct Stack {
  std::string id;    // ARN
  std::string uuid;  // its last part
  std::string name;
  Scope scope;
  std::string status;
  std::string reason;
  Time created{};
  std::optional<Time> updated;
  std::optional<Time> deleted;
  Inputs inputs;  // of what is deployed, or is being deployed
  std::string description;
  std::vector<Document> outputs;  // {OutputKey, OutputValue, Description?, ExportName?}
  std::vector<std::string> imports;
  bool is_protected = false;
  bool keep_on_failure = false;    // DisableRollback
  bool delete_on_failure = false;  // OnFailure: DELETE
  std::string change_set_id;       // that was executed last
  std::string token;               // of the running operation
  std::string operation_id;
  std::map<std::string, Owned> resources;
  std::vector<Owned> leftovers;           // replaced or taken out: to be removed
  std::optional<Inputs> before;           // what an update goes back to
  std::map<std::string, Owned> snapshot;  // the resources before the update
  std::vector<Document> outputs_before;
  std::map<std::string, ChangeSet> change_sets;  // by name
  std::vector<std::string> retain;               // DeleteStack's RetainResources
  std::vector<std::string> skip;                 // ContinueUpdateRollback's ResourcesToSkip
  std::map<std::string, std::string> importing;  // of the running operation, as ChangeSet::imports
  std::int64_t timeout_minutes = 0;              // of the creation; 0: none
  std::string parent_id;                         // ARN of the stack that this one is a resource of
  std::string root_id;                           // the topmost of these
  bool is_deferred = false;                      // updated; the parent decides whether it is cleaned up or rolled back

  bool in_progress() const { return status.ends_with("_IN_PROGRESS") && status != "REVIEW_IN_PROGRESS"; }
  // Nothing happens to it by itself.
  bool is_settled() const { return !in_progress() || (is_deferred && status == "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"); }
  bool exists() const { return status != "DELETE_COMPLETE"; }
};

std::string to_text(const Stack& stack);
Result<Stack> stack_of(std::string_view text);

}  // namespace millrace::stacks
