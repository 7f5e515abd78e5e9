#include "world.h"

#include <algorithm>

#include "codec/json.h"
#include "model/json.h"
#include "model/stored.h"

namespace millrace::simulation {
namespace {

const Scope kScope;

template <typename T>
T must(Result<T> result, const char* what) {
  if (!result.ok()) throw Violation(std::string(what) + ": " + result.error().message());
  return std::move(result).value();
}

model::Item item_of(const std::string& json) {
  return must(model::read_item(must(codec::parse_json(json), "item")), "item");
}

std::int64_t version_of(const std::string& stored) {
  std::string text;
  model::append_json_of_stored(text, stored);
  return std::stoll(std::string(must(codec::parse_json(text), "stored item").find("v")->string_or("N", "0")));
}

}  // namespace

void Disk::break_down(bool applied) {
  breaking_ = applied;
  memory_.fail_write_after(
      0, applied ? storage::MemoryStore::Outcome::kApplied : storage::MemoryStore::Outcome::kNotApplied);
}

Result<void> Disk::write(const storage::WriteBatch& batch, Sync sync) {
  auto result = memory_.write(batch, sync);
  const bool applied = result.ok() || breaking_.value_or(false);
  if (!result.ok()) breaking_ = false;  // later ones are refused
  if (applied) ledger_.written(batch, clock_->now());
  return result;
}

Result<delivery::AfterCommit> LetterBox::stage(std::string_view, const delivery::Message& message,
                                               storage::WriteBatch& batch) {
  if (refuses_) return Error(delivery::kNoSuchTarget, "no such queue");
  batch.put(storage::Family::kQueue, "letter/" + std::to_string(++count_), message.body);
  return delivery::AfterCommit{};
}

World::World(const Plan& plan)
    : plan_(plan), dice_(plan.seed + 1), letters_(plan.refusing_destination), random_(plan.seed) {
  boot();
  ensure_tables();
  scheduler_->run_ready();
  for (const MappingPlan& each : plan_.mappings) make_mapping(each);
  scheduler_->run_ready();
}

World::~World() { shut_down(); }

void World::boot() {
  disk_.memory().heal();
  scheduler_ = std::make_unique<testing::VirtualScheduler>(time_);
  disk_.set_clock(*scheduler_);
  functions_.set_scheduler(*scheduler_);
  commits_ = std::make_unique<testing::TestCommits>(disk_, *scheduler_);
  registry_ = std::make_unique<telemetry::Registry>();
  streams::StreamsOptions stream_options;
  stream_options.reshaping.split_rate = plan_.split_rate;
  streams_ = must(streams::Streams::load(disk_, *commits_, *scheduler_, random_, stream_options), "streams");
  ledger_.set_retention(streams::kRetentionDefault);
  ledger_.set_lookup([this] { note_shards(); });
  // In force from the step after the commit on: no step of the engine lies
  // between the two.
  ledger_.set_mapping_listener(
      [this](const triggers::Mapping& mapping) { scheduler_->post([this, mapping] { in_force(mapping); }); });
  tables::TablesOptions options;
  options.stream_shards = plan_.shards;
  tables_ = must(tables::Tables::load(disk_, *commits_, *streams_, *scheduler_, random_, options), "tables");
  source_ = std::make_unique<app::StreamSource>(*streams_);
  delivery_ = std::make_unique<delivery::Delivery>();
  delivery_->add("sqs", letters_);
  settlement_ = std::make_unique<triggers::CommitSettlement>(*commits_, *delivery_);
  engine_ = std::make_unique<triggers::Engine>(
      triggers::Engine::Resources{*scheduler_, random_, *registry_, disk_, *commits_},
      triggers::Ports{*source_, functions_, *settlement_});
  if (auto started = engine_->start(); !started.ok())
    throw Violation("the engine does not start: " + started.error().message());
  note_shards();
  // What did not reach the disk has not happened.
  std::erase_if(uuids_, [this](const std::string& uuid) {
    const auto mapping = engine_->find(kScope, uuid);
    if (mapping) {
      in_force(*mapping);
    } else {
      ledger_.mapping_removed(uuid);
    }
    return !mapping;
  });
}

void World::in_force(const triggers::Mapping& mapping) {
  if (std::find(uuids_.begin(), uuids_.end(), mapping.uuid) == uuids_.end()) return;  // being created
  functions_.set_report(mapping.uuid, mapping.report_failures);
  ledger_.mapping_changed(mapping);
}

// In the middle of whatever it is doing: what is posted never runs.
void World::shut_down() {
  if (scheduler_ != nullptr) time_ = scheduler_->now();
  functions_.forget();
  engine_.reset();
  settlement_.reset();
  delivery_.reset();
  source_.reset();
  tables_.reset();
  streams_.reset();
  commits_.reset();
  registry_.reset();
  scheduler_.reset();
}

void World::kill() {
  ledger_.killed();
  shut_down();
  boot();
  ensure_tables();
}

void World::note_shards() {
  for (const auto& stream : streams_->list(kScope)) {
    for (const auto& shard : stream.shards) {
      std::vector<std::uint64_t> parents;
      if (shard.parent) parents.push_back(shard.parent->value());
      if (shard.second_parent) parents.push_back(shard.second_parent->value());
      ledger_.shard_exists(shard.number.value(),
                           {shard.id, std::move(parents), stream.table_name, stream.arn, shard.is_open()});
    }
  }
}

void World::make_table(const std::string& name) {
  tables::CreateRequest request;
  request.name = name;
  request.definitions = {{"k", model::KeyType::kString}};
  request.keys = {{"k", true}};
  request.billing = tables::BillingMode::kPayPerRequest;
  request.stream = tables::StreamRequest{true, model::ViewType::kNewAndOldImages};
  must(tables_->create(kScope, request), "create table");
  must(tables_->set_ttl(kScope, request.name, "ttl", true), "time to live");
}

// A kill may have come between the end of one and the beginning of the next,
// of tables as of streams.
void World::ensure_tables() {
  for (int i = 0; i < plan_.tables; ++i) {
    const std::string name = "T" + std::to_string(i);
    const auto table = tables_->describe(kScope, name);
    if (!table.ok()) {
      ledger_.table_gone(name);
      make_table(name);
    } else if (!table->info->stream) {
      enable_stream(name);
    }
  }
}

// Again where a read has failed: writes without a stream would be none that
// the ledger can follow.
void World::enable_stream(const std::string& table) {
  tables::UpdateRequest request;
  request.stream = tables::StreamRequest{true, model::ViewType::kNewAndOldImages};
  if (!tables_->update(kScope, table, request).ok()) must(tables_->update(kScope, table, request), "enable stream");
}

void World::make_mapping(const MappingPlan& plan) {
  const auto streams = streams_->list(kScope, "T" + std::to_string(plan.table));
  if (streams.empty()) return;
  triggers::Mapping mapping = plan.mapping;
  mapping.stream_arn = streams.back().arn;  // the youngest
  ++mappings_made_;
  const auto changed = engine_->create(mapping);
  if (!changed.ok()) return;
  uuids_.push_back(changed->mapping.uuid);
  functions_.add(changed->mapping.uuid, plan.behaviour);
  functions_.set_report(changed->mapping.uuid, mapping.report_failures);
  ledger_.mapping_created(changed->mapping, plan.behaviour.is_pure());
}

void World::write() {
  const std::string table = "T" + std::to_string(dice_.below(static_cast<std::uint64_t>(plan_.tables)));
  const std::string key = "key" + std::to_string(dice_.below(static_cast<std::uint64_t>(plan_.keys)));
  tables::WriteRequest request;
  const bool is_delete = dice_.chance(0.2);
  std::int64_t version = 0;
  if (is_delete) {
    request.kind = tables::WriteKind::kDelete;
    request.item = item_of(R"({"k":{"S":")" + key + "\"}}");
  } else {
    version = ++version_;
    std::string json = R"({"k":{"S":")" + key + R"("},"v":{"N":")" + std::to_string(version) + R"("},"g":{"S":")" +
                       (dice_.chance(0.5) ? "a" : "b") + "\"}";
    if (dice_.chance(plan_.poison)) json += R"(,"p":{"S":"poison"})";
    if (dice_.chance(plan_.expiring)) {
      const auto expiry = std::chrono::floor<Seconds>(scheduler_->now() + Seconds(dice_.between(-5, 900)));
      json += R"(,"ttl":{"N":")" + std::to_string(expiry.time_since_epoch().count()) + "\"}";
    }
    if (plan_.pad > 0) json += R"(,"pad":{"S":")" + std::string(static_cast<std::size_t>(plan_.pad), 'x') + "\"}";
    request.item = item_of(json + "}");
  }
  const auto result = tables_->write(kScope, table, request);
  if (!result.ok()) return;  // the disk has failed
  if (is_delete) {
    if (!result->before.exists()) return;
    version = version_of(result->before.bytes());
  }
  commits_->when_durable(result->after_commit, [this, table, key, version, is_delete](const Error* error) {
    if (error == nullptr) ledger_.acknowledged(table, key, version, is_delete);
  });
}

