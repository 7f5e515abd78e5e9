// The world of this folder's tests: memory store, test committer, virtual time, one table.
#pragma once

#include <gtest/gtest.h>

#include "expressions/parse.h"
#include "model/json.h"
#include "model/stored.h"
#include "storage/memory/memory_store.h"
#include "tables/errors.h"
#include "tables/tables.h"
#include "testing/test_commits.h"
#include "testing/virtual_scheduler.h"

namespace millrace::tables {

struct WriteOptions {
  std::string condition;
  std::string update;
  std::string substitutions = "{}";
  bool return_old = false;
};

// A further global index by an attribute of text, all projected.
inline UpdateRequest create_by_city() {
  UpdateRequest request;
  request.definitions = {{"city", model::KeyType::kString}};
  IndexRequest index;
  index.name = "by_city";
  index.keys = {{"city", true}};
  index.projection_type = "ALL";
  request.create_indexes = {index};
  return request;
}

class TablesTest : public ::testing::Test {
 protected:
  TablesTest() { start(); }

  void start() {
    tables_.reset();
    streams_.reset();
    commits_ = std::make_unique<testing::TestCommits>(store_, scheduler_clock());
    auto streams = streams::Streams::load(store_, *commits_, scheduler_, random_);
    EXPECT_TRUE(streams.ok());
    streams_ = std::move(*streams);
    auto tables = Tables::load(store_, *commits_, *streams_, scheduler_, random_, options_);
    EXPECT_TRUE(tables.ok()) << (tables.ok() ? "" : tables.error().message());
    tables_ = std::move(*tables);
  }

  static model::Item item(std::string_view json) {
    Result<codec::Json> document = codec::parse_json(json);
    EXPECT_TRUE(document.ok()) << json;
    Result<model::Item> result = model::read_item(*document);
    EXPECT_TRUE(result.ok()) << json << (result.ok() ? "" : result.error().message());
    return *result;
  }

  // Key pk (S) and sk (N); global index "by_holder" (holder S, age N; ALL), local index "by_age" (age N; KEYS_ONLY).
  static CreateRequest sample(std::string name = "T") {
    CreateRequest request;
    request.name = std::move(name);
    request.definitions = {{"pk", model::KeyType::kString},
                           {"sk", model::KeyType::kNumber},
                           {"holder", model::KeyType::kString},
                           {"age", model::KeyType::kNumber}};
    request.keys = {{"pk", true}, {"sk", false}};
    IndexRequest local;
    local.name = "by_age";
    local.kind = Index::Kind::kLocal;
    local.keys = {{"pk", true}, {"age", false}};
    local.projection_type = "KEYS_ONLY";
    IndexRequest global;
    global.name = "by_holder";
    global.keys = {{"holder", true}, {"age", false}};
    global.projection_type = "ALL";
    request.indexes = {local, global};
    request.billing = BillingMode::kPayPerRequest;
    request.stream = StreamRequest{true, model::ViewType::kNewAndOldImages};
    return request;
  }
  void create_sample() {
    const auto created = tables_->create(scope_, sample());
    ASSERT_TRUE(created.ok()) << created.error().message();
  }

  Result<WriteResult> write(WriteKind kind, std::string_view json, const WriteOptions& options = {}) {
    WriteRequest request;
    request.kind = kind;
    request.item = item(json);
    request.return_old_on_failure = options.return_old;
    expressions::Substitutions with = substitutions(options.substitutions);
    std::optional<expressions::Condition> condition;
    std::optional<expressions::Update> update;
    if (!options.condition.empty()) {
      condition = *expressions::parse_condition(options.condition, "ConditionExpression", with);
      request.condition = &*condition;
    }
    if (!options.update.empty()) {
      update = *expressions::parse_update(options.update, with);
      request.update = &*update;
    }
    return tables_->write(scope_, "T", request);
  }
  void put(std::string_view json) {
    const auto result = write(WriteKind::kPut, json);
    ASSERT_TRUE(result.ok()) << json << ": " << result.error().message();
  }
  std::string put_error(std::string_view json, const WriteOptions& options = {}) {
    const auto result = write(WriteKind::kPut, json, options);
    return result.ok() ? "" : result.error().message();
  }
  std::string update(std::string_view key, std::string_view text, std::string_view values = "{}") {
    const auto result = write(WriteKind::kUpdate, key, {"", std::string(text), std::string(values), false});
    return result.ok() ? model::to_json(result->after.item()) : result.error().message();
  }
  std::string get(std::string_view key) {
    const auto stored = tables_->get(scope_, "T", item(key));
    if (!stored.ok()) return stored.error().message();
    std::string json;
    if (*stored) model::append_json_of_stored(json, **stored);
    return json;
  }

  static expressions::Substitutions substitutions(std::string_view json) {
    expressions::Substitutions out;
    for (const model::Attribute& attribute : item(json)) {
      const Result<void> added = attribute.name[0] == '#'
                                     ? out.add_name(attribute.name, attribute.value.get<std::string>())
                                     : out.add_value(attribute.name, attribute.value);
      EXPECT_TRUE(added.ok());
    }
    return out;
  }
  Result<Page> query(std::string_view condition, std::string_view values, QueryRequest request = {}) {
    expressions::Substitutions with = substitutions(values);
    const auto key = expressions::parse_condition(condition, "KeyConditionExpression", with);
    EXPECT_TRUE(key.ok());
    request.key_condition = &*key;
    return tables_->query(scope_, "T", request);
  }
  std::string query_json(std::string_view condition, std::string_view values, QueryRequest request = {}) {
    const auto page = query(condition, values, std::move(request));
    return page.ok() ? page->items_json : page.error().message();
  }

  // Every record of the table's latest stream, as "INSERT:<keys JSON>" lines; a TTL delete as "EXPIRE:".
  std::vector<std::string> records() {
    std::vector<std::string> out;
    const auto info = tables_->info(scope_, "T");
    if (!info.ok() || !(*info)->stream) return out;
    const auto stream = streams_->find(streams::StreamId((*info)->stream->id));
    for (const streams::Shard& shard : stream->shards) {
      const auto page = streams_->read(shard.number, 0);
      EXPECT_TRUE(page.ok());
      for (const streams::LogRecord& logged : page->records) {
        const auto record = model::decode_change(logged.value);
        std::string line = record->origin == model::ChangeOrigin::kTimeToLive
                               ? "EXPIRE:"
                               : std::string(model::event_name(record->event)) + ":";
        model::append_json_of_stored(line, record->keys);
        out.push_back(line);
      }
    }
    return out;
  }

  const platform::Clock& scheduler_clock() { return scheduler_; }

  storage::MemoryStore store_;
  testing::VirtualScheduler scheduler_;
  platform::SeededRandom random_{7};
  TablesOptions options_;
  Scope scope_;
  std::unique_ptr<testing::TestCommits> commits_;
  std::unique_ptr<streams::Streams> streams_;
  std::unique_ptr<Tables> tables_;
};

}  // namespace millrace::tables
