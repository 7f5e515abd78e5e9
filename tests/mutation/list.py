"""The mutations: (name, file, text, replacement). The text must stand in the file exactly once; the part between « and »
(or all of it) is replaced: an expression by an expression of its type, statements by statements."""

LANE = "src/triggers/lane.cc"
SHARD = "src/triggers/internal/shard.cc"
RUNNER = "src/triggers/internal/runner.cc"
WORK = "src/triggers/internal/runner_work.cc"
STATUS = "src/triggers/internal/runner_status.cc"
QUEUE = "src/triggers/queue_lane.cc"
FAILURES = "src/triggers/failures.cc"
RESPONSE = "src/triggers/response.cc"
SETTLEMENT = "src/triggers/settlement.cc"
DOCUMENTS = "src/triggers/documents.cc"
TUMBLING = "src/triggers/tumbling.cc"
READING = "src/triggers/internal/read_job.cc"
INTERVENTIONS = "src/triggers/internal/interventions.cc"
PATTERN = "src/patterns/pattern.cc"
MATCHER = "src/patterns/internal/matcher.cc"

MUTATIONS = [
    # --- lane.cc: forming batches ---
    ("age: records grow old twice as fast", LANE, "&& «now - record.created > settings.age_max»;", "now - record.created > settings.age_max / 2"),
    ("age: an old record takes the young ones with it", LANE, "  if («expired > 0») {\n    if (expired == size) return;", "false"),
    ("age: unbatched young records go with the old", LANE, "return take(settings, lane, «std::min(expired, fits)», {});", "fits"),
    ("batch: full one record later", LANE, "if («lane.unbatched.size() >= settings.batch_size») return Decision::kBatchFull;", "lane.unbatched.size() > settings.batch_size"),
    ("batch: the payload's bound is not looked at when it fills", LANE, "«lane.unbatched_bytes + overhead(settings, lane) > settings.payload_bytes_max» ||", "false"),
    ("batch: an event over 6 MB", LANE, "if («count > 0 && bytes > settings.payload_bytes_max») break;", "false"),
    ("batch: its window ends at once", LANE, "if («now >= lane.window_opened + settings.window») {", "true"),
    ("batch: a window stays open when it is full", LANE, "lane.stack.push_back(std::move(batch));\n  «lane.window_opened = {};»", ";"),
    ("batch: the next window opens before the invocation is done", LANE, "if (lane.stack.empty() && !lane.unbatched.empty()) «lane.window_opened = now;»\n  catch_up(lane);\n}\n\n// The final", ";"),
    ("planned: a restart grants new attempts", LANE, "«plan.filters == settings.filters ? plan.tries : Tries{}»", "Tries{}"),
    ("planned: the attempts of other records count", LANE, "«plan.filters == settings.filters ? plan.tries : Tries{}»", "plan.tries"),
    ("planned: one record less", LANE, "«record.sequence > plan.last»", "record.sequence >= plan.last"),
    ("planned: formed before it has been read", LANE, "const bool is_read = «lane.read_to >= plan.last || lane.shard_ended || lane.at_tail»;", "true"),
    # --- lane.cc: what became of an invocation ---
    ("partial: the rest is forgotten", LANE, "lane.settled = batch.records[«count - 1»].sequence;", "batch.records.size() - 1"),
    ("partial: the rest keeps its failures", LANE, "«batch.tries = {};»\n  batch.is_rest = true;", ";"),
    ("position: passes what is outstanding", LANE, "if («!has_outstanding(lane)») lane.settled", "true"),
    ("throttle: costs an attempt", LANE, "backoff(«++batch.tries.refusals», first, throttled", "++batch.tries.failures"),
    ("throttle: backs off as long as failures do", LANE, "«throttled ? kThrottledBackoffMax : kBackoffMax»", "kBackoffMax"),
    ("bisect: without being asked", LANE, "if («settings.bisect && batch.records.size() > 1») {", "batch.records.size() > 1"),
    ("bisect: the first half is the larger one", LANE, "return split(lane, «batch.records.size() / 2»);", "(batch.records.size() + 1) / 2"),
    ("bisect: the halves keep the failures", LANE, "note_bisect(settings, batch);\n    «batch.tries = {};»", ";"),
    ("retry: failures are not counted", LANE, "backoff(«++batch.tries.failures», first, kBackoffMax);\n  drop_ahead_of_failure(lane);\n}\n\nvoid learn(const Settings&, Lane& lane, const Discarded&", "1"),
    ("retry: one attempt too few", LANE, "settings.retries_max >= 0 && «batch.tries.failures > settings.retries_max») {", "batch.tries.failures >= settings.retries_max"),
    ("retry: no back-off", LANE, "if («now < batch.tries.not_before») return Wait{batch.tries.not_before};", "false"),
    ("retry: the back-off does not grow", LANE, "static_cast<double>(«1 << doublings») * jitter", "1"),
    ("age: not looked at before an invocation", LANE, "if («is_too_old(settings, batch, now)») return Discard", "false"),
    ("discard: only the first record", LANE, "settle(lane, «lane.stack.back().records.size()», now);", "std::size_t{1}"),
    # --- lane.cc: reading ---
    ("read: what was dropped is not read again", LANE, "lane.read_to = «has_batch ? lane.stack.front().records.back().sequence : lane.settled»;", "lane.read_to"),
    ("read: an outdated answer counts", LANE, "lane.reread = «lane.reading»;", "false"),
    ("read: growth during a read is lost", LANE, "lane.at_tail = «read.at_tail && !grew»;", "read.at_tail"),
    ("read: growth wakes nobody", LANE, "void learn(const Settings&, Lane& lane, const Grew&, Time) {\n  «lane.at_tail = false;»", ";"),
    ("read: ahead of a failing batch", LANE, "if («!lane.stack.empty() && (lane.stack.back().tries != Tries{} || lane.stack.size() > 1)») return {};", "false"),
    ("disabled: goes on", LANE, "if («lane.busy || !settings.enabled») return Wait{};", "lane.busy"),
    ("end: a shard ends with batches planned", LANE, "«lane.shard_ended && !lane.busy && lane.planned.empty() && !lane.tumbling && !has_outstanding(lane)»", "lane.shard_ended && !lane.busy"),
    # --- lane.cc: what is saved ---
    ("save: not after an answer", LANE, "const bool answered = «returned != nullptr && returned->outcome == Outcome::kAnswered»;", "false"),
    ("save: an open window is not", LANE, "const bool opened =\n      «settings.window > Milliseconds(0) && lane.window_opened != Time{} && lane.window_opened != before.second»;", "false"),
    ("save: filtered records move the position only in memory", LANE, "if («!moved || (lane.passed_unsaved < kPassedUnsavedMax && now - lane.saved_at < kSaveInterval)») return false;", "true"),
    ("save: without the attempts", LANE, "out.planned.push_back({batch.records.back().sequence, «batch.tries», batch.filters});", "Tries{}"),
    ("save: the restored window opens anew", LANE, "lane.window_opened = «saved.window_opened»;", "Time{}"),
    ("save: the tumbling window is lost", LANE, "lane.tumbling = «saved.tumbling»;", "std::optional<Tumbling>{}"),
    # --- lane.cc and tumbling.cc: tumbling windows ---
    ("tumbling: a late record opens a window that is over", LANE, "return window_at(«std::max(record.created, lane.tumbled_to)», settings.tumbling);", "record.created"),
    ("tumbling: a batch over two windows", LANE, "count < records_max && «records[count].created < window_end») {", "true"),
    ("tumbling: a batch of before a restart over two windows", LANE, "if («fits == size») return;", "true"),
    ("tumbling: the state stays as it was", LANE, "«lane.tumbling->state = std::move(state);»", ";"),
    ("tumbling: no bound of the state", LANE, "if («lane.tumbling->state.size() <= kStateBytesMax || final_in_hand(lane)») return;", "true"),
    ("tumbling: the next window's record does not close it", LANE, "if («next->created < window.end») return std::nullopt;", "true"),
    ("tumbling: time does not close it", LANE, "if («now >= window.end && lane.at_tail && !lane.reading») return", "false"),
    ("tumbling: the shard's end does not close it", LANE, "if («lane.shard_ended») return Decision::kTumblingClosedByShardEnd;", "false"),
    ("tumbling: an update does not close it", LANE, "if («window.end - window.start != settings.tumbling») return", "false"),
    ("tumbling: where the last one ended is forgotten", LANE, "if («!lane.tumbling->early && now >= window.end») lane.tumbled_to = window.end;", "false"),
    ("tumbling: windows begin at odd times", TUMBLING, "const std::int64_t start = «at - ((at % length.count()) + length.count()) % length.count()»;", "at"),
    ("tumbling: any state will do", TUMBLING, "if («state == nullptr || !state->is_object()») return std::nullopt;", "state == nullptr"),
    # --- response.cc ---
    ("response: the last of the failures counts", RESPONSE, "«done = std::min(done, static_cast<std::size_t>(found - records.begin()));»", "done = static_cast<std::size_t>(found - records.begin());"),
    ("response: an unknown record is overlooked", RESPONSE, "if («found == records.end() || found->sequence != *sequence») return 0;", "found == records.end()"),
    ("response: an empty object is a failure", RESPONSE, "|| «(answer.is_object() && answer.as_object().empty())»;", "false"),
    ("response: a list that is no list is a success", RESPONSE, "if («!failures->is_array()») return {.all", "false"),
    # --- queue_lane.cc ---
    ("queue: what failed is deleted", QUEUE, "if («input.done[i]») {", "true"),
    ("queue: what is done is not deleted", QUEUE, "«effects.remove.push_back(batch.messages[i].receipt);»", ";"),
    ("queue: a group goes on without its failed message", QUEUE, "«stopped.insert(batch.messages[i].group);»", ";"),
    ("queue: a group is in two batches", QUEUE, "if («!message.group.empty() && held.contains(message.group)») continue;", "false"),
    ("queue: full one message later", QUEUE, "is_full = «chosen.size() >= settings.batch_size»;", "chosen.size() > settings.batch_size"),
    ("queue: an event over 6 MB", QUEUE, "if («!chosen.empty() && bytes > settings.payload_bytes_max») {", "false"),
    ("queue: no window", QUEUE, "if («!is_full && now < lane.window_opened + settings.window») {", "false"),
    ("queue: more at a time than allowed", QUEUE, "return «std::min(settings.concurrency_max, lane.concurrency)»;", "lane.concurrency"),
    ("queue: refused, it asks for as much as before", QUEUE, "// AWS: backs off by asking for less concurrency.\n  «lane.concurrency = std::max<std::size_t>(1, lane.concurrency / 2);»", ";"),
    ("queue: never grows", QUEUE, "lane.concurrency = std::min(settings.concurrency_max, «lane.concurrency + 1»);", "lane.concurrency"),
    ("queue: failures that are reported scale down", QUEUE, "if («settings.report_failures») return;", "false"),
    ("queue: messages whose visibility has ended are delivered", QUEUE, "return «message.visible_from <= now»;", "false"),
    ("queue: disabled, it keeps what it has", QUEUE, "if («!settings.enabled») return let_go(lane, effects);", "false"),
    ("queue: readiness during a receive is lost", QUEUE, "lane.grew = «lane.receiving»;", "false"),
    ("queue: receives while it is refused", QUEUE, "lane.batches.size() >= limit || «waits_for_concurrency(lane)») return;", "false"),
    ("queue: no back-off after a refusal", QUEUE, "if («batch.not_before > now») {", "false"),
    ("queue: filters see a body as a text", QUEUE, "if («!parsed.ok() || (!parsed->is_object() && !parsed->is_array())») return", "true"),
    # --- failures.cc ---
    ("failures: a document of a notification is refused", FAILURES, "if («json.string_or(\"Type\", \"\") == \"Notification\"») return", "false"),
    ("failures: the range may hold other records by now", FAILURES, "if («out.size() != failure.batch_size || out.empty() || out.back().sequence != failure.last») {", "out.empty()"),
    ("failures: a key that failed goes on", FAILURES, "«closed_.insert(keys_of(record));»", ";"),
    # --- settlement.cc ---
    ("settlement: the document is lost", SETTLEMENT, "«batch.append(std::move(staged));»", ";"),
    ("settlement: a refusal loses the position", SETTLEMENT, "  if (!after.ok()) {\n    «commits_.submit(std::move(batch));»", ";"),
    ("settlement: no shorter document", SETTLEMENT, "if («!after.ok() && !letter.shorter.empty()») {", "false"),
    ("settlement: what refused leaves half of its entries", SETTLEMENT, "«staged = {};»\n    delivery", ";"),
    # --- documents.cc ---
    ("document: the wrong condition", DOCUMENTS, "{\"condition\", «exhausted» ?", "!exhausted"),
    ("document: no invocation is 0", DOCUMENTS, "{\"approximateInvokeCount\", «std::max(1, document.invocations)»}", "document.invocations"),
    ("document: the first record twice", DOCUMENTS, "model::sequence_number(«document.last»)", "document.first"),
    ("document: the wrong size", DOCUMENTS, "static_cast<std::int64_t>(«document.batch_size»)", "document.batch_size + 1"),
    ("document: an error that is empty", DOCUMENTS, "{\"functionError\", «error.empty()» ?", "false"),
    ("document: the window is missing", DOCUMENTS, "if («document.window») {", "false"),
    # --- internal/shard.cc ---
    ("lanes: the last settled record comes again", SHARD, "return «sequence <= positions[lane_of(key_hash, static_cast<unsigned>(positions.size()))]»;", "sequence < positions[lane_of(key_hash, static_cast<unsigned>(positions.size()))]"),
    ("lanes: rearranged to the highest position", SHARD, "SavedLane fresh{.settled = «lowest(shard)»};", "std::max_element(shard.lanes.begin(), shard.lanes.end(), [](const auto& a, const auto& b) { return a.settled < b.settled; })->settled"),
    ("lanes: the old positions are forgotten", SHARD, "«out.previous.push_back(std::move(positions));»\n  // Open", ";"),
    ("lanes: the old positions are dropped too early", SHARD, "return «settled >= *std::max_element(positions.begin(), positions.end())»;", "true"),
    ("lanes: the open window is lost", SHARD, "if («lane.window_opened != Time{} && earlier») fresh", "false"),
    ("lanes: the tumbling window is lost", SHARD, "out.lanes.front().tumbling = «std::move(tumbling)»;", "std::optional<Tumbling>{}"),
    ("saved: the refusals are not", SHARD, "out.refusals = «static_cast<int>(json.int_or(\"refusals\", 0))»;", "0"),
    ("saved: the end of the back-off is not", SHARD, "out.not_before = «from_unix_ms(json.int_or(\"notBefore\", 0))»;", "Time{}"),
    ("saved: a finished shard is not", SHARD, "out.finished = «json.bool_or(\"finished\", false)»;", "false"),
    # --- internal/runner.cc ---
    ("children: do not wait", RUNNER, "const bool may_start = «is_over(shard.info.parent) && is_over(shard.info.second_parent)»;", "true"),
    ("children: wait for one parent of two", RUNNER, "const bool may_start = «is_over(shard.info.parent) && is_over(shard.info.second_parent)»;", "is_over(shard.info.parent)"),
    ("children: wait for a parent that is gone", RUNNER, "return «found == shards_.end() || found->second.finished»;\n    };\n    const bool is_orphan", "found != shards_.end() && found->second.finished"),
    ("shards: their positions outlive them", RUNNER, "«forgotten.erase(storage::Family::kCatalogue, shard_key(mapping_.uuid, entry.first));»", ";"),
    ("lanes: rearranged while something runs", RUNNER, "if (shard.rearranging && «all([](const auto& lane) { return !lane->lane.busy; })») {", "true"),
    ("report: asked for in vain", WORK, "} else if («lane.reports && !batch.records.empty()») {", "false"),
    ("report: without being asked for", WORK, "} else if («lane.reports && !batch.records.empty()») {", "!batch.records.empty()"),
    ("report: as it stands when the answer comes", WORK, "} else if («lane.reports && !batch.records.empty()») {", "mapping_.report_failures && !batch.records.empty()"),
    ("answer: a function's error is a success", WORK, "if («!result.function_error.empty()») {\n    answer.done = 0;", "false"),
    ("answer: a final invocation needs no state", WORK, "«if (tumbles && !answer.state) answer.done = 0;»", "if (tumbles && !answer.state && batch.records.empty()) answer.state = std::string(kEmptyState);"),
    ("update: filters count only for what is read later", RUNNER, "const bool reread = «mapping.filters != mapping_.filters || (was_enabled && !mapping.enabled)»;", "was_enabled && !mapping.enabled"),
    ("update: enabled again, it does not look", RUNNER, "feed_all(shard, «mapping_.enabled && !was_enabled ? Input(Grew{}) : Input(Woken{})»);", "Input(Woken{})"),
    ("update: enabled again, it does not listen", RUNNER, "«if (mapping_.enabled && !was_enabled) subscribe();»", ";"),
    ("read: a failed read is not tried again", RUNNER, "for (auto& [number, shard] : self.shards_) «self.feed_all(shard, Grew{});»", ";"),
    ("read: what left the stream is not noted", RUNNER, "if («job.lost == 0 || job.request.after == 0 || job.request.after == lane.lost_after») return;", "true"),
    ("discard: the document goes nowhere", WORK, "const auto sent = save(shard, «letter»);", "Letter{}"),
    ("document: of an invocation that never was", WORK, "const bool was_invoked = «batch.tries.invocations > 0»;\n  FailureDocument", "true"),
    ("hold: is forgotten", RUNNER, "if («shard.rearranging || held_») settings.enabled = false;", "shard.rearranging"),
    ("blocked: from the first failure on", STATUS, "return «tries.failures + tries.refusals >= kBlockedTries»;", "tries.failures + tries.refusals >= 1"),
    # --- internal/read_job.cc ---
    ("read: filters are not asked", READING, "} else if («!filters->pass_text(each.record.event)») {", "false"),
    ("read: what is to be skipped is delivered", READING, "} else if («std::binary_search(skipped.begin(), skipped.end(), sequence)») {", "false"),
    ("read: what other lanes settled is delivered", READING, "if («is_settled_before(previous, each.key_hash, sequence)») {", "false"),
    ("read: the tail is told too early", READING, "arrived.at_tail = «page->at_tail»;", "true"),
    # --- internal/interventions.cc ---
    ("rewind: finished shards stay finished", INTERVENTIONS, "«shard.finished = false;»", ";"),
    ("rewind: forward, too", INTERVENTIONS, "if («lane.settled <= target») continue;", "false"),
    ("rewind: old lanes' positions stay", INTERVENTIONS, "«position = std::min(position, target);»", ";"),
    ("skip: what is settled", INTERVENTIONS, "if («saved.finished || lane.settled >= record.sequence ||\n        is_settled_before(saved.previous, key_hash, record.sequence)») {", "false"),
    # --- patterns ---
    ("pattern: one field is enough", PATTERN, "return «std::all_of(pattern.fields.begin(), pattern.fields.end(), match_field)» &&", "std::any_of(pattern.fields.begin(), pattern.fields.end(), match_field)"),
    ("pattern: $or means and", PATTERN, "return «std::any_of(objects.begin(), objects.end(),\n                       [&](const PatternObject& object) { return match_object(object, value); })»;", "std::all_of(objects.begin(), objects.end(), [&](const PatternObject& object) { return match_object(object, value); })"),
    ("pattern: all filters must match", PATTERN, "return patterns_.empty() || «std::any_of(patterns_.begin(), patterns_.end(),\n                                          [&](const Pattern& pattern) { return pattern.matches(record); })»;", "std::all_of(patterns_.begin(), patterns_.end(), [&](const Pattern& pattern) { return pattern.matches(record); })"),
    ("pattern: an object is a leaf", PATTERN, "if («value == nullptr || value->is_object()») return any", "value == nullptr"),
    ("pattern: an empty list has a leaf", PATTERN, "if («elements.empty()») return any(alternatives, nullptr);", "false"),
    ("pattern: $or of one is a relation", PATTERN, "return «objects.size() >= 2» &&", "objects.size() >= 1"),
    ("pattern: case counts", MATCHER, "if («!ignore_case») return a == b;", "true"),
    ("pattern: numbers are compared as texts", MATCHER, "if («a.is_number() && b.is_number()») return a.as_double() == b.as_double();", "false"),
    ("pattern: bounds are always included", MATCHER, "«low_included» ? value < low", "true"),
    ("pattern: anything-but of several excludes all or none", MATCHER, "return «std::none_of(literals.begin(), literals.end(),\n                          [&](const Json& each) { return equal_scalars(*leaf, each); })»;", "!equal_scalars(*leaf, literals.front())"),
    ("pattern: two stars in a row", MATCHER, "if («!tokens.empty() && !tokens.back()») return std::nullopt;", "false"),
    ("pattern: networks of other families match", MATCHER, "if («!parse_address(value, other, other_bytes) || other_bytes != bytes») return false;", "!parse_address(value, other, other_bytes)"),
]
