// Template, parameters and what there is -> what would be done. Pure but for what the Environment asks.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "stacks/state.h"

namespace millrace::stacks {

struct Change {
  enum class Action { kAdd, kModify, kRemove, kImport };
  Action action = Action::kAdd;
  std::string logical_id;
  std::string type;
  std::string physical_id;
  bool replaces = false;
  bool retags = false;                  // with tags of the stack
  bool depends_on_unknown = false;      // a value that is known only when it is made: "Conditional"
  std::vector<std::string> properties;  // that differ
  Document wanted;                      // the properties, with kUnknown in them; null: removed
};

// What a name stands for that is known only once its resource has been made.
inline constexpr std::string_view kUnknown = "{{known after deployment}}";

// What events show instead of hidden values.
inline constexpr std::string_view kHidden = "****";

// Ref and GetAtt of resources that are there; kUnknown for those in `pending` and, when planning, missing ones. Of
// those in `changing` (updated in place) the attributes that they have stay, except a custom resource's.
void know_resources(Environment& environment, const std::map<std::string, Owned>& resources,
                    const std::set<std::string>* pending, const std::set<std::string>* changing = nullptr);

// The resources whose Condition holds. REQUIRES: environment.conditions.
std::set<std::string> wanted_resources(const Environment& environment);

// In the order of execution: additions and modifications, then removals in reverse. `environment` has parameters and
// conditions. Errors: of evaluation.
// `tags` are the stack's; those that a resource was made with count as a change of it when they differ.
Result<std::vector<Change>> plan(Environment environment, const std::map<std::string, Owned>& resources,
                                 const TypeRegistry& types, const std::map<std::string, std::string>& tags = {});
// The name that the properties give: QueueName of AWS::SQS::Queue, or Name. "": it is generated.
std::string given_name(const std::string& type, const Document& properties);
// Whether the type takes the tags of its stack.
bool takes_tags(const ResourceType& type);

}  // namespace millrace::stacks
