// Tumbling windows of a lane under virtual time: one line per sequence of invocations.
#include "triggers/tumbling.h"

#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "codec/json.h"
#include "triggers/event.h"
#include "triggers/lane.h"

namespace millrace::triggers {
namespace {

constexpr Time kStart = from_unix_ms(1'789'651'650'000);  // a multiple of 10 s

Record record(SequenceNumber id, Seconds at, std::size_t bytes = 10) {
  return {.sequence = id, .created = kStart + at, .event = std::string(bytes, 'x')};
}

// One lane whose function counts the records it has seen. Written down as
//   [12 0+10 s0] records 1 and 2, the window from second 0 to 10, the state that came in; F: final; E: ended early;
//   D12: discarded; DF: its final invocation is.
class Tumbler {
 public:
  using Function = std::function<Returned(const Batch&, const Tumbling&)>;

  explicit Tumbler(Seconds window, std::size_t batch_size = 100) {
    settings_.tumbling = window;
    settings_.batch_size = batch_size;
  }

  // Adds records and tells the lane; then time passes until `until`, and the lane does what it wants to.
  std::string run(std::vector<Record> records, Seconds until) {
    trace_.clear();
    log_.insert(log_.end(), records.begin(), records.end());
    work(step(settings_, lane_, Grew{}, now_));
    until_ = kStart + until;
    work(step(settings_, lane_, Woken{}, now_));
    now_ = std::max(now_, until_);
    work(step(settings_, lane_, Woken{}, now_));
    return trace_;
  }
  std::string feed(Input input) {
    trace_.clear();
    work(step(settings_, lane_, std::move(input), now_));
    return trace_;
  }
  void restart() { lane_ = restored(disk_); }

  Settings settings_;
  Lane lane_;
  SavedLane disk_;
  Time now_ = kStart;
  bool ended_ = false;
  Function function_ = [this](const Batch& batch, const Tumbling&) { return success(batch); };

  Returned success(const Batch& batch) {
    seen_ += static_cast<int>(batch.records.size());
    return {.done = units_of(batch), .state = R"({"n":)" + std::to_string(seen_) + "}"};
  }
  int seen_ = 0;

 private:
  void work(Effects effects) {
    while (true) {
      if (effects.save) disk_ = saved(lane_);
      if (effects.read.records_max > 0) {
        const Next before = effects.next;
        effects = step(settings_, lane_, read(effects.read), now_);
        if (!std::holds_alternative<Wait>(before)) effects.next = before;
      } else if (const auto* wait = std::get_if<Wait>(&effects.next)) {
        if (wait->until == kNever || wait->until > until_) return;
        ASSERT_GT(wait->until, now_) << "it waits for the past: " << trace_;
        now_ = wait->until;
        effects = step(settings_, lane_, Woken{}, now_);
      } else if (std::holds_alternative<Discard>(effects.next)) {
        trace_ += "D" + ids();
        effects = step(settings_, lane_, Discarded{}, now_);
      } else {
        effects = step(settings_, lane_, invoke(), now_);
      }
    }
  }

  std::string ids() const {
    std::string out;
    for (const Record& each : lane_.stack.back().records) out += std::to_string(each.sequence);
    return out.empty() ? "F" : out;
  }

  Returned invoke() {
    const Batch& batch = lane_.stack.back();
    if (!lane_.tumbling) {
      trace_ += "[" + ids() + "]";
      return {.done = units_of(batch)};
    }
    const Tumbling& open = *lane_.tumbling;
    const auto second = [](Time time) { return std::to_string((time - kStart) / Seconds(1)); };
    const auto state = codec::parse_json(open.state);
    const std::string number = state.ok() ? std::to_string(state->int_or("n", 0)) : "?";
    trace_ += "[" + ids() + (open.early && batch.records.empty() ? "E" : "") + " " + second(open.window.start) + "+" +
              second(open.window.end) + " s" + number + "]";
    return function_(batch, open);
  }

  Arrived read(const ReadMore& wanted) {
    Arrived out{.read_to = lane_.read_to};
    for (const Record& next : log_) {
      if (next.sequence <= lane_.read_to || out.records.size() == wanted.records_max) continue;
      out.records.push_back(next);
      out.read_to = next.sequence;
    }
    out.at_tail = log_.empty() || out.read_to == log_.back().sequence;
    out.shard_ended = out.at_tail && ended_;
    return out;
  }

