// usage: simulate [--seeds N] [--first SEED] [--verbose] [--fail-fast] [--all-reached]
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "telemetry/log.h"
#include "triggers/decisions.h"
#include "world.h"

namespace {

using namespace millrace;

constexpr const char* kUsage =
    R"(usage: simulate [--seeds N] [--first SEED] [--verbose] [--fail-fast] [--all-reached]

Runs tables, streams and event source mappings under virtual time with random options, loads and faults, and checks every
record against what must be true of it. A seed fixes everything: the same seed fails, or ends, in the same way.

  --seeds N     how many (default 100)
  --first SEED  the first of them (default 1); `--first S --seeds 1` repeats one run
  --verbose     each seed's plan, and its last random number
  --fail-fast   begins no further seed after one that failed

  --all-reached fails also when a decision of the trigger engine was never made, or a situation never arose

At the end it prints how often each of them was, and names those that never were.
)";

struct Options {
  std::uint64_t seeds = 100, first = 1;
  bool verbose = false;
  bool fail_fast = false;
  bool all_reached = false;
};

// Situations that the ledger counts and that must arise, beside the decisions
// of the core.
constexpr const char* kSituations[] = {"records of expiry",
                                       "roll-overs",
                                       "splits",
                                       "merges",
                                       "kills",
                                       "disk failures",
                                       "mapping updates",
                                       "failure documents",
                                       "poison records isolated",
                                       "deliveries repeated after a kill",
                                       "mappings deleted",
                                       "tables deleted",
                                       "streams disabled",
                                       "functions replaced",
                                       "final invocations",
                                       "final invocations, early",
                                       "events over 3 MB",
                                       "failure documents of final invocations",
                                       "batches that waited for their window"};

// Reached by unit tests, hardly ever here: a state of nearly 1 MB has to come back while a batch of nearly 6 MB waits.
constexpr triggers::Decision kRare[] = {triggers::Decision::kTumblingStateCutsBatch};

int usage(int status) {
  (status == 0 ? std::cout : std::cerr) << kUsage;
  return status;
}

// Runs seeds on all cores; each is a world of its own.
class Runs {
 public:
  explicit Runs(const Options& options) : options_(options), next_(options.first) {}

  // True when all went well.
  bool run() {
    const auto started = std::chrono::steady_clock::now();
    std::vector<std::thread> workers;
    const std::uint64_t count =
        std::min<std::uint64_t>(std::max(1U, std::thread::hardware_concurrency()), options_.seeds);
    for (std::uint64_t i = 0; i < count; ++i) workers.emplace_back([this] { work(); });
    for (std::thread& worker : workers) worker.join();
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - started;
    const int unreached = report();
    std::cout << options_.seeds << " seeds in " << elapsed.count() << " s, " << failed_ << " failed; last number "
              << digest_ << std::endl;
    return failed_ == 0 && (unreached == 0 || !options_.all_reached);
  }

 private:
  // Prints what the worlds have been through; the number of things that they
  // have not.
  int report() {
    std::cout << "what happened:\n";
    for (const char* name : kSituations) totals_.try_emplace(name, 0);
    for (const auto& [name, times] : totals_) std::cout << "  " << name << ": " << times << '\n';
    std::cout << "what the engine decided:\n";
    std::vector<std::string> unreached;
    for (std::size_t i = 0; i < triggers::kDecisions; ++i) {
      const std::string name(triggers::name_of(static_cast<triggers::Decision>(i)));
      std::cout << "  " << name << ": " << decisions_[i] << '\n';
      const bool is_rare =
          std::find(std::begin(kRare), std::end(kRare), static_cast<triggers::Decision>(i)) != std::end(kRare);
      if (decisions_[i] == 0 && !is_rare) unreached.push_back(name);
    }
    for (const char* name : kSituations)
      if (totals_.at(name) == 0) unreached.push_back(name);
    for (const std::string& name : unreached) std::cout << "NEVER: " << name << '\n';
    return static_cast<int>(unreached.size());
  }

  void work() {
    for (std::uint64_t seed = next_++; seed < options_.first + options_.seeds; seed = next_++) {
      const simulation::Plan plan(seed);
      std::string said = options_.verbose ? plan.describe() + "\n" : "";
      std::map<std::string, std::uint64_t> counters;
      std::uint64_t last = 0;
      bool failed = false;
      triggers::DecisionCounts decisions{};
      const triggers::CountDecisions counting(decisions);
      try {
        simulation::World world(plan);
        world.run();
        counters = world.ledger().counters;
        last = world.last_number();
        if (options_.verbose) said += "  ended with " + std::to_string(last) + "\n";
      } catch (const simulation::Violation& violation) {
        failed = true;
        said = "FAILED " + plan.describe() + "\n  " + violation.what() + "\n";
      }
      const std::lock_guard lock(mutex_);
      std::cout << said << std::flush;
      for (const auto& [name, times] : counters) totals_[name] += times;
      for (std::size_t i = 0; i < decisions.size(); ++i) decisions_[i] += decisions[i];
      failed_ += failed ? 1 : 0;
      digest_ ^= last * (2 * seed + 1);  // in whatever order they end
      if (failed && options_.fail_fast) next_ = options_.first + options_.seeds;
    }
  }

  const Options& options_;
  std::atomic<std::uint64_t> next_;
  std::mutex mutex_;
  std::map<std::string, std::uint64_t> totals_;
  triggers::DecisionCounts decisions_{};
  int failed_ = 0;
  std::uint64_t digest_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const bool has_value = i + 1 < argc;
    if (argument == "--help" || argument == "-h") return usage(0);
    if (argument == "--verbose") {
      options.verbose = true;
    } else if (argument == "--all-reached") {
      options.all_reached = true;
    } else if (argument == "--fail-fast") {
      options.fail_fast = true;
    } else if ((argument == "--seeds" || argument == "--first") && has_value) {
      char* end = nullptr;
      const std::uint64_t value = std::strtoull(argv[++i], &end, 10);
      if (*end != '\0' || end == argv[i]) return usage(2);
      (argument == "--seeds" ? options.seeds : options.first) = value;
    } else {
      return usage(2);
    }
  }
  std::cout << "seeds " << options.first << " to " << options.first + options.seeds - 1 << std::endl;
  telemetry::set_log_sink([](telemetry::Level, std::string_view, std::string_view) {});
  return Runs(options).run() ? 0 : 1;
}
