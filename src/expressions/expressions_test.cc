#include <random>

#include <gtest/gtest.h>

#include "expressions/evaluate.h"
#include "expressions/key_condition.h"
#include "expressions/limits.h"
#include "expressions/parse.h"
#include "model/json.h"

namespace millrace::expressions {
namespace {

using model::Item;

Item item(std::string_view json) {
  Result<codec::Json> document = codec::parse_json(json);
  EXPECT_TRUE(document.ok()) << json;
  Result<Item> result = model::read_item(*document);
  EXPECT_TRUE(result.ok()) << json << (result.ok() ? "" : result.error().message());
  return *result;
}

// Names as {"#a":{"S":"attr"}} and values in one document.
Substitutions substitutions(std::string_view json) {
  Substitutions out;
  for (const model::Attribute& attribute : item(json)) {
    const Result<void> added = attribute.name[0] == '#'
                                   ? out.add_name(attribute.name, attribute.value.get<std::string>())
                                   : out.add_value(attribute.name, attribute.value);
    EXPECT_TRUE(added.ok()) << attribute.name;
  }
  return out;
}

constexpr std::string_view kItem =
    R"({"s":{"S":"hello"},"n":{"N":"10"},"b":{"B":"AAEC"},"t":{"BOOL":true},"z":{"NULL":true},"ss":{"SS":["a","b"]},)"
    R"("ns":{"NS":["1","2"]},"bs":{"BS":["AA=="]},"l":{"L":[{"S":"x"},{"N":"2"},{"M":{"deep":{"S":"y"}}}]},)"
    R"("m":{"M":{"k":{"S":"v"},"nest":{"M":{"q":{"N":"7"}}}}},"peer":{"N":"10"},"uni":{"S":"üü"}})";
constexpr std::string_view kValues =
    R"({":s":{"S":"hello"},":he":{"S":"he"},":n":{"N":"10.0"},":five":{"N":"5"},":twenty":{"N":"20"},":true":{"BOOL":true},)"
    R"(":null":{"NULL":true},":a":{"S":"a"},":one":{"N":"1"},":b":{"B":"AAEC"},":bp":{"B":"AA=="},":x":{"S":"x"},":S":{"S":"S"},)"
    R"(":M":{"S":"M"},":ss":{"SS":["b","a"]},":seven":{"N":"7"},":two":{"N":"2"},":three":{"N":"3"},":l":{"L":[{"S":"e"}]},)"
    R"(":m":{"M":{}},"#n":{"S":"n"},"#dot":{"S":"a.b"},"#size":{"S":"size"}})";

TEST(Condition, MeansWhatDynamoDbMeans) {
  const std::pair<const char*, bool> cases[] = {
      {"s = :s", true},
      {":s = s", true},
      {"s <> :s", false},
      {"s = :n", false},
      {"s <> :n", true},
      {"n = :n", true},
      {"n > :five", true},
      {"n >= :n", true},
      {"n < :five", false},
      {"n <= :n", true},
      {"n < :twenty", true},
      {"s > :five", false},
      {"absent = :s", false},
      {"absent <> :s", true},
      {"absent < :s", false},
      {"n = peer", true},
      {"#n = :n", true},
      {"t = :true", true},
      {"z = :null", true},
      {"b = :b", true},
      {"ss = :ss", true},
      {"n BETWEEN :five AND :twenty", true},
      {"n between :n and :n", true},
      {"n BETWEEN :five AND :seven", false},
      {"s BETWEEN :five AND :twenty", false},
      {"n IN (:five, :n)", true},
      {"n IN (:five)", false},
      {"n in (absent, peer)", true},
      {"absent IN (:five)", false},
      {"attribute_exists(s)", true},
      {"attribute_exists(m.nest.q)", true},
      {"attribute_exists(m.nope)", false},
      {"attribute_exists(l[2].deep)", true},
      {"attribute_not_exists(l[3])", true},
      {"attribute_not_exists(s)", false},
      {"attribute_exists(s[0])", false},
      {"attribute_type(s, :S)", true},
      {"attribute_type(m, :M)", true},
      {"attribute_type(n, :S)", false},
      {"attribute_type(absent, :S)", false},
      {"begins_with(s, :he)", true},
      {"begins_with(s, :a)", false},
      {"begins_with(b, :bp)", true},
      {"begins_with(n, :he)", false},
      {"contains(s, :he)", true},
      {"contains(ss, :a)", true},
      {"contains(ns, :one)", true},
      {"contains(ns, :five)", false},
      {"contains(bs, :bp)", true},
      {"contains(l, :x)", true},
      {"contains(l, :two)", true},
      {"contains(absent, :x)", false},
      {"contains(n, :one)", false},
      {"size(s) = :five", true},
      {"size(uni) = :two", true},
      {"size(l) = :three", true},
      {"size(m) = :two", true},
      {"size(ss) = :two", true},
      {"size(b) = :three", true},
      {"size(n) = :five", false},
      {"size(absent) < :five", false},
      {":five = size(s)", true},
      {"size(s) BETWEEN :one AND :seven", true},
      {"size(s) IN (:five)", true},
      {"s = :s AND n = :n", true},
      {"s = :s AND n = :five", false},
      {"s = :a OR n = :n", true},
      {"NOT s = :a", true},
      {"NOT (s = :s OR n = :five)", false},
      {"s = :a AND s = :a OR n = :n", true},
      {"s = :a AND (s = :a OR n = :n)", false},
      {"NOT s = :s AND n = :five OR n = :n", true},
      {"(s) = (:s)", true},
      {"(s = :s)", true},
      {"not not s = :s", true},
      {"m.k=:s or m.nest.q=:seven", true},
      {"l[1] = :two", true},
      {"l[ 1 ]=:two", true},
  };
  const Item data = item(kItem);
  for (const auto& [text, expected] : cases) {
    Substitutions with = substitutions(kValues);
    const Result<Condition> condition = parse_condition(text, "ConditionExpression", with);
    ASSERT_TRUE(condition.ok()) << text << ": " << condition.error().message();
    EXPECT_EQ(matches(*condition, data), expected) << text;
  }
}

TEST(Condition, IsRefusedWithTheServicesTexts) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "The expression can not be empty;"},
      {"  ", "The expression can not be empty;"},
      {"s", R"(Syntax error; token: "<EOF>", near: "s")"},
      {"s =", R"(Syntax error; token: "<EOF>", near: "=")"},
      {"s = = :s", R"(Syntax error; token: "=", near: "= = :s")"},
      {"s == :s", R"(Syntax error; token: "=", near: "== :s")"},
      {"s = :s AND", R"(Syntax error; token: "<EOF>", near: "AND")"},
      {"s = :s extra", R"(Syntax error; token: "extra", near: ":s extra")"},
      {"AND s = :s", R"(Syntax error; token: "AND", near: "AND s")"},
      {"s ! :s", R"(Syntax error; token: "!", near: "s ! :s")"},
      {"s BETWEEN :a", R"(Syntax error; token: "<EOF>", near: ":a")"},
      {"s IN :a", R"(Syntax error; token: ":a", near: "IN :a")"},
      {"(s = :s", R"(Syntax error; token: "<EOF>", near: ":s")"},
      {"l[x] = :s", R"(Syntax error; token: "x", near: "[x]")"},
      {"size = :five", "Attribute name is a reserved keyword; reserved keyword: size"},
      {"m.Name = :five", "Attribute name is a reserved keyword; reserved keyword: Name"},
      {"#q = :five", "An expression attribute name used in the document path is not defined; attribute name: #q"},
      {"s = :q", "An expression attribute value used in expression is not defined; attribute value: :q"},
      {"foo(s)", "Invalid function name; function: foo"},
      {"if_not_exists(s, :s) = :s", "The function is not allowed in a condition expression; function: if_not_exists"},
      {"size(s)", "The function is not allowed to be used this way in an expression; function: size"},
      {"attribute_exists(s) = :s", R"(Syntax error; token: "=", near: ") = :s")"},
      {"s = attribute_exists(n)",
       "The function is not allowed to be used this way in an expression; function: attribute_exists"},
      {"begins_with(s)",
       "Incorrect number of operands for operator or function; operator or function: begins_with, number of operands: "
       "1"},
      {"attribute_exists(:s)", "Operator or function requires a document path; operator or function: attribute_exists"},
      {"begins_with(s, :n)",
       "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N"},
      {"attribute_type(s, :he)",
       "Invalid attribute type name found; type: he, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}"},
      {"s < :m", "Incorrect operand type for operator or function; operator: <, operand type: M"},
      {"size(:n) = :n", "Incorrect operand type for operator or function; operator or function: size, operand type: N"},
      {"s = s",
       "The first operand must be distinct from the remaining operands for this operator or function; operator: =, "
       "first operand: [s]"},
      {"m.k = m.k",
       "The first operand must be distinct from the remaining operands for this operator or function; operator: =, "
       "first operand: [m, k]"},
      {"((s = :s))", "The expression has redundant parentheses;"},
      {"n BETWEEN :twenty AND :five",
       "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: "
       "AttributeValue: {N:20}, upper bound operand: AttributeValue: {N:5}"},
      {"n BETWEEN :s AND :five",
       "The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: AttributeValue: "
       "{S:hello}, upper bound operand: AttributeValue: {N:5}"},
  };
  for (const auto& [text, message] : cases) {
    Substitutions with = substitutions(kValues);
    const Result<Condition> condition = parse_condition(text, "ConditionExpression", with);
    ASSERT_FALSE(condition.ok()) << text;
    EXPECT_EQ(condition.error().message(), "Invalid ConditionExpression: " + std::string(message)) << text;
    EXPECT_TRUE(condition.error().is(kValidationException));
  }
}

