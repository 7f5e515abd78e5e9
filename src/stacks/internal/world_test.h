// For the tests of this folder: resource types over a world in memory, and an engine that can be killed.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "platform/machine_clock.h"
#include "stacks/stacks.h"
#include "storage/memory/memory_store.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"

namespace millrace::stacks::testing {

inline Document json(std::string_view text) {
  auto parsed = codec::parse_json(text);
  EXPECT_TRUE(parsed.ok()) << text;
  return parsed.ok() ? *parsed : Document();
}

// Current that may fail: after so many effects (commits of the engine, changes of the world) nothing has any.
class Power {
 public:
  void fail_after(std::uint64_t effects) { left_ = effects; }
  void restore() { left_ = ~std::uint64_t{0}; }
  bool is_on() const { return left_ > 0; }
  // False: the effect does not happen.
  bool spend() {
    std::uint64_t left = left_.load();
    while (left > 0 && !left_.compare_exchange_weak(left, left == ~std::uint64_t{0} ? left : left - 1)) {
    }
    return left > 0;
  }

 private:
  std::atomic<std::uint64_t> left_{~std::uint64_t{0}};
};

// What the resources' services have.
class World {
 public:
  explicit World(Power& power) : power_(power) {}
  std::map<std::string, Document> things() const {
    const std::lock_guard lock(mutex_);
    return things_;
  }
  std::set<std::string> names() const {
    std::set<std::string> names;
    for (const auto& [name, properties] : things()) names.insert(name);
    return names;
  }
  std::vector<std::string> calls() const {
    const std::lock_guard lock(mutex_);
    return calls_;
  }
  void forget_calls() {
    const std::lock_guard lock(mutex_);
    calls_.clear();
  }
  // Somebody else's doing.
  void put(const std::string& name, Document properties) {
    const std::lock_guard lock(mutex_);
    things_[name] = std::move(properties);
  }

  template <typename Act>
  Result<void> effect(const std::string& what, Act act) {
    const std::lock_guard lock(mutex_);
    if (!power_.spend()) return Error(kUnavailable, "no power");
    calls_.push_back(what);
    return act(things_);
  }
  bool has(const std::string& name) const { return things().contains(name); }
  // Names with their properties, in an order of their own.
  std::map<std::string, std::string> shown() const {
    std::map<std::string, std::string> shown;
    for (const auto& [name, properties] : things()) {
      std::map<std::string, std::string> sorted;
      for (const auto& [property, value] : properties.as_object()) sorted[property] = value.dump();
      for (const auto& [property, value] : sorted) shown[name] += property + "=" + value + " ";
    }
    return shown;
  }
  void clear() {
    const std::lock_guard lock(mutex_);
    things_.clear();
    calls_.clear();
  }

 private:
  Power& power_;
  mutable std::mutex mutex_;
  std::map<std::string, Document> things_;
  std::vector<std::string> calls_;
};

inline constexpr ErrorType kThingExists{"ThingAlreadyExists", 409};
inline constexpr ErrorType kThingRefused{"ValidationException", 400};

// Test::World::Thing. `Fail` names the verb that fails ("create", "half-create", "update", "half-update", "delete");
// `Wait` the verb that waits for an answer from outside.
class ThingType : public ResourceType {
 public:
  ThingType(World& world, std::string_view name) : world_(world), name_(name) {}
  std::string_view name() const override { return name_; }
  std::span<const Property> properties() const override {
    static constexpr Property kAll[] = {{"Name", Update::kReplace},
                                        {"Value"},
                                        {"Other"},
                                        {"Fixed", Update::kReplace},
                                        {"Never", Update::kRefused},
                                        {"Fail"},
                                        {"Wait"},
                                        {"Tags"},
                                        {"Decoration", Update::kInPlace, Effect::kRecorded}};
    return kAll;
  }
  std::vector<std::string_view> attributes() const override { return {"Arn", "Value"}; }

