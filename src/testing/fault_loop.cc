#include "testing/fault_loop.h"

#include <utility>

namespace millrace::testing {
namespace {

using storage::MemoryStore;

constexpr std::uint64_t kRoundsMax = 500;
constexpr const char* kRefused = " -> refused: ";

// A start and what it was made over, which goes after it.
struct Running {
  explicit Running(MemoryStore& store) : bench(store) {}
  FaultBench bench;
  std::unique_ptr<FaultedService> service;
};

class FaultLoop {
 public:
  explicit FaultLoop(const FaultPlan& plan) : plan_(plan) {}

  std::vector<std::string> run() {
    if (plan_.steps.empty() || plan_.looks.empty()) return {"there is nothing to try"};
    for (std::size_t count = 0; count <= plan_.steps.size() && problems_.empty(); ++count) note_state(count);
    if (!problems_.empty()) return problems_;
    fail_writes(MemoryStore::Outcome::kNotApplied, "write ");
    fail_writes(MemoryStore::Outcome::kApplied, "write, which was made, ");
    fail_reads();
    return problems_;
  }

 private:
  void problem(std::string text) { problems_.push_back(std::move(text)); }

  std::unique_ptr<Running> start(MemoryStore& store) {
    auto running = std::make_unique<Running>(store);
    auto opened = plan_.open(running->bench);
    if (!opened.ok()) return nullptr;
    running->service = std::move(opened).value();
    running->bench.scheduler.run_ready();
    return running;
  }
  // Whether the step was acknowledged.
  static bool take(Running& running, const std::string& step) {
    const auto answer = running.service->call(step);
    running.bench.scheduler.run_ready();
    return answer.ok && running.bench.commits.durable() >= answer.after;
  }
  static bool is_refused(const std::string& look) { return look.find(kRefused) != std::string::npos; }
  std::vector<std::string> looked(Running& running) {
    std::vector<std::string> all;
    for (const std::string& look : plan_.looks) {
      const auto answer = running.service->call(look);
      running.bench.scheduler.run_ready();
      all.push_back(look + (answer.ok ? " -> " : kRefused) + answer.text);
    }
    return all;
  }
  // Nothing: it did not start.
  std::vector<std::string> after_restart(MemoryStore& store) {
    const auto running = start(store);
    return running == nullptr ? std::vector<std::string>() : looked(*running);
  }
  static std::string text(const std::vector<std::string>& looks) {
    std::string all;
    for (const auto& look : looks) all += "  " + look + "\n";
    return all;
  }

  // What is to be seen after the first `count` steps.
  void note_state(std::size_t count) {
    MemoryStore store;
    auto running = start(store);
    if (running == nullptr) return problem("it does not start");
    for (std::size_t i = 0; i < count; ++i) {
      if (!take(*running, plan_.steps[i])) return problem("not acknowledged: " + plan_.steps[i]);
    }
    const auto shown = looked(*running);
    running.reset();
    const auto again = after_restart(store);
    if (shown != again) problem("a restart changes\n" + text(shown) + "into\n" + text(again));
    states_.push_back(again);
  }

  void fail_writes(MemoryStore::Outcome outcome, const std::string& kind) {
    bool struck = true;
    for (std::uint64_t n = 0; struck && n < kRoundsMax; ++n) {
      const std::string what = kind + std::to_string(n) + ": ";
      MemoryStore store;
      auto running = start(store);
      store.fail_write_after(n, outcome);
      std::size_t acknowledged = 0;
      for (std::size_t i = 0; i < plan_.steps.size(); ++i) {
        const bool taken = take(*running, plan_.steps[i]);
        if (taken && acknowledged < i) problem(what + "acknowledged after the failure: " + plan_.steps[i]);
        if (taken) acknowledged = i + 1;
      }
      struck = store.has_failed();
      if (struck) look_while_stopped(*running, acknowledged, what);
      running.reset();
      store.heal();
      const auto found = after_restart(store);
      const bool is_before = found == states_[acknowledged];
      if (!is_before && (acknowledged == plan_.steps.size() || found != states_[acknowledged + 1])) {
        problem(what + "after " + std::to_string(acknowledged) + " steps there is\n" + text(found) + "instead of\n" +
                text(states_[acknowledged]));
      }
    }
    if (struck) problem(kind + "does not end");
  }

  // Nothing can be written any more: reads show what is durable.
  void look_while_stopped(Running& running, std::size_t acknowledged, const std::string& what) {
    for (std::size_t i = 0; i < plan_.looks.size(); ++i) {
      const std::string& look = plan_.looks[i];
      const auto settlements = running.bench.commits.settlements();
      const auto answer = running.service->call(look);
      running.bench.scheduler.run_ready();
      if (answer.after > running.bench.commits.durable() &&
          !running.bench.commits.is_settled(answer.after, settlements)) {
        problem(what + "while nothing can be written there is no answer to " + look);
        continue;
      }
      const std::string shown = look + (answer.ok ? " -> " : kRefused) + answer.text;
      const bool is_before = shown == states_[acknowledged][i];
      if (!is_before && (acknowledged == plan_.steps.size() || shown != states_[acknowledged + 1][i])) {
        problem(what + "while nothing can be written there is\n  " + shown + "\ninstead of\n  " +
                states_[acknowledged][i]);
      }
    }
  }

  void fail_reads() {
    bool struck = true;
    for (std::uint64_t n = 0; struck && n < kRoundsMax; ++n) {
      const std::string what = "read " + std::to_string(n) + ": ";
      MemoryStore store;
      auto running = start(store);
      for (const std::string& step : plan_.steps) take(*running, step);
      running.reset();
      running = std::make_unique<Running>(store);
      store.fail_read_after(n);
      auto opened = plan_.open(running->bench);
      if (opened.ok()) {
        running->service = std::move(opened).value();
        running->bench.scheduler.run_ready();
        const auto found = looked(*running);
        for (std::size_t i = 0; i < found.size(); ++i) {
          const std::string& whole = states_.back()[i];
          if (found[i] != whole && !is_refused(found[i])) problem(what + found[i] + "\ninstead of\n" + whole);
        }
      }
      struck = store.has_failed();
      running.reset();
    }
    if (struck) problem("failing reads does not end");
  }

  const FaultPlan& plan_;
  std::vector<std::vector<std::string>> states_;  // what the looks show, by the number of steps
  std::vector<std::string> problems_;
};

}  // namespace

std::vector<std::string> find_faults(const FaultPlan& plan) { return FaultLoop(plan).run(); }

}  // namespace millrace::testing
