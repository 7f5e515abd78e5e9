#include "testing/fault_loop.h"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/service_commits.h"

namespace millrace::testing {
namespace {

using storage::Family;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Two counters that belong together; wrong in the way it is told to be.
class Pair final : public FaultedService {
 public:
  enum class Fault { kNone, kByHalf, kTooEarly, kIgnoresReads, kForgets, kKeepsRefused };
  Pair(FaultBench& bench, Fault fault) : bench_(bench), fault_(fault), commits_(bench.commits, "pair") {
    if (fault != Fault::kKeepsRefused) commits_.set_restore([this] { return load(); });
  }

  Result<void> load() {
    for (const char* name : {"a", "b"}) {
      const auto stored = bench_.store.get(Family::kCatalogue, name);
      if (!stored.ok() && fault_ != Fault::kIgnoresReads) return stored.error();
      if (stored.ok()) values_[name] = stored->value_or("");
    }
    return {};
  }
  Answer call(const std::string& line) override {
    if (line == "Show {}") {
      return {.ok = true, .text = values_["a"] + values_["b"] + values_["memory"], .after = commits_.last()};
    }
    storage::WriteBatch first, second;
    (fault_ == Fault::kForgets ? values_["memory"] : values_["a"]) += "x";
    values_["b"] += "x";
    first.put(Family::kCatalogue, "a", values_["a"]);
    (fault_ == Fault::kByHalf ? second : first).put(Family::kCatalogue, "b", values_["b"]);
    auto after = commits_.submit(std::move(first));
    if (!second.empty()) after = commits_.submit(std::move(second));
    return {.ok = true, .text = "", .after = fault_ == Fault::kTooEarly ? 0 : after};
  }

 private:
  FaultBench& bench_;
  const Fault fault_;
  storage::ServiceCommits commits_;
  std::map<std::string, std::string> values_;
};

std::vector<std::string> found(Pair::Fault fault) {
  FaultPlan plan;
  plan.open = [fault](FaultBench& bench) -> Result<std::unique_ptr<FaultedService>> {
    auto pair = std::make_unique<Pair>(bench, fault);
    MR_RETURN_IF_ERROR(pair->load());
    return std::unique_ptr<FaultedService>(std::move(pair));
  };
  plan.steps = {"Add {}", "Add {}"};
  plan.looks = {"Show {}"};
  return find_faults(plan);
}

TEST(FaultLoop, FindsNothingWhereAllIsWell) { EXPECT_THAT(found(Pair::Fault::kNone), IsEmpty()); }

TEST(FaultLoop, FindsWhatIsThereByHalf) {
  EXPECT_THAT(found(Pair::Fault::kByHalf), Contains(HasSubstr("write 1: after 0 steps there is")));
}

TEST(FaultLoop, FindsWhatWasAcknowledgedAndIsLost) {
  EXPECT_THAT(found(Pair::Fault::kTooEarly), Contains(HasSubstr("write 0: after 2 steps there is")));
}

TEST(FaultLoop, FindsAStartThatTakesAFailedReadForNothing) {
  EXPECT_THAT(found(Pair::Fault::kIgnoresReads), Contains(HasSubstr("instead of\nShow {} -> xxxx")));
}

TEST(FaultLoop, FindsReadsThatEndWithWriting) {
  EXPECT_THAT(found(Pair::Fault::kKeepsRefused), Contains(HasSubstr("there is no answer to Show {}")));
}

TEST(FaultLoop, FindsWhatARestartForgets) {
  EXPECT_THAT(found(Pair::Fault::kForgets), Contains(HasSubstr("a restart changes")));
}

TEST(FaultLoop, FindsAPlanThatTriesNothing) { EXPECT_THAT(find_faults({}), Contains("there is nothing to try")); }

}  // namespace
}  // namespace millrace::testing