void World::reshape() {
  const auto streams = streams_->list(kScope);
  const auto& stream = dice_.pick(streams);
  std::vector<streams::ShardNumber> open;
  for (const auto& shard : stream.shards)
    if (shard.is_open()) open.push_back(shard.number);
  if (open.empty()) return;
  streams::Reshape change;
  change.kind = dice_.pick<streams::Reshape::Kind>(
      {streams::Reshape::Kind::kRoll, streams::Reshape::Kind::kSplit, streams::Reshape::Kind::kMerge});
  if (change.kind == streams::Reshape::Kind::kSplit && open.size() > 8) return;
  if (change.kind != streams::Reshape::Kind::kRoll || dice_.chance(0.5)) change.shards.push_back(dice_.pick(open));
  if (change.kind == streams::Reshape::Kind::kMerge) change.shards.push_back(dice_.pick(open));  // mostly no neighbour
  storage::WriteBatch batch;
  if (!streams_->reshape(stream.id, change, batch).ok()) return;
  static constexpr const char* kNames[] = {"roll-overs", "splits", "merges"};
  ++ledger_.counters[kNames[static_cast<int>(change.kind)]];
  commits_->submit(std::move(batch));
}

void World::remove_mapping() {
  if (uuids_.size() < 2) return;
  const std::string uuid = dice_.pick(uuids_);
  if (!engine_->remove(kScope, uuid).ok()) return;
  ++ledger_.counters["mappings deleted"];
  // Until it is durable a kill could bring it back.
  scheduler_->run_ready();
  if (disk_.memory().has_failed()) return;
  std::erase(uuids_, uuid);
  ledger_.mapping_removed(uuid);
}

