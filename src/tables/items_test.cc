#include <random>

#include "codec/key.h"
#include "tables/fixture_test.h"
#include "tables/keys.h"

namespace millrace::tables {
namespace {

class ItemsTest : public TablesTest {
 protected:
  ItemsTest() { create_sample(); }
};

TEST_F(ItemsTest, PutReplacesAndDeleteRemoves) {
  put(R"({"pk":{"S":"a"},"sk":{"N":"1"},"x":{"S":"one"}})");
  EXPECT_EQ(get(R"({"pk":{"S":"a"},"sk":{"N":"1.0"}})"), R"({"pk":{"S":"a"},"sk":{"N":"1"},"x":{"S":"one"}})");
  put(R"({"pk":{"S":"a"},"sk":{"N":"1"},"y":{"S":"two"}})");
  EXPECT_EQ(get(R"({"pk":{"S":"a"},"sk":{"N":"1"}})"), R"({"pk":{"S":"a"},"sk":{"N":"1"},"y":{"S":"two"}})");
  const auto removed = write(WriteKind::kDelete, R"({"pk":{"S":"a"},"sk":{"N":"1"}})");
  EXPECT_TRUE(removed->before.exists());
  EXPECT_EQ(get(R"({"pk":{"S":"a"},"sk":{"N":"1"}})"), "");
}

TEST_F(ItemsTest, EveryChangeIsLoggedOnceAndNoChangeIsNot) {
  const char* one = R"({"pk":{"S":"a"},"sk":{"N":"1"},"set":{"SS":["x","y"]}})";
  put(one);
  put(one);
  put(R"({"pk":{"S":"a"},"sk":{"N":"1.00"},"set":{"SS":["y","x"]}})");
  put(R"({"pk":{"S":"a"},"sk":{"N":"1"},"v":{"N":"2"}})");
  const char* key = R"({"pk":{"S":"a"},"sk":{"N":"1"}})";
  update(key, "ADD v :zero", R"({":zero":{"N":"0"}})");
  update(key, "REMOVE nothing");
  update(key, "SET v = :v", R"({":v":{"N":"3"}})");
  ASSERT_TRUE(write(WriteKind::kDelete, key).ok());
  ASSERT_TRUE(write(WriteKind::kDelete, key).ok());
  const std::string keys = R"({"pk":{"S":"a"},"sk":{"N":"1"}})";
  EXPECT_EQ(records(),
            (std::vector<std::string>{"INSERT:" + keys, "MODIFY:" + keys, "MODIFY:" + keys, "REMOVE:" + keys}));
}

TEST_F(ItemsTest, UpdateCreatesUnlessItOnlyTakesAway) {
  const char* key = R"({"pk":{"S":"a"},"sk":{"N":"1"}})";
  EXPECT_EQ(update(key, "REMOVE x"), "{}");
  EXPECT_EQ(get(key), "");
  EXPECT_EQ(update(key, ""), R"({"pk":{"S":"a"},"sk":{"N":"1"}})");
  EXPECT_EQ(update(key, "SET n = if_not_exists(n, :z) + :o", R"({":z":{"N":"0"},":o":{"N":"1"}})"),
            R"({"n":{"N":"1"},"pk":{"S":"a"},"sk":{"N":"1"}})");
  EXPECT_EQ(update(key, "SET pk = :o", R"({":o":{"N":"1"}})"),
            "One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key");
}

TEST_F(ItemsTest, UnitsCountEachIndexEntryThatIsWritten) {
  const auto units = [&](WriteKind kind, std::string_view json) {
    WriteRequest request;
    request.kind = kind;
    request.item = item(json);
    request.count_units = true;
    const auto result = tables_->write(scope_, "T", request);
    EXPECT_TRUE(result.ok());
    std::string out = std::to_string(result->units.table);
    for (const auto& [name, count] : result->units.indexes) out += " " + name + "=" + std::to_string(count);
    return out;
  };
  const std::string key = R"("pk":{"S":"a"},"sk":{"N":"1"})";
  const auto with = [&](const std::string& more) { return "{" + key + "," + more + "}"; };
  const std::string large = R"("x":{"S":")" + std::string(2500, 'x') + "\"}";
  EXPECT_EQ(units(WriteKind::kPut, with(R"("x":{"S":"1"})")), "1") << "no key of an index";
  EXPECT_EQ(units(WriteKind::kPut, with(R"("holder":{"S":"h"},"age":{"N":"1"})")), "1 by_age=1 by_holder=1");
  EXPECT_EQ(units(WriteKind::kPut, with(R"("holder":{"S":"h"},"age":{"N":"1"})")), "1") << "nothing changes";
  EXPECT_EQ(units(WriteKind::kPut, with(R"("holder":{"S":"h"},"age":{"N":"1"},)" + large)), "3 by_holder=3")
      << "an index of keys shows no change of others";
  EXPECT_EQ(units(WriteKind::kPut, with(R"("holder":{"S":"i"},"age":{"N":"1"})")), "3 by_holder=4") << "it moves";
  EXPECT_EQ(units(WriteKind::kPut, with(R"("holder":{"S":"i"})")), "1 by_age=1 by_holder=1") << "they vanish";
  put(with(R"("holder":{"S":"h"},"age":{"N":"1"})"));
  EXPECT_EQ(units(WriteKind::kDelete, "{" + key + "}"), "1 by_age=1 by_holder=1");
  std::vector<TransactionEntry> entries(2);
  entries[0].table = entries[1].table = "T";
  entries[0].request.item = item(with(R"("holder":{"S":"h"},"age":{"N":"1"})"));
  entries[1].request.item = item(R"({"pk":{"S":"b"},"sk":{"N":"1"}})");
  for (TransactionEntry& entry : entries) entry.request.count_units = true;
  const auto done = tables_->transact(scope_, entries, std::nullopt);
  ASSERT_TRUE(done.ok());
  EXPECT_EQ(done->units[0].table, 2);
  ASSERT_EQ(done->units[0].indexes.size(), 2U);
  EXPECT_EQ(done->units[0].indexes[1].second, 2) << "twice, as all of a transaction";
  EXPECT_TRUE(done->units[1].indexes.empty());
}

TEST_F(ItemsTest, TheSizeOfACollectionIsEstimatedFromItsShareOfTheTable) {
  const auto partition = model::AttributeValue::string("a");
  for (int i = 0; i < 30; ++i) {
    const std::string key = std::to_string(i);
    put(R"({"pk":{"S":"a"},"sk":{"N":")" + key + R"("},"age":{"N":"1"}})");
    if (i % 3 == 0) put(R"({"pk":{"S":"b"},"sk":{"N":")" + key + R"("},"age":{"N":"1"}})");
  }
  const auto info = *tables_->info(scope_, "T");
  EXPECT_EQ(*tables_->collection_gib(*info, partition), 0);
  storage::WriteBatch batch;
  const std::int64_t gib = std::int64_t{1} << 30;
  batch.add(count_key(info->id, 0, 'b'), 11 * gib);
  batch.add(count_key(info->id, info->find_index("by_age")->number, 'b'), 3 * gib);
  batch.add(count_key(info->id, info->find_index("by_holder")->number, 'b'), 100 * gib);
  commits_->submit(std::move(batch));
  EXPECT_EQ(*tables_->collection_gib(*info, partition), 10) << "three quarters of fourteen";
  EXPECT_EQ(*tables_->collection_gib(*info, model::AttributeValue::string("b")), 3);
  EXPECT_EQ(*tables_->collection_gib(*info, model::AttributeValue::string("none")), 0);
}

TEST_F(ItemsTest, TheSizeOfACollectionWhoseCountersCannotBeReadIsAnError) {
  const auto partition = model::AttributeValue::string("a");
  put(R"({"pk":{"S":"a"},"sk":{"N":"1"},"age":{"N":"1"}})");
  const auto info = *tables_->info(scope_, "T");
  for (std::uint64_t n = 0; n < 4; ++n) {  // items and bytes of the table and of its local index
    store_.fail_read_after(n);
    EXPECT_FALSE(tables_->collection_gib(*info, partition).ok()) << n;
  }
  EXPECT_TRUE(tables_->collection_gib(*info, partition).ok());
  storage::WriteBatch batch;
  batch.put(storage::Family::kCatalogue, count_key(info->id, 0, 'b'), "odd");
  commits_->submit(std::move(batch));
  const auto damaged = tables_->collection_gib(*info, partition);
  ASSERT_FALSE(damaged.ok());
  EXPECT_TRUE(damaged.error().is(storage::kStorageFailed));
}

TEST_F(ItemsTest, ConditionsDecide) {
  const char* one = R"({"pk":{"S":"a"},"sk":{"N":"1"},"v":{"N":"1"}})";
  EXPECT_EQ(put_error(one, {"attribute_not_exists(pk)", "", "{}", false}), "");
  const auto failed = write(WriteKind::kPut, one, {"attribute_not_exists(pk)", "", "{}", true});
  ASSERT_FALSE(failed.ok());
  EXPECT_TRUE(failed.error().is(kConditionalCheckFailed));
  EXPECT_EQ(failed.error().message(), "The conditional request failed");
  ASSERT_EQ(failed.error().details().size(), 1u);
  EXPECT_EQ(failed.error().details()[0].second, R"({"pk":{"S":"a"},"sk":{"N":"1"},"v":{"N":"1"}})");
  EXPECT_EQ(records().size(), 1u);
}

TEST_F(ItemsTest, KeysAndIndexKeysAreChecked) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"sk":{"N":"1"}})", "One or more parameter values were invalid: Missing the key pk in the item"},
      {R"({"pk":{"S":"a"},"sk":{"S":"1"}})",
       "One or more parameter values were invalid: Type mismatch for key sk expected: N actual: S"},
      {R"({"pk":{"S":""},"sk":{"N":"1"}})",
       "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty "
       "string value. Key: pk"},
      {R"({"pk":{"S":"a"},"sk":{"N":"1"},"holder":{"N":"1"}})",
       "One or more parameter values were invalid: Type mismatch for Index Key holder Expected: S Actual: N IndexName: "
       "by_holder"},
      {R"({"pk":{"S":"a"},"sk":{"N":"1"},"holder":{"S":""}})",
       "One or more parameter values are not valid. A value specified for a secondary index key is not supported. The "
       "AttributeValue for a key attribute cannot contain an empty string value. IndexName: by_holder, IndexKey: "
       "holder"},
  };
  for (const auto& [json, message] : cases) EXPECT_EQ(put_error(json), message) << json;
  EXPECT_EQ(
      put_error(R"({"sk":{"N":"1"},"pk":{"S":")" + std::string(2049, 'x') + R"("}})"),
      "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of2048 bytes");
  EXPECT_EQ(get(R"({"pk":{"S":"a"}})"), "The provided key element does not match the schema");
  EXPECT_EQ(get(R"({"pk":{"S":"a"},"sk":{"N":"1"},"x":{"N":"1"}})"),
            "The provided key element does not match the schema");
  const std::string big(model::to_json(item(R"({"pk":{"S":"a"},"sk":{"N":"1"},"x":{"S":""}})")));
  std::string over = big;
  over.insert(over.rfind("\"\"") + 1, std::string(400 * 1024, 'x'));
  EXPECT_EQ(put_error(over), "Item size has exceeded the maximum allowed size");
}

