// Items through JSON (both readers), the stored form, keys and sizes.
#include <random>

#include <gtest/gtest.h>

#include "model/json.h"
#include "model/key.h"
#include "model/limits.h"
#include "model/stored.h"

namespace millrace::model {
namespace {

Result<Item> parse(std::string_view text) {
  Result<codec::Json> json = codec::parse_json(text);
  if (!json.ok()) return json.error();
  return read_item(*json);
}

Item item(std::string_view text) {
  Result<Item> result = parse(text);
  EXPECT_TRUE(result.ok()) << text << ": " << (result.ok() ? "" : result.error().message());
  return result.ok() ? *result : Item();
}

std::string error_of(std::string_view text) {
  const Result<Item> result = parse(text);
  return result.ok() ? "" : result.error().message();
}

bool fast(std::string_view text, Item& out) {
  JsonReader reader(text);
  return reader.read_item(out) && reader.at_end();
}

constexpr std::string_view kAllTypes =
    R"({"b":{"B":"AAEC"},"bool":{"BOOL":true},"bs":{"BS":["AA==","AQ=="]},"l":{"L":[{"S":"x"},{"L":[]},{"M":{}}]},)"
    R"("m":{"M":{"in":{"N":"1.5"},"z":{"NULL":true}}},"n":{"N":"-12"},"ns":{"NS":["-1","2"]},"nul":{"NULL":true},)"
    R"("s":{"S":"a\"\\\n\u0001ü€😀"},"ss":{"SS":["","a"]}})";

TEST(Json, BothReadersAndAllWritersAgreeOnEveryType) {
  std::string text(kAllTypes);
  text.replace(text.find(R"(["","a"])"), 8, R"(["a","b"])");
  const Item slow = item(text);
  Item quick;
  ASSERT_TRUE(fast(text, quick));
  EXPECT_EQ(slow, quick);
  EXPECT_EQ(to_json(slow), text);
  EXPECT_EQ(to_document(slow).dump(), text);
  std::string from_stored_form;
  ASSERT_TRUE(append_json_of_stored(from_stored_form, to_stored(slow)));
  EXPECT_EQ(from_stored_form, text);
  EXPECT_EQ(from_stored(to_stored(slow)), slow);
}

TEST(Json, SetsHaveNoOrder) {
  EXPECT_EQ(item(R"({"a":{"SS":["b","a"]},"n":{"NS":["2","1.0"]}})"),
            item(R"({"n":{"NS":["1","2"]},"a":{"SS":["a","b"]}})"));
}

TEST(Json, RefusesBadValuesWithTheServicesTexts) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"a":{}})", "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"},
      {R"({"a":{"S":"x","N":"1"}})",
       "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"},
      {R"({"a":{"N":"x"}})", "The parameter cannot be converted to a numeric value: x"},
      {R"({"a":{"N":""}})", "The parameter cannot be converted to a numeric value"},
      {R"({"a":{"NULL":false}})",
       "One or more parameter values were invalid: Null attribute value types must have the value of true"},
      {R"({"a":{"SS":[]}})", "One or more parameter values were invalid: An string set  may not be empty"},
      {R"({"a":{"SS":[""]}})",
       "One or more parameter values were invalid: An string set may not have a empty string as a member"},
      {R"({"a":{"SS":["x","x"]}})",
       "One or more parameter values were invalid: Input collection [x, x] contains duplicates."},
      {R"({"a":{"NS":["1","1.0"]}})", "Input collection contains duplicates"},
      {R"({"a":{"BS":[]}})", "One or more parameter values were invalid: Binary sets should not be empty"},
  };
  for (const auto& [text, message] : cases) {
    EXPECT_EQ(error_of(text), message) << text;
    Item out;
    EXPECT_FALSE(fast(text, out)) << text;
  }
  EXPECT_NE(error_of(R"({"a":{"B":"%%"}})"), "");
  EXPECT_NE(error_of(R"({"a":{"S":1}})"), "");
}

std::string nested(int levels) {
  std::string text = R"({"S":"x"})";
  for (int i = 0; i < levels; ++i) text = i % 2 == 0 ? R"({"L":[)" + text + "]}" : R"({"M":{"a":)" + text + "}}";
  return R"({"a":)" + text + "}";
}

TEST(Json, ThirtyTwoLevelsAreTheLimit) {
  Item out;
  EXPECT_TRUE(fast(nested(32), out));
  EXPECT_EQ(out, item(nested(32)));
  EXPECT_EQ(from_stored(to_stored(out)), out);
  EXPECT_FALSE(fast(nested(33), out));
  EXPECT_EQ(error_of(nested(33)), "Nesting Levels have exceeded supported limits");
}

