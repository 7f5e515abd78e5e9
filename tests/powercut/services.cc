#include "services.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <random>
#include <thread>

#include "expressions/parse.h"
#include "must.h"
#include "tables/errors.h"
#include "world.h"

namespace millrace::powercut {
namespace {

using model::AttributeValue;
constexpr const char* kTable = "items";
const std::vector<std::string> kQueues = {"standard", "counted", "ordered.fifo"};

tables::IndexRequest index_by(const std::string& name, const std::string& attribute, const std::string& projection) {
  tables::IndexRequest index;
  index.name = name;
  index.keys = {{attribute, true}};
  index.projection_type = projection;
  return index;
}

// No item has it: conditions ask for it.
constexpr std::uint64_t kNever = 1'000'000'000;

[[noreturn]] void fail(const std::string& what) {
  must(Result<void>(Error(kInternalError, what)), "load");
  std::exit(2);
}

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
    if (dice_() % 3 == 0) pass_time(services);
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

  std::int64_t now(Services& services) const { return to_unix_s(services.scheduler().now()); }

  // Moves the clock, so that items expire, and looks for some of them.
  void pass_time(Services& services) {
    services.scheduler().advance(std::chrono::seconds(1 + dice_() % 20));
    note("time", static_cast<std::uint64_t>(now(services)));
    if (dice_() % 2 == 0) look(services, "mortal" + std::to_string(dice_() % 8));
  }

  const ItemState* last_state(const std::string& id) const {
    const auto found = out_.items.find(id);
    return found == out_.items.end() || found->second.empty() ? nullptr : &found->second.back();
  }
  std::uint64_t number_of_last(const std::string& id) const { return out_.items.at(id).size() - 1; }
  // Whether a write planned now finds the last state of `id`: it is an item, and not due.
  bool is_surely_there(Services& services, const std::string& id) const {
    const ItemState* const last = last_state(id);
    return last != nullptr && last->put && (last->until == 0 || last->until > now(services));
  }

  // The next state of `id`, noted as submitted.
  ItemState next_state(Services& services, const std::string& id, bool may_delete) {
    auto& states = out_.items[id];
    ItemState state{!may_delete || dice_() % 4 != 0, 0};
    if (state.put && id.starts_with("mortal"))
      state.until = now(services) + 5 + static_cast<std::int64_t>(dice_() % 60);
    note("item submitted " + id, states.size());
    states.push_back(state);
    return state;
  }
  tables::WriteRequest next_request(Services& services, const std::string& id, bool may_delete) {
    const ItemState state = next_state(services, id, may_delete);
    tables::WriteRequest request;
    request.kind = state.put ? tables::WriteKind::kPut : tables::WriteKind::kDelete;
    request.item = state.put ? item_of(id, number_of_last(id), state.until) : key_of(id);
    return request;
  }

  // Notes, once `after` is durable and an answer could leave: the last states of `ids`; that one of `gone` had expired.
  void acknowledge(Services& services, const std::vector<std::string>& ids, storage::CommitNumber after,
                   const std::optional<std::pair<std::string, std::uint64_t>>& gone = std::nullopt) {
    last_ = std::max(last_, after);
    std::vector<std::pair<std::string, std::uint64_t>> states;
    for (const auto& id : ids)
      if (last_state(id) != nullptr) states.emplace_back(id, number_of_last(id));
    services.committer().when_durable(after, [states, gone](const Error* error) {
      if (error != nullptr) return;
      for (const auto& [id, state] : states) note("item acknowledged " + id, state);
      if (gone) note("item expired " + gone->first, gone->second);
    });
  }

  void write(Services& services) {
    const std::string id =
        dice_() % 3 == 0 ? "mortal" + std::to_string(dice_() % 8) : "item" + std::to_string(dice_() % 20);
    const auto kind = dice_() % 6;
    if (kind == 0) return refuse(services, id);
    if (kind == 1 && is_surely_there(services, id)) return update(services, id);
    if (kind == 2 && is_surely_there(services, id)) return change_nothing(services, id);
    if (kind == 3) look(services, id);
    std::optional<std::pair<std::string, std::uint64_t>> earlier;
    if (const ItemState* const last = last_state(id); last != nullptr && last->put)
      earlier = std::pair(id, number_of_last(id));
    const auto written = must(services.tables().write(kScope, kTable, next_request(services, id, true)), "write");
    if (written.before.exists()) earlier.reset();
    acknowledge(services, {id}, written.after_commit, earlier);
    // While the write is under way, most often.
    if (dice_() % 3 == 0) refuse(services, id);
    if (dice_() % 3 == 0 && is_surely_there(services, id)) change_nothing(services, id);
  }

