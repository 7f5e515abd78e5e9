#include <algorithm>
#include <cstdlib>
#include <future>
#include <memory>
#include <set>

#include "model/change_record.h"
#include "model/stored.h"
#include "services.h"
#include "storage/log_key.h"
#include "tables/check.h"
#include "world.h"

namespace millrace::powercut {
namespace {

using storage::Family;
constexpr const char* kTable = "items";

struct Event {
  model::ChangeEvent event;
  std::uint64_t number;  // of the image that it is about
  bool expired;
  std::int64_t time;  // of the commit, in seconds since the epoch
};

// Whether `events` are what the first `count` states of an item make, and what it is then.
struct Walk {
  bool fits = true;
  std::optional<std::uint64_t> now = std::nullopt;
};
Walk walk(const std::vector<ItemState>& states, std::size_t count, const std::vector<Event>& events) {
  Walk at;
  std::size_t next = 0;
  const auto expect = [&](model::ChangeEvent event, std::uint64_t number, bool expired) {
    at.fits = at.fits && next < events.size() && events[next].event == event && events[next].number == number &&
              events[next].expired == expired;
    ++next;
  };
  const auto expire = [&] {
    if (!at.now || next >= events.size() || !events[next].expired) return;
    const std::int64_t until = states[*at.now].until;
    at.fits = at.fits && until != 0 && until <= events[next].time;
    expect(model::ChangeEvent::kRemove, *at.now, true);
    at.now.reset();
  };
  for (std::size_t i = 0; i < count; ++i) {
    expire();
    if (states[i].put) {
      expect(at.now ? model::ChangeEvent::kModify : model::ChangeEvent::kInsert, i, false);
      at.now = i;
    } else if (at.now) {
      expect(model::ChangeEvent::kRemove, *at.now, false);
      at.now.reset();
    }
  }
  expire();
  at.fits = at.fits && next == events.size();
  return at;
}

class Checker {
 public:
  Checker(Services& services, const ServiceLedger& ledger, const ItemStates& items)
      : services_(services), ledger_(ledger), items_(items) {}

  std::vector<std::string> run() {
    problems_ = std::move(services_.problems());
    read_log();
    if (services_.committer().next_stamp() < std::max(ledger_.next_stamp, last_stamp_ + 1))
      say("a sequence number would come again");
    if (!ledger_.items.empty()) check_items();
    for (const auto& [name, messages] : ledger_.queues) check_queue(name, messages);
    if (problems_.empty() && !ledger_.items.empty()) goes_on();
    if (problems_.empty() && !ledger_.items.empty()) expires();
    return std::move(problems_);
  }

 private:
  void say(std::string problem) { problems_.push_back(std::move(problem)); }

  void read_log() {
    struct Raw {
      Time time{};
      std::string value;
    };
    std::map<storage::Stamp, Raw> records;
    events_.clear();
    const auto at = services_.store().iterate(Family::kLog, {});
    for (at->seek(""); at->valid(); at->next()) {
      const auto record = storage::parse_log_record(at->key(), at->value());
      if (!record) return say("a stream record is malformed");
      if (!records.emplace(record->stamp, Raw{record->time, std::string(record->value)}).second)
        say("two stream records have one number");
    }
    for (const auto& [stamp, raw] : records) {
      const auto change = model::decode_change(raw.value);
      if (!change) return say("a stream record cannot be read");
      const auto keys = model::from_stored(change->keys);
      const auto number =
          number_in(change->event == model::ChangeEvent::kRemove ? change->old_image : change->new_image);
      if (!keys || !number) return say("a stream record has no image");
      events_[keys->find("id")->get<std::string>()].push_back(
          {change->event, *number, is_expiry(*change, stamp), to_unix_s(raw.time)});
    }
    if (!records.empty()) last_stamp_ = records.rbegin()->first;
  }

  // As a function is told it: whose deletion it was.
  bool is_expiry(const model::ChangeRecord& change, storage::Stamp stamp) {
    std::string shown;
    if (!model::append_lambda_json(shown, change, {.stamp = stamp, .region = kScope.region, .stream_arn = "arn"}))
      say("a stream record cannot be shown");
    return shown.find(R"("userIdentity":{"type":"Service","principalId":"dynamodb.amazonaws.com"})") !=
           std::string::npos;
  }

