// Power cuts: records once what a load does to the disk, cuts the power anywhere, opens what is left, and compares it
// with what had been acknowledged. See README.md. Exit status: 0 all cuts are fine, 1 not, 2 the load itself failed.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <string>

#include "check.h"
#include "deliveries.h"
#include "disk.h"
#include "services.h"
#include "telemetry/log.h"

namespace millrace::powercut {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::uint64_t cuts = 300;
  std::uint64_t seed = 1;
  std::uint64_t steps = 400;
  std::string load;         // "": all, with a third of the cuts each
  bool lying_disk = false;  // forgets all later syncs, so that cuts must fail: a test of this program
};

std::string new_folder() {
  // In memory where possible: the images are not meant to survive anything.
  const fs::path place = fs::exists("/dev/shm") ? fs::path("/dev/shm") : fs::temp_directory_path();
  std::string pattern = (place / "millrace-powercut-XXXXXX").string();
  return ::mkdtemp(pattern.data());
}

// Half of the cuts anywhere, half right behind what decides: syncs, names, acknowledgements.
std::multiset<std::size_t> choose(const std::vector<Operation>& operations, const Options& options,
                                  std::mt19937_64& dice) {
  std::vector<std::size_t> decisive;
  for (std::size_t i = 0; i < operations.size(); ++i) {
    if (operations[i].kind != Operation::Kind::kWrite) decisive.push_back(i + 1);
  }
  std::multiset<std::size_t> cuts;
  for (std::uint64_t i = 0; i < options.cuts; ++i)
    cuts.insert(i % 2 == 0 ? dice() % (operations.size() + 1) : decisive[dice() % decisive.size()]);
  return cuts;
}

// One recording, and how it is read and compared.
struct Scenario {
  const char* name;
  std::vector<Operation> operations;
  std::function<void(const Operation&)> note;
  std::function<std::vector<std::string>(const std::string& folder)> check;
};

// 0: all cuts are fine.
int run(const Scenario& scenario, const Options& options) {
  std::mt19937_64 dice(options.seed + 2);
  const auto cuts = choose(scenario.operations, options, dice);
  std::printf("powercut: %s, seed %llu, %zu operations recorded, %zu cuts\n", scenario.name,
              static_cast<unsigned long long>(options.seed), scenario.operations.size(), cuts.size());
  Disk disk;
  std::size_t at = 0;
  std::size_t failed = 0;
  int damage = 0;
  for (const std::size_t cut : cuts) {
    for (; at < cut; ++at) {
      const Operation& operation = scenario.operations[at];
      if (options.lying_disk && operation.kind == Operation::Kind::kSync && at > 500) continue;
      operation.kind == Operation::Kind::kNote ? scenario.note(operation) : disk.apply(operation);
    }
    const auto how = static_cast<Damage>(damage++ % kDamageCount);
    const std::string image = new_folder();
    disk.build(how, dice, image);
    const auto problems = scenario.check(image);
    if (problems.empty()) {
      fs::remove_all(image);
      continue;
    }
    ++failed;
    if (options.lying_disk) {
      std::printf("noticed, as it must be: %s\n", problems.front().c_str());
      fs::remove_all(image);
      return 0;
    }
    std::printf("cut after operation %zu, unsynced writes %s: FAILED, left in %s\n", cut, name_of(how), image.c_str());
    for (const std::string& problem : problems) std::printf("  %s\n", problem.c_str());
    if (failed == 10) break;
  }
  std::printf("powercut: %s, %zu of %zu cuts failed\n", scenario.name, failed, cuts.size());
  return (failed == 0) == !options.lying_disk ? 0 : 1;
}

// A folder for a recording; what is left in it afterwards does not matter.
template <typename Record>
auto recorded(const Record& record) {
  const std::string folder = new_folder();
  auto result = record(folder);
  fs::remove_all(folder);
  return result;
}

int run_store(const Options& options) {
  const Recorded store = recorded([&](const std::string& in) { return record(in, options.seed, options.steps); });
  Ledger ledger;
  return run({"store and objects", store.operations, [&](const Operation& note) { ledger.read(note); },
              [&](const std::string& image) { return check(image, ledger, store.objects); }},
             options);
}

int run_services(const Options& options) {
  const RecordedServices services =
      recorded([&](const std::string& in) { return record_services(in, options.seed, options.steps); });
  ServiceLedger ledger;
  return run({"tables and queues", services.operations, [&](const Operation& note) { ledger.read(note); },
              [&](const std::string& image) { return check_services(image, ledger, services.items); }},
             options);
}

int run_deliveries(const Options& options) {
  DeliveryLedger ledger;
  return run({"deliveries",
              recorded([&](const std::string& in) { return record_deliveries(in, options.seed, options.steps); }),
              [&](const Operation& note) { ledger.read(note); },
              [&](const std::string& image) { return check_deliveries(image, ledger); }},
             options);
}

const std::map<std::string, int (*)(const Options&)> kLoads = {
    {"store", run_store}, {"services", run_services}, {"deliveries", run_deliveries}};

int run(Options options) {
  if (!options.load.empty()) return kLoads.at(options.load)(options);
  options.cuts = (options.cuts + kLoads.size() - 1) / kLoads.size();
  int failed = 0;
  for (const auto& [name, load] : kLoads) failed += load(options);
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace millrace::powercut

int main(int count, char** words) {
  // What the load makes fail on purpose is not worth a line.
  millrace::telemetry::set_log_level(millrace::telemetry::Level::kError);
  millrace::powercut::Options options;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    if (word == "--lying-disk") {
      options.lying_disk = true;
      continue;
    }
    std::uint64_t* const value = word == "--cuts"    ? &options.cuts
                                 : word == "--seed"  ? &options.seed
                                 : word == "--steps" ? &options.steps
                                                     : nullptr;
    const bool has_value = i + 1 < count;
    if (word == "--load" && has_value && millrace::powercut::kLoads.contains(words[i + 1])) {
      options.load = words[++i];
      continue;
    }
    if (value == nullptr || !has_value) {
      std::fprintf(stderr,
                   "usage: powercut [--cuts N] [--seed N] [--steps N] [--load store|services|deliveries] "
                   "[--lying-disk]\n");
      return 2;
    }
    *value = std::strtoull(words[++i], nullptr, 10);
  }
  return millrace::powercut::run(options);
}