TEST(Condition, LimitsHold) {
  Substitutions with = substitutions(kValues);
  std::string many = "s = :s";
  for (int i = 0; i < 170; ++i) many += " AND s = :s";
  EXPECT_EQ(parse_condition(many, "FilterExpression", with).error().message(),
            "Invalid FilterExpression: The expression contains too many operators; operator count: 301");
  EXPECT_EQ(parse_condition(std::string(kExpressionBytesMax + 1, 'x'), "FilterExpression", with).error().message(),
            "Invalid FilterExpression: Expression size has exceeded the maximum allowed size; expression size: 4097");
  EXPECT_FALSE(parse_condition(std::string(2000, '(') + "s = :s", "FilterExpression", with).ok());
  std::string nots = "s = :s";
  for (int i = 0; i < 900; ++i) nots = "NOT " + nots;
  EXPECT_FALSE(parse_condition(nots, "FilterExpression", with).ok());
  std::string deep = "attribute_exists(a";
  for (int i = 0; i < 32; ++i) deep += ".a";
  EXPECT_EQ(parse_condition(deep + ")", "FilterExpression", with).error().message(),
            "Invalid FilterExpression: The document path has too many nesting elements; nesting levels: 33");
}

TEST(Substitutions, UnusedOnesAreNamed) {
  Substitutions with = substitutions(R"({":a":{"S":"x"},":b":{"S":"x"},":c":{"S":"x"},"#n":{"S":"n"}})");
  ASSERT_TRUE(parse_condition("#n = :b", "ConditionExpression", with).ok());
  EXPECT_EQ(with.check_all_used().error().message(),
            "Value provided in ExpressionAttributeValues unused in expressions: keys: {:a, :c}");
  Substitutions names = substitutions(R"({"#n":{"S":"n"}})");
  EXPECT_EQ(names.check_all_used().error().message(),
            "Value provided in ExpressionAttributeNames unused in expressions: keys: {#n}");
  EXPECT_EQ(names.add_name("n", "x").error().message(),
            "ExpressionAttributeNames contains invalid key: Syntax error; key: \"n\"");
  EXPECT_EQ(names.add_value(":a-b", {}).error().message(),
            "ExpressionAttributeValues contains invalid key: Syntax error; key: \":a-b\"");
}

std::string updated(std::string_view text, std::string_view before = kItem) {
  Substitutions with = substitutions(kValues);
  const Result<Update> update = parse_update(text, with);
  if (!update.ok()) return update.error().message();
  const Result<Item> after = apply(*update, item(before));
  return after.ok() ? model::to_json(*after) : after.error().message();
}

TEST(Update, ActionsAreNoOperators) {
  const auto error_of = [](std::string_view operand) {
    Substitutions with = substitutions(R"({":a":{"N":"1"}})");
    std::string text = "SET a0 = :a";
    for (int i = 1; i <= 301; ++i) text += ",a" + std::to_string(i) + "=" + std::string(operand);
    const auto update = parse_update(text, with);
    return update.ok() ? std::string() : update.error().message();
  };
  EXPECT_EQ(error_of(":a"), "");
  EXPECT_EQ(error_of("b+:a"),
            "Invalid UpdateExpression: The expression contains too many operators; operator count: 301");
}

TEST(Update, DoesWhatDynamoDbDoes) {
  const std::tuple<const char*, const char*, const char*> cases[] = {
      {"SET a = :s", "{}", R"({"a":{"S":"hello"}})"},
      {"set a = :one, c = :two", "{}", R"({"a":{"N":"1"},"c":{"N":"2"}})"},
      {"SET a = a + :one", R"({"a":{"N":"41"}})", R"({"a":{"N":"42"}})"},
      {"SET a = c, c = a", R"({"a":{"N":"1"},"c":{"N":"2"}})", R"({"a":{"N":"2"},"c":{"N":"1"}})"},
      {"SET a = if_not_exists(a, :five) + :one", "{}", R"({"a":{"N":"6"}})"},
      {"SET a = if_not_exists(a, :five) - :one", R"({"a":{"N":"1"}})", R"({"a":{"N":"0"}})"},
      {"SET a = list_append(if_not_exists(a, :l), :l)", "{}", R"({"a":{"L":[{"S":"e"},{"S":"e"}]}})"},
      {"SET a = list_append(:l, a)", R"({"a":{"L":[{"N":"1"}]}})", R"({"a":{"L":[{"S":"e"},{"N":"1"}]}})"},
      {"SET a = (:one + :two)", "{}", R"({"a":{"N":"3"}})"},
      {"SET m.k = :one", R"({"m":{"M":{}}})", R"({"m":{"M":{"k":{"N":"1"}}}})"},
      {"SET l[0] = :one, l[9] = :three, l[5] = :two", R"({"l":{"L":[{"S":"x"}]}})",
       R"({"l":{"L":[{"N":"1"},{"N":"2"},{"N":"3"}]}})"},
      {"REMOVE a, l[0], l[2]", R"({"a":{"N":"1"},"l":{"L":[{"N":"0"},{"N":"1"},{"N":"2"},{"N":"3"}]}})",
       R"({"l":{"L":[{"N":"1"},{"N":"3"}]}})"},
      {"REMOVE a, m.nope, l[7]", R"({"m":{"M":{}},"l":{"L":[]}})", R"({"l":{"L":[]},"m":{"M":{}}})"},
      {"SET l[3] = :one REMOVE l[1]", R"({"l":{"L":[{"S":"x"}]}})", R"({"l":{"L":[{"S":"x"},{"N":"1"}]}})"},
      {"ADD a :five", "{}", R"({"a":{"N":"5"}})"},
      {"ADD a :five, ss :ss", R"({"a":{"N":"-5"},"ss":{"SS":["c"]}})", R"({"a":{"N":"0"},"ss":{"SS":["a","b","c"]}})"},
      {"ADD m.a :five", R"({"m":{"M":{}}})", R"({"m":{"M":{"a":{"N":"5"}}}})"},
      {"DELETE ss :ss", R"({"ss":{"SS":["a","c"]}})", R"({"ss":{"SS":["c"]}})"},
      {"DELETE ss :ss", R"({"ss":{"SS":["a","b"]}})", "{}"},
      {"DELETE ss :ss", "{}", "{}"},
      {"REMOVE a SET c = :one ADD d :two DELETE ss :ss", R"({"a":{"N":"1"}})", R"({"c":{"N":"1"},"d":{"N":"2"}})"},
      {"SET #dot = :one", "{}", R"({"a.b":{"N":"1"}})"},
  };
  for (const auto& [text, before, after] : cases) EXPECT_EQ(updated(text, before), after) << text;
}

TEST(Update, IsRefusedWithTheServicesTexts) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "Invalid UpdateExpression: The expression can not be empty;"},
      {"SET", R"(Invalid UpdateExpression: Syntax error; token: "<EOF>", near: "SET")"},
      {"UPDATE a = :s", R"(Invalid UpdateExpression: Syntax error; token: "UPDATE", near: "UPDATE a")"},
      {"SET a :s", R"(Invalid UpdateExpression: Syntax error; token: ":s", near: "a :s")"},
      {"SET a = :s,", R"(Invalid UpdateExpression: Syntax error; token: "<EOF>", near: ",")"},
      {"ADD a b", R"(Invalid UpdateExpression: Syntax error; token: "b", near: "a b")"},
      {"SET a = :one + :two + :three", R"(Invalid UpdateExpression: Syntax error; token: "+", near: ":two + :three")"},
      {"SET a = :s SET c = :s",
       R"(Invalid UpdateExpression: The "SET" section can only be used once in an update expression;)"},
      {"SET a = :s, a = :n",
       "Invalid UpdateExpression: Two document paths overlap with each other; must remove or rewrite one of these "
       "paths; path one: [a], path two: [a]"},
      {"SET m.a = :s REMOVE m",
       "Invalid UpdateExpression: Two document paths overlap with each other; must remove or rewrite one of these "
       "paths; path one: [m, a], path two: [m]"},
      {"SET m.a = :s, m[0] = :s",
       "Invalid UpdateExpression: Two document paths conflict with each other; must remove or rewrite one of these "
       "paths; path one: [m, a], path two: [m, [0]]"},
      {"SET name = :s", "Invalid UpdateExpression: Attribute name is a reserved keyword; reserved keyword: name"},
      {"SET a = contains(a, :s)",
       "Invalid UpdateExpression: The function is not allowed in an update expression; function: contains"},
      {"SET a = nope(a)", "Invalid UpdateExpression: Invalid function name; function: nope"},
      {"SET a = if_not_exists(:s, :s)",
       "Invalid UpdateExpression: Operator or function requires a document path; operator or function: if_not_exists"},
      {"SET a = list_append(a)",
       "Invalid UpdateExpression: Incorrect number of operands for operator or function; operator or function: "
       "list_append, number of operands: 1"},
      {"SET a = list_append(a, :s)",
       "Invalid UpdateExpression: Incorrect operand type for operator or function; operator or function: list_append, "
       "operand type: S"},
      {"SET a = a + :s",
       "Invalid UpdateExpression: Incorrect operand type for operator or function; operator or function: +, operand "
       "type: S"},
      {"ADD a :s",
       "Invalid UpdateExpression: Incorrect operand type for operator or function; operator: ADD, operand type: "
       "STRING, typeSet: ALLOWED_FOR_ADD_OPERAND"},
      {"DELETE a :n",
       "Invalid UpdateExpression: Incorrect operand type for operator or function; operator: DELETE, operand type: "
       "NUMBER, typeSet: ALLOWED_FOR_DELETE_OPERAND"},
      {"SET a = nothere", "The provided expression refers to an attribute that does not exist in the item"},
      {"SET a = nothere + :one", "The provided expression refers to an attribute that does not exist in the item"},
      {"SET a = s + :one", "An operand in the update expression has an incorrect data type"},
      {"SET a = list_append(s, :l)", "An operand in the update expression has an incorrect data type"},
      {"ADD s :one", "An operand in the update expression has an incorrect data type"},
      {"DELETE s :ss", "An operand in the update expression has an incorrect data type"},
      {"SET nothere.x = :s", "The document path provided in the update expression is invalid for update"},
      {"SET s.x = :s", "The document path provided in the update expression is invalid for update"},
      {"SET m[0] = :s", "The document path provided in the update expression is invalid for update"},
      {"REMOVE nothere.x", "The document path provided in the update expression is invalid for update"},
  };
  for (const auto& [text, message] : cases) EXPECT_EQ(updated(text), message) << text;
}

