#include "triggers/history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "triggers/internal/ledger.h"

namespace millrace::triggers {
namespace {

TEST(History, AnEntryComesBackAsItWas) {
  HistoryEntry entry;
  entry.number = 12'345;
  entry.what = "try";
  entry.result = "failed";
  entry.time = from_unix_ms(1'790'000'000'123);
  entry.shard = "shardId-1";
  entry.lane = 7;
  entry.first = 5;
  entry.last = 9;
  entry.records = 3;
  entry.done = 1;
  entry.attempt = 4;
  entry.duration = Milliseconds(77);
  entry.function = "other";
  entry.request_id = "r";
  entry.text = "Error: \"boom\"";
  const auto back = decode_history(encode(entry));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(*back, entry);
}

TEST(History, LongTextsAreCutBetweenCharacters) {
  HistoryEntry entry;
  entry.number = 1;
  entry.text = std::string(kHistoryTextMax - 1, 'x') + "\u00fc and more";
  EXPECT_EQ(decode_history(encode(entry))->text, std::string(kHistoryTextMax - 1, 'x'));
}

TEST(History, DamagedEntriesAreRefused) {
  EXPECT_FALSE(decode_history("").ok());
  EXPECT_FALSE(decode_history("{}").ok());
  EXPECT_FALSE(decode_history("[1]").ok());
}

TEST(History, KeysAreARing) {
  EXPECT_EQ(history_key("u", 7), history_key("u", 7 + kHistoryMax));
  EXPECT_NE(history_key("u", 7), history_key("u", 8));
  EXPECT_THAT(history_key("u", 7), testing::StartsWith(history_range("u")));
}

TEST(Totals, ComeBackAsTheyWere) {
  internal::SavedTotals saved;
  saved.totals.invocations = 9;
  saved.totals.retries = 3;
  saved.totals.duration = Milliseconds(1234);
  saved.totals.gb_seconds = 0.125;
  saved.totals.retry_gb_seconds = 0.0625;
  saved.last_number = 99;
  saved.last_error = "boom";
  saved.last_error_at = from_unix_ms(5);
  const auto back = internal::decode_totals(internal::encode(saved));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(*back, saved);
  EXPECT_FALSE(internal::decode_totals("{\"v\":2}").ok());
  EXPECT_FALSE(internal::decode_totals("nonsense").ok());
}

}  // namespace
}  // namespace millrace::triggers