// What cannot be decoded has no size: callers ask for the size alone.
TEST(Stored, AllReadersAgreeAboutWhatIsDamaged) {
  const auto readable = [](const std::string& stored) {
    std::string text;
    const bool decodes = from_stored(stored).has_value();
    EXPECT_EQ(size_of_stored(stored).has_value(), decodes);
    EXPECT_TRUE(append_json_of_stored(text, stored) || !decodes);
    return decodes;
  };
  const Item whole = item(R"({"a":{"SS":["x","y"]},"b":{"L":[{"N":"1"},{"M":{"c":{"NS":["1","2"]}}}]}})");
  const std::string stored = to_stored(whole);
  EXPECT_TRUE(readable(stored));
  for (std::size_t at = 0; at < stored.size(); ++at) {
    EXPECT_FALSE(readable(stored.substr(0, at))) << at;
    for (const char byte : {'\0', '\1', '\2', '\7', 'a', 'c', '\x7f', '\xff'}) {
      std::string changed = stored;
      changed[at] = byte;
      readable(changed);
    }
  }
  EXPECT_FALSE(readable(stored + "x"));
  EXPECT_TRUE(readable(std::string("\1\2\1a\0\1b\0", 8)));
  EXPECT_FALSE(readable(std::string("\1\2\1b\0\1a\0", 8))) << "names in no order";
  EXPECT_FALSE(readable(std::string("\1\2\1a\0\1a\0", 8))) << "a name twice";
  std::string value("\7\2\1\0", 4);  // a set of the empty string, within more and more lists
  for (int levels = 0; levels < 40; ++levels) {
    readable("\1\1\1a" + value);
    value = "\6" + std::string(1, static_cast<char>(value.size() + 1)) + "\1" + value;
  }
}

TEST(Json, FastReaderLeavesTheUnusualToTheOther) {
  Item out;
  for (const char* text : {"", "{", R"({"a")", R"({"a":{"S":"x"})", R"({"a":{"S":"x"},})", R"({"a":{"S":"x"}}x)",
                           R"({"a":{"S":"\ud800"}})", R"({"a":{"S":"x"},"a":{"S":"y"}})", "{\"a\":{\"S\":\"\xff\"}}",
                           "{\"a\":{\"S\":\"\xed\xa0\x80\"}}", R"({"a":{"Q":"x"}})"}) {
    EXPECT_FALSE(fast(text, out)) << text;
  }
  ASSERT_TRUE(fast(" { \"a\" : { \"S\" : \"\\ud83d\\ude00\" } } ", out));
  EXPECT_EQ(out.find("a")->get<std::string>(), "😀");
}

TEST(Json, EscapesAreFoundAtEveryPositionOfAWord) {
  for (const std::string_view special : {"\"", "\\", "\n", "\x01", "ü", "\x7f", "😀"}) {
    for (std::size_t before = 0; before < 20; ++before) {
      const std::string text = std::string(before, '!') + std::string(special) + std::string(20 - before, '~');
      std::string json = R"({"a":{"S":)";
      codec::append_json_string(json, text);
      json += "}}";
      Item out;
      ASSERT_TRUE(fast(json, out)) << json;
      EXPECT_EQ(out.find("a")->get<std::string>(), text);
      EXPECT_EQ(item(json), out);
    }
  }
  Item out;
  EXPECT_FALSE(fast("{\"a\":{\"S\":\"1234567\n\"}}", out));
}

TEST(Json, SkipsValuesOfAnyKind) {
  JsonReader reader(R"({"a":[1,-2,{"b":null}],"c":"x","d":true} )");
  EXPECT_TRUE(reader.skip_value());
  EXPECT_TRUE(reader.at_end());
  const std::string brackets(100000, '[');
  JsonReader deep(brackets);
  EXPECT_FALSE(deep.skip_value());
}

TEST(Sizes, FollowTheRecordedExamples) {
  EXPECT_EQ(size_of(item(R"({"pk":{"S":"s3_failure"}})")), 12u);
  EXPECT_EQ(size_of(item(R"({"mode":{"S":"raise"},"bad":{"BOOL":false},"pk":{"S":"s3_failure"},"ordinal":{"N":"1"}})")),
            34u);
  EXPECT_EQ(size_of(item(R"({"l":{"L":[{"S":"ab"}]},"m":{"M":{}}})")), 1u + 3 + 1 + 2 + 1 + 3);
}

TEST(Stored, DamageIsNoticedAndNeverReadPast) {
  const std::string stored =
      to_stored(item(R"({"a":{"S":"xyz"},"l":{"L":[{"N":"1"},{"SS":["q"]}]},"m":{"M":{"b":{"B":"AAAA"}}}})"));
  std::string ignored;
  for (std::size_t cut = 0; cut < stored.size(); ++cut) {
    EXPECT_EQ(from_stored(std::string_view(stored).substr(0, cut)), std::nullopt);
    EXPECT_FALSE(append_json_of_stored(ignored, std::string_view(stored).substr(0, cut)));
  }
  std::mt19937 random(3);
  for (int i = 0; i < 20000; ++i) {
    std::string damaged = stored;
    damaged[random() % damaged.size()] = static_cast<char>(random());
    from_stored(damaged);
    append_json_of_stored(ignored, damaged);
    stored_attribute(damaged, "m");
    size_of_stored(damaged);
    ignored.clear();
  }
}