  Result<Resource> create(const Work& work) const override {
    const std::string name = work.name_or_generated("Name", 60);
    if (fails(work, "create")) return Error(kThingRefused, "no creation of " + name);
    MR_RETURN_IF_ERROR(world_.effect("create " + work.logical_id, [&](auto& things) -> Result<void> {
      if (things.contains(name)) return Error(kThingExists, name + " is there");
      things[name] = work.properties;
      return {};
    }));
    if (fails(work, "half-create")) {
      work.created(name);
      return Error(kThingRefused, "half a creation of " + name);
    }
    if (waits(work, "create")) {
      work.created(name);
      MR_RETURN_IF_ERROR(wait(work));
    }
    return described(work, name);
  }
  Result<Resource> update(const Work& work) const override {
    if (fails(work, "update")) return Error(kThingRefused, "no update of " + work.physical_id);
    MR_RETURN_IF_ERROR(world_.effect("update " + work.logical_id, [&](auto& things) -> Result<void> {
      Document& thing = things[work.physical_id];
      for (const Property& property : properties()) {
        const Document* before = work.old_properties.find(property.name);
        const Document* after = work.properties.find(property.name);
        if (before != nullptr && after != nullptr && *before == *after) continue;
        if (after != nullptr) thing.set(property.name, *after);
        if (after == nullptr && before != nullptr) thing.erase(property.name);
      }
      return {};
    }));
    if (fails(work, "half-update")) return Error(kThingRefused, "half an update of " + work.physical_id);
    if (waits(work, "update")) MR_RETURN_IF_ERROR(wait(work));
    return described(work, work.physical_id);
  }
  Result<void> remove(const Work& work) const override {
    const std::string name = work.name_or_generated("Name", 60);
    if (fails(work, "delete")) return Error(kThingRefused, "no deletion of " + name);
    return world_.effect("delete " + work.logical_id, [&](auto& things) -> Result<void> {
      things.erase(name);
      return {};
    });
  }
  Result<Resource> read(const Work& work) const override {
    const std::string name = work.name_or_generated("Name", 60);
    if (!world_.has(name)) return Error(kNotFound, "no " + name);
    return described(work, name);
  }
  Result<bool> exists(const Work& work) const override { return world_.has(work.name_or_generated("Name", 60)); }

  // The tokens that verbs wait for.
  std::vector<std::string> waiting() const {
    const std::lock_guard lock(mutex_);
    return tokens_;
  }

 private:
  static bool named(const Work& work, std::string_view property, std::string_view verb) {
    const Document* value = work.property(property);
    return value != nullptr && value->is_string() && value->as_string() == verb;
  }
  static bool fails(const Work& work, std::string_view verb) { return named(work, "Fail", verb); }
  static bool waits(const Work& work, std::string_view verb) { return named(work, "Wait", verb); }
  Result<void> wait(const Work& work) const {
    const std::string token = work.open_answer();
    {
      const std::lock_guard lock(mutex_);
      tokens_.push_back(token);
    }
    auto answer = work.await_answer(token, std::chrono::seconds(3600));
    if (!answer.ok()) return std::move(answer).error();
    if (!answer->is_object()) return Error(kResourceFailed, answer->as_string());
    return {};
  }
  static Resource described(const Work& work, const std::string& name) {
    const Document* value = work.property("Value");
    return {name, Document::object({{"Arn", "arn:" + name}, {"Value", value == nullptr ? Document("") : *value}}), ""};
  }

  World& world_;
  std::string name_;
  mutable std::mutex mutex_;
  mutable std::vector<std::string> tokens_;
};

// As AWS::CloudFormation::Stack.
class NestedType : public ResourceType {
 public:
  std::string_view name() const override { return "AWS::CloudFormation::Stack"; }
  std::span<const Property> properties() const override {
    static constexpr Property kAll[] = {{"Parameters"}, {"TemplateURL"}, {"TimeoutInMinutes"}, {"Tags"}};
    return kAll;
  }
  bool always_updates() const override { return true; }
  Result<Resource> create(const Work& work) const override { return work.nested->create(work); }
  Result<Resource> update(const Work& work) const override { return work.nested->update(work); }
  Result<void> remove(const Work& work) const override { return work.nested->remove(work); }
};

// Commits that have no effect without power. The power goes with a write of the store that fails: whatever the
// resources' services would change is refused from then on.
class MortalCommits final : public storage::Commits {
 public:
  MortalCommits(storage::Commits& commits, Power& power, const storage::MemoryStore& store)
      : commits_(commits), power_(power), store_(store) {}
  storage::CommitNumber submit(storage::WriteBatch batch,
                               std::function<void(const storage::Committed&)> done) override {
    const std::lock_guard lock(mutex_);
    if (!power_.spend()) return commits_.durable();
    const storage::CommitNumber number = commits_.submit(std::move(batch), std::move(done));
    if (store_.has_failed()) power_.fail_after(0);
    return number;
  }
  void when_durable(storage::CommitNumber number, std::function<void(const Error*)> done) override {
    commits_.when_durable(number, std::move(done));
  }
  storage::CommitNumber durable() const override { return commits_.durable(); }
  void defer(std::function<storage::CommitNumber()> work) override { commits_.defer(std::move(work)); }
  void on_logged(std::function<void(std::span<const std::uint64_t>)>) override {}
  storage::Stamp next_stamp() const override { return commits_.next_stamp(); }