TEST_F(ItemsTest, UnknownTablesAreNotFound) {
  WriteRequest request;
  const auto result = tables_->write(scope_, "nope", request);
  EXPECT_TRUE(result.error().is(kResourceNotFound));
  EXPECT_TRUE(tables_->write({"111111111111", "us-east-1"}, "T", request).error().is(kResourceNotFound));
}

TEST_F(ItemsTest, WritersSeePendingChangesAndReadersOnlyDurableOnes) {
  commits_->hold();
  const char* key = R"({"pk":{"S":"a"},"sk":{"N":"1"}})";
  const char* one = R"({":o":{"N":"1"}})";
  EXPECT_EQ(update(key, "ADD n :o", one), R"({"n":{"N":"1"},"pk":{"S":"a"},"sk":{"N":"1"}})");
  EXPECT_EQ(update(key, "ADD n :o", one), R"({"n":{"N":"2"},"pk":{"S":"a"},"sk":{"N":"1"}})");
  EXPECT_EQ(get(key), "");
  const auto failed = write(WriteKind::kDelete, key, {"attribute_not_exists(pk)", "", "{}", false});
  EXPECT_GT(failed.error().held_until(), commits_->durable());
  const auto idle = write(WriteKind::kUpdate, key, {"", "REMOVE nothing", "{}", false});
  EXPECT_EQ(idle->after_commit, failed.error().held_until());
  ASSERT_TRUE(commits_->commit_one());
  EXPECT_EQ(get(key), R"({"n":{"N":"1"},"pk":{"S":"a"},"sk":{"N":"1"}})");
  // The second write is still pending although the first one's entry was settled.
  EXPECT_EQ(update(key, "ADD n :o", one), R"({"n":{"N":"3"},"pk":{"S":"a"},"sk":{"N":"1"}})");
  commits_->release();
  EXPECT_EQ(get(key), R"({"n":{"N":"3"},"pk":{"S":"a"},"sk":{"N":"1"}})");
  EXPECT_EQ(update(key, "ADD n :o", one), R"({"n":{"N":"4"},"pk":{"S":"a"},"sk":{"N":"1"}})");
}