TEST(Projection, KeepsWhatThePathsName) {
  const std::pair<const char*, const char*> cases[] = {
      {"s, n", R"({"n":{"N":"10"},"s":{"S":"hello"}})"},
      {"absent", "{}"},
      {"m.k", R"({"m":{"M":{"k":{"S":"v"}}}})"},
      {"m.k, m.nest.q", R"({"m":{"M":{"k":{"S":"v"},"nest":{"M":{"q":{"N":"7"}}}}}})"},
      {"l[2].deep, l[0]", R"({"l":{"L":[{"S":"x"},{"M":{"deep":{"S":"y"}}}]}})"},
      {"l[9], s", R"({"s":{"S":"hello"}})"},
      {"s.x, m[0], l.a", "{}"},
  };
  for (const auto& [text, expected] : cases) {
    Substitutions with;
    const Result<Projection> projection = parse_projection(text, with);
    ASSERT_TRUE(projection.ok()) << text << projection.error().message();
    EXPECT_EQ(model::to_json(project(item(kItem), *projection)), expected) << text;
  }
}

TEST(Projection, IsRefusedWithTheServicesTexts) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "The expression can not be empty;"},
      {"s,", R"(Syntax error; token: "<EOF>", near: ",")"},
      {"s n", R"(Syntax error; token: "n", near: "s n")"},
      {":v", R"(Syntax error; token: ":v", near: ":v")"},
      {"m, m.k",
       "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [m], path "
       "two: [m, k]"},
      {"status", "Attribute name is a reserved keyword; reserved keyword: status"},
  };
  for (const auto& [text, message] : cases) {
    Substitutions with;
    EXPECT_EQ(parse_projection(text, with).error().message(), "Invalid ProjectionExpression: " + std::string(message))
        << text;
  }
}