  Time until_{};
  std::string trace_;
  std::vector<Record> log_;
};

TEST(Tumbling, TheRecordedSequence) {
  Tumbler lane(Seconds(10), 1);
  EXPECT_EQ(lane.run({record(1, Seconds(0)), record(2, Seconds(0)), record(3, Seconds(1)), record(4, Seconds(1)),
                      record(5, Seconds(11))},
                     Seconds(12)),
            "[1 0+10 s0][2 0+10 s1][3 0+10 s2][4 0+10 s3][F 0+10 s4][5 10+20 s0]");
}

TEST(Tumbling, ABatchHoldsRecordsOfOneWindow) {
  Tumbler lane(Seconds(10));
  EXPECT_EQ(lane.run({record(1, Seconds(0)), record(2, Seconds(9)), record(3, Seconds(10)), record(4, Seconds(35))},
                     Seconds(36)),
            "[12 0+10 s0][F 0+10 s2][3 10+20 s0][F 10+20 s3][4 30+40 s0]");
}

TEST(Tumbling, AWindowEndsWithItsTimeOrItsShard) {
  Tumbler lane(Seconds(10));
  EXPECT_EQ(lane.run({record(1, Seconds(0))}, Seconds(9)), "[1 0+10 s0]");
  EXPECT_EQ(lane.run({}, Seconds(10)), "[F 0+10 s1]");
  EXPECT_EQ(lane.run({}, Seconds(500)), "") << "without records there is no window";
  lane.ended_ = true;
  EXPECT_EQ(lane.run({record(2, Seconds(501))}, Seconds(502)), "[2 500+510 s0][F 500+510 s2]");
  EXPECT_TRUE(is_finished(lane.lane_));
}

TEST(Tumbling, TheBatchingWindowEndsWithTheTumblingWindow) {
  Tumbler lane(Seconds(10));
  lane.settings_.window = Seconds(300);
  EXPECT_EQ(lane.run({record(1, Seconds(0)), record(2, Seconds(3))}, Seconds(9)), "");
  EXPECT_EQ(lane.run({}, Seconds(10)), "[12 0+10 s0][F 0+10 s2]");
}

TEST(Tumbling, ALateRecordIsOfTheNextWindow) {
  Tumbler lane(Seconds(10));
  EXPECT_EQ(lane.run({record(1, Seconds(0))}, Seconds(10)), "[1 0+10 s0][F 0+10 s1]");
  EXPECT_EQ(lane.run({record(2, Seconds(9))}, Seconds(20)), "[2 10+20 s0][F 10+20 s2]");
}

TEST(Tumbling, AnAnswerWithoutStateIsAFailureAndTheOldStateStays) {
  Tumbler lane(Seconds(10));
  lane.settings_.retries_max = 1;
  EXPECT_EQ(lane.run({record(1, Seconds(0))}, Seconds(1)), "[1 0+10 s0]");
  lane.function_ = [](const Batch& batch, const Tumbling&) { return Returned{.done = units_of(batch)}; };
  EXPECT_EQ(lane.run({record(2, Seconds(1))}, Seconds(5)), "[2 0+10 s1][2 0+10 s1]D2");
  EXPECT_EQ(lane.run({}, Seconds(15)), "[F 0+10 s1][F 0+10 s1]DF");
  EXPECT_EQ(lane.lane_.tumbling, std::nullopt);
}

TEST(Tumbling, AFinalInvocationIsRetriedBeforeTheNextWindow) {
  Tumbler lane(Seconds(10));
  int failures = 2;
  lane.function_ = [&](const Batch& batch, const Tumbling&) {
    return batch.records.empty() && failures-- > 0 ? Returned{} : lane.success(batch);
  };
  EXPECT_EQ(lane.run({record(1, Seconds(0)), record(2, Seconds(11))}, Seconds(13)),
            "[1 0+10 s0][F 0+10 s1][F 0+10 s1][F 0+10 s1][2 10+20 s0]");
}

TEST(Tumbling, AFinalInvocationIsGivenUpByItsAgeSinceItFailed) {
  Tumbler lane(Seconds(10));
  lane.settings_.age_max = Seconds(60);
  lane.function_ = [&](const Batch& batch, const Tumbling&) {
    return batch.records.empty() ? Returned{} : lane.success(batch);
  };
  const std::string trace = lane.run({record(1, Seconds(0))}, Seconds(200));
  EXPECT_TRUE(trace.starts_with("[1 0+10 s0][F 0+10 s1][F 0+10 s1]")) << trace;
  EXPECT_TRUE(trace.ends_with("DF")) << trace;
}

TEST(Tumbling, PartialProgressHandsItsStateOn) {
  Tumbler lane(Seconds(10));
  lane.settings_.retries_max = 0;
  lane.function_ = [&](const Batch& batch, const Tumbling&) {
    if (batch.records.empty()) return lane.success(batch);
    if (batch.records.front().sequence == 2) return Returned{.done = 0, .state = R"({"n":77})"};
    return Returned{.done = 1, .state = R"({"n":1})"};
  };
  EXPECT_EQ(lane.run({record(1, Seconds(0)), record(2, Seconds(0)), record(3, Seconds(0))}, Seconds(12)),
            "[123 0+10 s0][23 0+10 s1]D23[F 0+10 s1]");
}

TEST(Tumbling, HalvesOfABisectedBatchShareTheWindow) {
  Tumbler lane(Seconds(10));
  lane.settings_.bisect = true;
  lane.function_ = [&](const Batch& batch, const Tumbling&) {
    return batch.records.size() > 2 ? Returned{} : lane.success(batch);
  };
  EXPECT_EQ(lane.run({record(1, Seconds(0)), record(2, Seconds(0)), record(3, Seconds(0))}, Seconds(12)),
            "[123 0+10 s0][1 0+10 s0][23 0+10 s1][F 0+10 s3]");
}

TEST(Tumbling, AStateOverOneMegabyteEndsTheWindowEarly) {
  Tumbler lane(Seconds(10));
  lane.function_ = [&](const Batch& batch, const Tumbling&) {
    Returned out = lane.success(batch);
    if (lane.seen_ == 2) out.state = R"({"n":2,"x":")" + std::string(kStateBytesMax, 'x') + "\"}";
    return out;
  };
  EXPECT_EQ(lane.run({record(1, Seconds(0))}, Seconds(1)), "[1 0+10 s0]");
  EXPECT_EQ(lane.run({record(2, Seconds(1))}, Seconds(2)), "[2 0+10 s1][FE 0+10 s2]");
  EXPECT_EQ(lane.run({record(3, Seconds(2))}, Seconds(11)), "[3 0+10 s0][F 0+10 s3]") << "the rest of the window";
}

TEST(Tumbling, AnEarlyEndComesBeforeTheHalvesThatAreLeft) {
  Tumbler lane(Seconds(10));
  lane.settings_.bisect = true;
  lane.function_ = [&](const Batch& batch, const Tumbling&) {
    if (batch.records.size() > 1) return Returned{};
    Returned out = lane.success(batch);
    if (!batch.records.empty() && batch.records.front().sequence == 1) {
      out.state = R"({"n":1,"x":")" + std::string(kStateBytesMax, 'x') + "\"}";
    }
    return out;
  };
  EXPECT_EQ(lane.run({record(1, Seconds(0)), record(2, Seconds(0))}, Seconds(11)),
            "[12 0+10 s0][1 0+10 s0][FE 0+10 s1][2 0+10 s0][F 0+10 s2]");
}

