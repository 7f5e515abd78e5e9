// Planning as a table (template, state -> change set), what is refused beforehand, and that the way to a template does
// not matter.
#include "stacks/plan.h"

#include "stacks/internal/documents.h"
#include "stacks/internal/world_test.h"
#include "stacks/template.h"

namespace millrace::stacks {
namespace {

using ::testing::HasSubstr;
using testing::json;
using testing::StacksTest;
using ::testing::StartsWith;
using testing::things;

// "Add A", "Modify B [Value]", "Replace C [Name]", "Conditional D [Fixed]", "Remove E" of a change set, in its order.
std::vector<std::string> shown(const Document& changes) {
  std::vector<std::string> lines;
  for (const Document& each : changes.as_array()) {
    const Document& change = *each.find("ResourceChange");
    std::string line(change.string_or("Action", ""));
    const std::string_view replacement = change.string_or("Replacement", "");
    if (replacement == "True") line = "Replace";
    if (replacement == "Conditional") line = "Conditional";
    line += " " + std::string(change.string_or("LogicalResourceId", ""));
    std::string names;
    for (const Document& detail : change.find("Details")->as_array()) {
      names += (names.empty() ? "" : ",") + std::string(detail.find("Target")->string_or("Name", ""));
    }
    lines.push_back(line + (names.empty() ? "" : " [" + names + "]"));
  }
  return lines;
}

struct PlanCase {
  std::string name;
  Document before;
  Document after;
  std::vector<std::string> changes;
};

TEST_F(StacksTest, ChangeSetsSayWhatBecomesOfEachResource) {
  const Document base = things({{"A", R"({"Value":"1"})"}, {"B", R"({"Fixed":"1","Value":{"Ref":"A"}})"}});
  const std::vector<PlanCase> cases = {
      {"nothing", base, base, {}},
      {"added, after what it needs",
       base,
       things({{"A", R"({"Value":"1"})"},
               {"D", R"({"Value":{"Ref":"E"}})"},
               {"E", "{}"},
               {"B", R"({"Fixed":"1","Value":{"Ref":"A"}})"}}),
       {"Add E", "Add D"}},
      {"in place",
       base,
       things({{"A", R"({"Value":"2"})"}, {"B", R"({"Fixed":"1","Value":{"Ref":"A"}})"}}),
       {"Modify A [Value]"}},
      {"a property taken out",
       base,
       things({{"A", "{}"}, {"B", R"({"Fixed":"1","Value":{"Ref":"A"}})"}}),
       {"Modify A [Value]"}},
      {"replaced",
       base,
       things({{"A", R"({"Value":"1"})"}, {"B", R"({"Fixed":"2","Value":{"Ref":"A"}})"}}),
       {"Replace B [Fixed]"}},
      {"what refers to a replaced one changes with it",
       base,
       things({{"A", R"({"Value":"1","Name":"n"})"}, {"B", R"({"Fixed":"1","Value":{"Ref":"A"}})"}}),
       {"Replace A [Name]", "Modify B [Value]"}},
      {"replaced perhaps: its name is not known yet",
       base,
       things({{"A", R"({"Value":"1","Name":"n"})"}, {"B", R"({"Fixed":{"Ref":"A"},"Value":"x"})"}}),
       {"Replace A [Name]", "Conditional B [Fixed,Value]"}},
      {"removed, in reverse", base, things({{"C", "{}"}}), {"Add C", "Remove B", "Remove A"}},
      {"metadata and policies are no change",
       base,
       things({{"A", R"({"Value":"1","DeletionPolicy":"Retain"})"}, {"B", R"({"Fixed":"1","Value":{"Ref":"A"}})"}}),
       {}},
  };
  for (const PlanCase& each : cases) {
    SCOPED_TRACE(each.name);
    fresh();
    create("s", each.before);
    ASSERT_EQ(settled("s"), "CREATE_COMPLETE");
    ask(&Stacks::create_change_set,
        Document::object({{"StackName", "s"}, {"ChangeSetName", "c"}}).set("TemplateBody", each.after.dump()));
    const Document set = ask(&Stacks::describe_change_set, json(R"({"StackName":"s","ChangeSetName":"c"})"));
    EXPECT_EQ(shown(*set.find("Changes")), each.changes);
    EXPECT_EQ(set.string_or("Status", ""), each.changes.empty() ? "FAILED" : "CREATE_COMPLETE");
  }
}

TEST_F(StacksTest, TemplatesAreRefusedInCloudFormationsWordsBeforeAnythingIsMade) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "Either Template URL or Template Body must be specified."},
      {"[]", "Template format error: "},
      {"{", "Template format error: JSON not well-formed."},
      {"a: [", "Template format error: YAML not well-formed."},
      {"{}", "Template format error: At least one Resources member must be defined."},
      {R"({"Resources":{}})", "Template format error: At least one Resources member must be defined."},
      {R"({"Resources":{"A":{"Type":"Test::World::Thing"}},"Extra":1})",
       "Invalid template property or properties [Extra]"},
      {R"({"AWSTemplateFormatVersion":"2011","Resources":{"A":{"Type":"Test::World::Thing"}}})",
       "Template format error: unsupported value for AWSTemplateFormatVersion."},
      {R"({"Resources":{"A-b":{"Type":"Test::World::Thing"}}})",
       "Template format error: Resource name A-b is non alphanumeric."},
      {R"({"Resources":{"A":{"Properties":{}}}})",
       "Template format error: [/Resources/A] Every Resources object must contain a Type member."},
      {R"({"Resources":{"A":{"Type":"AWS::EC2::Instance"},"B":{"Type":"No::Such::Thing"}}})",
       "Template format error: Unrecognized resource types: [AWS::EC2::Instance, No::Such::Thing]"},
      {R"({"Resources":{"A":{"Type":"Test::World::Thing","Colour":1}}})",
       "Template format error: Invalid template resource property 'Colour'"},
      {R"({"Resources":{"A":{"Type":"Test::World::Thing","Properties":{"Colour":1}}}})",
       "Properties validation failed for resource A with message:\n#: extraneous key [Colour] is not permitted"},
      {R"({"Resources":{"A":{"Type":"Test::World::Thing","Properties":{"Value":null}}}})",
       "[/Resources/A/Properties/Value] 'null' values are not allowed in templates"},
      {R"({"Resources":{"A":{"Type":"Test::World::Thing","DeletionPolicy":"Perhaps"}}})",
       "Template error: Unrecognized DeletionPolicy"},
      {R"({"Resources":{"A":{"Type":"Test::World::Thing","Condition":"C"}}})",
       "Template format error: Unresolved condition dependency C in the Resources block of the template"},
      {R"({"Resources":{"A":{"Type":"Test::World::Thing","DependsOn":"B"}}})",
       "Template format error: Unresolved resource dependencies [B] in the Resources block of the template"},
      {R"({"Resources":{"A":{"Type":"Test::World::Thing","Properties":{"Value":{"Fn::Sub":"${B.Arn}"}}}}})",
       "Template format error: Unresolved resource dependencies [B] in the Resources block of the template"},
      {R"({"Resources":{"A":{"Type":"Test::World::Thing"}},"Outputs":{"O":{"Value":{"Ref":"B"}}}})",
       "Template format error: Unresolved resource dependencies [B] in the Outputs block of the template"},
      {R"({"Resources":{"A":{"Type":"Test::World::Thing"}},"Outputs":{"O":{"Value":{"Fn::GetAtt":["A","Colour"]}}}})",
       "Template error: resource A does not support attribute type Colour in Fn::GetAtt"},
      {R"({"Resources":{"A":{"Type":"Test::World::Thing","Properties":{"Value":{"Ref":"B"}}},
          "B":{"Type":"Test::World::Thing","Properties":{"Value":{"Fn::GetAtt":["A","Arn"]}}},
          "C":{"Type":"Test::World::Thing","DependsOn":"A"}}})",
       "Circular dependency between resources: [A, B]"},
      {R"({"Parameters":{"P":{"Type":"String"}},"Resources":{"A":{"Type":"Test::World::Thing"}}})",
       "Parameters: [P] must have values"},
      {R"({"Transform":"Nobody::Knows","Resources":{"A":{"Type":"Test::World::Thing"}}})",
       "No transform named Nobody::Knows found."},
      {"{\"Description\":\"" + std::string(1 << 20, 'x') + "\"}",
       "1 validation error detected: Value at 'templateBody'"},
  };
  for (const auto& [body, message] : cases) {
    const Document answer = ask(&Stacks::create, Document::object({{"StackName", "s"}, {"TemplateBody", body}}));
    ASSERT_TRUE(answer.is_string()) << body;
    EXPECT_THAT(answer.as_string(), StartsWith(message)) << body.substr(0, 200);
    EXPECT_EQ(status("s"), "none");
  }
  EXPECT_TRUE(world_.calls().empty());
}

