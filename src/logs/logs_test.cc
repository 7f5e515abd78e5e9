#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "logs/errors.h"
#include "logs/filter_pattern.h"
#include "logs/service.h"
#include "storage/memory/memory_store.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"

namespace millrace::logs {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const GroupName kGroup{Scope{}, "/aws/lambda/worker"};

template <typename T>
std::string error_of(const Result<T>& result) {
  return result.ok() ? "no error" : std::string(result.error().type().name);
}

class LogsTest : public ::testing::Test {
 protected:
  LogsTest() { restart(); }
  void restart() {
    logs_.reset();
    commits_.reset();
    commits_ = std::make_unique<testing::TestCommits>(store_, scheduler_);
    logs_ = std::make_unique<Service>(store_, *commits_, scheduler_, limits_);
    ASSERT_TRUE(logs_->load().ok());
  }
  Service& logs() { return *logs_; }
  void append(const std::string& stream, const std::string& message) {
    logs().append(kGroup, stream, {{scheduler_.now(), message}});
  }
  std::vector<std::string> filtered(const std::string& pattern = "", EventQuery query = {}) {
    auto parsed = FilterPattern::parse(pattern);
    EXPECT_TRUE(parsed.ok());
    auto page =
        logs().filter_events(kGroup, query, {}, [&](std::string_view message) { return parsed->matches(message); });
    EXPECT_TRUE(page.ok()) << page.error().message();
    std::vector<std::string> messages;
    for (const auto& event : page->items) messages.push_back(event.message);
    return messages;
  }
  static std::vector<std::string> messages(const StreamEvents& events) {
    std::vector<std::string> messages;
    for (const auto& event : events.events) messages.push_back(event.message);
    return messages;
  }

