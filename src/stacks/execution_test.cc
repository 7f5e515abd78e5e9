#include "stacks/internal/world_test.h"

namespace millrace::stacks {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using testing::json;
using testing::StacksTest;
using ::testing::StartsWith;
using testing::things;
using ::testing::UnorderedElementsAre;

TEST_F(StacksTest, ResourcesAreMadeAfterThoseTheyNeedAndRemovedBeforeThem) {
  create("s", things({{"A", R"({"Value":{"Ref":"B"}})"}, {"B", "{}"}, {"C", R"({"DependsOn":"A"})"}}));
  ASSERT_EQ(settled("s"), "CREATE_COMPLETE");
  EXPECT_THAT(world_.calls(), ElementsAre("create B", "create A", "create C"));
  world_.forget_calls();
  remove("s");
  ASSERT_TRUE(until([&] { return status("s") == "none"; }));
  EXPECT_THAT(world_.calls(), ElementsAre("delete C", "delete A", "delete B"));
  EXPECT_TRUE(world_.names().empty());
}

TEST_F(StacksTest, ResourcesThatDoNotNeedEachOtherAreMadeAtOnce) {
  create("s", things({{"A", R"({"Wait":"create"})"}, {"B", R"({"Wait":"create"})"}, {"C", R"({"Wait":"create"})"}}));
  ASSERT_TRUE(until([&] { return thing_->waiting().size() == 3; }));
  for (const std::string& token : thing_->waiting()) EXPECT_TRUE(stacks_->answer(token, Document::object()));
  EXPECT_EQ(settled("s"), "CREATE_COMPLETE");
}

TEST_F(StacksTest, ResetAsksOnlyForTheAccountsOwnStacksToBeSettled) {
  create("kept", things({{"A", "{}"}}));
  ASSERT_EQ(settled("kept"), "CREATE_COMPLETE");
  objects_["b/template"] = things({{"B", R"({"Wait":"create"})"}}).dump();
  std::optional<Result<void>> own, other;
  reading_ = [&] {
    own = stacks_->reset("000000000000");
    other = stacks_->reset("111111111111");
  };
  ask(&Stacks::create, json(R"({"StackName":"s","TemplateURL":"https://b.s3.amazonaws.com/template"})"));
  ASSERT_TRUE(own && other);
  EXPECT_TRUE(other->ok()) << other->error().message();
  ASSERT_FALSE(own->ok());
  EXPECT_EQ(own->error().message(), "A stack is being changed: reset when it has settled");
  EXPECT_EQ(status("kept"), "CREATE_COMPLETE");

  ASSERT_TRUE(until([&] { return thing_->waiting().size() == 1; }));
  EXPECT_TRUE(stacks_->reset("111111111111").ok());
  EXPECT_EQ(stacks_->reset("000000000000").error().message(),
            "Stack [s] is in CREATE_IN_PROGRESS: reset when it has settled");
  EXPECT_TRUE(stacks_->answer(thing_->waiting().front(), Document::object()));
  EXPECT_EQ(settled("s"), "CREATE_COMPLETE");
  EXPECT_TRUE(stacks_->reset("000000000000").ok());
  EXPECT_EQ(status("s"), "none");
  EXPECT_EQ(status("kept"), "none");
}

TEST_F(StacksTest, AFailureCancelsSiblingsAndRollsBackInReverse) {
  create("s", things({{"A", "{}"},
                      {"Slow", R"({"Wait":"create","DependsOn":"A"})"},
                      {"Bad", R"({"Fail":"create","DependsOn":"A"})"},
                      {"Never", R"({"DependsOn":"Bad"})"}}));
  ASSERT_EQ(settled("s"), "ROLLBACK_COMPLETE");
  EXPECT_TRUE(world_.names().empty());
  EXPECT_THAT(listed("s"), ::testing::IsEmpty());
  EXPECT_EQ(reason("s", "Slow CREATE_FAILED"), "Resource creation cancelled");
  EXPECT_THAT(reason("s", "Bad CREATE_FAILED"),
              StartsWith("Resource handler returned message: \"no creation of s-Bad-"));
  EXPECT_THAT(reason("s", "Bad CREATE_FAILED"), HasSubstr("HandlerErrorCode: InvalidRequest)"));
  EXPECT_EQ(reason("s", "s ROLLBACK_IN_PROGRESS"),
            "The following resource(s) failed to create: [Bad, Slow]. Rollback requested by user.");
  EXPECT_THAT(events("s"), ::testing::Not(::testing::Contains("Never CREATE_IN_PROGRESS")));
  const auto all = events("s");
  EXPECT_LT(std::ranges::find(all, "Slow DELETE_COMPLETE"), std::ranges::find(all, "A DELETE_COMPLETE"));
}

TEST_F(StacksTest, OnFailureDeleteTakesTheStackAwayAndDoNothingKeepsIt) {
  create("gone", things({{"A", "{}"}, {"Bad", R"({"Fail":"create","DependsOn":"A"})"}}),
         json(R"({"OnFailure":"DELETE"})"));
  EXPECT_TRUE(until([&] { return status("gone") == "none"; }));
  create("kept", things({{"A", "{}"}, {"Bad", R"({"Fail":"half-create","DependsOn":"A"})"}}),
         json(R"({"OnFailure":"DO_NOTHING"})"));
  EXPECT_EQ(settled("kept"), "CREATE_FAILED");
  EXPECT_EQ(owned("kept"), world_.names());
  EXPECT_EQ(world_.names().size(), 2u);
}

TEST_F(StacksTest, ACreationThatFailedAndWasKeptIsRepairedByAnUpdate) {
  create("s", things({{"A", "{}"}, {"Bad", R"({"Fail":"half-create","DependsOn":"A"})"}}),
         json(R"({"DisableRollback":true})"));
  ASSERT_EQ(settled("s"), "CREATE_FAILED");
  update("s", things({{"A", "{}"}, {"Bad", R"({"DependsOn":"A"})"}}));
  ASSERT_EQ(settled("s"), "UPDATE_COMPLETE");
  EXPECT_EQ(owned("s"), world_.names());
  EXPECT_EQ(world_.names().size(), 2u);
}

TEST_F(StacksTest, AnUpdateOfAFailedCreationThatFailsRollsTheCreationBack) {
  create("s", things({{"A", "{}"}, {"Bad", R"({"Fail":"create"})"}}), json(R"({"DisableRollback":true})"));
  ASSERT_EQ(settled("s"), "CREATE_FAILED");
  update("s", things({{"A", "{}"}, {"Bad", R"({"Fail":"half-create"})"}}));
  EXPECT_EQ(settled("s"), "ROLLBACK_COMPLETE");
  EXPECT_TRUE(world_.names().empty());
}

TEST_F(StacksTest, AFailedUpdateBringsBackWhatWasReplacedChangedAndRemoved) {
  create("s", things({{"Changed", R"({"Value":"1"})"},
                      {"Replaced", R"({"Fixed":"1"})"},
                      {"Removed", R"({"Value":"r"})"},
                      {"Half", R"({"Value":"h"})"}}));
  ASSERT_EQ(settled("s"), "CREATE_COMPLETE");
  const auto before = world_.shown();
  update("s", things({{"Changed", R"({"Value":"2","Other":"new"})"},
                      {"Replaced", R"({"Fixed":"2"})"},
                      {"New", "{}"},
                      {"Half", R"({"Value":"i","Fail":"half-update","DependsOn":["Changed","Replaced","New"]})"}}));
  ASSERT_EQ(settled("s"), "UPDATE_ROLLBACK_COMPLETE");
  EXPECT_EQ(reason("s", "s UPDATE_ROLLBACK_IN_PROGRESS"), "The following resource(s) failed to update: [Half]. ");
  EXPECT_EQ(world_.shown(), before);
  EXPECT_EQ(owned("s"), world_.names());
}

TEST_F(StacksTest, AReplacedResourceIsRemovedAfterTheUpdate) {
  create("s", things({{"A", R"({"Fixed":"1"})"}, {"B", R"({"Value":{"Ref":"A"}})"}}));
  settled("s");
  const auto before = listed("s");
  update("s", things({{"A", R"({"Fixed":"2"})"}, {"B", R"({"Value":{"Ref":"A"}})"}}));
  ASSERT_EQ(settled("s"), "UPDATE_COMPLETE");
  const auto after = listed("s");
  EXPECT_NE(before.at("A"), after.at("A"));
  EXPECT_EQ(before.at("B"), after.at("B"));
  EXPECT_EQ(world_.things().at(after.at("B")).string_or("Value", ""), after.at("A"));
  EXPECT_EQ(owned("s"), world_.names());
  EXPECT_EQ(reason("s", "A UPDATE_IN_PROGRESS"), "Resource creation Initiated");
}

TEST_F(StacksTest, AReplacementThatFailsWithoutRollbackKeepsTheOldOne) {
  create("s", things({{"A", R"({"Fixed":"1"})"}}));
  settled("s");
  const auto before = listed("s");
  update("s", things({{"A", R"({"Fixed":"2","Fail":"half-create"})"}}), json(R"({"DisableRollback":true})"));
  ASSERT_EQ(settled("s"), "UPDATE_FAILED");
  EXPECT_EQ(listed("s"), before);
  update("s", things({{"A", R"({"Fixed":"2"})"}}));
  ASSERT_EQ(settled("s"), "UPDATE_COMPLETE");
  EXPECT_EQ(owned("s"), world_.names());
}

TEST_F(StacksTest, ACustomNameThatStaysWhileItsResourceIsReplacedIsRefusedAsByAws) {
  create("s", things({{"A", R"({"Name":"mine","Fixed":"1"})"}}));
  settled("s");
  update("s", things({{"A", R"({"Name":"mine","Fixed":"2"})"}}));
  ASSERT_EQ(settled("s"), "UPDATE_ROLLBACK_COMPLETE");
  EXPECT_EQ(
      reason("s", "A UPDATE_FAILED"),
      "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename mine and update "
      "the stack again.");
  EXPECT_EQ(world_.names(), std::set<std::string>{"mine"});
}

TEST_F(StacksTest, ANameThatIsTakenFailsAndTheOtherOwnerKeepsIt) {
  create("one", things({{"A", R"({"Name":"mine"})"}}));
  settled("one");
  world_.put("foreign", Document::object());
  create("two", things({{"A", R"({"Name":"mine"})"}}));
  EXPECT_EQ(settled("two"), "ROLLBACK_COMPLETE");
  EXPECT_THAT(reason("two", "A CREATE_FAILED"), StartsWith("mine already exists in stack arn:aws:cloudformation:"));
  create("three", things({{"A", R"({"Name":"foreign"})"}}));
  EXPECT_EQ(settled("three"), "ROLLBACK_COMPLETE");
  EXPECT_THAT(reason("three", "A CREATE_FAILED"), HasSubstr("with identifier 'foreign' already exists."));
  EXPECT_EQ(world_.names(), (std::set<std::string>{"foreign", "mine"}));
}

TEST_F(StacksTest, ADeletionThatFailsKeepsWhatItNeedsAndIsRepeated) {
  create("s", things({{"A", "{}"}, {"B", R"({"Fail":"delete","DependsOn":"A"})"}, {"C", "{}"}}));
  settled("s");
  remove("s");
  ASSERT_EQ(settled("s"), "DELETE_FAILED");
  EXPECT_EQ(described("s").string_or("StackStatusReason", ""), "The following resource(s) failed to delete: [B]. ");
  EXPECT_EQ(owned("s"), world_.names());
  EXPECT_EQ(world_.names().size(), 2u);
  ask(&Stacks::remove, json(R"({"StackName":"s","RetainResources":["B"]})"));
  EXPECT_TRUE(until([&] { return status("s") == "none"; }));
  EXPECT_EQ(world_.names().size(), 1u);
}

TEST_F(StacksTest, PoliciesDecideWhatBecomesOfResources) {
  create("s", things({{"Kept", R"({"DeletionPolicy":"Retain","Name":"kept"})"},
                      {"Old", R"({"UpdateReplacePolicy":"Retain","Name":"old"})"},
                      {"Out", R"({"DeletionPolicy":"Retain","Name":"out"})"}}));
  settled("s");
  update("s", things({{"Kept", R"({"DeletionPolicy":"Retain","Name":"kept"})"},
                      {"Old", R"({"UpdateReplacePolicy":"Retain","Name":"new"})"}}));
  ASSERT_EQ(settled("s"), "UPDATE_COMPLETE");
  EXPECT_EQ(world_.names(), (std::set<std::string>{"kept", "new", "old", "out"}));
  remove("s");
  EXPECT_TRUE(until([&] { return status("s") == "none"; }));
  EXPECT_EQ(world_.names(), (std::set<std::string>{"kept", "old", "out"}));
}

TEST_F(StacksTest, DeletedStacksAreShownFor90Days) {
  const std::string id(create("s", things({{"A", "{}"}})).string_or("StackId", ""));
  settled("s");
  remove("s");
  ASSERT_TRUE(until([&] { return status("s") == "none"; }));
  scheduler_.advance(std::chrono::hours(89 * 24));
  create("t", things({{"A", "{}"}}));
  settled("t");
  EXPECT_EQ(status(id), "DELETE_COMPLETE");
  scheduler_.advance(std::chrono::hours(48));
  create("u", things({{"A", "{}"}}));
  settled("u");
  EXPECT_EQ(status(id), "none");
  restart();
  EXPECT_EQ(status(id), "none");
}

TEST_F(StacksTest, TagsOfTheStackReachResourcesAndAreTakenAway) {
  const Document body = things({{"A", "{}"}});
  create("s", body, json(R"({"Tags":[{"Key":"k","Value":"v"}]})"));
  settled("s");
  world_.forget_calls();
  EXPECT_EQ(update("s", body, json(R"({"Tags":[{"Key":"k","Value":"v"}]})")),
            Document("No updates are to be performed."));
  update("s", body, json(R"({"Tags":[]})"));
  EXPECT_EQ(settled("s"), "UPDATE_COMPLETE");
  EXPECT_THAT(world_.calls(), ElementsAre("update A"));
}

TEST_F(StacksTest, ANoEchoParameterIsNotShownInEvents) {
  Document body = things({{"A", R"({"Value":{"Ref":"Secret"}})"}});
  body.set("Parameters", json(R"({"Secret":{"Type":"String","NoEcho":true}})"));
  create("s", body, json(R"({"Parameters":[{"ParameterKey":"Secret","ParameterValue":"hush"}]})"));
  settled("s");
  EXPECT_EQ(world_.things().begin()->second.string_or("Value", ""), "hush");
  const auto answer = stacks_->describe_events(caller_, json(R"({"StackName":"s"})"));
  EXPECT_THAT(answer->dump(), ::testing::Not(HasSubstr("hush")));
  EXPECT_THAT(answer->dump(), HasSubstr("****"));
}

TEST_F(StacksTest, AnUpdateThatIsCancelledGoesBack) {
  create("s", things({{"A", R"({"Value":"1"})"}, {"B", "{}"}}));
  settled("s");
  EXPECT_EQ(ask(&Stacks::cancel_update, json(R"({"StackName":"s"})")),
            Document("CancelUpdateStack cannot be called from current stack status"));
  const auto before = world_.shown();
  update("s", things({{"A", R"({"Value":"2","Wait":"update"})"}, {"B", R"({"Value":"2"})"}}));
  ASSERT_TRUE(until([&] { return thing_->waiting().size() == 1; }));
  ask(&Stacks::cancel_update, json(R"({"StackName":"s"})"));
  EXPECT_EQ(settled("s"), "UPDATE_ROLLBACK_COMPLETE");
  EXPECT_EQ(reason("s", "A UPDATE_FAILED"), "Resource update cancelled");
  EXPECT_THAT(reason("s", "s UPDATE_ROLLBACK_IN_PROGRESS"), StartsWith("User Initiated"));
  EXPECT_EQ(world_.shown(), before);
}

TEST_F(StacksTest, ACreationThatTakesTooLongIsRolledBack) {
  create("s", things({{"A", R"({"Wait":"create"})"}}), json(R"({"TimeoutInMinutes":5})"));
  ASSERT_TRUE(until([&] { return thing_->waiting().size() == 1; }));
  EXPECT_EQ(described("s").int_or("TimeoutInMinutes", 0), 5);
  scheduler_.advance(std::chrono::minutes(5));
  EXPECT_EQ(settled("s"), "ROLLBACK_COMPLETE");
  EXPECT_THAT(reason("s", "s ROLLBACK_IN_PROGRESS"), StartsWith("Stack creation time exceeded the specified timeout."));
}

TEST_F(StacksTest, ARollbackThatFailsIsContinuedWithoutTheResource) {
  create("s", things({{"A", R"({"Value":"1","Fail":"update"})"}, {"B", "{}"}}));
  settled("s");
  update("s", things({{"A", R"({"Value":"2"})"}, {"B", R"({"Fail":"update","DependsOn":"A"})"}}));
  ASSERT_EQ(settled("s"), "UPDATE_ROLLBACK_FAILED");
  EXPECT_EQ(described("s").string_or("StackStatusReason", ""), "The following resource(s) failed to update: [A]. ");
  ask(&Stacks::continue_rollback, json(R"({"StackName":"s"})"));
  ASSERT_EQ(settled("s"), "UPDATE_ROLLBACK_FAILED");
  EXPECT_THAT(ask(&Stacks::continue_rollback, json(R"({"StackName":"s","ResourcesToSkip":["B"]})")).dump(),
              HasSubstr("cannot be skipped"));
  ask(&Stacks::continue_rollback, json(R"({"StackName":"s","ResourcesToSkip":["A"]})"));
  EXPECT_EQ(settled("s"), "UPDATE_ROLLBACK_COMPLETE");
  EXPECT_THAT(ask(&Stacks::continue_rollback, json(R"({"StackName":"s"})")).dump(),
              HasSubstr("can not be rolled back"));
}

TEST_F(StacksTest, WhatWasKeptAfterAFailureIsRolledBackOnRequest) {
  create("new", things({{"A", "{}"}, {"B", R"({"Fail":"create","DependsOn":"A"})"}}),
         json(R"({"DisableRollback":true})"));
  ASSERT_EQ(settled("new"), "CREATE_FAILED");
  ask(&Stacks::rollback, json(R"({"StackName":"new"})"));
  EXPECT_EQ(settled("new"), "ROLLBACK_COMPLETE");
  EXPECT_TRUE(world_.names().empty());
  create("s", things({{"A", R"({"Value":"1"})"}, {"B", "{}"}}));
  settled("s");
  const auto before = world_.shown();
  update("s", things({{"A", R"({"Value":"2"})"}, {"B", R"({"Fail":"update","DependsOn":"A"})"}}),
         json(R"({"DisableRollback":true})"));
  ASSERT_EQ(settled("s"), "UPDATE_FAILED");
  // A second attempt that fails, too, does not move the state to go back to.
  update("s", things({{"A", R"({"Value":"3"})"}, {"B", R"({"Fail":"half-update","DependsOn":"A"})"}}),
         json(R"({"DisableRollback":true})"));
  ASSERT_EQ(settled("s"), "UPDATE_FAILED");
  ask(&Stacks::rollback, json(R"({"StackName":"s"})"));
  EXPECT_EQ(settled("s"), "UPDATE_ROLLBACK_COMPLETE");
  EXPECT_EQ(world_.shown(), before);
}

TEST_F(StacksTest, WhatIsThereIsImportedByItsIdentifier) {
  world_.put("mine", json(R"({"Value":"old"})"));
  const Document body = things({{"A", R"({"DeletionPolicy":"Retain","Name":"mine","Value":"v"})"}});
  Document input = Document::object({{"StackName", "s"}, {"ChangeSetName", "c"}, {"ChangeSetType", "IMPORT"}});
  input.set("TemplateBody", body.dump());
  EXPECT_THAT(ask(&Stacks::create_change_set, input).dump(), HasSubstr("[A] is missing from ResourceToImport list"));
  input.set("ResourcesToImport", json(R"([{"ResourceType":"Test::World::Thing","LogicalResourceId":"A",
      "ResourceIdentifier":{"Name":"mine"}}])"));
  ASSERT_TRUE(ask(&Stacks::create_change_set, input).is_object());
  EXPECT_THAT(ask(&Stacks::describe_change_set, json(R"({"StackName":"s","ChangeSetName":"c"})")).dump(),
              HasSubstr(R"("Action":"Import")"));
  ask(&Stacks::execute_change_set, json(R"({"StackName":"s","ChangeSetName":"c"})"));
  ASSERT_EQ(settled("s"), "IMPORT_COMPLETE");
  EXPECT_THAT(events("s"), IsSupersetOf({"A IMPORT_IN_PROGRESS", "A IMPORT_COMPLETE", "s IMPORT_COMPLETE"}));
  EXPECT_EQ(listed("s").at("A"), "mine");
  EXPECT_EQ(world_.calls(), std::vector<std::string>());
  update("s", things({{"A", R"({"Name":"mine","Value":"w"})"}}));
  ASSERT_EQ(settled("s"), "UPDATE_COMPLETE");
  EXPECT_EQ(world_.shown().at("mine"), "Value=\"w\" ");
}

TEST_F(StacksTest, ExistingResourcesAreImportedOnRequestAndLeftAloneByARollback) {
  world_.put("mine", json("{}"));
  const auto ask_for = [&](const std::string& name, const Document& body) {
    Document input = Document::object({{"StackName", name}, {"ChangeSetName", "c"}, {"ChangeSetType", "CREATE"}});
    input.set("TemplateBody", body.dump()).set("ImportExistingResources", true);
    ask(&Stacks::create_change_set, input);
    ask(&Stacks::execute_change_set, Document::object({{"StackName", name}, {"ChangeSetName", "c"}}));
    return settled(name);
  };
  EXPECT_EQ(ask_for("bad", things({{"A", R"({"Name":"mine"})"}, {"B", R"({"Fail":"create","DependsOn":"A"})"}})),
            "ROLLBACK_COMPLETE");
  EXPECT_EQ(world_.names(), std::set<std::string>{"mine"});
  EXPECT_EQ(ask_for("good", things({{"A", R"({"Name":"mine"})"}, {"B", "{}"}})), "CREATE_COMPLETE");
  EXPECT_EQ(owned("good"), world_.names());
  // What another stack has is not to be had.
  EXPECT_EQ(ask_for("other", things({{"A", R"({"Name":"mine"})"}})), "ROLLBACK_COMPLETE");
  remove("good");
  EXPECT_TRUE(until([&] { return status("good") == "none"; }));
  EXPECT_TRUE(world_.names().empty());
}

// What each operation does, from which state, with the power failing after every possible number of effects.
struct Scenario {
  std::string name;
  Document before;  // null: no stack
  Document after;   // null: delete
  Document options = Document::object();
};

// A stack with a nested one, whose template is that of its version, and what comes after it.
Document nested(const std::string& version, const std::string& outer = "") {
  Document body = things({{"First", "{}"}});
  body.find("Resources")
      ->set("Inner", json(R"({"Type":"AWS::CloudFormation::Stack","DependsOn":"First","Properties":{"TemplateURL":
        "https://bucket.s3.us-east-1.amazonaws.com/)" +
                          version + R"(","Parameters":{"P":{"Ref":"First"}}}})"));
  body.find("Resources")->set("Last", json(R"({"Type":"Test::World::Thing","Properties":{"Value":
        {"Fn::GetAtt":["Inner","Outputs.Made"]}}})"));
  if (!outer.empty())
    body.find("Resources")->set("Outer", *things({{"Outer", outer}}).find("Resources")->find("Outer"));
  return body;
}

