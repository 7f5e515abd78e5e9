#include "platform/random.h"

#include <set>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::platform {
namespace {

using testing::MatchesRegex;

TEST(RandomTest, UuidsAreVersionFourInLowerCase) {
  SystemRandom random;
  for (int i = 0; i < 200; ++i) {
    const std::string uuid = random.uuid();
    ASSERT_THAT(uuid, MatchesRegex("[0-9a-f]+-[0-9a-f]+-4[0-9a-f]+-[89ab][0-9a-f]+-[0-9a-f]+"));
    ASSERT_EQ(uuid.size(), 36U);
    ASSERT_EQ(uuid.find('-', 9), 13U);
    ASSERT_EQ(uuid.find('-', 14), 18U);
    ASSERT_EQ(uuid.find('-', 19), 23U);
  }
}

TEST(RandomTest, HexHasTheAskedLength) {
  SeededRandom random(7);
  for (const std::size_t digits : {0, 1, 15, 16, 17, 40}) {
    const std::string text = random.hex(digits);
    EXPECT_EQ(text.size(), digits);
    EXPECT_EQ(text.find_first_not_of("0123456789abcdef"), std::string::npos);
  }
}

TEST(RandomTest, TheSameSeedGivesTheSameNumbers) {
  SeededRandom a(42);
  SeededRandom b(42);
  SeededRandom c(43);
  EXPECT_EQ(a.uuid(), b.uuid());
  EXPECT_EQ(a.next(), b.next());
  EXPECT_NE(b.next(), c.next());
}

TEST(RandomTest, ThreadsNeverGetTheSameNumber) {
  SystemRandom system;
  SeededRandom seeded(1);
  std::vector<std::vector<std::uint64_t>> numbers(4);
  {
    std::vector<std::jthread> threads;
    for (auto& mine : numbers) {
      threads.emplace_back([&] {
        for (int i = 0; i < 1000; ++i) {
          mine.push_back(system.next());
          mine.push_back(seeded.next());
        }
      });
    }
  }
  std::set<std::uint64_t> all;
  for (const auto& some : numbers) all.insert(some.begin(), some.end());
  EXPECT_EQ(all.size(), 8000U);
}

}  // namespace
}  // namespace millrace::platform