std::string key_error(std::string_view text) {
  Substitutions with = substitutions(kValues);
  const model::KeySchema schema{{"s", model::KeyType::kString}, model::KeyAttribute{"n", model::KeyType::kNumber}};
  const Result<Condition> condition = parse_condition(text, "KeyConditionExpression", with);
  if (!condition.ok()) return condition.error().message();
  const Result<KeyCondition> key = to_key_condition(*condition, schema);
  return key.ok() ? "" : key.error().message();
}

TEST(KeyCondition, NamesOnePartitionAndARange) {
  for (const char* text :
       {"s = :s", ":s = s", "s = :s AND n > :five", "n BETWEEN :one AND :two and s = :s", "(s = :s) AND (n <= :one)"}) {
    EXPECT_EQ(key_error(text), "") << text;
  }
  Substitutions with = substitutions(kValues);
  const model::KeySchema schema{{"s", model::KeyType::kString}, model::KeyAttribute{"n", model::KeyType::kNumber}};
  const auto key = to_key_condition(*parse_condition(":five < n AND s = :s", "KeyConditionExpression", with), schema);
  EXPECT_EQ(key->sort, KeyCondition::Sort::kGreater);
  EXPECT_EQ(key->low, model::AttributeValue::number(5));
}

TEST(KeyCondition, IsRefusedWithTheServicesTexts) {
  const std::pair<const char*, const char*> cases[] = {
      {"n = :five", "Query condition missed key schema element: s"},
      {"s = :s AND x = :s", "Query condition missed key schema element: n"},
      {"s > :s", "Query key condition not supported"},
      {"s = :s OR n = :five", "Invalid operator used in KeyConditionExpression: OR"},
      {"NOT s = :s", "Invalid operator used in KeyConditionExpression: NOT"},
      {"s = :s AND n <> :five", "Invalid operator used in KeyConditionExpression: <>"},
      {"s = :s AND n IN (:five)", "Invalid operator used in KeyConditionExpression: IN"},
      {"s = :s AND attribute_exists(n)", "Invalid operator used in KeyConditionExpression: attribute_exists"},
      {"s = :s AND s = :a", "KeyConditionExpressions must only contain one condition per key"},
      {"s.x = :s", "KeyConditionExpressions cannot have conditions on nested attributes"},
      {"s = n", "Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition"},
      {"size(s) = :five", "KeyConditionExpressions cannot contain nested operations"},
      {"s = :five", "One or more parameter values were invalid: Condition parameter type does not match schema type"},
  };
  for (const auto& [text, message] : cases) EXPECT_EQ(key_error(text), message) << text;
}