TEST_F(ItemsTest, IndexesFollowTheItem) {
  put(R"({"pk":{"S":"a"},"sk":{"N":"1"},"holder":{"S":"o"},"age":{"N":"5"},"x":{"S":"y"}})");
  QueryRequest by_holder;
  by_holder.index = "by_holder";
  const char* values = R"({":o":{"S":"o"}})";
  EXPECT_EQ(query_json("holder = :o", values, by_holder),
            R"([{"age":{"N":"5"},"holder":{"S":"o"},"pk":{"S":"a"},"sk":{"N":"1"},"x":{"S":"y"}}])");
  QueryRequest by_age;
  by_age.index = "by_age";
  const char* pk = R"({":a":{"S":"a"}})";
  EXPECT_EQ(query_json("pk = :a", pk, by_age), R"([{"age":{"N":"5"},"pk":{"S":"a"},"sk":{"N":"1"}}])");
  by_age.all_attributes = true;
  EXPECT_NE(query_json("pk = :a", pk, by_age).find("\"x\""), std::string::npos);
  const char* key = R"({"pk":{"S":"a"},"sk":{"N":"1"}})";
  update(key, "SET age = :v", R"({":v":{"N":"6"}})");
  EXPECT_EQ(query_json("holder = :o", values, by_holder),
            R"([{"age":{"N":"6"},"holder":{"S":"o"},"pk":{"S":"a"},"sk":{"N":"1"},"x":{"S":"y"}}])");
  update(key, "REMOVE holder");
  EXPECT_EQ(query_json("holder = :o", values, by_holder), "[]");
  ASSERT_TRUE(write(WriteKind::kDelete, key).ok());
  EXPECT_EQ(query_json("pk = :a", pk, by_age), "[]");
  const auto description = tables_->describe(scope_, "T");
  EXPECT_EQ(description->counts.items, 0);
  EXPECT_EQ(description->counts.bytes, 0);
  EXPECT_EQ(description->index_counts[0].items, 0);
  EXPECT_EQ(description->index_counts[1].bytes, 0);
}