 private:
  std::mutex mutex_;
  storage::Commits& commits_;
  Power& power_;
  const storage::MemoryStore& store_;
};

class NoCalls final : public wire::Calls {
 public:
  Result<Document> call(std::string_view, std::string_view, const wire::Caller&, Document) override {
    return Error(kNotFound, "nothing is served");
  }
};

class StacksTest : public ::testing::Test {
 protected:
  StacksTest() {
    auto thing = std::make_unique<ThingType>(world_, "Test::World::Thing");
    thing_ = thing.get();
    types_.add(std::move(thing));
    types_.add(std::make_unique<ThingType>(world_, "Test::World::Other"));
    types_.add(std::make_unique<NestedType>());
    caller_.scope = {"000000000000", "us-east-1"};
    fresh();
  }
  ~StacksTest() override { stacks_.reset(); }

  Result<void> make() {
    stacks_ = std::make_unique<Stacks>(
        Services{*store_, *mortal_, scheduler_, random_, calls_, types_,
                 [this](const Scope&, const std::string& bucket, const std::string& key) -> Result<std::string> {
                   if (reading_) reading_();
                   const auto found = objects_.find(bucket + "/" + key);
                   if (found == objects_.end()) return Error(kNotFound, "Access Denied");
                   return found->second;
                 }});
    return stacks_->load();
  }
  void start() {
    ASSERT_TRUE(make().ok());
    stacks_->start();
  }
  // Nothing was ever made.
  void fresh() {
    stacks_.reset();
    power_.restore();
    mortal_.reset();
    commits_.reset();
    store_.emplace();
    commits_.emplace(*store_, static_cast<const platform::Clock&>(scheduler_));
    mortal_.emplace(*commits_, power_, *store_);
    world_.clear();
    start();
  }
  // As kill -9 and a new start: what had no effect until now has none.
  void restart() {
    power_.fail_after(0);
    stacks_.reset();
    power_.restore();
    mortal_.reset();
    commits_.emplace(*store_, static_cast<const platform::Clock&>(scheduler_));
    mortal_.emplace(*commits_, power_, *store_);
    start();
  }

  // The answer, or its error's message as a string.
  Document ask(Stacks::Operation operation, Document input) {
    auto answer = (stacks_.get()->*operation)(caller_, input);
    return answer.ok() ? *answer : Document(answer.error().message());
  }
  Document deploy(Stacks::Operation operation, const std::string& name, const Document& body, Document input = {}) {
    if (input.is_null()) input = Document::object();
    return ask(operation, input.set("StackName", name).set("TemplateBody", body.dump()));
  }
  Document create(const std::string& name, const Document& body, Document input = {}) {
    return deploy(&Stacks::create, name, body, std::move(input));
  }
  Document update(const std::string& name, const Document& body, Document input = {}) {
    return deploy(&Stacks::update, name, body, std::move(input));
  }
  Document remove(const std::string& name) { return ask(&Stacks::remove, Document::object({{"StackName", name}})); }
  Document described(const std::string& name) {
    const auto answer = stacks_->describe(caller_, Document::object({{"StackName", name}}));
    return answer.ok() ? answer->find("Stacks")->as_array().at(0) : Document::object({{"StackStatus", "none"}});
  }
  std::string status(const std::string& name) { return std::string(described(name).string_or("StackStatus", "")); }