TEST(ReservedWords, AreFoundInAnyCase) {
  for (const char* word : {"NAME", "name", "Status", "ttl", "zone", "ABORT"})
    EXPECT_TRUE(is_reserved_word(word)) << word;
  for (const char* word : {"", "pk", "names_", "createdAt", "zonee", "averyveryverylongword"})
    EXPECT_FALSE(is_reserved_word(word)) << word;
}

TEST(Parsers, RandomTokensNeverCrash) {
  const std::vector<std::string> pieces = {"s",           "#n",
                                           ":s",          ":n",
                                           "(",           ")",
                                           "[",           "]",
                                           "0",           ".",
                                           ",",           "=",
                                           "<>",          "<",
                                           "AND",         "OR",
                                           "NOT",         "BETWEEN",
                                           "IN",          "size",
                                           "SET",         "REMOVE",
                                           "ADD",         "DELETE",
                                           "+",           "-",
                                           "contains",    "if_not_exists",
                                           "list_append", "attribute_exists",
                                           "m",           "l",
                                           "!",           ":zz"};
  std::mt19937 random(23);
  const Item data = item(kItem);
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (std::size_t i = random() % 12; i > 0; --i)
      text += pieces[random() % pieces.size()] + (random() % 3 == 0 ? "" : " ");
    Substitutions with = substitutions(R"({":s":{"S":"x"},":n":{"N":"1"},"#n":{"S":"n"}})");
    if (const auto condition = parse_condition(text, "ConditionExpression", with); condition.ok())
      matches(*condition, data);
    if (const auto update = parse_update(text, with); update.ok()) (void)apply(*update, data).ok();
    if (const auto projection = parse_projection(text, with); projection.ok()) project(data, *projection);
  }
}

}  // namespace
}  // namespace millrace::expressions
