#include "ledger.h"

#include <algorithm>
#include <charconv>

#include "codec/json.h"
#include "codec/key.h"
#include "model/stored.h"

namespace millrace::simulation {

using triggers::internal::SavedShard;

namespace {

// The attributes that the world writes: {"k":S,"v":N,"g":S,"p":S,"ttl":N}.
struct Image {
  std::string key, group;
  std::int64_t version = 0, ttl = 0;
  bool poison = false;
};

Image image_of(std::string_view stored) {
  Image out;
  if (stored.empty()) return out;
  std::string text;
  model::append_json_of_stored(text, stored);
  const auto json = codec::parse_json(text);
  const auto text_of = [&](std::string_view name, std::string_view type) -> std::string {
    const auto* attribute = json->find(name);
    return attribute == nullptr ? "" : std::string(attribute->string_or(type, ""));
  };
  const auto number_of = [&](std::string_view name) -> std::int64_t {
    const std::string digits = text_of(name, "N");
    return digits.empty() ? 0 : std::stoll(digits);
  };
  out.key = text_of("k", "S");
  out.group = text_of("g", "S");
  out.version = number_of("v");
  out.ttl = number_of("ttl");
  out.poison = !text_of("p", "S").empty();
  return out;
}

std::uint64_t be64(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char c : bytes.substr(0, 8)) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

// The two patterns that plans use, judged without the code under test.
bool matches(const std::vector<std::string>& filters, const Change& change) {
  if (filters.empty()) return true;
  return std::any_of(filters.begin(), filters.end(), [&](const std::string& filter) {
    if (filter.find("eventName") != filter.npos) return change.event != model::ChangeEvent::kRemove;
    return change.after != 0 && change.group == "a";
  });
}

std::string name_of(const Change& change) {
  return "record " + std::to_string(change.stamp) + " (shard " + std::to_string(change.shard) + ", key " + change.key +
         ", " + std::string(model::event_name(change.event)) + " " + std::to_string(change.before) + "->" +
         std::to_string(change.after) + (change.poison ? ", poison)" : ")");
}

}  // namespace

void Ledger::fail(const std::string& text) const { throw Violation(text); }

// The parents as they were first told: later they may have been trimmed.
void Ledger::shard_exists(std::uint64_t number, const Shard& shard) {
  const auto [known, is_new] = shards_.emplace(number, shard);
  known->second.is_open = shard.is_open;
  shard_numbers_[shard.id] = number;
}

void Ledger::table_gone(const std::string& table) {
  std::erase_if(current_, [&](const auto& entry) { return entry.first.first == table; });
}

void Ledger::mapping_created(const triggers::Mapping& mapping, bool pure) {
  Book& book = books_[mapping.uuid];
  book.now = mapping;
  book.history = {mapping};
  book.pure = pure;
}

void Ledger::mapping_removed(const std::string& uuid) { book_of(uuid).removed = true; }
void Ledger::function_replaced(const std::string& uuid) { book_of(uuid).pure = false; }

void Ledger::rewind_begins(const std::string& uuid) {
  Book& book = book_of(uuid);
  ++book.rewinding;
  book.intervened = true;
}
void Ledger::rewind_ends(const std::string& uuid) { --book_of(uuid).rewinding; }

void Ledger::skip_begins(const std::string& uuid, Stamp stamp) {
  Book& book = book_of(uuid);
  book.skipping.insert(stamp);
  book.intervened = true;
}
void Ledger::skip_ends(const std::string& uuid, Stamp stamp) {
  Book& book = book_of(uuid);
  if (book.fates.count(stamp) == 0) book.skipped.insert(stamp);
  ++counters["records let go"];
}

void Ledger::mapping_changed(const triggers::Mapping& mapping) {
  Book& book = book_of(mapping.uuid);
  if (book.now == mapping) return;
  book.now = mapping;
  book.history.push_back(mapping);
}

Ledger::Book& Ledger::book_of(const std::string& uuid) {
  const auto found = books_.find(uuid);
  if (found == books_.end()) fail("a mapping that was never created: " + uuid);
  return found->second;
}

void Ledger::acknowledged(const std::string& table, const std::string& key, std::int64_t version, bool is_delete) {
  ++counters["writes acknowledged"];
  // Callbacks come after the write has reached the disk.
  if ((is_delete ? removed_versions_ : written_versions_).count(version) == 0)
    fail("an acknowledged write of " + table + "/" + key + " is not in the stream: version " + std::to_string(version));
}

void Ledger::written(const storage::WriteBatch& batch, Time now) {
  for (const auto& operation : batch.operations()) {
    if (operation.kind != storage::WriteBatch::Kind::kPut) continue;
    if (operation.family == storage::Family::kLog) {
      Change change;
      change.shard = be64(std::string_view(operation.key).substr(8));
      change.stamp = be64(std::string_view(operation.key).substr(16));
      change.committed = Time(Milliseconds(static_cast<std::int64_t>(be64(operation.value))));
      const auto record = model::decode_change(std::string_view(operation.value).substr(8));
      if (!record) fail("a damaged stream record");
      const Image before = image_of(record->old_image), after = image_of(record->new_image);
      change.key = before.version != 0 ? before.key : after.key;
      change.key_hash = record->key_hash;
      change.event = record->event;
      change.origin = record->origin;
      change.before = before.version;
      change.after = after.version;
      change.group = after.group;
      change.poison = after.version != 0 ? after.poison : before.poison;
      if (change.origin == model::ChangeOrigin::kTimeToLive) {
        ++counters["records of expiry"];
        if (before.ttl == 0 || Time(Seconds(before.ttl)) > now)
          fail("an item was removed before its time to live had passed");
      }
      change_written(change);
    }
  }
  // Letters and positions that are in one batch belong together: letters first.
  for (const auto& operation : batch.operations()) {
    if (operation.kind == storage::WriteBatch::Kind::kPut && operation.family == storage::Family::kQueue &&
        operation.key.starts_with("letter/"))
      letter_written(operation.value, now);
  }
  for (const auto& operation : batch.operations()) {
    if (operation.kind != storage::WriteBatch::Kind::kPut || operation.family != storage::Family::kCatalogue) continue;
    if (!operation.key.starts_with(triggers::kMappingPrefix)) continue;
    const std::uint64_t shard = triggers::internal::shard_of_key(operation.key);
    if (shard == 0) {
      const auto mapping = triggers::decode_mapping(operation.value);
      if (!mapping.ok()) fail("a mapping that cannot be read: " + operation.value);
      if (mapping_written_) mapping_written_(*mapping);
      continue;
    }
    const std::string uuid = operation.key.substr(triggers::kMappingPrefix.size(), 36);
    const auto book = books_.find(uuid);
    if (book != books_.end()) position_written(book->second, shard, operation.value, now);
  }
}

void Ledger::change_written(const Change& change) {
  ++counters["records"];
  if (!changes_.empty() && changes_.rbegin()->first >= change.stamp) fail("stamps fall: " + name_of(change));
  if (shards_.count(change.shard) == 0) look_();
  if (shards_.count(change.shard) == 0) fail("a record of a shard that was never opened: " + name_of(change));
  Change kept = change;
  kept.table = shards_.at(change.shard).table;
  kept.stream = shards_.at(change.shard).stream;
  std::int64_t& current = current_[{kept.table, kept.key}];
  if (kept.before != current)
    fail("the stream skips a change of its item: " + name_of(kept) + " after " + std::to_string(current));
  if ((kept.event == model::ChangeEvent::kInsert) != (kept.before == 0) ||
      (kept.event == model::ChangeEvent::kRemove) != (kept.after == 0))
    fail("the event does not fit its images: " + name_of(kept));
  current = kept.after;
  if (kept.after != 0 && !written_versions_.insert(kept.after).second)
    fail("a change is twice in the stream: " + name_of(kept));
  if (kept.after == 0 && !removed_versions_.insert(kept.before).second)
    fail("a removal is twice in the stream: " + name_of(kept));
  by_shard_[kept.shard].push_back(kept.stamp);
  changes_.emplace(kept.stamp, std::move(kept));
}

bool Ledger::is_covered(const SavedShard& saved, const Change& change) {
  if (saved.finished) return true;
  if (saved.lanes.empty()) return false;
  const auto lane = triggers::lane_of(change.key_hash, static_cast<unsigned>(saved.lanes.size()));
  return change.stamp <= saved.lanes[lane].settled ||
         triggers::internal::is_settled_before(saved.previous, change.key_hash, change.stamp);
}

bool Ledger::may_match(const Book& book, const Change& change) {
  return std::any_of(book.history.begin(), book.history.end(),
                     [&](const auto& each) { return matches(each.filters, change); });
}

bool Ledger::may_be_filtered(const Book& book, const Change& change) {
  return std::any_of(book.history.begin(), book.history.end(),
                     [&](const auto& each) { return !matches(each.filters, change); });
}

bool Ledger::may_be_discarded(const Book& book, const Change& change, Time now) const {
  if (change.committed + retention_ <= now) return true;
  const auto failures = book.failures.find(change.stamp);
  for (const auto& each : book.history) {
    if (each.record_age_max_s >= 0 && change.committed + Seconds(each.record_age_max_s) <= now) return true;
    if (each.retries_max >= 0 && failures != book.failures.end() && failures->second > each.retries_max) return true;
  }
  return false;
}

bool Ledger::is_settled(const Book& book, const Change& change, Time now) const {
  if (change.stamp <= book.now.start_after || book.skipping.count(change.stamp) != 0) return true;
  const auto fate = book.fates.find(change.stamp);
  if (fate != book.fates.end() && fate->second != Fate::kPending) return true;
  return may_be_filtered(book, change) || may_be_discarded(book, change, now);
}

void Ledger::position_written(Book& book, std::uint64_t shard, const std::string& text, Time now) {
  ++counters["positions saved"];
  const auto decoded = triggers::internal::decode_shard(text);
  if (!decoded.ok()) fail("a position that cannot be read: " + text);
  const auto before = book.saved.find(shard);
  for (const Stamp stamp : by_shard_[shard]) {
    const Change& change = changes_.at(stamp);
    const bool was = before != book.saved.end() && is_covered(before->second, change);
    const bool is = is_covered(*decoded, change);
    if (was && !is) {
      if (book.rewinding == 0) fail("a position has moved back behind " + name_of(change) + ": " + text);
      forget(book, change);
    }
    if (is && !was && !is_settled(book, change, now))
      fail("a position passes what is not settled, " + name_of(change) + ": " + text);
  }
  book.saved[shard] = *decoded;
}

// It may come again, after a rewind.
void Ledger::forget(Book& book, const Change& change) {
  ++counters["records rewound"];
  book.fates.erase(change.stamp);
  book.failures.erase(change.stamp);
  book.seen.erase(change.stamp);
  book.skipped.erase(change.stamp);
  book.windows.erase(change.shard);
}

void Ledger::letter_written(const std::string& text, Time now) {
  ++counters["failure documents"];
  const auto json = codec::parse_json(text);
  const auto* context = json.ok() ? json->find("requestContext") : nullptr;
  const auto* info = json.ok() ? json->find("DDBStreamBatchInfo") : nullptr;
  if (context == nullptr || info == nullptr) fail("a failure document without its parts: " + text);
  const std::string function(context->string_or("functionArn", ""));
  const auto found = std::find_if(books_.begin(), books_.end(),
                                  [&](const auto& each) { return function == each.second.now.function_arn; });
  if (found == books_.end()) fail("a failure document of nobody: " + text);
  Book& book = found->second;
  if (info->find("startSequenceNumber") == nullptr) {
    if (json->find("timeWindowInfo") == nullptr) fail("a failure document about nothing: " + text);
    ++counters["failure documents of final invocations"];
    return;
  }
  const auto first = model::parse_sequence_number(info->string_or("startSequenceNumber", ""));
  const auto last = model::parse_sequence_number(info->string_or("endSequenceNumber", ""));
  const Change* start = first ? find(*first) : nullptr;
  if (start == nullptr || !last) fail("a failure document about no record: " + text);
  const auto size = static_cast<std::size_t>(info->int_or("batchSize", 0));
  const bool aged = context->string_or("condition", "") == "RecordAgeExceeded";
  // Which factor was in force is not in the document: one of those there were
  // must explain it.
  for (const auto& each : book.history) {
    const auto lanes = static_cast<unsigned>(each.parallelization_factor);
    std::vector<const Change*> members;
    for (const Stamp stamp : by_shard_[start->shard]) {
      const Change& change = changes_.at(stamp);
      if (stamp < *first || stamp > *last || stamp <= book.now.start_after) continue;
      if (triggers::lane_of(change.key_hash, lanes) != triggers::lane_of(start->key_hash, lanes)) continue;
      if (!may_match(book, change)) continue;
      const auto fate = book.fates.find(stamp);
      if (fate != book.fates.end() && fate->second == Fate::kDone && !killed_) continue;
      members.push_back(&change);
    }
    // After a restart records may be given up that were done before; after an
    // update, ones that another filter let pass.
    const bool exact = is_exact(book);
    if (exact && members.size() != size) {
      fail("a failure document counts " + std::to_string(size) + " records where " + std::to_string(members.size()) +
           " are: " + text);
    }
    const auto too_early = [&](const Change* member) { return !may_be_discarded(book, *member, now); };
    if (const auto early = std::find_if(members.begin(), members.end(), too_early); exact && early != members.end())
      fail("given up too early: " + name_of(**early) + ": " + text);
    std::erase_if(members, too_early);
    if (members.size() < size) continue;
    for (const Change* member : members) book.fates[member->stamp] = Fate::kInLetter;
    if (exact && !aged && book.pure && each.bisect && !each.report_failures && each.tumbling_s == 0) {
      if (members.size() != 1 || !members[0]->poison)
        fail("bisecting gave up a neighbour of the poison record: " + text);
      ++counters["poison records isolated"];
    }
    return;
  }
  fail("a failure document that no configuration explains: " + text);
}

void Ledger::killed() {
  killed_ = true;
  for (auto& [uuid, book] : books_) book.rewinding = 0;  // what was under way has happened, or never will
  ++counters["kills"];
}

const Change* Ledger::find(Stamp stamp) const {
  const auto found = changes_.find(stamp);
  return found == changes_.end() ? nullptr : &found->second;
}

void Ledger::check_predecessors(const Book& book, const Change& change, const std::set<Stamp>& batch, Time now) const {
  const auto lanes = static_cast<unsigned>(book.now.parallelization_factor);
  const bool by_key = std::any_of(book.history.begin(), book.history.end(), [&](const auto& each) {
    return each.parallelization_factor != book.now.parallelization_factor;
  });
  const auto shard = by_shard_.find(change.shard);
  for (const Stamp stamp : shard->second) {
    if (stamp >= change.stamp) break;
    const Change& earlier = changes_.at(stamp);
    const bool before = by_key
                            ? earlier.key == change.key
                            : triggers::lane_of(earlier.key_hash, lanes) == triggers::lane_of(change.key_hash, lanes);
    if (before && batch.count(stamp) == 0 && !is_settled(book, earlier, now))
      fail(name_of(change) + " was delivered before " + name_of(earlier) + " was settled");
  }
  check_ancestors(book, change, change.shard, now);
}

void Ledger::check_ancestors(const Book& book, const Change& change, std::uint64_t shard, Time now) const {
  const auto known = shards_.find(shard);
  if (known == shards_.end()) return;
  for (const std::uint64_t parent : known->second.parents) {
    if (const auto records = by_shard_.find(parent); records != by_shard_.end()) {
      for (const Stamp stamp : records->second) {
        const Change& earlier = changes_.at(stamp);
        if (!is_settled(book, earlier, now))
          fail(name_of(change) + " was delivered before its parent shard's " + name_of(earlier));
      }
    }
    check_ancestors(book, change, parent, now);
  }
}

void Ledger::invoked(const Call& call, Time now) {
  ++counters["invocations"];
  Book& book = book_of(call.uuid);
  if (book.removed) fail("an invocation for a mapping that was deleted");
  if (call.bytes > triggers::kPayloadBytesMax) fail("an event of " + std::to_string(call.bytes) + " bytes");
  if (call.bytes > triggers::kPayloadBytesMax / 2) ++counters["events over 3 MB"];
  if (call.window) check_tumbling(book, call, now);
  if (call.stamps.empty()) {
    if (!call.window || !call.window->is_final) fail("an invocation without records");
    return;
  }
  std::int64_t size_max = 0;
  for (const auto& each : book.history) size_max = std::max(size_max, each.batch_size);
  if (static_cast<std::int64_t>(call.stamps.size()) > size_max)
    fail("a batch of " + std::to_string(call.stamps.size()) + " records");
  const std::set<Stamp> batch(call.stamps.begin(), call.stamps.end());
  if (batch.size() != call.stamps.size() || !std::is_sorted(call.stamps.begin(), call.stamps.end()))
    fail("a batch that is out of order");
  const Change* first = find(call.stamps.front());
  for (const Stamp stamp : call.stamps) {
    const Change* change = find(stamp);
    if (change == nullptr) fail("a record was delivered that is not durable: " + std::to_string(stamp));
    if (change->shard != first->shard) fail("a batch of two shards");
    check_record(book, *change, batch, now);
  }
  check_batching_window(book, call, now);
  book.seen.insert(call.stamps.begin(), call.stamps.end());
}

void Ledger::check_record(const Book& book, const Change& change, const std::set<Stamp>& batch, Time now) {
  if (change.stream != book.now.stream_arn) fail("a record of another stream was delivered: " + name_of(change));
  if (change.stamp <= book.now.start_after) fail("a record from before the start was delivered: " + name_of(change));
  if (!may_match(book, change)) fail("a record that no filter matches was delivered: " + name_of(change));
  if (book.skipped.count(change.stamp) != 0) fail("a record was delivered that was let go: " + name_of(change));
  const auto saved = book.saved.find(change.shard);
  if (saved != book.saved.end() && is_covered(saved->second, change))
    fail("a settled record came again: " + name_of(change));
  check_predecessors(book, change, batch, now);
  const auto fate = book.fates.find(change.stamp);
  if (fate != book.fates.end() && fate->second == Fate::kDone) {
    if (!killed_) fail("a record came again without a restart: " + name_of(change));
    ++counters["deliveries repeated after a kill"];
  }
}

// The first batch of its records, unless it is full, has waited for the window.
// It opens with the first record, or later.
void Ledger::check_batching_window(const Book& book, const Call& call, Time now) {
  const triggers::Mapping& mapping = book.now;
  if (mapping.window_s == 0 || !is_exact(book) || mapping.record_age_max_s >= 0 || mapping.tumbling_s > 0) return;
  if (static_cast<std::int64_t>(call.stamps.size()) >= mapping.batch_size) return;
  if (call.bytes > triggers::kPayloadBytesMax / 2) return;  // perhaps full
  const Change& first = *find(call.stamps.front());
  if (book.seen.count(first.stamp) != 0) return;  // again, or the rest of a batch
  if (changes_.at(by_shard_.at(first.shard).front()).committed + retention_ <= now) return;  // the first ones expired
  // The rest of a batch that made progress, or a half of one: an earlier call
  // has held it.
  if (now < first.committed + Seconds(mapping.window_s))
    fail("a batch of " + std::to_string(call.stamps.size()) +
         " records that did not wait for its window: " + name_of(first));
  ++counters["batches that waited for their window"];
}

void Ledger::check_tumbling(Book& book, const Call& call, Time now) {
  const WindowCall& window = *call.window;
  const auto shard = shard_numbers_.find(window.shard_id);
  if (shard == shard_numbers_.end()) fail("a window of an unknown shard: " + window.shard_id);
  const bool configured = std::any_of(book.history.begin(), book.history.end(), [&](const auto& each) {
    const auto length = Seconds(each.tumbling_s);
    return each.tumbling_s > 0 && window.end - window.start == length &&
           window.start.time_since_epoch() % Milliseconds(length) == Milliseconds(0);
  });
  if (!configured) fail("a window that nobody configured, from " + format_iso_s(window.start));
  Windows& windows = book.windows[shard->second];
  for (const Stamp stamp : call.stamps) {
    const Change* change = find(stamp);
    if (change == nullptr) continue;  // told by the caller
    if (change->committed >= window.end) fail("a record of a later window: " + name_of(*change));
    // A record that turns up late is of the next window: then there was one
    // before.
    const bool is_late = change->committed < window.start;
    if (is_late && is_exact(book) && (windows.empty() || windows.begin()->first >= window.start))
      fail("a record of an earlier window: " + name_of(*change));
    if (is_late) ++counters["late records of tumbling windows"];
  }
  WindowBook& kept = windows[window.start];
  check_state(book, kept, call, now);
  if (window.is_final) return check_final(book, kept, call, shard->second, now);
  if (kept.closed && !kept.early && is_exact(book)) fail("a window goes on after its final invocation");
  kept.final_seen = false;
}

// Whatever a kill has taken back, state and position went back together.
void Ledger::check_state(const Book& book, const WindowBook& window, const Call& call, Time now) const {
  const std::vector<Stamp>& state = call.window->state;
  const std::vector<Stamp>& accepted = window.accepted;
  if (window.may_restart && state.empty()) return;
  if (is_exact(book) && state != accepted) {
    fail("a state of " + std::to_string(state.size()) + " records where " + std::to_string(accepted.size()) +
         " were handed on, in the window from " + format_iso_s(call.window->start));
  }
  if (window.early || book.intervened || book.history.size() > 1) return;
  if (state.size() > accepted.size() || !std::equal(state.begin(), state.end(), accepted.begin()))
    fail("a state that was never handed on");
  // What a kill has taken back may have been given up since.
  for (std::size_t i = state.size(); i < accepted.size() && !call.stamps.empty(); ++i) {
    if (accepted[i] >= call.stamps.front()) return;
    const Change& change = changes_.at(accepted[i]);
    const auto fate = book.fates.find(change.stamp);
    const bool given_up = fate != book.fates.end() && fate->second == Fate::kInLetter;
    if (!given_up && !may_be_discarded(book, change, now)) fail("a state that lacks " + name_of(change));
  }
}

void Ledger::check_final(Book& book, WindowBook& window, const Call& call, std::uint64_t shard, Time now) {
  ++counters[call.window->is_early ? "final invocations, early" : "final invocations"];
  if (!call.stamps.empty()) fail("a final invocation with records");
  window.final_seen = true;
  if (!is_exact(book)) return;
  look_();
  if (now < call.window->end && !call.window->is_early && shards_.at(shard).is_open)
    fail("a window was closed before its end: " + format_iso_s(call.window->end));
}

void Ledger::answered(const Call& call, const CallEnd& end) {
  Book& book = book_of(call.uuid);
  if (!end.attempted) {
    ++counters["refusals"];
    return;
  }
  const std::size_t count = call.stamps.size();
  ++counters[end.done == count ? "answers: all done" : end.done == 0 ? "answers: none done" : "answers: some done"];
  for (std::size_t i = 0; i < count; ++i) {
    if (i < end.done) {
      book.fates[call.stamps[i]] = Fate::kDone;
    } else {
      ++book.failures[call.stamps[i]];
    }
  }
  if (!call.window) return;
  WindowBook& window = book.windows[shard_numbers_.at(call.window->shard_id)][call.window->start];
  if (call.window->is_final) {
    // Given up, an early one takes the state with it, and its window goes on with an empty one.
    if (!end.final_done) {
      window.may_restart = window.may_restart || call.window->is_early;
      return;
    }
    window.closed = true;
    window.early = window.early || call.window->is_early;
    if (call.window->is_early) window.accepted.clear();
  } else if (end.done > 0) {
    window.closed = false;
    window.accepted = call.window->state;
    window.accepted.insert(window.accepted.end(), call.stamps.begin(),
                           call.stamps.begin() + static_cast<std::ptrdiff_t>(end.done));
  }
}

void Ledger::check_settled(Time now) const {
  for (const auto& [uuid, book] : books_) {
    if (book.removed) continue;
    for (const auto& [stamp, change] : changes_) {
      if (change.stream != book.now.stream_arn || is_settled(book, change, now)) continue;
      fail("never settled for the mapping of " + book.now.function_arn + ": " + name_of(change));
    }
    if (!is_exact(book)) continue;
    for (const auto& [shard, windows] : book.windows) {
      for (const auto& [start, window] : windows) {
        if (!window.accepted.empty() && !window.final_seen)
          fail("no final invocation of the window from " + format_iso_s(start));
      }
    }
  }
}

void Ledger::check_items(const std::map<std::pair<std::string, std::string>, std::int64_t>& stored) const {
  for (const auto& [key, version] : current_) {
    const auto found = stored.find(key);
    const std::int64_t there = found == stored.end() ? 0 : found->second;
    if (there != version)
      fail(key.first + "/" + key.second + " has version " + std::to_string(there) + " where the stream ends with " +
           std::to_string(version));
  }
  for (const auto& [key, version] : stored) {
    if (current_.count(key) == 0) fail(key.first + "/" + key.second + " is not in the stream at all");
  }
}

}  // namespace millrace::simulation