void World::rewind_mapping() {
  const std::string uuid = dice_.pick(uuids_);
  Stamp target = 0;
  if (!ledger_.changes().empty() && dice_.chance(0.8)) {
    auto to = ledger_.changes().begin();
    std::advance(to, static_cast<std::ptrdiff_t>(dice_.below(ledger_.changes().size())));
    target = to->first;
  }
  ledger_.rewind_begins(uuid);
  engine_->rewind(kScope, uuid, target, "in the simulation", [this, uuid](const Result<void>& result) {
    if (result.ok()) ++ledger_.counters["mappings rewound"];
    ledger_.rewind_ends(uuid);
  });
}

void World::let_record_go() {
  const std::string uuid = dice_.pick(uuids_);
  if (ledger_.changes().empty()) return;
  auto record = ledger_.changes().end();
  std::advance(record,
               -static_cast<std::ptrdiff_t>(1 + dice_.below(std::min<std::size_t>(8, ledger_.changes().size()))));
  const Change& change = record->second;
  const auto mapping = engine_->find(kScope, uuid);
  if (!mapping || mapping->stream_arn != change.stream) return;
  ledger_.skip_begins(uuid, change.stamp);
  engine_->skip(kScope, uuid, {change.shard, change.stamp}, change.key_hash, "in the simulation",
                [this, uuid, stamp = change.stamp](const Result<void>& result) {
                  if (result.ok()) ledger_.skip_ends(uuid, stamp);
                });
}

