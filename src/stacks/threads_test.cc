#include "stacks/internal/world_test.h"
#include "testing/live_world.h"

namespace millrace::stacks {
namespace {

using testing::json;

// Run under the thread sanitizer.
TEST(StacksThreadsTest, WhatStacksOwnIsThereWhileManyChangeAndReadThem) {
  constexpr int kRounds = 40;
  ::millrace::testing::LiveWorld live;
  testing::Power power;
  testing::World world(power);
  TypeRegistry types;
  types.add(std::make_unique<testing::ThingType>(world, "Test::World::Thing"));
  testing::NoCalls calls;
  wire::Caller caller;
  caller.scope = {"000000000000", "us-east-1"};
  Stacks stacks({live.store, live.commits(), live.loop, live.random, calls, types, {}, nullptr});
  ASSERT_TRUE(stacks.load().ok());
  live.start();
  stacks.start();

  const auto ask = [&](Stacks::Operation operation, const std::string& name, const std::string& value) {
    const Document body = testing::things({{"A", R"({"Value":")" + value + "\"}"}, {"B", R"({"DependsOn":"A"})"}});
    Document input = Document::object({{"StackName", name}});
    if (!value.empty()) input.set("TemplateBody", body.dump());
    (void)(stacks.*operation)(caller, input);  // refused while the stack is being changed
  };
  const auto change = [&](int round) {
    const std::string name = "s" + std::to_string(round % 3);
    ask(&Stacks::create, name, "first");
    ask(&Stacks::update, name, std::to_string(round));
    if (round % 4 == 3) ask(&Stacks::remove, name, "");
  };
  const auto read = [&](int round) {
    const std::string name = "s" + std::to_string(round % 3);
    ask(&Stacks::describe, name, "");
    ask(&Stacks::describe_events, name, "");
    ask(&Stacks::list_resources, name, "");
    ask(&Stacks::get_template, name, "");
    (void)stacks.list(caller, Document::object());
    (void)stacks.list_exports(caller, Document::object());
    (void)stacks.last_commit();
    EXPECT_TRUE(stacks.reset("111111111111").ok());  // nothing of it is being changed
    stacks.when_settled(caller.scope, name, [] {});
  };
  ::millrace::testing::together(kRounds, {change, change, read, read});

  const auto owned = [&] {  // nullopt: something is being changed
    std::optional<std::set<std::string>> names(std::in_place);
    const auto listed = stacks.describe(caller, Document::object());
    for (const Document& stack : listed->find("Stacks")->as_array()) {
      if (stack.string_or("StackStatus", "").ends_with("_IN_PROGRESS")) return decltype(names)();
      const auto resources =
          stacks.list_resources(caller, Document::object({{"StackName", std::string(stack.string_or("StackId", ""))}}));
      if (!resources.ok()) return decltype(names)();  // its deletion has ended meanwhile
      for (const Document& each : resources->find("StackResourceSummaries")->as_array()) {
        names->emplace(each.string_or("PhysicalResourceId", ""));
      }
    }
    return names;
  };
  const platform::MachineClock machine;
  const auto patience = machine.monotonic_now() + std::chrono::seconds(30);
  while (!owned() && machine.monotonic_now() < patience) std::this_thread::yield();
  ASSERT_TRUE(owned());
  EXPECT_EQ(*owned(), world.names());
  stacks.stop();
  live.stop();
}

}  // namespace
}  // namespace millrace::stacks
