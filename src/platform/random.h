// The door to randomness: request ids, UUIDs, tokens, jitter.
#pragma once

#include <cstdint>
#include <string>

namespace millrace::platform {

// Thread-safe.
class Random {
 public:
  virtual ~Random() = default;
  virtual std::uint64_t next() = 0;
  std::string uuid();                   // version 4, lower case, 8-4-4-4-12
  std::string hex(std::size_t digits);  // lower case
};

// Seeded from the operating system. Thread-safe.
class SystemRandom final : public Random {
 public:
  std::uint64_t next() override;
};

// The same numbers for the same seed, for tests and simulation. Thread-safe.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() override;

 private:
  std::uint64_t state_;
};

}  // namespace millrace::platform