  // Polls (threads of the engine are real) until `holds`, running what is due.
  template <typename Holds>
  bool until(Holds holds) {
    const platform::MachineClock machine;
    for (const auto end = machine.monotonic_now() + std::chrono::seconds(20); machine.monotonic_now() < end;) {
      scheduler_.run_ready();
      if (holds()) return true;
      std::this_thread::yield();
    }
    return false;
  }
  // The status at the end of the running operation.
  std::string settled(const std::string& name) {
    EXPECT_TRUE(until([&] { return !status(name).ends_with("_IN_PROGRESS") || !power_.is_on(); })) << status(name);
    return status(name);
  }
  // Logical id -> physical id.
  std::map<std::string, std::string> listed(const std::string& name) {
    std::map<std::string, std::string> all;
    const auto answer = stacks_->list_resources(caller_, Document::object({{"StackName", name}}));
    if (!answer.ok()) return all;
    for (const Document& each : answer->find("StackResourceSummaries")->as_array()) {
      all[std::string(each.string_or("LogicalResourceId", ""))] = each.string_or("PhysicalResourceId", "");
    }
    return all;
  }
  std::set<std::string> owned(const std::string& name) {
    std::set<std::string> all;
    for (const auto& [logical, physical] : listed(name)) {
      if (!physical.empty()) all.insert(physical);
    }
    return all;
  }
  // What all stacks own, stacks themselves left out.
  std::set<std::string> all_owned() {
    std::set<std::string> all;
    const auto answer = stacks_->describe(caller_, Document::object());
    for (const Document& stack : answer->find("Stacks")->as_array()) {
      for (const std::string& physical : owned(std::string(stack.string_or("StackId", "")))) {
        if (!physical.starts_with("arn:aws:cloudformation:")) all.insert(physical);
      }
    }
    return all;
  }
  // "LogicalId STATUS" of all events, oldest first; with their reasons in reasons().
  std::vector<std::string> events(const std::string& name) {
    std::vector<std::string> all;
    const auto answer = stacks_->describe_events(caller_, Document::object({{"StackName", name}}));
    for (const Document& each : answer->find("StackEvents")->as_array()) {
      all.insert(all.begin(), std::string(each.string_or("LogicalResourceId", "")) + " " +
                                  std::string(each.string_or("ResourceStatus", "")));
    }
    return all;
  }
  std::string reason(const std::string& name, const std::string& event) {
    const auto answer = stacks_->describe_events(caller_, Document::object({{"StackName", name}}));
    for (const Document& each : answer->find("StackEvents")->as_array()) {
      if (std::string(each.string_or("LogicalResourceId", "")) + " " +
                  std::string(each.string_or("ResourceStatus", "")) ==
              event &&
          !each.string_or("ResourceStatusReason", "").empty()) {
        return std::string(each.string_or("ResourceStatusReason", ""));
      }
    }
    return "";
  }

  Power power_;
  World world_{power_};
  ::millrace::testing::VirtualScheduler scheduler_;
  std::optional<storage::MemoryStore> store_;
  std::optional<::millrace::testing::TestCommits> commits_;
  std::optional<MortalCommits> mortal_;
  platform::SeededRandom random_{1};
  NoCalls calls_;
  TypeRegistry types_;
  ThingType* thing_ = nullptr;
  std::map<std::string, std::string> objects_;  // "bucket/key"
  std::function<void()> reading_;               // called when one of them is read, in the middle of a change
  wire::Caller caller_;
  std::unique_ptr<Stacks> stacks_;
};

// A template of things: {"A": {...properties}}; "DependsOn" among them is taken out.
inline Document things(std::initializer_list<std::pair<std::string, std::string>> resources) {
  Document all = Document::object();
  for (const auto& [id, text] : resources) {
    Document properties = json(text);
    Document resource = Document::object({{"Type", "Test::World::Thing"}});
    for (const std::string_view name : {"Type", "DependsOn", "DeletionPolicy", "UpdateReplacePolicy", "Condition"}) {
      if (const Document* value = properties.find(name)) {
        resource.set(name, *value);
        properties.erase(name);
      }
    }
    all.set(id, resource.set("Properties", properties));
  }
  return Document::object({{"Resources", all}});
}

}  // namespace millrace::stacks::testing
