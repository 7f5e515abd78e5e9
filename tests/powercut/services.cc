#include "services.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <future>
#include <memory>
#include <random>
#include <set>
#include <thread>

#include "model/change_record.h"
#include "model/stored.h"
#include "must.h"
#include "platform/random.h"
#include "sqs/check.h"
#include "sqs/service.h"
#include "storage/group_committer.h"
#include "storage/log_key.h"
#include "storage/rocks/data_directory.h"
#include "storage/rocks/rocks_store.h"
#include "tables/check.h"
#include "tables/tables.h"
#include "testing/virtual_scheduler.h"

namespace millrace::powercut {
namespace {

using model::AttributeValue;
using storage::Family;
const Scope kScope;
constexpr const char* kTable = "items";
const std::vector<std::string> kQueues = {"standard", "counted", "ordered.fifo"};

AttributeValue string_of(std::string text) { return AttributeValue::string(std::move(text)); }
AttributeValue number_of(std::uint64_t number) {
  return AttributeValue::number(*model::Number::parse(std::to_string(number)));
}

model::Item key_of(const std::string& id) { return model::Item{{"id", string_of(id)}}; }

// Item `id` as its n-th write puts it. Now and then it is in one index, both, or none.
model::Item item_of(const std::string& id, std::uint64_t number) {
  std::mt19937_64 dice(std::hash<std::string>()(id) + number);
  model::Item item{{"id", string_of(id)},
                   {"n", number_of(number)},
                   {"body", string_of(std::string(dice() % 900, static_cast<char>('a' + number % 26)))}};
  if (dice() % 3 != 0) item.set("group", string_of("g" + std::to_string(dice() % 4)));
  if (dice() % 3 != 0) item.set("rank", number_of(dice() % 100));
  if (dice() % 2 != 0) item.set("until", number_of(4'000'000'000 + dice() % 1000));
  return item;
}

std::optional<std::uint64_t> number_in(std::string_view stored) {
  const auto item = model::from_stored(stored);
  const AttributeValue* const value = item ? item->find("n") : nullptr;
  if (value == nullptr || value->type() != model::Type::kNumber) return std::nullopt;
  std::string text;
  value->get<model::Number>().append_text(text);
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

tables::IndexRequest index_by(const std::string& name, const std::string& attribute, const std::string& projection) {
  tables::IndexRequest index;
  index.name = name;
  index.keys = {{attribute, true}};
  index.projection_type = projection;
  return index;
}

// The services over one directory, in the order in which a server makes and ends them.
class Services {
 public:
  static Result<std::unique_ptr<Services>> open(const std::string& folder) {
    auto made = std::unique_ptr<Services>(new Services);
    MR_RETURN_IF_ERROR(made->start(folder));
    return made;
  }
  ~Services() {
    if (committer_ != nullptr) committer_->stop();
    tables_.reset();
    streams_.reset();
    scheduler_.run_ready();
    queues_.reset();
  }

  storage::RocksStore& store() { return *store_; }
  storage::Committer& committer() { return *committer_; }
  tables::Tables& tables() { return *tables_; }
  streams::Streams& streams() { return *streams_; }
  sqs::Service& queues() { return *queues_; }
  void run_ready() { scheduler_.run_ready(); }
  // Looked at before anything could change them.
  std::vector<std::string>& problems() { return problems_; }

 private:
  Services() = default;
  Result<void> start(const std::string& folder) {
    MR_ASSIGN_OR_RETURN(directory_, storage::DataDirectory::open(folder, "powercut"));
    storage::RocksOptions options;
    options.path = directory_->database_path();
    options.head_file = directory_->head_path();
    options.memory_bytes = storage::kMemoryMin;
    MR_ASSIGN_OR_RETURN(store_, storage::RocksStore::open(options));
    const auto problem = [this](std::string text) { problems_.push_back(std::move(text)); };
    MR_RETURN_IF_ERROR(tables::check_tables(*store_, problem, [](std::uint64_t) {}));
    MR_RETURN_IF_ERROR(sqs::check_queues(*store_, problem));
    MR_ASSIGN_OR_RETURN(committer_, storage::Committer::start(*store_, scheduler_));
    MR_ASSIGN_OR_RETURN(streams_, streams::Streams::load(*store_, *committer_, scheduler_, random_));
    MR_ASSIGN_OR_RETURN(tables_, tables::Tables::load(*store_, *committer_, *streams_, scheduler_, random_));
    queues_ = std::make_unique<sqs::Service>(*store_, *committer_, scheduler_, random_);
    return queues_->load();
  }

  millrace::testing::VirtualScheduler scheduler_;
  platform::SeededRandom random_{1};
  std::unique_ptr<storage::DataDirectory> directory_;
  std::unique_ptr<storage::RocksStore> store_;
  std::unique_ptr<storage::Committer> committer_;
  std::unique_ptr<streams::Streams> streams_;
  std::unique_ptr<tables::Tables> tables_;
  std::unique_ptr<sqs::Service> queues_;
  std::vector<std::string> problems_;
};

// --- recording ------------------------------------------------------------------------------------------------------

class Load {
 public:
  Load(RecordedServices& out, std::uint64_t seed) : out_(out), dice_(seed) {}

  void create(Services& services) {
    tables::CreateRequest request;
    request.name = kTable;
    request.definitions = {{"id", model::KeyType::kString}, {"group", model::KeyType::kString}};
    request.keys = {{"id", true}};
    request.indexes = {index_by("by_group", "group", "ALL")};
    request.billing = tables::BillingMode::kPayPerRequest;
    request.stream = tables::StreamRequest{true, model::ViewType::kNewAndOldImages};
    must(services.tables().create(kScope, request), "create");
    last_ = must(services.tables().set_ttl(kScope, kTable, "until", true), "ttl");
    const sqs::QueueName dead{kScope, "dead"};
    must(services.queues().create_queue(dead, {}, {}), "queue");
    must(services.queues().create_queue(queue(0), {}, {}), "queue");
    const std::string redrive = "{\"deadLetterTargetArn\":\"" + queue_arn(dead) + "\",\"maxReceiveCount\":\"1000\"}";
    must(services.queues().create_queue(queue(1), {{"RedrivePolicy", redrive}}, {}), "queue");
    must(services.queues().create_queue(queue(2), {{"FifoQueue", "true"}, {"ContentBasedDeduplication", "true"}}, {}),
         "queue");
    wait(services);
  }

  void step(Services& services) {
    const std::uint64_t burst = dice_() % 3 == 0 ? dice_() % 12 : 1;
    for (std::uint64_t i = 0; i < burst; ++i) change(services);
    if (dice_() % 2 == 0) wait(services);
    if (dice_() % 40 == 0) reshape(services);
    if (dice_() % 40 == 0) change_index(services);
    // Table files, a new log and compactions, at times while batches are being written.
    if (dice_() % 30 == 0) must(services.store().flush(), "flush");
    services.run_ready();
  }

  // Until everything submitted is durable.
  void wait(Services& services) {
    last_ = std::max(last_, services.queues().last_commit());
    while (services.committer().durable() < last_) std::this_thread::yield();
    note("stamp", services.committer().next_stamp());
    services.run_ready();
  }
  void restarted() { last_ = 0; }  // commits are counted from one again

 private:
  static sqs::QueueName queue(std::size_t i) { return {kScope, kQueues[i]}; }

  void change(Services& services) {
    switch (dice_() % 5) {
      case 0:
        return transact(services);
      case 1:
      case 2:
        return message(services);
      default:
        return write(services);
    }
  }

  // The next state of `id`, noted as submitted.
  tables::WriteRequest next_state(const std::string& id, bool may_delete) {
    auto& states = out_.items[id];
    const bool put = !may_delete || dice_() % 4 != 0;
    tables::WriteRequest request;
    request.kind = put ? tables::WriteKind::kPut : tables::WriteKind::kDelete;
    request.item = put ? item_of(id, states.size()) : key_of(id);
    note("item submitted " + id, states.size());
    states.push_back(put);
    return request;
  }

  void acknowledge(Services& services, std::vector<std::string> ids, storage::CommitNumber after) {
    last_ = std::max(last_, after);
    std::vector<std::pair<std::string, std::uint64_t>> states;
    for (auto& id : ids) states.emplace_back(id, out_.items[id].size() - 1);
    services.committer().when_durable(after, [states](const Error* error) {
      if (error != nullptr) return;
      for (const auto& [id, state] : states) note("item acknowledged " + id, state);
    });
  }

  void write(Services& services) {
    const std::string id = "item" + std::to_string(dice_() % 20);
    const auto written = must(services.tables().write(kScope, kTable, next_state(id, true)), "write");
    acknowledge(services, {id}, written.after_commit);
  }

  // Both halves of a pair are always written together.
  void transact(Services& services) {
    const std::string pair = std::to_string(dice_() % 5);
    std::vector<std::string> ids = {"left" + pair, "right" + pair};
    std::vector<tables::TransactionEntry> entries;
    for (const auto& id : ids) entries.push_back({kTable, next_state(id, false)});
    const auto written = must(services.tables().transact(kScope, entries, std::nullopt), "transact");
    acknowledge(services, ids, written.after_commit);
  }

  void message(Services& services) {
    const std::size_t which = dice_() % kQueues.size();
    const std::string& name = kQueues[which];
    if (dice_() % 3 == 0) return remove_messages(services, which);
    const std::uint64_t number = next_message_++;
    note("message submitted " + name, number);
    sqs::Outgoing message;
    message.body = std::to_string(number) + " " + std::string(dice_() % 700, 'm');
    if (which == 2) message.group_id = "group" + std::to_string(dice_() % 3);
    must(services.queues().send(queue(which), std::move(message)), "send");
    services.committer().when_durable(services.queues().last_commit(), [name, number](const Error* error) {
      if (error == nullptr) note("message acknowledged " + name, number);
    });
  }

  void remove_messages(Services& services, std::size_t which) {
    const std::string& name = kQueues[which];
    std::vector<sqs::Received> received;
    services.queues().receive(
        queue(which), {.messages_max = 3, .visibility_seconds = 30, .wait_seconds = 0},
        [&](Result<std::vector<sqs::Received>> result) { received = must(std::move(result), "receive"); });
    for (const auto& each : received) {
      const std::uint64_t number = std::strtoull(each.message.body.c_str(), nullptr, 10);
      note("message deleting " + name, number);
      must(services.queues().delete_message(queue(which), each.receipt_handle), "delete");
      services.committer().when_durable(services.queues().last_commit(), [name, number](const Error* error) {
        if (error == nullptr) note("message deleted " + name, number);
      });
    }
  }

  void reshape(Services& services) {
    const auto kind = dice_() % 2 == 0 ? streams::Reshape::Kind::kSplit : streams::Reshape::Kind::kRoll;
    const auto choose = [&](const streams::Stream& stream) { return streams::choose_reshape(stream, kind, ""); };
    const auto changed = services.tables().reshape(kScope, kTable, choose);
    if (changed.ok()) last_ = std::max(last_, *changed);  // not, when a shard cannot be halved any more
  }

  // An index more, built while the table is written to, or one less.
  void change_index(Services& services) {
    tables::UpdateRequest request;
    const auto info = must(services.tables().info(kScope, kTable), "info");
    if (const tables::Index* const found = info->find_index("by_rank")) {
      if (found->building) return;
      request.delete_indexes = {"by_rank"};
    } else {
      request.definitions = {{"rank", model::KeyType::kNumber}};
      request.create_indexes = {index_by("by_rank", "rank", "KEYS_ONLY")};
    }
    last_ = std::max(last_, must(services.tables().update(kScope, kTable, request), "index").after);
  }

  RecordedServices& out_;
  std::mt19937_64 dice_;
  std::uint64_t next_message_ = 0;
  storage::CommitNumber last_ = 0;
};

// --- checking -------------------------------------------------------------------------------------------------------

struct Event {
  model::ChangeEvent event;
  std::uint64_t number;  // of the image that it is about
  friend bool operator==(const Event&, const Event&) = default;
};

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
    return std::move(problems_);
  }

 private:
  void say(std::string problem) { problems_.push_back(std::move(problem)); }

  void read_log() {
    std::map<storage::Stamp, std::string> records;
    const auto at = services_.store().iterate(Family::kLog, {});
    for (at->seek(""); at->valid(); at->next()) {
      const auto record = storage::parse_log_record(at->key(), at->value());
      if (!record) return say("a stream record is malformed");
      if (!records.emplace(record->stamp, record->value).second) say("two stream records have one number");
    }
    for (const auto& [stamp, value] : records) {
      const auto change = model::decode_change(value);
      if (!change) return say("a stream record cannot be read");
      const auto keys = model::from_stored(change->keys);
      const auto number =
          number_in(change->event == model::ChangeEvent::kRemove ? change->old_image : change->new_image);
      if (!keys || !number) return say("a stream record has no image");
      events_[keys->find("id")->get<std::string>()].push_back({change->event, *number});
    }
    if (!records.empty()) last_stamp_ = records.rbegin()->first;
  }

  // The records that the first `count` states of an item make, and what the item is then.
  static std::vector<Event> events_of(const std::vector<bool>& states, std::size_t count,
                                      std::optional<std::uint64_t>& now) {
    std::vector<Event> events;
    now.reset();
    for (std::size_t i = 0; i < count; ++i) {
      if (states[i]) {
        events.push_back({now ? model::ChangeEvent::kModify : model::ChangeEvent::kInsert, i});
        now = i;
      } else if (now) {
        events.push_back({model::ChangeEvent::kRemove, *now});
        now.reset();
      }
    }
    return events;
  }

  void check_items() {
    std::map<std::string, std::optional<std::uint64_t>> found;
    for (const auto& [id, known] : ledger_.items) {
      const auto stored = services_.tables().get(kScope, kTable, key_of(id));
      if (!stored.ok()) return say("item " + id + " cannot be read: " + stored.error().message());
      const auto number = *stored ? number_in(**stored) : std::nullopt;
      if (*stored && (!number || model::from_stored(**stored) != item_of(id, *number))) {
        say("item " + id + " is not what was written");
        continue;
      }
      found[id] = number;
      const std::vector<bool>& states = items_.at(id);
      bool fits = false;
      for (std::int64_t last = known.acknowledged; last <= known.submitted && !fits; ++last) {
        std::optional<std::uint64_t> now;
        fits = events_of(states, static_cast<std::size_t>(last + 1), now) == events_[id] && now == number;
      }
      if (!fits) {
        say("item " + id + " is at " + (number ? std::to_string(*number) : "nothing") + " with " +
            std::to_string(events_[id].size()) + " stream records; writes up to " + std::to_string(known.acknowledged) +
            " were acknowledged, up to " + std::to_string(known.submitted) + " submitted");
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
    request.item = item_of("afterwards", 0);
    const auto written = services_.tables().write(kScope, kTable, request);
    if (!written.ok()) return say("the next write fails: " + written.error().message());
    std::promise<bool> durable;
    services_.committer().when_durable(written->after_commit,
                                       [&](const Error* error) { durable.set_value(error == nullptr); });
    if (!durable.get_future().get()) return say("the next write is not committed");
    services_.run_ready();
    const auto problem = [this](std::string text) { say("after the next write: " + std::move(text)); };
    if (!tables::check_tables(services_.store(), problem, [](std::uint64_t) {}).ok()) say("the tables cannot be read");
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
  const auto number = static_cast<std::int64_t>(note.offset);
  if (const auto id = after("item submitted ")) items[*id].submitted = number;
  if (const auto id = after("item acknowledged ")) items[*id].acknowledged = number;
  if (const auto name = after("message submitted ")) queues[*name][note.offset];
  if (const auto name = after("message acknowledged ")) queues[*name][note.offset].sent = true;
  if (const auto name = after("message deleting ")) queues[*name][note.offset].deleting = true;
  if (const auto name = after("message deleted ")) queues[*name][note.offset].deleted = true;
}

RecordedServices record_services(const std::string& folder, std::uint64_t seed, std::uint64_t steps) {
  RecordedServices out;
  Load load(out, seed);
  start_recording(folder);
  auto services = must(Services::open(folder), "services");
  load.create(*services);
  for (std::uint64_t step = 0; step < steps; ++step) {
    load.step(*services);
    if (step % 100 != 99) continue;
    load.wait(*services);
    services.reset();
    services = must(Services::open(folder), "services");
    load.restarted();
  }
  load.wait(*services);
  services.reset();
  out.operations = stop_recording();
  return out;
}

std::vector<std::string> check_services(const std::string& folder, const ServiceLedger& ledger,
                                        const ItemStates& items) {
  auto services = Services::open(folder);
  if (!services.ok()) return {"the services do not start: " + services.error().message()};
  return Checker(**services, ledger, items).run();
}

}  // namespace millrace::powercut
