#include <cstdlib>
#include <memory>

#include "codec/json.h"
#include "deliveries.h"
#include "delivering.h"
#include "functions/internal/event_records.h"
#include "model/change_record.h"
#include "model/stored.h"
#include "storage/log_key.h"
#include "storage/scan.h"
#include "triggers/internal/shard.h"

namespace millrace::powercut {
namespace {

using codec::Json;
using storage::Family;
using triggers::SequenceNumber;

struct Record {
  std::uint64_t shard = 0;
  std::uint64_t key_hash = 0;
  std::uint64_t number = 0;  // in its item
};

// What a failure destination was told: the records of one lane from `first` to `last`.
struct Document {
  std::string shard_id;
  SequenceNumber first = 0;
  SequenceNumber last = 0;
};

std::string text_at(const Json& at, std::string_view object, std::string_view name) {
  const Json* const found = at.find(object);
  return found == nullptr ? "" : std::string(found->string_or(name, ""));
}

class Checker {
 public:
  explicit Checker(const DeliveryLedger& ledger) : known_(ledger) {}

  std::vector<std::string> run(const std::string& folder) {
    auto opened = Deliveries::open(
        folder, known_.now,
        {[this](const std::string& function, std::uint64_t number) { ++known_.things[function][number].handed; },
         [this](const std::string& function, std::uint64_t number) { known_.things[function][number].done = true; }});
    if (!opened.ok()) return {"the services do not start: " + opened.error().message()};
    at_ = opened->get();
    problems_ = std::move(at_->problems());
    if (!known_.created || !problems_.empty()) return std::move(problems_);
    look(false);
    if (!problems_.empty()) return std::move(problems_);
    go_on();
    look(true);
    return std::move(problems_);
  }

 private:
  void say(std::string problem) {
    problems_.push_back((finally_ ? "once all is delivered, " : "") + std::move(problem));
  }

  // Everything that is there against everything that is known; finally: nothing may wait any more.
  void look(bool finally) {
    finally_ = finally;
    read_log();
    read_bucket();
    check_mapping("bisected", 2, documents_in(bodies_of("undelivered")));
    check_mapping("voiced", 1, documents_in(bodies_of("voiced")));
    check_mapping("whole", 1, documents_in(objects_["aws/lambda/" + uuid_of("whole") + "/"]));
    check_messages();
    check_events();
  }

  // Lets everything run its course: mappings and events try again, queues show their messages again.
  void go_on() {
    if (!at_->advance(std::chrono::hours(1))) return say("deliveries do not come to rest");
  }

  void read_log() {
    records_.clear();
    std::map<std::uint64_t, int> found;
    const auto at = at_->services().store().iterate(Family::kLog, {});
    for (at->seek(""); at->valid(); at->next()) {
      const auto record = storage::parse_log_record(at->key(), at->value());
      const auto change = record ? model::decode_change(record->value) : std::nullopt;
      const auto number = change ? number_in(change->new_image) : std::nullopt;
      if (!number) return say("a stream record cannot be read");
      records_[record->stamp] = {record->shard, change->key_hash, *number};
      ++found[*number];
    }
    for (const auto& [number, thing] : known_.things["records"]) {
      const int count = found[number];
      if (count > 1 || (count == 0 && thing.acknowledged))
        say("record " + std::to_string(number) + " is there " + std::to_string(count) + " times");
    }
  }

  // The documents in the bucket, by what their keys begin with.
  void read_bucket() {
    objects_.clear();
    s3::ListRequest request;
    for (bool more = true; more;) {
      const auto page = at_->objects().list_objects(kScope.account, kBucket, request);
      if (!page.ok()) return say("the bucket cannot be listed: " + page.error().message());
      for (const auto& object : page->objects) {
        auto opened = at_->objects().open_object(kScope.account, kBucket, object.key);
        auto bytes = opened.ok() ? opened->content->read(0, opened->info.bytes) : std::move(opened).error();
        if (!bytes.ok()) return say("object " + object.key + " cannot be read: " + bytes.error().message());
        const bool of_events = object.key.starts_with("aws/lambda/async/");
        const auto slash =
            object.key.find('/', std::string_view(of_events ? "aws/lambda/async/" : "aws/lambda/").size());
        objects_[object.key.substr(0, slash + 1)].push_back(std::move(bytes).value());
      }
      more = page->truncated;
      request.after = page->last;
    }
  }