// A table, or only its stream, ends and begins anew under the same name;
// mappings of the old stream drain it.
void World::upheave() {
  const std::string name = "T" + std::to_string(dice_.below(static_cast<std::uint64_t>(plan_.tables)));
  if (dice_.chance(0.5)) {
    if (!tables_->remove(kScope, name).ok()) return;
    scheduler_->run_ready();
    if (disk_.memory().has_failed()) return;
    ++ledger_.counters["tables deleted"];
    ensure_tables();
  } else {
    tables::UpdateRequest request;
    request.stream = tables::StreamRequest{false, std::nullopt};
    if (!tables_->update(kScope, name, request).ok()) return;
    ++ledger_.counters["streams disabled"];
    enable_stream(name);
  }
  scheduler_->run_ready();
  make_mapping(roll_mapping(dice_, plan_.tables, mappings_made_));
}

// What people do to mappings and tables that are at work.
void World::meddle() {
  if (dice_.chance(plan_.updates)) update_mapping();
  if (dice_.chance(plan_.births)) make_mapping(roll_mapping(dice_, plan_.tables, mappings_made_));
  if (dice_.chance(plan_.deaths)) remove_mapping();
  if (dice_.chance(plan_.rewinds)) dice_.chance(0.5) ? rewind_mapping() : let_record_go();
  if (dice_.chance(plan_.upheavals)) upheave();
  if (dice_.chance(plan_.replacements)) {
    const std::string& uuid = dice_.pick(uuids_);
    functions_.add(uuid, roll_behaviour(dice_));
    ledger_.function_replaced(uuid);
    ++ledger_.counters["functions replaced"];
  }
}

void World::update_mapping() {
  const std::string& uuid = dice_.pick(uuids_);
  const auto changed = engine_->update(kScope, uuid, [&](triggers::Mapping& mapping) -> Result<void> {
    if (dice_.chance(0.3)) {
      mapping.enabled = !mapping.enabled;
    } else {
      roll_options(dice_, mapping);
    }
    return {};
  });
  if (changed.ok()) ++ledger_.counters["mapping updates"];
}

void World::step() {
  if (dice_.chance(plan_.kills) || disk_.memory().has_failed()) {
    if (disk_.memory().has_failed()) ++ledger_.counters["disk failures"];
    kill();
  }
  if (dice_.chance(plan_.disk_errors)) disk_.break_down(dice_.chance(0.5));
  if (dice_.chance(plan_.read_errors)) disk_.memory().fail_read_after(dice_.below(4));
  if (dice_.chance(plan_.reshapes)) reshape();
  if (!uuids_.empty()) meddle();
  if (dice_.chance(plan_.jumps)) scheduler_->advance(Milliseconds(dice_.between(60'000, 30 * 3'600'000)));
  for (std::int64_t writes = dice_.between(0, 4); writes > 0; --writes) write();
  switch (dice_.below(4)) {
    case 0:  // a few steps only: the next kill may fall between any two
      for (std::int64_t count = dice_.between(0, 30); count > 0 && scheduler_->run_one(); --count) {
      }
      break;
    case 1:
      scheduler_->advance(Milliseconds(dice_.between(1, 2000)));
      break;
    case 2:
      scheduler_->run_next_timer();
      break;
    default:
      scheduler_->run_ready();
  }
}

// No more faults; everything that waits has its time.
void World::settle() {
  functions_.heal();
  if (disk_.memory().has_failed()) kill();
  disk_.memory().heal();
  for (const std::string& uuid : uuids_) {
    if (const auto mapping = engine_->find(kScope, uuid); mapping && !mapping->enabled) {
      must(engine_->set_enabled(kScope, uuid, true), "enable");
    }
  }
  scheduler_->advance(std::chrono::hours(2));
  ledger_.check_settled(scheduler_->now());
}

std::map<std::pair<std::string, std::string>, std::int64_t> World::stored_items() const {
  std::map<std::pair<std::string, std::string>, std::int64_t> out;
  for (int table = 0; table < plan_.tables; ++table) {
    for (int key = 0; key < plan_.keys; ++key) {
      const std::string table_name = "T" + std::to_string(table), name = "key" + std::to_string(key);
      const auto stored = must(tables_->get(kScope, table_name, item_of(R"({"k":{"S":")" + name + "\"}}")), "get");
      if (!stored) continue;
      out[{table_name, name}] = version_of(*stored);
    }
  }
  return out;
}

void World::run() {
  for (int i = 0; i < plan_.steps; ++i) step();
  settle();
  ledger_.check_items(stored_items());
}

}  // namespace millrace::simulation