  void check_items() {
    std::map<std::string, std::optional<std::uint64_t>> found;
    for (const auto& [id, known] : ledger_.items) {
      const auto stored = services_.tables().get(kScope, kTable, key_of(id));
      if (!stored.ok()) return say("item " + id + " cannot be read: " + stored.error().message());
      const auto number = *stored ? number_in(**stored) : std::nullopt;
      const std::vector<ItemState>& states = items_.at(id);
      if (*stored && (!number || *number >= states.size() ||
                      model::from_stored(**stored) != item_of(id, *number, states[*number].until))) {
        say("item " + id + " is not what was written");
        continue;
      }
      found[id] = number;
      bool fits = false;
      for (std::int64_t last = known.acknowledged; last <= known.submitted && !fits; ++last) {
        const Walk walked = walk(states, static_cast<std::size_t>(last + 1), events_[id]);
        fits = walked.fits && walked.now == number;
      }
      if (!fits) {
        say("item " + id + " is at " + (number ? std::to_string(*number) : "nothing") + " with " +
            std::to_string(events_[id].size()) + " stream records; writes up to " + std::to_string(known.acknowledged) +
            " were acknowledged, up to " + std::to_string(known.submitted) + " submitted");
      }
    }
    for (const auto& [id, numbers] : ledger_.expired) {
      for (const std::uint64_t number : numbers) {
        const auto is_it = [&](const Event& event) { return event.expired && event.number == number; };
        if (std::count_if(events_[id].begin(), events_[id].end(), is_it) != 1)
          say("the expiry of item " + id + " at " + std::to_string(number) + " is undone");
      }
    }
    for (const auto& [id, number] : found) {
      if (!id.starts_with("left")) continue;
      if (found["right" + id.substr(4)] != number) say("half of a transaction is there: " + id);
    }
  }

  void check_queue(const std::string& name, const std::map<std::uint64_t, ServiceLedger::Message>& messages) {
    const auto peeked = services_.queues().peek({kScope, name}, 100'000);
    if (!peeked.ok()) return say("queue " + name + ": " + peeked.error().message());
    std::set<std::uint64_t> found;
    for (const auto& each : *peeked) {
      const std::uint64_t number = std::strtoull(each.message.body.c_str(), nullptr, 10);
      if (!messages.contains(number)) say("queue " + name + " has a message that nobody sent");
      if (!found.empty() && number <= *found.rbegin())
        say("queue " + name + " is out of order, or has a message twice");
      found.insert(number);
    }
    for (const auto& [number, message] : messages) {
      const bool there = found.contains(number);
      if (message.sent && !message.deleting && !there)
        say("queue " + name + " lost the acknowledged message " + std::to_string(number));
      if (message.deleted && there)
        say("queue " + name + " has the deleted message " + std::to_string(number) + " again");
    }
  }

  void goes_on() {
    tables::WriteRequest request;
    request.item = item_of("afterwards", 0, 0);
    const auto written = services_.tables().write(kScope, kTable, request);
    if (!written.ok()) return say("the next write fails: " + written.error().message());
    std::promise<bool> durable;
    services_.committer().when_durable(written->after_commit,
                                       [&](const Error* error) { durable.set_value(error == nullptr); });
    if (!durable.get_future().get()) return say("the next write is not committed");
    // The check below wants to be alone: what is due goes first.
    if (!services_.settle()) return say("the services do not come to rest");
    const auto problem = [this](std::string text) { say("after the next write: " + std::move(text)); };
    if (!tables::check_tables(services_.store(), problem, [](std::uint64_t) {}).ok()) say("the tables cannot be read");
  }

  // What was due, and whatever becomes due, goes once.
  void expires() {
    services_.scheduler().advance(std::chrono::hours(1));
    if (!services_.settle()) return say("expiry does not come to an end");
    read_log();
    check_items();
    const std::int64_t now = to_unix_s(services_.scheduler().now());
    for (const auto& [id, states] : items_) {
      const auto stored = services_.tables().get(kScope, kTable, key_of(id));
      const auto number = stored.ok() && *stored ? number_in(**stored) : std::nullopt;
      if (number && *number < states.size() && states[*number].until != 0 && states[*number].until <= now)
        say("item " + id + " is due and still there");
    }
  }

  Services& services_;
  const ServiceLedger& ledger_;
  const ItemStates& items_;
  std::map<std::string, std::vector<Event>> events_;
  storage::Stamp last_stamp_ = 0;
  std::vector<std::string> problems_;
};

}  // namespace

void ServiceLedger::read(const Operation& note) {
  const auto after = [&](std::string_view what) -> std::optional<std::string> {
    if (!note.data.starts_with(what)) return std::nullopt;
    return note.data.substr(what.size());
  };
  if (note.data == "stamp") next_stamp = std::max(next_stamp, note.offset);
  if (note.data == "time") now = from_unix_ms(static_cast<std::int64_t>(note.offset) * 1000);
  const auto number = static_cast<std::int64_t>(note.offset);
  if (const auto id = after("item submitted ")) items[*id].submitted = number;
  if (const auto id = after("item acknowledged ")) items[*id].acknowledged = std::max(items[*id].acknowledged, number);
  if (const auto id = after("item expired ")) expired[*id].insert(note.offset);
  if (const auto name = after("message submitted ")) queues[*name][note.offset];
  if (const auto name = after("message acknowledged ")) queues[*name][note.offset].sent = true;
  if (const auto name = after("message deleting ")) queues[*name][note.offset].deleting = true;
  if (const auto name = after("message deleted ")) queues[*name][note.offset].deleted = true;
}

std::vector<std::string> check_services(const std::string& folder, const ServiceLedger& ledger,
                                        const ItemStates& items) {
  auto services = Services::open(folder, ledger.now);
  if (!services.ok()) return {"the services do not start: " + services.error().message()};
  return Checker(**services, ledger, items).run();
}

}  // namespace millrace::powercut