TEST(Stored, OneAttributeIsFoundWithoutTheRest) {
  const Item whole = item(R"({"a":{"S":"xyz"},"l":{"L":[{"N":"1"}]},"ttl":{"N":"17"},"z":{"NULL":true}})");
  EXPECT_EQ(stored_attribute(to_stored(whole), "ttl"), AttributeValue::number(17));
  EXPECT_EQ(stored_attribute(to_stored(whole), "z"), AttributeValue::null());
  EXPECT_EQ(stored_attribute(to_stored(whole), "b"), std::nullopt);
}

TEST(Keys, CompareLikeTheirValuesAndReadBack) {
  std::mt19937 random(5);
  std::vector<AttributeValue> values;
  for (int i = 0; i < 300; ++i) {
    std::string text;
    for (std::size_t k = random() % 5; k > 0; --k) text += static_cast<char>(random() % 3);
    values.push_back(AttributeValue::binary(text));
  }
  for (const AttributeValue& a : values) {
    std::string key_a;
    append_key_value(key_a, a);
    std::string_view in = key_a;
    EXPECT_EQ(read_key_value(in, KeyType::kBinary), a);
    for (const AttributeValue& b : values) {
      std::string key_b;
      append_key_value(key_b, b);
      EXPECT_EQ(key_a < key_b, compare(a, b) < 0);
      EXPECT_EQ(key_a == key_b, a == b);
    }
  }
}

TEST(Keys, NeedEveryKeyAttributeOfItsType) {
  const KeySchema schema{{"pk", KeyType::kString}, KeyAttribute{"sk", KeyType::kNumber}};
  EXPECT_TRUE(key_bytes(schema, item(R"({"pk":{"S":"a"},"sk":{"N":"1"},"x":{"S":"y"}})")).has_value());
  EXPECT_FALSE(key_bytes(schema, item(R"({"pk":{"S":"a"}})")).has_value());
  EXPECT_FALSE(key_bytes(schema, item(R"({"pk":{"S":"a"},"sk":{"S":"1"}})")).has_value());
  EXPECT_EQ(key_of(schema, item(R"({"pk":{"S":"a"},"sk":{"N":"1"},"x":{"S":"y"}})")),
            item(R"({"pk":{"S":"a"},"sk":{"N":"1"}})"));
}

TEST(Keys, HashIsStable) {
  EXPECT_EQ(hash64("abc"), hash64("abc"));
  EXPECT_NE(hash64(""), hash64(std::string_view("\0", 1)));
  EXPECT_EQ(partition_hash(AttributeValue::number(*Number::parse("1.0"))), partition_hash(AttributeValue::number(1)));
  // Stored in every data directory: a change of the function is a change of format.
  EXPECT_EQ(hash64("millrace"), 1947666971838164801ULL);
}

AttributeValue random_value(std::mt19937& random, int depth) {
  const auto text = [&] {
    std::string out;
    for (std::size_t i = random() % 20; i > 0; --i) out += static_cast<char>(random() % 128);
    return out;
  };
  switch (random() % (depth > 3 ? 5 : 10)) {
    case 0:
      return AttributeValue::null();
    case 1:
      return AttributeValue::boolean(random() % 2 == 0);
    case 2:
      return AttributeValue::string(text());
    case 3:
      return AttributeValue::number(static_cast<std::int64_t>(random()) - 2000000000);
    case 4:
      return AttributeValue::binary(text());
    case 5: {
      Item map;
      for (std::size_t i = random() % 5; i > 0; --i) map.set(text(), random_value(random, depth + 1));
      return AttributeValue::map(map);
    }
    case 6: {
      List list;
      for (std::size_t i = random() % 40; i > 0; --i) list.push_back(random_value(random, depth + 1));
      return AttributeValue::list(list);
    }
    case 7:
      return AttributeValue::string_set({"a" + text(), "b" + text()});
    case 8:
      return AttributeValue::number_set({Number(static_cast<std::int64_t>(random())), Number(-1)});
    default:
      return AttributeValue::binary_set({"x" + text(), "y"});
  }
}

TEST(Forms, RandomItemsSurviveEveryForm) {
  std::mt19937 random(17);
  for (int round = 0; round < 300; ++round) {
    Item original;
    for (std::size_t i = random() % 8; i > 0; --i)
      original.set("n" + std::to_string(random() % 100), random_value(random, 0));
    const std::string json = to_json(original);
    EXPECT_EQ(from_stored(to_stored(original)), original);
    EXPECT_EQ(item(json), original);
    Item quick;
    EXPECT_TRUE(fast(json, quick));
    EXPECT_EQ(quick, original);
    std::string rendered;
    EXPECT_TRUE(append_json_of_stored(rendered, to_stored(original)));
    EXPECT_EQ(rendered, json);
    EXPECT_EQ(size_of_stored(to_stored(original)), size_of(original));
  }
}

}  // namespace
}  // namespace millrace::model