TEST_F(ItemsTest, CountersFollowTheItems) {
  put(R"({"pk":{"S":"a"},"sk":{"N":"1"},"age":{"N":"5"}})");
  put(R"({"pk":{"S":"a"},"sk":{"N":"2"}})");
  auto description = tables_->describe(scope_, "T");
  EXPECT_EQ(description->counts.items, 2);
  EXPECT_EQ(description->counts.bytes, 12 + 7);
  EXPECT_EQ(description->index_counts[0].items, 1);
  EXPECT_EQ(description->index_counts[1].items, 0);
}

TEST_F(ItemsTest, RandomWritesKeepIndexesAndStreamInStepWithTheTable) {
  std::mt19937 random(5);
  std::map<std::string, std::string> expected;
  std::size_t changes = 0;
  for (int i = 0; i < 400; ++i) {
    const std::string key =
        R"("pk":{"S":"k)" + std::to_string(random() % 5) + R"("},"sk":{"N":")" + std::to_string(random() % 4) + R"("})";
    if (random() % 4 == 0) {
      ASSERT_TRUE(write(WriteKind::kDelete, "{" + key + "}").ok());
      changes += expected.erase(key);
      continue;
    }
    std::string json = "{" + key;
    if (random() % 2 == 0) json += R"(,"holder":{"S":"o)" + std::to_string(random() % 2) + R"("})";
    if (random() % 2 == 0) json += R"(,"age":{"N":")" + std::to_string(random() % 3) + R"("})";
    json = model::to_json(item(json + "}"));
    put(json);
    if (expected[key] != json) ++changes;
    expected[key] = json;
  }
  std::size_t owned = 0;
  for (const auto& [key, json] : expected) owned += item(json).contains("holder") && item(json).contains("age") ? 1 : 0;
  EXPECT_EQ(records().size(), changes);
  EXPECT_EQ(tables_->scan(scope_, "T", {})->count, expected.size());
  ScanRequest by_holder;
  by_holder.index = "by_holder";
  EXPECT_EQ(tables_->scan(scope_, "T", by_holder)->count, owned);
  const auto description = tables_->describe(scope_, "T");
  EXPECT_EQ(description->counts.items, static_cast<std::int64_t>(expected.size()));
  EXPECT_EQ(description->index_counts[1].items, static_cast<std::int64_t>(owned));
}