std::map<std::string, std::string> nested_templates() {
  std::map<std::string, std::string> all;
  for (const auto& [version, text] : {std::pair("1", R"({"Fixed":"1"})"), std::pair("2", R"({"Fixed":"2"})"),
                                      std::pair("bad", R"({"Fixed":"2","Fail":"half-create"})")}) {
    Document body = things({{"Deep", R"({"Value":{"Ref":"P"}})"}, {"Thing", text}});
    body.set("Parameters", json(R"({"P":{"Type":"String"}})"));
    body.set("Outputs", json(R"({"Made":{"Value":{"Ref":"Thing"}}})"));
    all["bucket/" + std::string(version)] = body.dump();
  }
  return all;
}

TEST_F(StacksTest, ANestedStackIsMadeUpdatedAndRemovedWithItsParent) {
  objects_ = nested_templates();
  create("s", nested("1"));
  ASSERT_EQ(settled("s"), "CREATE_COMPLETE");
  const std::string child = listed("s").at("Inner");
  EXPECT_EQ(described(child).string_or("ParentId", ""), described("s").string_or("StackId", ""));
  EXPECT_EQ(described(child).string_or("RootId", ""), described("s").string_or("StackId", ""));
  const std::string made = listed(child).at("Thing");
  EXPECT_EQ(world_.things().at(listed("s").at("Last")).string_or("Value", ""), made);
  EXPECT_EQ(world_.things().at(listed(child).at("Deep")).string_or("Value", ""), listed("s").at("First"));
  update("s", nested("2"));
  ASSERT_EQ(settled("s"), "UPDATE_COMPLETE");
  EXPECT_EQ(status(child), "UPDATE_COMPLETE");
  EXPECT_NE(listed(child).at("Thing"), made);
  EXPECT_EQ(world_.names(), all_owned());
  remove("s");
  EXPECT_TRUE(until([&] { return status("s") == "none"; }));
  EXPECT_EQ(status(child), "DELETE_COMPLETE");
  EXPECT_TRUE(world_.names().empty());
}

