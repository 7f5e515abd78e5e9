// Power cuts: records once what a load does to the disk, cuts the power anywhere, opens what is left, and compares it
// with what had been acknowledged. See README.md. Exit status: 0 all cuts are fine, 1 not, 2 the load itself failed.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <random>
#include <set>
#include <string>

#include "check.h"
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

int run(Options options) {
  options.cuts = (options.cuts + 1) / 2;
  std::string folder = new_folder();
  const Recorded store = record(folder, options.seed, options.steps);
  fs::remove_all(folder);
  Ledger ledger;
  const int first = run({"store and objects", store.operations, [&](const Operation& note) { ledger.read(note); },
                         [&](const std::string& image) { return check(image, ledger, store.objects); }},
                        options);
  folder = new_folder();
  const RecordedServices services = record_services(folder, options.seed, options.steps);
  fs::remove_all(folder);
  ServiceLedger known;
  const int second = run({"tables and queues", services.operations, [&](const Operation& note) { known.read(note); },
                          [&](const std::string& image) { return check_services(image, known, services.items); }},
                         options);
  return first + second == 0 ? 0 : 1;
}

}  // namespace
}  // namespace millrace::powercut

int main(int count, char** words) {
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
    if (value == nullptr || i + 1 == count) {
      std::fprintf(stderr, "usage: powercut [--cuts N] [--seed N] [--steps N] [--lying-disk]\n");
      return 2;
    }
    *value = std::strtoull(words[++i], nullptr, 10);
  }
  return millrace::powercut::run(options);
}
