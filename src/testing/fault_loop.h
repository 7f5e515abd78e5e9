// Fails the n-th call of the store, for n = 0, 1, 2, ..., through the operations of a service that keeps its state in
// memory and its changes in the log.
//
// A plan is a list of steps that change something and a list of looks that show all there is, each a line "Operation
// {input as JSON}". find_faults() proves, for every n:
//   - a failed write loses nothing that was acknowledged and leaves nothing by half: what the looks show after the next
//     start is what they show before the first step that was not acknowledged, or after it (a refusal of a look is
//     something it shows);
//   - after a failed write reads go on, and show what is durable: the same two states;
//   - a start whose read fails fails, or shows everything; a look whose read fails is refused, or shows everything;
//   - what is shown before a restart is shown after it, without any failure.
// For tests only; one thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "codec/json.h"
#include "platform/random.h"
#include "storage/memory/memory_store.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"

namespace millrace::testing {

// What one start of a service is made over. The store stays, the rest is made anew.
struct FaultBench {
  explicit FaultBench(storage::MemoryStore& the_store) : store(the_store), commits(the_store, scheduler) {}
  storage::MemoryStore& store;
  VirtualScheduler scheduler;
  TestCommits commits;
  platform::SeededRandom random{7};
};

// One start of a service.
class FaultedService {
 public:
  struct Answer {
    bool ok = false;
    std::string text;
    storage::CommitNumber after = 0;  // what the answer waits for
  };
  virtual ~FaultedService() = default;
  virtual Answer call(const std::string& line) = 0;
};

struct FaultPlan {
  std::function<Result<std::unique_ptr<FaultedService>>(FaultBench&)> open;
  std::vector<std::string> steps;  // each is acknowledged where nothing fails
  std::vector<std::string> looks;
};

// What was found, for people; empty: nothing.
std::vector<std::string> find_faults(const FaultPlan& plan);

// Calls an operation of a wire::Service as its dispatcher does, without the wire.
template <typename Service, typename Context>
FaultedService::Answer call_operation(const Service& service, const Context& context, VirtualScheduler& scheduler,
                                      const std::string& line) {
  const auto space = line.find(' ');
  const auto* entry = service.find(line.substr(0, space));
  const auto input = codec::parse_json(space == std::string::npos ? "{}" : line.substr(space + 1));
  if (entry == nullptr || !input.ok()) return {.text = "the plan is wrong: " + line};
  FaultedService::Answer answer{.text = "no answer"};
  const auto note = [&answer](auto result) {
    answer.ok = result.ok();
    answer.after = result.ok() ? result->after : result.error().held_until();
    answer.text = !result.ok()           ? result.error().message()
                  : result->json.empty() ? result->output.dump() + result->payload
                                         : result->json;
  };
  if (entry->handler) {
    note(entry->handler(context, *input));
  } else {
    entry->async(context, *input, {note, [] { return false; }, [](std::function<void()>) {}});
    scheduler.run_ready();
  }
  return answer;
}

// One start of a service whose operations a wire::Service serves (which is for the derived class to make).
template <typename Face, typename Context>
class FaultedFace : public FaultedService {
 public:
  explicit FaultedFace(FaultBench& bench) : bench_(bench) {}
  Answer call(const std::string& line) override { return call_operation(face(), context_, bench_.scheduler, line); }

 protected:
  virtual const Face& face() const = 0;
  FaultBench& bench_;

 private:
  const Context context_;
};

// FaultPlan::open for a class that is made of a bench and `arguments`, and then has to load.
template <typename World, typename... Arguments>
auto opens(Arguments... arguments) {
  return [arguments...](FaultBench& bench) -> Result<std::unique_ptr<FaultedService>> {
    auto world = std::make_unique<World>(bench, arguments...);
    MR_RETURN_IF_ERROR(world->load());
    return std::unique_ptr<FaultedService>(std::move(world));
  };
}

}  // namespace millrace::testing