TEST_F(StacksTest, AReplacementInsideANestedStackIsUndoneWhenItsParentFails) {
  objects_ = nested_templates();
  create("s", nested("1"));
  settled("s");
  const auto before = world_.shown();
  update("s", nested("2", R"({"Fail":"create","DependsOn":"Inner"})"));
  ASSERT_EQ(settled("s"), "UPDATE_ROLLBACK_COMPLETE");
  EXPECT_EQ(status(listed("s").at("Inner")), "UPDATE_ROLLBACK_COMPLETE");
  EXPECT_EQ(world_.shown(), before);
}

TEST_F(StacksTest, ANestedStackThatFailsFailsItsParent) {
  objects_ = nested_templates();
  create("s", nested("bad"));
  ASSERT_EQ(settled("s"), "ROLLBACK_COMPLETE");
  EXPECT_THAT(reason("s", "Inner CREATE_FAILED"), StartsWith("Embedded stack arn:aws:cloudformation:"));
  EXPECT_THAT(reason("s", "Inner CREATE_FAILED"),
              HasSubstr(" was not successfully created: The following resource(s) failed to create: [Thing]. "));
  EXPECT_TRUE(world_.names().empty());
  create("none", nested("missing"));
  EXPECT_EQ(settled("none"), "ROLLBACK_COMPLETE");
}