// --- transactions ---------------------------------------------------------------------------------------------------

class TransactionsTest : public ItemsTest {
 protected:
  TransactionEntry put_entry(std::string_view json, const expressions::Condition* condition = nullptr) {
    TransactionEntry entry{"T", {}};
    entry.request.item = item(json);
    entry.request.condition = condition;
    return entry;
  }
};

TEST_F(TransactionsTest, AllOrNothing) {
  put(R"({"pk":{"S":"a"},"sk":{"N":"1"}})");
  expressions::Substitutions with;
  const auto absent = expressions::parse_condition("attribute_not_exists(pk)", "ConditionExpression", with);
  std::vector<TransactionEntry> entries = {put_entry(R"({"pk":{"S":"b"},"sk":{"N":"1"}})", &*absent),
                                           put_entry(R"({"pk":{"S":"a"},"sk":{"N":"1"},"x":{"S":"y"}})", &*absent)};
  entries[1].request.return_old_on_failure = true;
  const auto failed = tables_->transact(scope_, entries, std::nullopt);
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(
      failed.error().message(),
      "Transaction cancelled, please refer cancellation reasons for specific reasons [None, ConditionalCheckFailed]");
  EXPECT_EQ(
      failed.error().details()[0].second,
      R"([{"Code":"None"},{"Code":"ConditionalCheckFailed","Message":"The conditional request failed","Item":{"pk":{"S":"a"},"sk":{"N":"1"}}}])");
  EXPECT_EQ(get(R"({"pk":{"S":"b"},"sk":{"N":"1"}})"), "");
  entries.pop_back();
  entries.push_back(put_entry(R"({"pk":{"S":"c"},"sk":{"N":"1"}})"));
  ASSERT_TRUE(tables_->transact(scope_, entries, std::nullopt).ok());
  EXPECT_EQ(records().size(), 3u);
}

TEST_F(TransactionsTest, OneItemCannotBeTouchedTwice) {
  const std::vector<TransactionEntry> entries = {put_entry(R"({"pk":{"S":"b"},"sk":{"N":"1"}})"),
                                                 put_entry(R"({"pk":{"S":"b"},"sk":{"N":"1.0"}})")};
  EXPECT_EQ(tables_->transact(scope_, entries, std::nullopt).error().message(),
            "Transaction request cannot include multiple operations on one item");
}

TEST_F(TransactionsTest, ATokenMakesItHappenOnceAlsoAcrossARestart) {
  const std::vector<TransactionEntry> entries = {put_entry(R"({"pk":{"S":"b"},"sk":{"N":"1"}})")};
  const TransactionToken token{"t1", 42};
  ASSERT_FALSE(tables_->transact(scope_, entries, token)->repeated);
  ASSERT_TRUE(write(WriteKind::kDelete, R"({"pk":{"S":"b"},"sk":{"N":"1"}})").ok());
  EXPECT_TRUE(tables_->transact(scope_, entries, token)->repeated);
  start();
  EXPECT_TRUE(tables_->transact(scope_, entries, token)->repeated);
  EXPECT_EQ(get(R"({"pk":{"S":"b"},"sk":{"N":"1"}})"), "");
  EXPECT_TRUE(tables_->transact(scope_, entries, TransactionToken{"t1", 43}).error().is(kIdempotentParameterMismatch));
  scheduler_.advance(kTokenLifetime);
  EXPECT_FALSE(tables_->transact(scope_, entries, token)->repeated);
}