TEST_F(StacksTest, AResourceKeepsItsType) {
  create("s", things({{"A", "{}"}}));
  settled("s");
  EXPECT_EQ(
      update("s", things({{"A", R"({"Type":"Test::World::Other"})"}})),
      Document("Update of resource type is not permitted. The new template modifies resource type of the following "
               "resources: [A]"));
}

TEST_F(StacksTest, APropertyThatCannotBeUpdatedFailsTheUpdate) {
  create("s", things({{"A", R"({"Never":"1"})"}}));
  settled("s");
  update("s", things({{"A", R"({"Never":"2"})"}}));
  EXPECT_EQ(settled("s"), "UPDATE_ROLLBACK_COMPLETE");
  EXPECT_EQ(reason("s", "A UPDATE_FAILED"), "Update to resource type Test::World::Thing is not supported.");
}

// The same things, whatever they are called and whoever made them when.
std::map<std::string, std::string> by_logical_id(const std::map<std::string, std::string>& listed,
                                                 std::map<std::string, std::string> shown) {
  std::map<std::string, std::string> all;
  for (const auto& [logical, physical] : listed) {
    std::string text = shown[physical];
    for (const auto& [other, name] : listed) {
      for (auto at = text.find(name); at != std::string::npos; at = text.find(name))
        text.replace(at, name.size(), other);
    }
    all[logical] = text;
  }
  return all;
}

