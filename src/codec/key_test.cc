#include "codec/key.h"

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "codec/varint.h"

namespace millrace::codec {
namespace {

using namespace std::string_literals;

TEST(Key, KeepsTheOrderOfTexts) {
  const std::vector<std::string> sorted{""s,  "\0"s,  "\0\0"s, "\0\x01"s, "\0\xff"s, "\x01"s,
                                        "a"s, "a\0"s, "a\0b"s, "aa"s,     "b"s,      "\xff"s};
  std::vector<std::string> keys;
  // What follows a text must not disturb the order.
  for (std::size_t i = 0; i < sorted.size(); ++i) keys.push_back(KeyWriter().text(sorted[i]).be64(100 - i).str());
  EXPECT_TRUE(std::is_sorted(keys.begin(), keys.end()));
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    KeyReader reader(keys[i]);
    EXPECT_EQ(reader.text(), sorted[i]);
    EXPECT_EQ(reader.be64(), 100 - i);
    EXPECT_TRUE(reader.empty());
  }
}

TEST(Key, KeepsTheOrderOfNumbers) {
  using Limits = std::numeric_limits<std::int64_t>;
  std::string last;
  for (const std::int64_t value :
       {Limits::min(), std::int64_t{-2}, std::int64_t{-1}, std::int64_t{0}, std::int64_t{1}, Limits::max()}) {
    std::string key = KeyWriter().signed64(value).str();
    EXPECT_LT(last, key);
    EXPECT_EQ(KeyReader(key).signed64(), value);
    last = std::move(key);
  }
  EXPECT_LT(KeyWriter().be64(255).str(), KeyWriter().be64(256).str());
  EXPECT_EQ(KeyWriter("p/").u8(7).be32(0x01020304).str(), "p/\x07\x01\x02\x03\x04");
}

TEST(Key, RefusesWhatIsCutOffOrMalformed) {
  for (const std::string& bad : {""s, "abc"s, "abc\0"s, "abc\0\x02"s}) {
    KeyReader reader(bad);
    EXPECT_EQ(reader.text(), std::nullopt);
    EXPECT_EQ(reader.rest(), bad);
  }
  KeyReader reader("1234567");
  EXPECT_EQ(reader.be64(), std::nullopt);
  EXPECT_FALSE(reader.skip("2"));
  EXPECT_TRUE(reader.skip("1"));
  EXPECT_EQ(reader.rest(), "234567");
}

TEST(Varint, ReadsBackEveryWidth) {
  for (int bit = 0; bit < 64; ++bit) {
    for (const std::uint64_t value :
         {std::uint64_t{1} << bit, (std::uint64_t{1} << bit) - 1, ~std::uint64_t{0} >> bit}) {
      std::string text;
      append_varint(text, value);
      append_signed(text, static_cast<std::int64_t>(value));
      append_signed(text, static_cast<std::int64_t>(0 - value));
      append_bytes(text, "xyz");
      std::string_view rest = text;
      EXPECT_EQ(take_varint(rest), value);
      EXPECT_EQ(take_signed(rest), static_cast<std::int64_t>(value));
      EXPECT_EQ(take_signed(rest), static_cast<std::int64_t>(0 - value));
      EXPECT_EQ(take_bytes(rest), "xyz");
      EXPECT_TRUE(rest.empty());
    }
  }
}

TEST(Varint, RefusesTruncatedAndOverlongInput) {
  for (const std::string& bad : {""s, "\x80"s, std::string(10, '\xff'), std::string(9, '\xff') + "\x02"}) {
    std::string_view rest = bad;
    EXPECT_EQ(take_varint(rest), std::nullopt);
    EXPECT_EQ(rest, bad);
  }
  std::string_view cut =
      "\x05"
      "abcd";
  EXPECT_EQ(take_bytes(cut), std::nullopt);
  EXPECT_EQ(cut.size(), 5U);
}

}  // namespace
}  // namespace millrace::codec
