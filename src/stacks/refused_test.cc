// A failed sync while a stack is being changed: it is shown as far as its operation had come, and goes on from there
// after the restart.
#include "stacks/internal/world_test.h"

namespace millrace::stacks {
namespace {

using testing::StacksTest;
using testing::things;

class StacksRefused : public StacksTest {
 protected:
  // The next sync fails, with the end of the step that waits.
  void refuse() {
    ASSERT_TRUE(until([this] { return thing_->waiting().size() == 1; }));
    ASSERT_TRUE(until([this] { return stacks_->last_commit() <= commits_->durable(); }));
    store_->fail_write_after(0);
    ASSERT_TRUE(stacks_->answer(thing_->waiting()[0], Document::object()));
    ASSERT_TRUE(until([this] { return store_->has_failed(); }));
    // Threads of the engine may submit once more: that is refused as well.
    ASSERT_TRUE(until([this] {
      commits_->run_deferred();
      return scheduler_.busy().count() == 0 && commits_->is_settled(stacks_->last_commit(), commits_->settlements());
    })) << "reads are refused, or somebody works on";
  }
};

TEST_F(StacksRefused, AStackThatIsBeingMadeIsShownAsFarAsItCame) {
  create("other", things({{"O", R"({"Value":"1"})"}}));
  ASSERT_EQ(settled("other"), "CREATE_COMPLETE");
  create("s", things({{"A", R"({"Wait":"create"})"}, {"B", R"({"DependsOn":"A"})"}}));
  bool told = false;
  stacks_->when_settled(caller_.scope, "s", [&] { told = true; });
  refuse();
  EXPECT_EQ(status("s"), "CREATE_IN_PROGRESS");
  EXPECT_THAT(events("s"), ::testing::ElementsAre("s CREATE_IN_PROGRESS", "A CREATE_IN_PROGRESS"));
  EXPECT_EQ(listed("s").size(), 1U);
  EXPECT_EQ(status("other"), "CREATE_COMPLETE");
  EXPECT_TRUE(told) << "who waits for its end is answered";
  store_->heal();
  restart();
  EXPECT_EQ(settled("s"), "ROLLBACK_COMPLETE");
  EXPECT_EQ(world_.names(), all_owned());
}

TEST_F(StacksRefused, AStackThatIsBeingChangedIsShownAsFarAsItCame) {
  create("s", things({{"A", R"({"Value":"1"})"}}));
  ASSERT_EQ(settled("s"), "CREATE_COMPLETE");
  update("s", things({{"A", R"({"Value":"2","Wait":"update"})"}}));
  refuse();
  EXPECT_EQ(status("s"), "UPDATE_IN_PROGRESS");
  store_->heal();
  restart();
  EXPECT_EQ(settled("s"), "UPDATE_ROLLBACK_COMPLETE");
  EXPECT_EQ(world_.names(), all_owned());
}

TEST_F(StacksRefused, ACreationThatWasRefusedLeavesNoStack) {
  store_->fail_write_after(0);
  create("s", things({{"A", "{}"}}));
  ASSERT_TRUE(until([this] {
    commits_->run_deferred();
    return scheduler_.busy().count() == 0 && commits_->is_settled(stacks_->last_commit(), commits_->settlements());
  }));
  EXPECT_EQ(status("s"), "none");
  EXPECT_TRUE(stacks_->list(caller_, Document::object())->find("StackSummaries")->as_array().empty());
}

}  // namespace
}  // namespace millrace::stacks