TEST_F(TransactionsTest, ACancelledTransactionForgetsNoTokenThatIsStillOnDisk) {
  std::vector<TransactionEntry> entries(1);
  entries[0].table = "T";
  entries[0].request.item = item(R"({"pk":{"S":"a"},"sk":{"N":"1"}})");
  const auto tokens = [this] { return store_.count(storage::Family::kQueue); };
  ASSERT_TRUE(tables_->transact(scope_, entries, TransactionToken{"old", 1}).ok());
  EXPECT_EQ(tokens(), 1U);
  scheduler_.advance(std::chrono::hours(1));
  expressions::Substitutions with;
  const auto condition = *expressions::parse_condition("attribute_not_exists(pk)", "ConditionExpression", with);
  entries[0].request.condition = &condition;
  ASSERT_FALSE(tables_->transact(scope_, entries, TransactionToken{"cancelled", 2}).ok());
  EXPECT_EQ(tokens(), 1U);
  entries[0].request.condition = nullptr;
  // An expired token is free again, and the others that expired go with the batch.
  ASSERT_FALSE(tables_->transact(scope_, entries, TransactionToken{"old", 3})->repeated);
  EXPECT_EQ(tokens(), 1U);
  ASSERT_TRUE(tables_->transact(scope_, entries, TransactionToken{"old", 3})->repeated);
  scheduler_.advance(std::chrono::hours(1));
  ASSERT_FALSE(tables_->transact(scope_, entries, TransactionToken{"new", 4})->repeated);
  EXPECT_EQ(tokens(), 1U);
  start();
  EXPECT_TRUE(tables_->transact(scope_, entries, TransactionToken{"new", 4})->repeated);
}

TEST_F(TransactionsTest, ReadsAreOfOneMoment) {
  put(R"({"pk":{"S":"a"},"sk":{"N":"1"}})");
  const auto found = tables_->get_together(
      scope_, {{"T", item(R"({"pk":{"S":"z"},"sk":{"N":"1"}})")}, {"T", item(R"({"pk":{"S":"a"},"sk":{"N":"1"}})")}});
  ASSERT_TRUE(found.ok());
  EXPECT_FALSE((*found)[0].has_value());
  EXPECT_TRUE((*found)[1].has_value());
}

// --- queries --------------------------------------------------------------------------------------------------------

class QueriesTest : public ItemsTest {
 protected:
  QueriesTest() {
    for (int i = 1; i <= 9; ++i) put(R"({"pk":{"S":"a"},"sk":{"N":")" + std::to_string(i * 5 - 20) + R"("}})");
    put(R"({"pk":{"S":"ab"},"sk":{"N":"0"}})");
  }
  // The sort keys of what a query finds.
  std::string found(std::string_view condition, std::string_view values, QueryRequest request = {}) {
    const auto page = query(condition, values, std::move(request));
    if (!page.ok()) return page.error().message();
    std::string out;
    for (std::size_t at = page->items_json.find("\"sk\":{\"N\":\""); at != std::string::npos;
         at = page->items_json.find("\"sk\":{\"N\":\"", at + 1)) {
      const std::size_t from = at + 11;
      out += page->items_json.substr(from, page->items_json.find('"', from) - from) + " ";
    }
    return out;
  }
};

TEST_F(QueriesTest, RangesAreThoseOfTheSortKey) {
  const char* v = R"({":a":{"S":"a"},":x":{"N":"0"},":y":{"N":"10"}})";
  EXPECT_EQ(found("pk = :a", R"({":a":{"S":"a"}})"), "-15 -10 -5 0 5 10 15 20 25 ");
  EXPECT_EQ(found("pk = :a AND sk = :x", v), "0 ");
  EXPECT_EQ(found("pk = :a AND sk < :x", v), "-15 -10 -5 ");
  EXPECT_EQ(found("pk = :a AND sk <= :x", v), "-15 -10 -5 0 ");
  EXPECT_EQ(found("pk = :a AND sk > :x", v), "5 10 15 20 25 ");
  EXPECT_EQ(found("pk = :a AND sk >= :y", v), "10 15 20 25 ");
  EXPECT_EQ(found("pk = :a AND sk BETWEEN :x AND :y", v), "0 5 10 ");
  QueryRequest backward;
  backward.forward = false;
  EXPECT_EQ(found("pk = :a AND sk <= :x", v, backward), "0 -5 -10 -15 ");
}

