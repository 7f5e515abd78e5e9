// AWS::Events::Rule
#include <set>

#include "resources/type_base.h"
#include "resources/types.h"

namespace millrace::resources {
namespace events_rule {

class Type final : public TypeBase {
 public:
  Type()
      : TypeBase("AWS::Events::Rule",
                 {{"Description"},
                  {"EventBusName", Update::kReplace},
                  {"EventPattern"},
                  {"Name", Update::kReplace},
                  recorded("RoleArn"),
                  {"ScheduleExpression"},
                  {"State"},
                  {"Tags"},
                  {"Targets"}},
                 {"Arn"}) {}

  // PutRule takes a name that is there for a change.
  Result<bool> exists(const Work& work) const override {
    return work.call("events", "DescribeRule", Document::object({{"Name", name_of(work)}})).ok();
  }

  Result<Resource> create(const Work& work) const override {
    const std::string name = name_of(work);
    Document input = rule(work, name);
    input.set("Tags", tag_list(work, work.properties));
    MR_ASSIGN_OR_RETURN(const Document made, work.call("events", "PutRule", std::move(input)));
    work.created(name);
    MR_RETURN_IF_ERROR(put_targets(work, name));
    return resource(name, text_of(made, "RuleArn"));
  }

  Result<Resource> update(const Work& work) const override {
    const std::string& name = work.physical_id;
    MR_ASSIGN_OR_RETURN(const Document made, work.call("events", "PutRule", rule(work, name)));
    const std::string arn = text_of(made, "RuleArn");
    std::set<std::string> gone = texts_of(work.old_properties.find("Targets"), "Id");
    for (const auto& id : texts_of(work.property("Targets"), "Id")) gone.erase(id);
    MR_RETURN_IF_ERROR(remove_targets(work, name, gone));
    MR_RETURN_IF_ERROR(put_targets(work, name));
    MR_RETURN_IF_ERROR(update_tags(work,
                                   {"events", "UntagResource", "TagResource", Document::object({{"ResourceARN", arn}})},
                                   tag_list(work, work.properties)));
    return resource(name, arn);
  }

  Result<void> remove(const Work& work) const override {
    const std::string name = name_of(work);
    MR_RETURN_IF_ERROR(remove_targets(work, name, texts_of(work.property("Targets"), "Id")));
    return ignore_gone(work.call("events", "DeleteRule", Document::object({{"Name", name}})));
  }

  Result<Resource> read(const Work& work) const override {
    const std::string name = name_of(work);
    MR_ASSIGN_OR_RETURN(const Document found, work.call("events", "DescribeRule", Document::object({{"Name", name}})));
    return resource(name, text_of(found, "Arn"));
  }

 private:
  static std::string name_of(const Work& work) { return work.name_or_generated("Name", 64); }

  static Document rule(const Work& work, const std::string& name) {
    Document input = pick(work.properties, {"Description", "EventBusName", "RoleArn", "ScheduleExpression", "State"});
    if (const Document* pattern = work.property("EventPattern")) input.set("EventPattern", text_of(pattern));
    input.set("Name", name);
    return input;
  }

  static Result<void> put_targets(const Work& work, const std::string& name) {
    const auto& targets = list_of(work.property("Targets"));
    if (targets.empty()) return {};
    Document input = Document::object({{"Rule", name}});
    MR_RETURN_IF_ERROR(work.call("events", "PutTargets", std::move(input.set("Targets", Document(targets)))));
    return {};
  }

  static Result<void> remove_targets(const Work& work, const std::string& name, const std::set<std::string>& ids) {
    if (ids.empty()) return {};
    Document list = Document::array();
    for (const auto& id : ids) list.push(id);
    return ignore_gone(
        work.call("events", "RemoveTargets", Document::object({{"Rule", name}, {"Ids", std::move(list)}})));
  }

  static Resource resource(const std::string& name, const std::string& arn) {
    return {name, Document::object({{"Arn", arn}}), ""};
  }
};

}  // namespace events_rule

std::unique_ptr<stacks::ResourceType> make_events_rule() { return std::make_unique<events_rule::Type>(); }

}  // namespace millrace::resources