  std::vector<std::string> bodies_of(const std::string& queue) {
    const auto peeked = at_->services().queues().peek({kScope, queue}, 100'000);
    if (!peeked.ok()) {
      say("queue " + queue + ": " + peeked.error().message());
      return {};
    }
    std::vector<std::string> bodies;
    for (const auto& each : *peeked) bodies.push_back(each.message.body);
    return bodies;
  }

  std::vector<Document> documents_in(const std::vector<std::string>& bodies) {
    std::vector<Document> documents;
    for (const auto& body : bodies) {
      const auto document = codec::parse_json(body);
      const auto first =
          document.ok() ? model::parse_sequence_number(text_at(*document, "DDBStreamBatchInfo", "startSequenceNumber"))
                        : std::nullopt;
      if (!first) {
        say("a failure document cannot be read: " + body.substr(0, 100));
        continue;
      }
      const auto last = model::parse_sequence_number(text_at(*document, "DDBStreamBatchInfo", "endSequenceNumber"));
      documents.push_back({text_at(*document, "DDBStreamBatchInfo", "shardId"), *first, last.value_or(0)});
    }
    return documents;
  }

  std::string uuid_of(const std::string& function) {
    for (const auto& mapping : at_->engine().list(kScope))
      if (mapping.function_arn.ends_with(":" + function)) return mapping.uuid;
    say("the mapping of " + function + " is gone");
    return "";
  }

  // Up to where a mapping has settled the lanes of a shard.
  triggers::internal::SavedShard position_of(const std::string& uuid, std::uint64_t shard) {
    const auto stored = at_->services().store().get(Family::kCatalogue, triggers::internal::shard_key(uuid, shard));
    if (!stored.ok() || !stored->has_value()) return {};
    auto decoded = triggers::internal::decode_shard(**stored);
    if (decoded.ok()) return std::move(decoded).value();
    say("a position cannot be read");
    return {};
  }

  // A record is settled exactly if the function has done it or one document tells of it; what no position covers is
  // told nowhere. Nothing was handed over that is not there.
  void check_mapping(const std::string& function, unsigned lanes, const std::vector<Document>& documents) {
    const std::string uuid = uuid_of(function);
    const auto mapping = at_->engine().find(kScope, uuid);
    const auto stream = mapping ? at_->services().streams().find(mapping->stream_arn) : std::nullopt;
    if (!stream) return say("the stream of " + function + " is gone");
    std::map<SequenceNumber, int> told;
    for (const auto& document : documents) {
      const auto first = records_.find(document.first);
      if (first == records_.end()) {
        say("a document of " + function + " tells of a record that is not there");
        continue;
      }
      const unsigned lane = triggers::lane_of(first->second.key_hash, lanes);
      for (auto record = first; record != records_.end() && record->first <= document.last; ++record) {
        const bool is_same = record->second.shard == first->second.shard;
        if (is_same && triggers::lane_of(record->second.key_hash, lanes) == lane) ++told[record->first];
      }
    }
    std::map<std::uint64_t, triggers::internal::SavedShard> positions;
    for (const auto& shard : stream->shards) positions[shard.number.value()] = position_of(uuid, shard.number.value());
    const auto& things = known_.things[function];
    for (const auto& [sequence, thing] : things) {
      if (!records_.contains(sequence))
        say(function + " was handed record " + std::to_string(sequence) + ", which is not there");
    }
    for (const auto& [sequence, record] : records_) {
      const auto& position = positions[record.shard];
      const unsigned lane = triggers::lane_of(record.key_hash, lanes);
      const bool settled =
          position.finished || (lane < position.lanes.size() && sequence <= position.lanes[lane].settled);
      const auto thing = things.find(sequence);
      const bool done = thing != things.end() && thing->second.done;
      const int count = told[sequence];
      const bool fine = settled ? count == 1 || (count == 0 && done) : count == 0 && !finally_;
      if (!fine) {
        say(function + ": record " + std::to_string(record.number) + (settled ? " is" : " is not") + " settled, was" +
            (done ? "" : " not") + " done, and " + std::to_string(count) + " documents tell of it");
      }
    }
  }

  // A message is in one of two queues until it is done; whoever was handed it may not have it lost.
  void check_messages() {
    auto waiting = numbers_in("work");
    auto dead = numbers_in("dead");
    for (const auto& [number, thing] : known_.things["worker"]) {
      const int count = waiting[number] + dead[number];
      const bool known = thing.acknowledged || thing.handed > 0;
      if (count > 1 || (count == 0 && known && !thing.done) || (finally_ && waiting[number] > 0))
        say("message " + std::to_string(number) + " is there " + std::to_string(count) + " times");
    }
  }

  // The numbers of the events that the documents tell of.
  std::map<std::uint64_t, int> events_in(const std::vector<std::string>& bodies) {
    std::map<std::uint64_t, int> events;
    for (const auto& body : bodies) {
      const auto document = codec::parse_json(body);
      const Json* const payload = document.ok() ? document->find("requestPayload") : nullptr;
      if (payload == nullptr) {
        say("the document of an event cannot be read: " + body.substr(0, 100));
        continue;
      }
      ++events[static_cast<std::uint64_t>(payload->int_or("event", -1))];
    }
    return events;
  }

  // An event that was accepted waits, or its destinations were told, or it was done: one of them, not two.
  void check_events() {
    std::map<std::string, std::map<std::uint64_t, int>> waiting;
    const auto read = [&](std::string_view key, std::string_view value) -> Result<void> {
      const auto parsed = functions::internal::parse_event_key(key);
      const auto event = parsed ? functions::internal::decode_event(parsed->first, value) : std::nullopt;
      const auto payload = event ? codec::parse_json(event->payload) : Error(kNotFound, "");
      if (!payload.ok()) return Error(kInternalError, "an asynchronous event cannot be read");
      ++waiting[parsed->first.function.name][number_of_event(*payload)];
      return {};
    };
    const auto scanned =
        storage::for_each(at_->services().store(), Family::kQueue, functions::internal::kEventPrefix, read);
    if (!scanned.ok()) return say(scanned.error().message());
    auto done = events_in(bodies_of("done"));
    auto failed = events_in(bodies_of("failed"));
    auto kept = events_in(objects_["aws/lambda/async/kept/"]);
    auto aired = events_in(bodies_of("aired"));
    if (aired != events_in(bodies_of("aired_too"))) say("one subscriber of a topic has what another has not");
    for (const std::string function : {"told", "aired", "kept", "plain"}) {
      for (const auto& [number, thing] : known_.things[function]) {
        const bool told = function == "told" || function == "aired";
        const int documents = function == "told"    ? done[number] + failed[number]
                              : function == "aired" ? aired[number]
                              : function == "kept"  ? kept[number]
                                                    : 0;
        // Without a destination nobody is told that a function refused it twice.
        const bool given_up = function == "plain" && is_poison(number) && thing.handed > 1;
        const int count = waiting[function][number] + documents;
        const bool known = thing.acknowledged || thing.handed > 0;
        const bool may_be_gone = !known || given_up || (thing.done && !told);
        if (count > 1 || (count == 0 && !may_be_gone) || (finally_ && waiting[function][number] > 0)) {
          say("event " + std::to_string(number) + " of " + function + ": " + std::to_string(waiting[function][number]) +
              " wait, " + std::to_string(documents) + " documents");
        }
        if (done[number] > 0 && function == "told" && !thing.done)
          say("event " + std::to_string(number) + " is said to be done");
      }
    }
    check_chain(waiting["chained"], waiting["after"]);
    check_topic(waiting["listener"]);
  }

  std::map<std::uint64_t, int> numbers_in(const std::string& queue) {
    std::map<std::uint64_t, int> numbers;
    for (const auto& body : bodies_of(queue)) ++numbers[std::strtoull(body.c_str(), nullptr, 10)];
    return numbers;
  }

  // A message that was published is with every subscriber, or with none: in both queues for good, and an event of the
  // function until it is done or given up.
  void check_topic(std::map<std::uint64_t, int>& waiting) {
    auto first = numbers_in("news");
    auto second = numbers_in("news_too");
    for (const auto& [number, thing] : known_.things["news"]) {
      const DeliveryLedger::Thing heard = known_.things["listener"][number];
      const bool known = thing.acknowledged || heard.handed > 0;
      const bool is_over = heard.done || (is_poison(number) && heard.handed > 1);
      const int events = waiting[number];
      const bool whole =
          first[number] == 1 && second[number] == 1 && (events == 1 ? !finally_ : events == 0 && is_over);
      const bool nothing = first[number] == 0 && second[number] == 0 && events == 0 && !known;
      if (!whole && !nothing) {
        say("message " + std::to_string(number) + " of the topic: " + std::to_string(first[number]) + " and " +
            std::to_string(second[number]) + " in the queues, " + std::to_string(events) + " events wait");
      }
    }
  }

  // What "chained" has done is an event of "after" from then on, until that is done as well.
  void check_chain(std::map<std::uint64_t, int>& first, std::map<std::uint64_t, int>& second) {
    for (const auto& [number, thing] : known_.things["chained"]) {
      const DeliveryLedger::Thing after = known_.things["after"][number];
      const bool known = thing.acknowledged || thing.handed > 0;
      const bool given_up = is_poison(number) && thing.handed > 1;
      const int count = first[number] + second[number];
      const bool fine = count == 0 ? !known || given_up || after.done : count == 1 && !finally_;
      if (!fine || ((second[number] > 0 || after.handed > 0) && !thing.done)) {
        say("event " + std::to_string(number) + " of chained: " + std::to_string(first[number]) + " wait, " +
            std::to_string(second[number]) + " are to follow");
      }
    }
  }

  DeliveryLedger known_;  // and what happens while this looks
  Deliveries* at_ = nullptr;
  bool finally_ = false;
  std::map<SequenceNumber, Record> records_;
  std::map<std::string, std::vector<std::string>> objects_;
  std::vector<std::string> problems_;
};

}  // namespace

void DeliveryLedger::read(const Operation& note) {
  if (note.data == "created") created = true;
  if (note.data == "time") now = from_unix_ms(static_cast<std::int64_t>(note.offset) * 1000);
  const auto space = note.data.find(' ');
  if (space == std::string::npos) return;
  const std::string what = note.data.substr(0, space);
  Thing& thing = things[note.data.substr(space + 1)][note.offset];
  if (what == "submitted") thing.submitted = true;
  if (what == "acknowledged") thing.acknowledged = true;
  if (what == "handed") ++thing.handed;
  if (what == "done") thing.done = true;
}

std::vector<std::string> check_deliveries(const std::string& folder, const DeliveryLedger& ledger) {
  return Checker(ledger).run(folder);
}

}  // namespace millrace::powercut