TEST_F(QueriesTest, PagesGoOnWhereTheyStopped) {
  for (const bool forward : {true, false}) {
    QueryRequest request;
    request.forward = forward;
    request.limit = 4;
    std::vector<std::size_t> sizes;
    while (true) {
      const auto page = query("pk = :a", R"({":a":{"S":"a"}})", request);
      ASSERT_TRUE(page.ok());
      sizes.push_back(page->count);
      if (!page->last_key) break;
      request.exclusive_start = page->last_key;
    }
    EXPECT_EQ(sizes, (std::vector<std::size_t>{4, 4, 1}));
  }
}

TEST_F(QueriesTest, APageEndsAtOneMegabyte) {
  for (int i = 0; i < 5; ++i) {
    put(R"({"pk":{"S":"big"},"sk":{"N":")" + std::to_string(i) + R"("},"x":{"S":")" + std::string(300 * 1024, 'x') +
        R"("}})");
  }
  QueryRequest request;
  request.count_only = true;
  auto page = query("pk = :a", R"({":a":{"S":"big"}})", request);
  EXPECT_EQ(page->count, 4u);
  ASSERT_TRUE(page->last_key.has_value());
  request.exclusive_start = page->last_key;
  page = query("pk = :a", R"({":a":{"S":"big"}})", request);
  EXPECT_EQ(page->count, 1u);
  EXPECT_FALSE(page->last_key.has_value());
}

TEST_F(QueriesTest, StartingKeysAreChecked) {
  QueryRequest request;
  request.exclusive_start = item(R"({"pk":{"S":"a"}})");
  EXPECT_EQ(found("pk = :a", R"({":a":{"S":"a"}})", request),
            "The provided starting key is invalid: The provided key element does not match the schema");
  request.exclusive_start = item(R"({"pk":{"S":"ab"},"sk":{"N":"1"}})");
  EXPECT_EQ(found("pk = :a", R"({":a":{"S":"a"}})", request),
            "The provided starting key is outside query boundaries based on provided conditions");
  request.exclusive_start.reset();
  request.index = "nope";
  EXPECT_EQ(found("pk = :a", R"({":a":{"S":"a"}})", request), "The table does not have the specified index: nope");
}

TEST_F(QueriesTest, SegmentsOfAScanMakeUpTheTable) {
  for (int i = 0; i < 50; ++i) put(R"({"pk":{"S":"p)" + std::to_string(i) + R"("},"sk":{"N":"0"}})");
  std::size_t total = 0;
  std::size_t used = 0;
  for (std::uint32_t segment = 0; segment < 4; ++segment) {
    ScanRequest request;
    request.segment = segment;
    request.total_segments = 4;
    const std::size_t count = tables_->scan(scope_, "T", request)->count;
    total += count;
    used += count > 0 ? 1 : 0;
  }
  EXPECT_EQ(total, 60u);
  EXPECT_EQ(used, 4u);
}

TEST_F(QueriesTest, FiltersSeeItemsAfterTheLimit) {
  expressions::Substitutions with = substitutions(R"({":x":{"N":"0"}})");
  const auto filter = expressions::parse_condition("sk > :x", "FilterExpression", with);
  ScanRequest request;
  request.filter = &*filter;
  const auto page = tables_->scan(scope_, "T", request);
  EXPECT_EQ(page->count, 5u);
  EXPECT_EQ(page->scanned, 10u);
  QueryRequest on_key;
  on_key.filter = &*filter;
  EXPECT_EQ(found("pk = :a", R"({":a":{"S":"a"}})", on_key),
            "Filter Expression can only contain non-primary key attributes: Primary key attribute: sk");
}

}  // namespace
}  // namespace millrace::tables
