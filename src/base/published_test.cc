#include "base/published.h"

#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/read_mostly_map.h"

namespace millrace {
namespace {

using Number = Published<int>;

TEST(Published, ShowsWhatWasPublishedLast) {
  Number number(std::make_shared<const int>(1));
  EXPECT_EQ(*number.read(), 1);
  number.publish(std::make_shared<const int>(2));
  EXPECT_EQ(*number.read(), 2);
}

TEST(Published, WhatWasReadStaysThoughItIsReplaced) {
  Number number(std::make_shared<const int>(1));
  const auto before = number.read();
  number.publish(std::make_shared<const int>(2));
  EXPECT_EQ(*number.read(), 2);
  EXPECT_EQ(*before, 1);
}

TEST(Published, AnObjectInThePlaceOfAnotherShowsNothingOfIt) {
  for (int i = 0; i < 100; ++i) {
    Number number(std::make_shared<const int>(i));
    EXPECT_EQ(*number.read(), i);
  }
}

TEST(Published, ReadingAddsNothingToACountThatThreadsShare) {
  const auto value = std::make_shared<const int>(1);
  Number number(value);
  const auto first = number.read();
  const long owners = value.use_count();
  const auto second = number.read();
  const auto third = second;
  EXPECT_EQ(value.use_count(), owners);
  EXPECT_EQ(first.get(), value.get());
  std::thread([&] {
    const auto elsewhere = number.read();
    EXPECT_EQ(value.use_count(), owners + 1) << "one for each thread";
    EXPECT_EQ(elsewhere.use_count(), 2) << "this thread's own";
  }).join();
  EXPECT_EQ(value.use_count(), owners) << "a thread that ends holds nothing";
}

TEST(Published, AValueOutlivesItsObjectWhereItIsHeld) {
  std::optional<Number> number(std::in_place, std::make_shared<const int>(7));
  const auto held = number->read();
  number.reset();
  EXPECT_EQ(*held, 7);
}

TEST(Published, ThreadsNeverSeeAnOlderValueAfterANewerOne) {
  Number number(std::make_shared<const int>(0));
  constexpr int kLast = 20'000;
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      int seen = 0;
      while (seen < kLast) {
        const auto now = number.read();
        ASSERT_GE(*now, seen);
        seen = *now;
      }
    });
  }
  for (int i = 1; i <= kLast; ++i) number.publish(std::make_shared<const int>(i));
  EXPECT_EQ(*number.read(), kLast);
  for (std::thread& reader : readers) reader.join();
}

using Names = ReadMostlyMap<const std::string>;

std::shared_ptr<const std::string> text(std::string value) {
  return std::make_shared<const std::string>(std::move(value));
}

TEST(ReadMostlyMap, FindsWhatWasSetUntilItIsErased) {
  Names names;
  EXPECT_EQ(names.find("a"), nullptr);
  names.set("a", text("1"));
  names.set("b", text("2"));
  names.set("a", text("3"));
  const auto held = names.find("a");
  EXPECT_EQ(*held, "3");
  EXPECT_EQ(*names.find("b"), "2");
  names.erase("a");
  names.erase("absent");
  EXPECT_EQ(names.find("a"), nullptr);
  EXPECT_EQ(*held, "3");
}

TEST(ReadMostlyMap, MakesAnAbsentValueOnce) {
  Names names;
  int made = 0;
  const auto make = [&] {
    ++made;
    return text("made");
  };
  const auto first = names.find_or_make("a", make);
  EXPECT_EQ(names.find_or_make("a", make).get(), first.get());
  EXPECT_EQ(made, 1);
}

TEST(ReadMostlyMap, TakesAndErasesManyAtOnce) {
  Names names;
  names.set("7", text("old"));
  names.set("kept", text("kept"));
  std::vector<std::pair<std::string, std::shared_ptr<const std::string>>> values;
  for (int i = 0; i < 500; ++i) values.emplace_back(std::to_string(i), text(std::to_string(i)));
  names.set_all(std::move(values));
  for (int i = 0; i < 500; ++i) EXPECT_EQ(*names.find(std::to_string(i)), std::to_string(i));
  EXPECT_EQ(*names.find("kept"), "kept");
  std::vector<std::string> gone{"absent"};
  for (int i = 1; i < 500; ++i) gone.push_back(std::to_string(i));
  names.erase_all(gone);
  for (const std::string& each : gone) EXPECT_EQ(names.find(each), nullptr);
  EXPECT_EQ(*names.find("0"), "0");
  EXPECT_EQ(*names.find("kept"), "kept");
}

TEST(ReadMostlyMap, IsReadWhileItGrowsAndShrinks) {
  Names names;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 2; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 2'000; ++i) {
        const std::string key = std::to_string(thread) + "/" + std::to_string(i % 50);
        names.set(key, text(key));
        ASSERT_NE(names.find(key), nullptr) << "a thread sees its own change";
        if (i % 3 == 0) names.erase(key);
      }
    });
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 20'000; ++i) {
        const std::string key = std::to_string(thread) + "/" + std::to_string(i % 50);
        const auto found = names.find(key);
        if (found == nullptr) continue;
        ASSERT_EQ(*found, key);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace millrace