TEST_F(StacksTest, EditingStepByStepEndsAsDeployingTheLastVersionAfresh) {
  const std::vector<Document> versions = {
      things({{"A", R"({"Value":"1"})"}}),
      things({{"A", R"({"Value":"1"})"}, {"B", R"({"Value":{"Ref":"A"}})"}}),                    // one more
      things({{"A", R"({"Value":"2"})"}, {"B", R"({"Value":{"Fn::GetAtt":["A","Value"]}})"}}),   // in place, through
      things({{"A", R"({"Value":"2","Fixed":"x"})"}, {"B", R"({"Value":{"Ref":"A"}})"}}),        // replaced, seen
      things({{"A", R"({"Value":"2","Name":"named"})"}, {"B", R"({"Value":{"Ref":"A"}})"}}),     // by a name
      things({{"B", R"({"Value":"own"})"}, {"C", R"({"Value":{"Ref":"B"},"DependsOn":"B"})"}}),  // one out, one in
      things({{"B", R"({"Value":{"Ref":"C"}})"}, {"C", R"({"Other":"o"})"}}),                    // turned around
      things({{"B", R"({"Value":{"Ref":"C"},"Fixed":"f"})"}, {"C", R"({"Fixed":"g"})"}}),        // both replaced
      things({{"C", R"({"Fixed":"g","Tags":[{"Key":"a","Value":"b"}]})"}, {"A", R"({"Value":{"Ref":"C"}})"}}),
      things({{"Z", R"({"Value":"alone"})"}}),
  };
  for (std::size_t last = 1; last < versions.size(); ++last) {
    for (std::size_t first = 0; first < last; ++first) {
      SCOPED_TRACE(std::to_string(first) + " to " + std::to_string(last));
      fresh();
      create("s", versions[first]);
      ASSERT_EQ(settled("s"), "CREATE_COMPLETE");
      for (std::size_t next = first + 1; next <= last; ++next) {
        update("s", versions[next]);
        ASSERT_EQ(settled("s"), "UPDATE_COMPLETE");
      }
      EXPECT_EQ(world_.names(), owned("s"));
      const auto edited = by_logical_id(listed("s"), world_.shown());
      fresh();
      create("s", versions[last]);
      ASSERT_EQ(settled("s"), "CREATE_COMPLETE");
      EXPECT_EQ(edited, by_logical_id(listed("s"), world_.shown()));
    }
  }
}

}  // namespace
}  // namespace millrace::stacks
