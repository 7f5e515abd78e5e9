#include "triggers/sender.h"

#include <utility>

#include "triggers/internal/sending.h"

namespace millrace::triggers {
namespace {

// Owned by the callbacks that wait for the function or the back-off.
class OneBatch : public std::enable_shared_from_this<OneBatch> {
 public:
  OneBatch(SenderTools tools, Sending sending, std::function<void(Sent)> done)
      : tools_(std::move(tools)), sending_(std::move(sending)), done_(std::move(done)) {}

  void attempt() {
    std::string event = std::exchange(sending_.event, {});
    if (event.empty()) event = internal::records_event(sending_.records);
    busy_ = platform::Busy(tools_.scheduler.busy());
    auto answered = [self = shared_from_this()](InvokeResult result) {
      self->tools_.scheduler.post([self, result = std::move(result)] { self->learn(result); });
    };
    tools_.invoker.invoke({.function_arn = sending_.function_arn,
                           .request_id = tools_.random.uuid(),
                           .mapping = sending_.mapping,
                           .payload = std::move(event)},
                          std::move(answered));
  }

 private:
  void learn(const InvokeResult& result) {
    const platform::Busy busy = std::move(busy_);  // until what follows is under way
    std::deque<Record>& records = sending_.records;
    const std::size_t done = internal::done_of(result, records, sending_.reports);
    const bool complete =
        done == records.size() && result.function_error.empty() && result.outcome == Outcome::kAnswered;
    const std::string error = internal::failure_text(result, complete);
    note(result, done, error);
    const SequenceNumber first = records.empty() ? 0 : records.front().sequence;
    records.erase(records.begin(), records.begin() + static_cast<std::ptrdiff_t>(done));
    sent_.done += done;
    if (complete) {
      sent_.complete = true;
      return std::exchange(done_, nullptr)(sent_);
    }
    if (done > 0) {  // AWS: after progress the rest is a new batch with all its attempts, sent at once
      failures_ = 0;
      return attempt();
    }
    sent_.error = error;
    if (++failures_ > sending_.retries) return std::exchange(done_, nullptr)(sent_);
    const Time next = tools_.scheduler.now() + backoff(failures_, first, kThrottledBackoffMax);
    timer_ = tools_.scheduler.at(next, [self = shared_from_this()] {
      self->timer_.release();
      self->attempt();
    });
  }

  void note(const InvokeResult& result, std::size_t done, const std::string& error) {
    if (!tools_.note) return;
    HistoryEntry entry{.what = sending_.what, .result = internal::result_word(result, done, sending_.records.size())};
    entry.shard = sending_.shard;
    if (!sending_.records.empty()) {
      entry.first = sending_.records.front().sequence;
      entry.last = sending_.records.back().sequence;
    }
    entry.records = sending_.records.size();
    entry.done = done;
    entry.attempt = failures_ + 1;
    entry.duration = result.duration;
    entry.request_id = result.request_id;
    entry.text = error;
    tools_.note(std::move(entry));
  }

  const SenderTools tools_;
  Sending sending_;
  std::function<void(Sent)> done_;
  Sent sent_;
  int failures_ = 0;
  platform::Busy busy_;
  platform::Timer timer_;
};

}  // namespace

void send(const SenderTools& tools, Sending sending, std::function<void(Sent)> done) {
  std::make_shared<OneBatch>(tools, std::move(sending), std::move(done))->attempt();
}

}  // namespace millrace::triggers
