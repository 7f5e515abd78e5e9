// What an operation on items is asked, whichever way it was read: from the validated document (author of all error
// texts) or straight from the request's text (hot paths: knows success and "take the generic path"). Values; not
// thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "codec/json.h"
#include "expressions/ast.h"
#include "expressions/substitutions.h"
#include "model/attribute_value.h"
#include "model/json.h"

namespace millrace::api_dynamodb {

enum class Capacity : std::uint8_t { kNone, kTotal, kIndexes };
enum class ReturnValues : std::uint8_t { kNone, kAllOld, kAllNew, kUpdatedOld, kUpdatedNew };
enum class Select : std::uint8_t { kDefault, kAllAttributes, kAllProjected, kSpecific, kCount };

// The members of PutItem, GetItem, UpdateItem, DeleteItem, Query, Scan and of the parts of transactions and batches.
// Each operation accepts its own subset (what the shape has; wire drops the rest).
struct ItemCall {
  std::string table;                // name or ARN, as given
  std::optional<model::Item> item;  // Item, Key
  std::optional<std::string> update;
  std::optional<std::string> condition;
  std::optional<std::string> key_condition;
  std::optional<std::string> filter;
  std::optional<std::string> projection;
  std::optional<std::vector<std::pair<std::string, std::string>>> names;
  std::optional<std::vector<std::pair<std::string, model::AttributeValue>>> values;
  ReturnValues return_values = ReturnValues::kNone;
  Capacity capacity = Capacity::kNone;
  bool metrics = false;         // ReturnItemCollectionMetrics SIZE
  bool old_on_failure = false;  // ReturnValuesOnConditionCheckFailure ALL_OLD
  bool consistent = false;
  // Query, Scan
  std::string index;
  Select select = Select::kDefault;
  std::optional<std::size_t> limit;
  bool forward = true;
  std::optional<model::Item> start;
  std::optional<std::uint32_t> segment;
  std::optional<std::uint32_t> total_segments;
  // The parameters of before expressions, in the order of AWS's error text: pointers into the document.
  struct Legacy {
    const codec::Json* attributes_to_get = nullptr;
    const codec::Json* attribute_updates = nullptr;
    const codec::Json* scan_filter = nullptr;
    const codec::Json* query_filter = nullptr;
    const codec::Json* key_conditions = nullptr;
    const codec::Json* expected = nullptr;
    const codec::Json* conditional_operator = nullptr;
  } legacy;
};

// From the operation's validated input, which must outlive the result. Errors: kValidationException.
Result<ItemCall> read_call(const codec::Json& document);

// From the text. nullopt: something that is not common, let the generic path have it. `members` are the ones the
// operation has. REQUIRES: TableName is among them.
std::optional<ItemCall> read_call(std::string_view body, const std::vector<std::string_view>& members);

// True when the validator would find nothing to say about it.
bool is_plain_table_name(std::string_view name);

// The expressions of a call as trees. Movable: the trees' pointers stay valid.
struct Parsed {
  expressions::Substitutions substitutions;
  std::optional<expressions::Update> update;
  std::optional<expressions::Condition> condition;
  std::optional<expressions::Condition> key_condition;
  std::optional<expressions::Condition> filter;
  std::optional<expressions::Projection> projection;
};
// `takes_values` names the expressions that may use values, for the error text ("ConditionExpression"); "" = none.
// Takes names and values out of the call. Errors: kValidationException with AWS's texts.
Result<Parsed> parse_expressions(ItemCall& call, std::string_view takes_values);

template <typename T>
const T* pointer_to(const std::optional<T>& value) {
  return value ? &*value : nullptr;
}

}  // namespace millrace::api_dynamodb