  // A condition that fails; the answer tells what it failed for.
  void refuse(Services& services, const std::string& id) {
    expressions::Substitutions with;
    must(with.add_value(":never", number_of(kNever)), "value");
    const auto condition = must(expressions::parse_condition("n = :never", "ConditionExpression", with), "condition");
    tables::WriteRequest request;
    request.item = item_of(id, kNever, 0);
    request.condition = &condition;
    request.return_old_on_failure = true;
    const auto refused = services.tables().write(kScope, kTable, request);
    if (refused.ok() || !refused.error().is(tables::kConditionalCheckFailed)) fail("a condition held: " + id);
    const bool found = !refused.error().details().empty();
    const ItemState* const last = last_state(id);
    const bool was_put = last != nullptr && last->put;
    if (found ? !was_put : is_surely_there(services, id)) fail("a condition saw another item: " + id);
    std::optional<std::pair<std::string, std::uint64_t>> gone;
    if (was_put && !found) gone = std::pair(id, number_of_last(id));
    acknowledge(services, {id}, refused.error().held_until(), gone);
  }

  // Counts up from what was there, on condition that it was, and sets all else.
  void update(Services& services, const std::string& id) {
    const std::uint64_t seen = number_of_last(id);
    // Kept until the number that is counted up to is that of the next state.
    ItemState state{true, last_state(id)->until};
    note("item submitted " + id, seen + 1);
    out_.items[id].push_back(state);
    const model::Item target = item_of(id, seen + 1, state.until);
    expressions::Substitutions with;
    must(with.add_value(":one", number_of(1)), "value");
    must(with.add_value(":seen", number_of(seen)), "value");
    std::string set = "SET n = n + :one";
    std::string remove;
    for (const std::string name : {"body", "group", "rank", "until"}) {
      must(with.add_name("#" + name, name), "name");
      const AttributeValue* const value = target.find(name);
      if (value == nullptr) {
        remove += (remove.empty() ? " REMOVE #" : ", #") + name;
        continue;
      }
      set += ", #" + name + " = :" + name;
      must(with.add_value(":" + name, *value), "value");
    }
    const auto condition = must(expressions::parse_condition("n = :seen", "ConditionExpression", with), "condition");
    const auto change = must(expressions::parse_update(set + remove, with), "update");
    tables::WriteRequest request;
    request.kind = tables::WriteKind::kUpdate;
    request.item = key_of(id);
    request.condition = &condition;
    request.update = &change;
    const auto written = must(services.tables().write(kScope, kTable, request), "update");
    acknowledge(services, {id}, written.after_commit);
  }

  // An update that leaves everything as it is.
  void change_nothing(Services& services, const std::string& id) {
    expressions::Substitutions with;
    must(with.add_value(":seen", number_of(number_of_last(id))), "value");
    const auto change = must(expressions::parse_update("SET n = :seen", with), "update");
    tables::WriteRequest request;
    request.kind = tables::WriteKind::kUpdate;
    request.item = key_of(id);
    request.update = &change;
    acknowledge(services, {id}, must(services.tables().write(kScope, kTable, request), "update").after_commit);
  }

  // What a read shows is there to stay.
  void look(Services& services, const std::string& id) {
    // Its last state was there before, if nothing is under way.
    const bool at_rest = services.committer().durable() >= last_;
    const auto stored = must(services.tables().get(kScope, kTable, key_of(id)), "get");
    if (const auto number = stored ? number_in(*stored) : std::nullopt) return note("item acknowledged " + id, *number);
    const ItemState* const last = last_state(id);
    if (at_rest && last != nullptr && last->put) note("item expired " + id, number_of_last(id));
  }

  // Both halves of a pair are always written together.
  void transact(Services& services) {
    const std::string pair = std::to_string(dice_() % 5);
    transact(services, pair, false);
    if (dice_() % 3 == 0) transact(services, pair, true);
  }
  void transact(Services& services, const std::string& pair, bool refused) {
    const std::vector<std::string> ids = {"left" + pair, "right" + pair};
    const bool known = last_state(ids[0]) != nullptr;
    expressions::Substitutions with;
    must(with.add_value(":seen", number_of(refused ? kNever : known ? number_of_last(ids[1]) : 0)), "value");
    const auto condition = must(expressions::parse_condition("n = :seen", "ConditionExpression", with), "condition");
    std::vector<tables::TransactionEntry> entries;
    for (const auto& id : ids) {
      tables::WriteRequest request;
      request.item = item_of(id, kNever, 0);
      entries.push_back({kTable, refused ? request : next_request(services, id, false)});
    }
    if (known) entries[1].request.condition = &condition;
    const auto written = services.tables().transact(kScope, entries, std::nullopt);
    if (written.ok() == refused) fail("a transaction saw other items");
    acknowledge(services, ids, written.ok() ? written->after_commit : written.error().held_until());
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

}  // namespace

RecordedServices record_services(const std::string& folder, std::uint64_t seed, std::uint64_t steps) {
  RecordedServices out;
  Load load(out, seed);
  start_recording(folder);
  auto services = must(Services::open(folder, millrace::testing::kVirtualStart), "services");
  load.create(*services);
  for (std::uint64_t step = 0; step < steps; ++step) {
    load.step(*services);
    if (step % 100 != 99) continue;
    load.wait(*services);
    const Time now = services->scheduler().now();
    services.reset();
    services = must(Services::open(folder, now), "services");
    load.restarted();
  }
  load.wait(*services);
  services.reset();
  out.operations = stop_recording();
  return out;
}

}  // namespace millrace::powercut