TEST(Tumbling, TheStateCountsTowardsThePayload) {
  Tumbler lane(Seconds(10));
  lane.settings_.payload_bytes_max = kEnvelopeBytes + kWindowBytes + kEmptyState.size() + 3 * 101;
  const auto big = [](SequenceNumber id) { return record(id, Seconds(0), 100); };
  lane.function_ = [&](const Batch& batch, const Tumbling&) {
    Returned out = lane.success(batch);
    out.state = R"({"n":9,"x":")" + std::string(100, 'x') + "\"}";
    return out;
  };
  EXPECT_EQ(lane.run({big(1), big(2), big(3), big(4), big(5)}, Seconds(1)), "[123 0+10 s0][4 0+10 s9][5 0+10 s9]");
}

TEST(Tumbling, ARestartKeepsTheWindowItsStateAndTheFinalInvocationsAttempts) {
  Tumbler lane(Seconds(10));
  EXPECT_EQ(lane.run({record(1, Seconds(0)), record(2, Seconds(1))}, Seconds(2)), "[12 0+10 s0]");
  lane.restart();
  EXPECT_EQ(lane.run({record(3, Seconds(3))}, Seconds(4)), "[3 0+10 s2]");
  lane.restart();
  lane.settings_.retries_max = 2;
  lane.function_ = [&](const Batch& batch, const Tumbling&) {
    return batch.records.empty() ? Returned{} : lane.success(batch);
  };
  EXPECT_EQ(lane.run({}, Seconds(10)), "[F 0+10 s3]");
  lane.restart();
  EXPECT_EQ(lane.run({record(4, Seconds(12))}, Seconds(11)), "[F 0+10 s3][F 0+10 s3]DF[4 10+20 s0]");
  lane.restart();
  ASSERT_TRUE(lane.lane_.tumbling.has_value());
  EXPECT_EQ(lane.lane_.tumbling->window, window_at(kStart + Seconds(12), Seconds(10)));
  EXPECT_EQ(lane.lane_.tumbling->state, R"({"n":4})");
  EXPECT_EQ(lane.lane_.tumbled_to, kStart + Seconds(10));
}