std::vector<Scenario> scenarios() {
  const Document base = things({{"A", R"({"Value":"1"})"}, {"B", R"({"Fixed":"1","Value":{"Ref":"A"}})"}, {"C", "{}"}});
  const Document next = things({{"A", R"({"Value":"2"})"}, {"B", R"({"Fixed":"2","Value":{"Ref":"A"}})"}, {"D", "{}"}});
  const Document bad = things({{"A", R"({"Value":"2"})"},
                               {"B", R"({"Fixed":"2","Value":{"Ref":"A"}})"},
                               {"D", R"({"Fail":"half-create","DependsOn":["A","B"]})"}});
  const Document half = things({{"A", R"({"Value":"3","Fail":"half-update"})"}, {"B", R"({"Fixed":"1","Value":"x"})"}});
  return {{"create", Document(), base},
          {"create without rollback", Document(), base, json(R"({"DisableRollback":true})")},
          {"create that fails", Document(), bad},
          {"create that is deleted", Document(), bad, json(R"({"OnFailure":"DELETE"})")},
          {"update", base, next},
          {"update that fails", base, bad},
          {"update that fails without rollback", base, bad, json(R"({"DisableRollback":true})")},
          {"update that half fails", base, half},
          {"delete", base, Document()},
          {"nested create", Document(), nested("1")},
          {"nested create that fails", Document(), nested("bad")},
          {"nested update", nested("1"), nested("2")},
          {"nested update that fails inside", nested("1"), nested("bad")},
          {"nested update that fails outside", nested("1"), nested("2", R"({"Fail":"create","DependsOn":"Inner"})")},
          {"nested delete", nested("1"), Document()}};
}

