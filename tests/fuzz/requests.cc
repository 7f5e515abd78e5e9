// What parses what clients and functions send, and the forms of items, stream records and positions.
#include <algorithm>
#include <string>
#include <string_view>

#include "codec/json.h"
#include "codec/key.h"
#include "model/change_record.h"
#include "model/json.h"
#include "model/stored.h"
#include "patterns/pattern.h"
#include "streams/stream_api.h"
#include "targets.h"
#include "triggers/documents.h"
#include "triggers/failures.h"
#include "triggers/internal/shard.h"
#include "triggers/mapping.h"
#include "triggers/queue_lane.h"
#include "triggers/response.h"
#include "triggers/tumbling.h"
#include "wire/arn.h"

namespace millrace::fuzzing {
namespace {

// Valid UTF-8.
bool is_text(std::string_view bytes) { return codec::parse_json(codec::Json(bytes).dump()).ok(); }

// A pattern, a line break, the record it is held against.
void pattern(std::string_view input) {
  const auto [text, record] = two(input);
  const auto compiled = patterns::Pattern::compile(text);
  const auto filters = patterns::Filters::compile({std::string(text)});
  require(compiled.ok() == filters.ok(), "a pattern is valid alone and in a list");
  if (!compiled.ok()) return;
  const auto json = codec::parse_json(record);
  require(filters->pass_text(record) == (json.ok() && compiled->matches(*json)), "text and document match alike");
}

void json(std::string_view input) {
  const auto parsed = codec::parse_json(input);
  if (!parsed.ok()) return;
  const std::string printed = parsed->dump();
  const auto again = codec::parse_json(printed);
  require(again.ok(), "what is printed can be read");
  const std::string twice = again->dump();  // -0.0 is printed as -0, which is the integer 0
  require(codec::parse_json(twice)->dump() == twice, "and prints the same");
}

std::deque<triggers::Record> some_records() {
  std::deque<triggers::Record> out;
  for (const std::uint64_t sequence : {10, 20, 30}) out.push_back({sequence, Time{}, "{}"});
  return out;
}

void response(std::string_view input) {
  static const std::deque<triggers::Record> records = some_records();
  require(triggers::leading_done(input, records) <= records.size(), "no more is done than was sent");
  const auto state = triggers::returned_state(input);
  require(!state || codec::parse_json(*state).ok(), "a state is JSON");
}

void arn(std::string_view input) {
  const auto parsed = wire::parse_arn(input);
  require(!parsed || input.starts_with("arn:"), "an ARN begins like one");
}

void mapping(std::string_view input) {
  const auto decoded = triggers::decode_mapping(input);
  if (!decoded.ok()) return;
  const auto again = triggers::decode_mapping(triggers::encode(*decoded));
  require(again.ok() && *again == *decoded, "a mapping survives being saved");
}

// Also what is done with it: it must not only be read.
void position(std::string_view input) {
  namespace internal = triggers::internal;
  auto decoded = internal::decode_shard(input);
  if (!decoded.ok()) return;
  const auto again = internal::decode_shard(internal::encode(*decoded));
  require(again.ok() && *again == *decoded, "a position survives being saved");
  (void)internal::is_settled_before(decoded->previous, 12345, 100);
  const auto rearranged = internal::rearranged(*decoded, 3);
  require(rearranged.lanes.size() == 3, "as many lanes as were asked for");
  internal::drop_passed(*decoded);
}

void failure(std::string_view input) {
  const auto parsed = triggers::parse_failure(input);
  if (!parsed.ok()) return;
  require(parsed->first > 0 && parsed->first <= parsed->last && parsed->batch_size > 0, "a failure names records");
  if (const auto records = triggers::records_of(parsed->payload); records.ok()) {
    triggers::KeyGate gate;
    gate.close(*records);
    require(records->empty() || !gate.admits(*records), "a key that failed waits");
  }
}

// A message of a queue, as filters see it.
void message(std::string_view input) {
  const std::string shown = triggers::filterable(input);
  require(codec::parse_json(input).ok() == codec::parse_json(shown).ok(), "a record stays a record");
  std::vector<triggers::QueueMessage> messages(2);
  messages[0].id = "a";
  messages[1].id = "b";
  require(triggers::reported_done(input, messages).size() == messages.size(), "a flag for each message");
}

// Any text may stand in a document's parts.
void document(std::string_view input) {
  const auto [first, rest] = two(input);
  triggers::FailureDocument document;
  document.request_id = first;
  document.function_arn = rest;
  document.stream_arn = first;
  document.payload = rest;
  document.batch_size = rest.size();
  document.response = triggers::ResponseContext{200, "1", std::string(first)};
  const auto json = codec::parse_json(triggers::render(document));
  require(json.ok() || !is_text(first) || !is_text(rest), "a failure document is JSON");
}

void stored_item(std::string_view input) {
  std::string text;
  const bool printed = model::append_json_of_stored(text, input);
  require(!printed || !is_text(text) || codec::parse_json(text).ok(), "a stored item prints as JSON");
  (void)model::stored_attribute(input, "a");
  const auto item = model::from_stored(input);
  require(model::size_of_stored(input).has_value() == item.has_value(), "what has a size can be decoded");
  require(printed || !item, "and printed");
  if (!item) return;
  const std::string stored = model::to_stored(*item);
  const auto again = model::from_stored(stored);
  require(again && model::to_stored(*again) == stored, "an item survives being stored");
}

void item(std::string_view input) {
  const auto parsed = codec::parse_json(input);
  if (!parsed.ok()) return;
  const auto read = model::read_item(*parsed);
  if (!read.ok()) return;
  const std::string stored = model::to_stored(*read);
  require(model::from_stored(stored).has_value(), "an item can be stored and read");
}

void change(std::string_view input) {
  (void)model::decode_change_header(input);
  const auto record = model::decode_change(input);
  if (!record) return;
  std::string event;
  const model::ChangeContext context{1, Time{}, "us-east-1",
                                     "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/l"};
  if (!model::append_lambda_json(event, *record, context)) return;
  require(!is_text(event) || codec::parse_json(event).ok(), "a record of the stream is JSON");
}

// The text of one; or, since hardly any text has its checksum, a line with the ARN and three numbers to make one of.
void iterator(std::string_view input) {
  if (const auto decoded = streams::decode_iterator(input)) {
    require(streams::encode_iterator(*decoded) == input, "an iterator has one form");
  }
  const auto [arn, numbers] = two(input);
  codec::KeyReader reader(numbers);
  const auto shard = reader.be64();
  const auto after = reader.be64();
  const auto issued = reader.signed64();
  if (!issued) return;
  const streams::ShardIterator made{std::string(arn), streams::ShardNumber(*shard), *after, from_unix_ms(*issued)};
  const std::string text = streams::encode_iterator(made);
  const auto read = streams::decode_iterator(text);
  require(read.has_value() || text.find("|1|") != arn.size(), "an iterator can be handed out");
  require(!read || streams::encode_iterator(*read) == text, "and stays what it is");
}

void sequence(std::string_view input) {
  const auto parsed = model::parse_sequence_number(input);
  require(!parsed || model::sequence_number(*parsed) == input, "a sequence number has one form");
  if (const auto time = parse_iso(input)) (void)format_iso_ms(*time);
}

}  // namespace

Targets request_targets() {
  return {
      {"arn", arn},           {"change", change},
      {"document", document}, {"failure", failure},
      {"message", message},   {"item", item},
      {"iterator", iterator}, {"json", json},
      {"mapping", mapping},   {"pattern", pattern},
      {"position", position}, {"response", response},
      {"sequence", sequence}, {"stored_item", stored_item},
  };
}

}  // namespace millrace::fuzzing