  Limits limits_;
  testing::VirtualScheduler scheduler_;
  storage::MemoryStore store_;
  std::unique_ptr<testing::TestCommits> commits_;
  std::unique_ptr<Service> logs_;
};

TEST_F(LogsTest, AppendCreatesGroupAndStreamAndIsReadAtOnce) {
  append("s1", "hello");
  EXPECT_THAT(filtered(), ElementsAre("hello"));
  auto streams = logs().list_streams(kGroup, {});
  ASSERT_TRUE(streams.ok());
  ASSERT_THAT(streams->items, SizeIs(1));
  EXPECT_EQ(streams->items[0].last_event, scheduler_.now());
  EXPECT_EQ(logs().describe_group(kGroup)->arn(), "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/worker");
}

TEST_F(LogsTest, NumbersOfEventsRiseThoughTheClockIsSetBackWhenNothingIsLeft) {
  std::uint64_t last = 0;
  for (int i = 0; i < 3; ++i) {
    append("s1", "hello");
    auto page = logs().filter_events(kGroup, {}, {}, [](std::string_view) { return true; });
    ASSERT_TRUE(page.ok());
    ASSERT_THAT(page->items, SizeIs(1));
    EXPECT_GT(page->items[0].position.chunk, last);
    last = page->items[0].position.chunk;
    ASSERT_TRUE(logs().delete_group(kGroup).ok());
    scheduler_.run_ready();
    scheduler_.set_machine_offset(-std::chrono::hours(24 * 365 * (i + 1)));
    restart();
  }
}

TEST_F(LogsTest, EventsSurviveARestartOnceFlushedByTime) {
  append("s1", "first");
  scheduler_.advance(seconds(1));
  append("s1", "never flushed");
  restart();
  EXPECT_THAT(filtered(), ElementsAre("first"));
  append("s1", "second");
  scheduler_.advance(seconds(1));
  EXPECT_THAT(filtered(), ElementsAre("first", "second"));
}

TEST_F(LogsTest, EventsOfAllStreamsAreMergedByTimePageByPage) {
  std::vector<std::string> expected;
  for (int i = 0; i < 50; ++i) {
    const std::string text = std::to_string(i);
    append("s" + std::to_string(i % 3), text);
    expected.push_back(text);
    scheduler_.advance(milliseconds(150));
  }
  restart();
  EXPECT_THAT(filtered(), SizeIs(::testing::Ge(49u)));
  expected.resize(filtered().size());
  std::vector<std::string> got;
  std::set<std::string> ids;
  std::string token;
  int pages = 0;
  do {
    auto page = logs().filter_events(kGroup, {.limit = 7, .token = token}, {}, {});
    ASSERT_TRUE(page.ok());
    for (const auto& event : page->items) {
      got.push_back(event.message);
      ids.insert(event.id());
    }
    token = page->next_token;
  } while (!token.empty() && ++pages < 20);
  EXPECT_EQ(got, expected);
  EXPECT_EQ(ids.size(), expected.size()) << "event ids are unique";
  EXPECT_EQ(error_of(logs().filter_events(kGroup, {.token = "x"}, {}, {})), "InvalidParameterException");
}

TEST_F(LogsTest, EventIdsAreTheSameBeforeAndAfterStoring) {
  append("s", "x");
  const auto before = logs().filter_events(kGroup, {}, {}, {})->items[0].id();
  scheduler_.advance(seconds(1));
  restart();
  EXPECT_EQ(logs().filter_events(kGroup, {}, {}, {})->items[0].id(), before);
  EXPECT_EQ(before.size(), 56u);
}

TEST_F(LogsTest, TimesAndStreamsNarrowAFilter) {
  const Time start = scheduler_.now();
  append("a", "0");
  scheduler_.advance(seconds(1));
  append("b", "1");
  scheduler_.advance(seconds(1));
  append("a", "2");
  EXPECT_THAT(filtered("", {.start = start + seconds(1)}), ElementsAre("1", "2"));
  EXPECT_THAT(filtered("", {.end = start + seconds(2)}), ElementsAre("0", "1"));
  auto only_a = logs().filter_events(kGroup, {}, [](std::string_view stream) { return stream == "a"; }, {});
  EXPECT_THAT(only_a->items, SizeIs(2));
}

TEST_F(LogsTest, AStreamIsReadForwardAndBackward) {
  for (int i = 0; i < 10; ++i) {
    append("s", std::to_string(i));
    append("other", "noise");
    scheduler_.advance(milliseconds(300));
  }
  auto tail = logs().stream_events(kGroup, "s", {.limit = 3}, Service::From::kTail);
  ASSERT_TRUE(tail.ok());
  EXPECT_THAT(messages(*tail), ElementsAre("7", "8", "9"));
  auto older = logs().stream_events(kGroup, "s", {.limit = 3, .token = tail->backward_token}, Service::From::kTail);
  EXPECT_THAT(messages(*older), ElementsAre("4", "5", "6"));
  auto again = logs().stream_events(kGroup, "s", {.limit = 3, .token = older->forward_token}, Service::From::kTail);
  EXPECT_THAT(messages(*again), ElementsAre("7", "8", "9"));
  auto end = logs().stream_events(kGroup, "s", {.token = tail->forward_token}, Service::From::kTail);
  EXPECT_THAT(end->events, IsEmpty());
  EXPECT_EQ(end->forward_token, tail->forward_token) << "the same token at the end";
  append("s", "new");
  EXPECT_THAT(messages(*logs().stream_events(kGroup, "s", {.token = end->forward_token}, Service::From::kTail)),
              ElementsAre("new"));
  auto head = logs().stream_events(kGroup, "s", {.limit = 2}, Service::From::kHead);
  EXPECT_THAT(messages(*head), ElementsAre("0", "1"));
  EXPECT_EQ(error_of(logs().stream_events(kGroup, "s", {.token = "x/1"}, Service::From::kHead)),
            "InvalidParameterException");
  EXPECT_EQ(error_of(logs().stream_events(kGroup, "none", {}, Service::From::kHead)), "ResourceNotFoundException");
}

TEST_F(LogsTest, AnEmptyStreamsTokenFindsWhatComesLater) {
  ASSERT_TRUE(logs().create_group(kGroup, "STANDARD", {}).ok());
  ASSERT_TRUE(logs().create_stream(kGroup, "s").ok());
  auto empty = logs().stream_events(kGroup, "s", {}, Service::From::kTail);
  append("s", "x");
  EXPECT_THAT(messages(*logs().stream_events(kGroup, "s", {.token = empty->forward_token}, Service::From::kTail)),
              ElementsAre("x"));
}

TEST_F(LogsTest, AGroupAboveItsLimitLosesItsOldestChunks) {
  limits_.group_bytes = 10'000;
  limits_.chunk_bytes = 1'000;
  restart();
  for (int i = 0; i < 1000; ++i) append("s", std::to_string(i) + std::string(90, '.'));
  scheduler_.advance(seconds(1));
  const auto left = filtered();
  EXPECT_GT(left.size(), 60u);
  EXPECT_LT(left.size(), 110u);
  EXPECT_EQ(left.back().substr(0, 4), "999.");
  EXPECT_LE(logs().describe_group(kGroup)->stored_bytes, 10'000u);
  EXPECT_LE(store_.count(storage::Family::kText), 2u * 11 + 1);
  restart();
  EXPECT_EQ(filtered(), left);
}

TEST_F(LogsTest, RetentionHidesAndThenRemovesByTheMovableClock) {
  ASSERT_TRUE(logs().create_group(kGroup, "STANDARD", {}).ok());
  EXPECT_EQ(error_of(logs().set_retention(kGroup, 2)), "InvalidParameterException");
  ASSERT_TRUE(logs().set_retention(kGroup, 1).ok());
  append("s", "old");
  scheduler_.advance(hours(12));
  append("s", "newer");
  scheduler_.advance(hours(12));
  EXPECT_THAT(filtered(), ElementsAre("newer"));
  EXPECT_EQ(store_.count(storage::Family::kText), 3u) << "one stream, one chunk with its index entry";
  scheduler_.advance(hours(12));
  EXPECT_THAT(filtered(), IsEmpty());
  restart();
  EXPECT_EQ(logs().describe_group(kGroup)->retention_days, 1);
  ASSERT_TRUE(logs().set_retention(kGroup, std::nullopt).ok());
  EXPECT_EQ(logs().describe_group(kGroup)->retention_days, std::nullopt);
}

TEST_F(LogsTest, PutEventsValidatesAndRejects) {
  EXPECT_EQ(error_of(logs().put_events(kGroup, "s", {})), "ResourceNotFoundException");
  ASSERT_TRUE(logs().create_group(kGroup, "STANDARD", {}).ok());
  EXPECT_EQ(error_of(logs().put_events(kGroup, "s", {})), "ResourceNotFoundException");
  ASSERT_TRUE(logs().create_stream(kGroup, "s").ok());
  const Time now = scheduler_.now();
  EXPECT_EQ(error_of(logs().put_events(kGroup, "s", {{now, "a"}, {now - seconds(1), "b"}})),
            "InvalidParameterException");
  EXPECT_EQ(error_of(logs().put_events(kGroup, "s", {{now - days(2), "a"}, {now, "b"}})), "InvalidParameterException");
  EXPECT_EQ(error_of(logs().put_events(kGroup, "s", std::vector<NewEvent>(2, {now, std::string(600'000, 'x')}))),
            "InvalidParameterException");
  auto old = logs().put_events(kGroup, "s", {{now - days(14) - seconds(1), "a"}, {now - days(14), "b"}});
  ASSERT_TRUE(old.ok());
  EXPECT_EQ(old->too_old_end, 1u);
  auto future = logs().put_events(kGroup, "s", {{now, "c"}, {now + hours(3), "d"}});
  ASSERT_TRUE(future.ok());
  EXPECT_EQ(future->too_new_start, 1u);
  scheduler_.run_ready();
  restart();
  EXPECT_THAT(filtered(), ElementsAre("b", "c")) << "durable without a flush";
}

TEST_F(LogsTest, EventsOfAClientsClockAreTakenAfterTheClockMoved) {
  ASSERT_TRUE(logs().create_group(kGroup, "STANDARD", {}).ok());
  ASSERT_TRUE(logs().create_stream(kGroup, "s").ok());
  scheduler_.set_machine_offset(-days(31));
  auto result = logs().put_events(kGroup, "s", {{scheduler_.machine_now(), "by the machine"}});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->too_old_end, std::nullopt);
  ASSERT_TRUE(logs().put_events(kGroup, "s", {{scheduler_.now(), "by the moved clock"}}).ok());
  EXPECT_THAT(filtered(), ElementsAre("by the machine", "by the moved clock"));
}

TEST_F(LogsTest, StreamsAreListedByNameAndByLastEvent) {
  for (const char* name : {"b", "c", "a"}) {
    append(name, "x");
    scheduler_.advance(seconds(1));
  }
  const auto names = [&](const StreamQuery& query) {
    std::vector<std::string> found;
    std::string token;
    do {
      StreamQuery next = query;
      next.token = token;
      auto page = logs().list_streams(kGroup, next);
      EXPECT_TRUE(page.ok());
      for (const auto& stream : page->items) found.push_back(stream.name);
      token = page->next_token;
    } while (!token.empty());
    return found;
  };
  using Order = StreamQuery::Order;
  using Direction = StreamQuery::Direction;
  EXPECT_THAT(names({.limit = 2}), ElementsAre("a", "b", "c"));
  EXPECT_THAT(names({.direction = Direction::kDescending, .limit = 1}), ElementsAre("c", "b", "a"));
  EXPECT_THAT(names({.order = Order::kLastEventTime, .direction = Direction::kDescending, .limit = 2}),
              ElementsAre("a", "c", "b"));
  EXPECT_THAT(names({.prefix = "b"}), ElementsAre("b"));
  EXPECT_EQ(error_of(logs().list_streams(kGroup, {.token = "?"})), "InvalidParameterException");
}

TEST_F(LogsTest, DeletedStreamsAndGroupsLeaveNothing) {
  append("a", "1");
  append("b", "2");
  ASSERT_TRUE(logs().delete_stream(kGroup, "a").ok());
  EXPECT_THAT(filtered(), ElementsAre("2"));
  EXPECT_EQ(error_of(logs().delete_stream(kGroup, "a")), "ResourceNotFoundException");
  append("b", "3");
  ASSERT_TRUE(logs().delete_group(kGroup).ok());
  scheduler_.advance(seconds(1));
  EXPECT_EQ(store_.count(storage::Family::kText), 0u);
  EXPECT_EQ(store_.count(storage::Family::kCatalogue), 2u) << "the numbers given out and the head of the log";
  EXPECT_EQ(error_of(logs().describe_group(kGroup)), "ResourceNotFoundException");
  append("b", "4");
  EXPECT_THAT(filtered(), ElementsAre("4"));
  logs().reset("000000000000");
  EXPECT_EQ(error_of(logs().describe_group(kGroup)), "ResourceNotFoundException");
}

TEST_F(LogsTest, GroupsAreListedPageByPageWithTheirTags) {
  for (const char* name : {"/b", "/a", "/c"}) {
    ASSERT_TRUE(logs().create_group({Scope{}, name}, "STANDARD", {{"k", name}}).ok());
  }
  EXPECT_EQ(error_of(logs().create_group({Scope{}, "/a"}, "STANDARD", {})), "ResourceAlreadyExistsException");
  ASSERT_TRUE(logs().untag({Scope{}, "/c"}, {"k"}).ok());
  scheduler_.run_ready();
  restart();
  const auto all = [](const GroupInfo&) { return true; };
  auto page = logs().list_groups(Scope{}, all, 2, "");
  ASSERT_THAT(page->items, SizeIs(2));
  EXPECT_EQ(page->items[1].tags.at("k"), "/b");
  page = logs().list_groups(Scope{}, all, 2, page->next_token);
  ASSERT_THAT(page->items, SizeIs(1));
  EXPECT_THAT(page->items[0].tags, IsEmpty());
  EXPECT_EQ(page->next_token, "");
}

TEST_F(LogsTest, ObserversSeeWhatIsAppendedUntilTheyGo) {
  std::vector<std::string> seen;
  auto subscription = logs().subscribe(kGroup, [&](const Event& event) { seen.push_back(event.message); });
  append("s", "one");
  logs().append({Scope{}, "other"}, "s", {{scheduler_.now(), "not mine"}});
  EXPECT_THAT(seen, ElementsAre("one"));
  subscription.reset();
  append("s", "two");
  EXPECT_THAT(seen, ElementsAre("one"));
}

TEST_F(LogsTest, AppendDropsWhatADiskThatStandsStillCannotTake) {
  limits_.unstored_bytes = 100'000;
  restart();
  commits_->hold();
  for (int i = 0; i < 100; ++i) append("s", std::string(10'000, 'x'));
  EXPECT_GT(logs().dropped(), 80u);
  commits_->release();
  scheduler_.advance(seconds(1));
  append("s", "again");
  EXPECT_EQ(filtered().back(), "again");
}

TEST_F(LogsTest, LongEventsAreCutAndEmptyOnesSkipped) {
  limits_.event_bytes = 100;
  restart();
  append("s", "");
  append("s", std::string(200, 'x'));
  EXPECT_THAT(filtered(), ElementsAre(std::string(100, 'x')));
}

TEST(FilterPatternTest, TermsPhrasesAlternativesAndExclusions) {
  const auto matches = [](std::string_view pattern, std::string_view message) {
    auto parsed = FilterPattern::parse(pattern);
    EXPECT_TRUE(parsed.ok()) << pattern;
    return parsed->matches(message);
  };
  EXPECT_TRUE(matches("", "anything"));
  EXPECT_TRUE(matches("ERROR", "[ERROR] x"));
  EXPECT_FALSE(matches("ERROR", "[error] x"));
  EXPECT_TRUE(matches("ERROR x", "x ERROR"));
  EXPECT_FALSE(matches("ERROR y", "x ERROR"));
  EXPECT_TRUE(matches("\"a b\"", "1 a b 2"));
  EXPECT_FALSE(matches("\"a b\"", "b a"));
  EXPECT_TRUE(matches("\"say \\\"hi\\\"\"", "say \"hi\""));
  EXPECT_TRUE(matches("?ERROR ?WARN", "WARN"));
  EXPECT_FALSE(matches("?ERROR ?WARN", "INFO"));
  EXPECT_FALSE(matches("ERROR -exclude", "ERROR exclude"));
  EXPECT_TRUE(matches("ERROR -exclude", "ERROR"));
  EXPECT_TRUE(matches("-\"a b\"", "ab"));
}

TEST(FilterPatternTest, WhatIsNotServedIsRefusedByName) {
  for (const char* text : {"{ $.x = %1% }", "[ip, user = ]", "%regex%", "\"open", "a.b", "?", "- x"}) {
    auto parsed = FilterPattern::parse(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_TRUE(parsed.error().is(kInvalidParameter));
  }
}

// --- while writes are refused ---

TEST_F(LogsTest, WhatIsPrintedOnAFullDiskIsGatheredAndStoredWhenThereIsRoom) {
  append("s1", "before");
  EXPECT_THAT(filtered(), ElementsAre("before"));
  append("s1", "opens a chunk");
  store_.set_room(storage::Room::Level::kNone);
  const auto last = logs().last_commit();
  append("s1", "meanwhile");
  append("s2", "has no place yet");
  scheduler_.advance(std::chrono::hours(1));
  EXPECT_THAT(filtered(), ElementsAre("before"));
  EXPECT_EQ(logs().last_commit(), last);
  EXPECT_TRUE(logs().describe_group(kGroup).ok());
  store_.set_room(storage::Room::Level::kPlenty);
  commits_->tell_accepting();
  scheduler_.run_ready();
  EXPECT_THAT(filtered(), ElementsAre("before", "opens a chunk", "meanwhile"));
}

TEST_F(LogsTest, AfterAFailedWriteGroupsAndEventsAreThoseThatAreStored) {
  append("s1", "kept");
  EXPECT_THAT(filtered(), ElementsAre("kept"));
  scheduler_.run_ready();
  store_.fail_write_after(0);
  append("s1", "lost");
  append("s2", "lost");
  (void)filtered();
  scheduler_.run_ready();
  EXPECT_THAT(filtered(), ElementsAre("kept"));
  EXPECT_THAT(logs().list_streams(kGroup, {})->items, SizeIs(1));
  scheduler_.advance(std::chrono::hours(1));
  append("s1", "later");
  EXPECT_THAT(filtered(), ElementsAre("kept"));
  EXPECT_TRUE(commits_->is_settled(logs().last_commit(), commits_->settlements()));
}

}  // namespace
}  // namespace millrace::logs