TEST(Tumbling, AnUpdateOfTheLengthClosesTheOpenWindow) {
  Tumbler lane(Seconds(10));
  EXPECT_EQ(lane.run({record(1, Seconds(0))}, Seconds(1)), "[1 0+10 s0]");
  lane.settings_.tumbling = Seconds(5);
  EXPECT_EQ(lane.feed(Woken{}), "[F 0+10 s1]");
  EXPECT_EQ(lane.run({record(2, Seconds(2))}, Seconds(3)), "[2 0+5 s0]");
  lane.settings_.tumbling = Milliseconds(0);
  EXPECT_EQ(lane.feed(Woken{}), "[F 0+5 s2]");
  EXPECT_EQ(lane.run({record(3, Seconds(3))}, Seconds(4)), "[3]");
}

TEST(Tumbling, ABatchFromBeforeAnUpdateIsCutAtTheNewWindows) {
  Tumbler lane(Seconds(0));
  lane.lane_ = restored({.settled = 0, .planned = {{.last = 3, .tries = {}}}});
  lane.settings_.tumbling = Seconds(10);
  EXPECT_EQ(lane.run({record(1, Seconds(8)), record(2, Seconds(12)), record(3, Seconds(13))}, Seconds(14)),
            "[1 0+10 s0][F 0+10 s1][23 10+20 s0]");
}

TEST(Tumbling, ADisabledMappingKeepsItsWindow) {
  Tumbler lane(Seconds(10));
  EXPECT_EQ(lane.run({record(1, Seconds(0))}, Seconds(1)), "[1 0+10 s0]");
  lane.settings_.enabled = false;
  EXPECT_EQ(lane.run({}, Seconds(100)), "");
  lane.settings_.enabled = true;
  EXPECT_EQ(lane.run({record(2, Seconds(100))}, Seconds(101)), "[F 0+10 s1][2 100+110 s0]");
}

TEST(Tumbling, OnlyAnObjectUnderStateIsAState) {
  EXPECT_EQ(returned_state(R"({"state":{"a":[1,2.5,"x"]},"batchItemFailures":[]})"), R"({"a":[1,2.5,"x"]})");
  EXPECT_EQ(returned_state(R"({"state":{}})"), "{}");
  for (const char* bad : {"", "null", "{}", R"({"state":null})", R"({"state":"x"})", R"({"state":[]})", "[", "[1]"}) {
    EXPECT_EQ(returned_state(bad), std::nullopt) << bad;
  }
}

TEST(Tumbling, WindowsAreAlignedToTheEpoch) {
  EXPECT_EQ(window_at(from_unix_ms(25'001), Seconds(10)), (Window{from_unix_ms(20'000), from_unix_ms(30'000)}));
  EXPECT_EQ(window_at(from_unix_ms(20'000), Seconds(10)), (Window{from_unix_ms(20'000), from_unix_ms(30'000)}));
}

TEST(Event, HasTheRecordedMembersInTheirOrder) {
  Batch batch;
  batch.records.push_back({.sequence = 1, .created = kStart, .event = R"({"id":1})"});
  EXPECT_EQ(render_event(batch, std::nullopt, "shard", "arn"), R"({"Records":[{"id":1}]})");
  const Tumbling open{.window = window_at(kStart, Seconds(10)), .state = R"({"n":2})", .early = true};
  EXPECT_EQ(render_event(batch, open, "shard", "arn"),
            R"({"Records":[{"id":1}],"window":{"start":"2026-09-17T13:27:30Z","end":"2026-09-17T13:27:40Z"},)"
            R"("state":{"n":2},"shardId":"shard","eventSourceARN":"arn","isFinalInvokeForWindow":false,)"
            R"("isWindowTerminatedEarly":false})");
  EXPECT_EQ(render_event(Batch{}, open, "shard", "arn"),
            R"({"Records":[],"window":{"start":"2026-09-17T13:27:30Z","end":"2026-09-17T13:27:40Z"},)"
            R"("state":{"n":2},"shardId":"shard","eventSourceARN":"arn","isFinalInvokeForWindow":true,)"
            R"("isWindowTerminatedEarly":true})");
}

}  // namespace
}  // namespace millrace::triggers
