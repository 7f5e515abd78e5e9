// Whatever write or read of the store fails, in whatever operation: an acknowledged change is there after the next
// start, every stack ends in a terminal state, and owns exactly what it lists.
#include "stacks/internal/world_test.h"

namespace millrace::stacks {
namespace {

using storage::MemoryStore;
using testing::StacksTest;
using testing::things;

class StacksFaults : public StacksTest {
 protected:
  struct Step {
    std::string name;
    std::function<Document()> run;        // a string: refused
    std::function<bool()> is_to_be_seen;  // of the last of the steps
  };

  Document protect(bool on) {
    return ask(&Stacks::protect, Document::object({{"StackName", "s"}, {"EnableTerminationProtection", on}}));
  }
  bool is_protected() { return described("s").bool_or("EnableTerminationProtection", false); }
  Document change_set() { return Document::object({{"StackName", "s"}, {"ChangeSetName", "c"}}); }
  bool has_change_set() { return ask(&Stacks::describe_change_set, change_set()).is_object(); }

  std::vector<Step> steps() {
    const Document first = things({{"A", R"({"Value":"1"})"}, {"B", R"({"Fixed":"1","Value":{"Ref":"A"}})"}});
    const Document second = things({{"A", R"({"Value":"2"})"}, {"C", R"({"Value":{"Ref":"A"}})"}});
    const Document bad = things({{"A", R"({"Value":"3"})"}, {"D", R"({"Fail":"half-create","DependsOn":"A"})"}});
    const auto is = [this](std::string_view part) { return status("s").find(part) != std::string::npos; };
    return {
        {"create", [=, this] { return create("s", first); }, [=] { return is("CREATE_COMPLETE") || is("ROLLBACK"); }},
        {"protect", [this] { return protect(true); }, [this] { return is_protected(); }},
        {"protect no more", [this] { return protect(false); },
         [=, this] { return is("_COMPLETE") && !is_protected(); }},
        {"update", [=, this] { return update("s", second); }, [=] { return is("UPDATE_"); }},
        {"update that fails", [=, this] { return update("s", bad); }, [=] { return is("UPDATE_ROLLBACK_COMPLETE"); }},
        {"create a change set", [=, this] { return deploy(&Stacks::create_change_set, "s", first, change_set()); },
         [this] { return has_change_set(); }},
        {"delete the change set", [this] { return ask(&Stacks::delete_change_set, change_set()); },
         [=, this] { return !is("none") && !has_change_set(); }},
        {"delete", [this] { return remove("s"); }, [=] { return is("none"); }}};
  }

  bool is_durable() const { return !store_->has_failed() && stacks_->last_commit() <= commits_->durable(); }

  // Everything that there is to see of the stacks.
  std::string shown() {
    std::string all;
    const Document named = Document::object({{"StackName", "s"}});
    for (const auto& [operation, input] :
         std::vector<std::pair<Stacks::Operation, Document>>{{&Stacks::describe, named},
                                                             {&Stacks::describe_events, named},
                                                             {&Stacks::list_resources, named},
                                                             {&Stacks::get_template, named},
                                                             {&Stacks::list_change_sets, named},
                                                             {&Stacks::list, Document::object()},
                                                             {&Stacks::list_exports, Document::object()}}) {
      all += ask(operation, input).dump() + "\n";
    }
    return all;
  }

  // The first `count` steps, each to its end; how many were acknowledged. The first that is not is the last.
  std::size_t take(std::vector<Step>& steps, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const bool acknowledged = !steps[i].run().is_string() && is_durable();
      settled("s");
      if (!acknowledged) return i;
    }
    return count;
  }

  // True: the failure has struck.
  bool fail_write(std::uint64_t n, MemoryStore::Outcome outcome) {
    fresh();
    world_.put("foreign", Document::object());
    auto all = steps();
    store_->fail_write_after(n, outcome);
    const std::size_t acknowledged = take(all, all.size());
    const bool struck = store_->has_failed();
    EXPECT_TRUE(struck || acknowledged == all.size()) << all[acknowledged].name << ": not acknowledged";
    store_->heal();
    restart();
    const std::string end = settled("s");
    EXPECT_FALSE(end.ends_with("_IN_PROGRESS")) << end;
    auto expected = all_owned();
    expected.insert("foreign");
    EXPECT_EQ(world_.names(), expected) << end;
    const bool last = acknowledged == 0 || all[acknowledged - 1].is_to_be_seen();
    const bool next = acknowledged < all.size() && all[acknowledged].is_to_be_seen();
    EXPECT_TRUE(last || next) << acknowledged << " steps acknowledged, but there is " << shown();
    return struck;
  }
};

TEST_F(StacksFaults, AFailedWriteLeavesNothingByHalf) {
  for (const auto outcome : {MemoryStore::Outcome::kNotApplied, MemoryStore::Outcome::kApplied}) {
    bool struck = true;
    for (std::uint64_t n = 0; struck && !HasFailure(); ++n) {
      SCOPED_TRACE("write " + std::to_string(n) +
                   (outcome == MemoryStore::Outcome::kApplied ? ", which was made" : ""));
      ASSERT_LT(n, 300u);
      struck = fail_write(n, outcome);
    }
  }
}

TEST_F(StacksFaults, AFailedReadIsNoStartWithoutStacks) {
  for (std::size_t count = 1; count <= steps().size(); ++count) {
    fresh();
    auto all = steps();
    ASSERT_EQ(take(all, count), count);
    const std::string whole = shown();
    bool struck = true;
    for (std::uint64_t n = 0; struck; ++n) {
      SCOPED_TRACE("read " + std::to_string(n) + " after " + all[count - 1].name);
      ASSERT_LT(n, 300u);
      stacks_.reset();
      store_->fail_read_after(n);
      const auto loaded = make();
      if (loaded.ok()) {
        ASSERT_EQ(shown(), whole);
      }
      struck = store_->has_failed();
      store_->heal();
    }
  }
}

}  // namespace
}  // namespace millrace::stacks