class KilledTest : public StacksTest, public ::testing::WithParamInterface<std::size_t> {
 protected:
  // Runs the scenario with power for so many effects; true: it was enough.
  bool killed_after(std::uint64_t effects, const Scenario& scenario) {
    fresh();
    objects_ = nested_templates();
    world_.put("foreign", Document::object());
    if (!scenario.before.is_null()) {
      create("s", scenario.before);
      EXPECT_EQ(settled("s"), "CREATE_COMPLETE");
    }
    before_ = world_.shown();
    power_.fail_after(effects);
    if (scenario.after.is_null()) {
      remove("s");
    } else {
      deploy(scenario.before.is_null() ? &Stacks::create : &Stacks::update, "s", scenario.after, scenario.options);
    }
    settled("s");
    const bool was_enough = power_.is_on();
    restart();
    return was_enough;
  }
  std::map<std::string, std::string> before_;
};

TEST_P(KilledTest, LeavesExactlyTheListedResourcesAndATerminalState) {
  const Scenario scenario = scenarios()[GetParam()];
  bool completed = false;
  for (std::uint64_t effects = 0; !completed; ++effects) {
    SCOPED_TRACE(scenario.name + ", killed after " + std::to_string(effects));
    ASSERT_LT(effects, 200u);
    completed = killed_after(effects, scenario);
    const std::string end = settled("s");
    ASSERT_FALSE(end.ends_with("_IN_PROGRESS")) << end;
    auto expected = all_owned();
    expected.insert("foreign");
    if (end == "UPDATE_FAILED") {
      // What was replaced is removed when the stack gets well.
      ASSERT_THAT(world_.names(), IsSupersetOf(expected));
    } else {
      ASSERT_EQ(world_.names(), expected) << end;
    }
    if (end == "UPDATE_ROLLBACK_COMPLETE") {
      ASSERT_EQ(world_.shown(), before_);
    }
    remove("s");
    ASSERT_TRUE(until([&] { return status("s") == "none"; })) << status("s");
    ASSERT_EQ(world_.names(), std::set<std::string>{"foreign"});
  }
}

INSTANTIATE_TEST_SUITE_P(Anywhere, KilledTest, ::testing::Range<std::size_t>(0, scenarios().size()),
                         [](const auto& one) {
                           std::string name = scenarios()[one.param].name;
                           std::ranges::replace(name, ' ', '_');
                           return name;
                         });

}  // namespace
}  // namespace millrace::stacks
