// Power cuts: records once what a load does to the disk, cuts the power anywhere, opens what is left, and compares it
// with what had been acknowledged. See README.md. Exit status: 0 all cuts are fine, 1 not, 2 the load itself failed.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <random>
#include <set>
#include <string>

#include "check.h"
#include "disk.h"
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

int run(const Options& options) {
  const std::string recorded_in = new_folder();
  const Recorded recorded = record(recorded_in, options.seed, options.steps);
  fs::remove_all(recorded_in);
  std::mt19937_64 dice(options.seed + 2);
  const auto cuts = choose(recorded.operations, options, dice);
  std::printf("powercut: seed %llu, %zu operations recorded, %zu cuts\n", static_cast<unsigned long long>(options.seed),
              recorded.operations.size(), cuts.size());
  Disk disk;
  Ledger ledger;
  std::size_t at = 0;
  std::size_t failed = 0;
  int damage = 0;
  for (const std::size_t cut : cuts) {
    for (; at < cut; ++at) {
      const Operation& operation = recorded.operations[at];
      if (options.lying_disk && operation.kind == Operation::Kind::kSync && at > 500) continue;
      operation.kind == Operation::Kind::kNote ? ledger.read(operation) : disk.apply(operation);
    }
    const auto how = static_cast<Damage>(damage++ % kDamageCount);
    const std::string image = new_folder();
    disk.build(how, dice, image);
    const auto problems = check(image, ledger, recorded.objects);
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
  std::printf("powercut: %zu batches and %zu objects written, %zu of %zu cuts failed\n",
              static_cast<std::size_t>(ledger.submitted), recorded.objects.size(), failed, cuts.size());
  return (failed == 0) == !options.lying_disk ? 0 : 1;
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
