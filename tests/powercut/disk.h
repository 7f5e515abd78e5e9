// A disk that forgets: replays recorded operations and builds what a power cut at that moment may have left behind.
//
// Of a file, what was written after its last sync may be lost, partly or wholly, or come out as zeros or garbage; of a
// directory, names given and taken after its last sync may be lost, from some point on. Everything synced is there. Not
// thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "recorder.h"

namespace millrace::powercut {

enum class Damage : std::uint8_t {
  kKept,     // nothing is lost: a kill of the process
  kDropped,  // everything unsynced
  kTorn,     // each file ends somewhere in its unsynced writes
  kZeroed,   // files have their new sizes, some unsynced bytes are zeros
  kGarbage,  // blocks of unsynced writes are new, old, zeros or anything
};
inline constexpr int kDamageCount = 5;
const char* name_of(Damage damage);

class Disk {
 public:
  void apply(const Operation& operation);
  // Writes the files that are left into the empty folder `folder`.
  void build(Damage damage, std::mt19937_64& dice, const std::string& folder) const;

 private:
  struct File {
    std::string now;                 // with everything written so far
    std::string durable;             // at the last sync
    std::vector<Operation> pending;  // writes and truncations since
  };
  static constexpr int kDirectory = -1;
  using Names = std::map<std::string, int>;  // path -> file, or kDirectory
  struct Naming {
    std::string directory;
    std::vector<std::pair<std::string, std::optional<int>>> changes;
  };
  static void change(Names& names, const Naming& naming);
  static std::string after(const File& file, Damage damage, std::mt19937_64& dice);
  void name(Naming naming);

  std::map<int, File> files_;
  Names names_;    // as the running process sees them
  Names durable_;  // surely there
  std::vector<Naming> pending_;
};

}  // namespace millrace::powercut
