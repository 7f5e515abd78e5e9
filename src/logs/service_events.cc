#include <algorithm>
#include <cstdio>

#include "logs/errors.h"
#include "logs/internal/state.h"
#include "logs/service.h"

namespace millrace::logs {
namespace {

using internal::append_be;
using internal::kChunkPrefix;
using internal::kIndexPrefix;
using internal::read_be;
using storage::Family;
using storage::WriteBatch;

constexpr std::size_t kEventOverhead = 20;  // of our format
constexpr std::size_t kAwsEventOverhead = 26;

std::uint64_t ms_bits(Time time) { return static_cast<std::uint64_t>(to_unix_ms(time)); }

bool later(const Event& a, const Event& b) { return b.position < a.position; }

Error bad_token() { return Error(kInvalidParameter, "The specified nextToken is invalid."); }

}  // namespace

std::string Event::id() const {
  char text[64];
  std::snprintf(text, sizeof text, "%020llu%020llu%016llu",
                static_cast<unsigned long long>(ms_bits(position.timestamp)),
                static_cast<unsigned long long>(position.chunk), static_cast<unsigned long long>(position.index));
  return text;
}

// --- writing ---

Event Service::add_event(Group& group, Stream& stream, NewEvent event, Time now, WriteBatch& batch) {
  if (stream.open_number == 0) {
    stream.open_number = numbers_.take(batch);
    stream.open.stream = stream.number;
    open_.emplace(group.number, stream.info.name);
  }
  Event added{
      {event.timestamp, stream.open_number, stream.open.count}, stream.info.name, std::move(event.message), now};
  Chunk& open = stream.open;
  append_be(stream.open_text, ms_bits(event.timestamp), 8);
  append_be(stream.open_text, ms_bits(now), 8);
  append_be(stream.open_text, added.message.size(), 4);
  stream.open_text += added.message;
  open.first = std::min(open.first, event.timestamp);
  open.last = std::max(open.last, event.timestamp);
  open.ingested = now;
  ++open.count;
  unstored_bytes_ += added.message.size() + kEventOverhead;
  StreamInfo& info = stream.info;
  info.first_event = std::min(info.first_event.value_or(event.timestamp), event.timestamp);
  info.last_event = std::max(info.last_event.value_or(event.timestamp), event.timestamp);
  info.last_ingestion = now;
  if (stream.open_text.size() >= limits_.chunk_bytes && commits_.may_write(storage::Commits::Purpose::kAdds)) {
    seal(group, stream, batch);
  }
  return added;
}

// Turns the gathered events into a chunk. Whoever calls submits the batch with submit_chunks().
void Service::seal(Group& group, Stream& stream, WriteBatch& batch) {
  if (stream.open_number == 0) return;
  const std::uint64_t number = std::exchange(stream.open_number, 0);
  Chunk chunk = std::exchange(stream.open, Chunk());
  open_.erase({group.number, stream.info.name});
  const std::size_t bytes = chunk.bytes = stream.open_text.size();
  chunk.unstored = std::make_shared<const std::string>(std::exchange(stream.open_text, std::string()));
  std::string info;
  append_be(info, chunk.stream, 8);
  append_be(info, ms_bits(chunk.first), 8);
  append_be(info, ms_bits(chunk.last), 8);
  append_be(info, ms_bits(chunk.ingested), 8);
  append_be(info, chunk.count, 4);
  append_be(info, chunk.bytes, 8);
  batch.put(Family::kText, internal::key(kIndexPrefix, group.number, number), info);
  batch.put(Family::kText, internal::key(kChunkPrefix, group.number, number), *chunk.unstored);
  group.info.stored_bytes += chunk.bytes;
  group.chunks.emplace(number, std::move(chunk));
  sealed_.emplace_back(group.number, number);
  sealed_bytes_ += bytes;
  trim(group, batch);
  arm_retention(group);
}

// While writes are refused, what was gathered stays gathered and is not shown.
void Service::seal_all(Group& group) {
  if (!commits_.may_write(storage::Commits::Purpose::kAdds)) return;
  WriteBatch batch;
  // seal() removes from open_.
  std::vector<std::string> streams;
  for (auto it = open_.lower_bound({group.number, ""}); it != open_.end() && it->first == group.number; ++it) {
    streams.push_back(it->second);
  }
  for (const auto& name : streams) seal(group, group.streams.find(name)->second, batch);
  if (!batch.empty()) submit_chunks(std::move(batch));
}

void Service::submit_chunks(WriteBatch batch) {
  if (sealed_.empty()) {
    commits_.submit(std::move(batch));
    return;
  }
  auto chunks = std::exchange(sealed_, {});
  const std::size_t bytes = std::exchange(sealed_bytes_, 0);
  commits_.submit(std::move(batch), [this, bytes, chunks = std::move(chunks)](const storage::Committed& committed) {
    unstored_bytes_ -= bytes;
    if (committed.error != nullptr) return;
    scheduler_.post([this, chunks] { chunks_stored(chunks); });
  });
}

void Service::chunks_stored(const std::vector<std::pair<std::uint64_t, std::uint64_t>>& chunks) {
  const std::scoped_lock lock(mutex_);
  for (const auto& [group, number] : chunks) {
    const auto found = by_number_.find(group);
    if (found == by_number_.end()) continue;
    const auto it = found->second->chunks.find(number);
    if (it != found->second->chunks.end()) it->second.unstored.reset();
  }
}

void Service::discard_open(Group& group, Stream& stream) {
  if (stream.open_number == 0) return;
  open_.erase({group.number, stream.info.name});
  unstored_bytes_ -= stream.open_text.size();
  stream.open_number = 0;
  stream.open_text.clear();
  stream.open = Chunk();
}

void Service::drop_chunk(Group& group, std::uint64_t number, WriteBatch& batch) {
  const auto it = group.chunks.find(number);
  group.info.stored_bytes -= it->second.bytes;
  group.chunks.erase(it);
  batch.erase(Family::kText, internal::key(kIndexPrefix, group.number, number));
  batch.erase(Family::kText, internal::key(kChunkPrefix, group.number, number));
}

// Whole chunks, the oldest first, but never the last one.
void Service::trim(Group& group, WriteBatch& batch) {
  while (group.info.stored_bytes > limits_.group_bytes && group.chunks.size() > 1) {
    drop_chunk(group, group.chunks.begin()->first, batch);
  }
}

void Service::append(const GroupName& name, std::string_view stream_name, std::vector<NewEvent> events) {
  std::vector<Event> added;
  std::shared_ptr<const MetricFilters> filters;
  {
    const std::scoped_lock lock(mutex_);
    const auto found = groups_.find(name);
    const auto gathers = [&] {
      if (found == groups_.end()) return false;
      const auto stream = found->second->streams.find(stream_name);
      return stream != found->second->streams.end() && stream->second.open_number != 0;
    };
    if (unstored_bytes_.load() > limits_.unstored_bytes ||
        (!commits_.may_write(storage::Commits::Purpose::kAdds) && !gathers())) {
      dropped_ += events.size();
      return;
    }
    WriteBatch batch;
    Group& group = found != groups_.end() ? *found->second : make_group(name, "STANDARD", {}, batch);
    const auto it = group.streams.find(stream_name);
    Stream& stream = it != group.streams.end() ? it->second : make_stream(group, stream_name, batch);
    filters = metric_sink_ ? group.filters : nullptr;
    const bool observed = has_observers(name) || filters != nullptr;
    const Time now = scheduler_.now();
    for (auto& event : events) {
      if (event.message.empty()) continue;  // AWS has no empty events
      if (event.message.size() > limits_.event_bytes) event.message.resize(limits_.event_bytes);
      Event one = add_event(group, stream, std::move(event), now, batch);
      if (observed) added.push_back(std::move(one));
    }
    if (!batch.empty()) submit_chunks(std::move(batch));
    arm_flush();
  }
  if (!added.empty()) notify(name, added);
  feed_metrics(name.scope, filters, added);
}

void Service::arm_flush() {
  if (flush_armed_ || open_.empty()) return;
  flush_armed_ = true;
  flush_timer_ = scheduler_.at(scheduler_.now() + limits_.flush_after, [this] { flush(); });
}

void Service::flush() {
  const std::scoped_lock lock(mutex_);
  flush_armed_ = false;
  if (!commits_.may_write(storage::Commits::Purpose::kFrees)) return;  // from the reserve, if need be
  WriteBatch batch;
  while (!open_.empty()) {
    const auto [number, stream] = *open_.begin();
    Group& group = *by_number_.at(number);
    seal(group, group.streams.find(stream)->second, batch);
  }
  if (!batch.empty()) submit_chunks(std::move(batch));
}

Result<RejectedEvents> Service::put_events(const GroupName& name, std::string_view stream_name,
                                           std::vector<NewEvent> events) {
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (events[i].message.size() > limits_.event_bytes) {
      return Error(kInvalidParameter, "Log event too large: " + std::to_string(events[i].message.size()) +
                                          " bytes exceeds limit of " + std::to_string(limits_.event_bytes));
    }
    bytes += events[i].message.size() + kAwsEventOverhead;
    if (i > 0 && events[i].timestamp < events[i - 1].timestamp) {
      return Error(kInvalidParameter, "Log events in a single PutLogEvents request must be in chronological order.");
    }
  }
  if (bytes > limits_.put_bytes) {
    return Error(kInvalidParameter, "Upload too large: " + std::to_string(bytes) + " bytes exceeds limit of " +
                                        std::to_string(limits_.put_bytes));
  }
  if (!events.empty() && events.back().timestamp - events.front().timestamp > std::chrono::hours(24)) {
    return Error(kInvalidParameter,
                 "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.");
  }
  RejectedEvents rejected;
  std::vector<Event> added;
  std::shared_ptr<const MetricFilters> filters;
  {
    const std::scoped_lock lock(mutex_);
    MR_ASSIGN_OR_RETURN(Group * group, find(name));
    filters = metric_sink_ ? group->filters : nullptr;
    MR_ASSIGN_OR_RETURN(Stream * stream, find_stream(*group, stream_name));
    // Clients stamp events by their own clock, functions perhaps by the moved one: both are right.
    const Time now = scheduler_.now();
    const Time too_new = std::max(now, scheduler_.machine_now()) + std::chrono::hours(2);
    const Time too_old = std::min(now, scheduler_.machine_now()) - std::chrono::days(14);
    const Time expired =
        group->info.retention_days ? now - std::chrono::days(*group->info.retention_days) : Time::min();
    WriteBatch batch;
    for (std::size_t i = 0; i < events.size(); ++i) {
      const Time at = events[i].timestamp;
      if (at < too_old) {
        rejected.too_old_end = i + 1;
      } else if (at < expired) {
        rejected.expired_end = i + 1;
      } else if (at > too_new) {
        if (!rejected.too_new_start) rejected.too_new_start = i;
      } else {
        added.push_back(add_event(*group, *stream, std::move(events[i]), now, batch));
      }
    }
    seal(*group, *stream, batch);
    if (!batch.empty()) submit_chunks(std::move(batch));
  }
  if (!added.empty()) notify(name, added);
  feed_metrics(name.scope, filters, added);
  return rejected;
}

// --- observers ---

Service::Subscription Service::subscribe(const GroupName& group, Observer observer) {
  auto shared = std::make_shared<Observer>(std::move(observer));
  const std::scoped_lock lock(mutex_);
  observers_.emplace(group, shared);
  return shared;
}

bool Service::has_observers(const GroupName& group) {
  auto [it, end] = observers_.equal_range(group);
  bool any = false;
  while (it != end) {
    const bool gone = it->second.expired();
    any = any || !gone;
    it = gone ? observers_.erase(it) : std::next(it);
  }
  return any;
}

void Service::notify(const GroupName& group, const std::vector<Event>& events) {
  std::vector<std::shared_ptr<Observer>> observers;
  {
    const std::scoped_lock lock(mutex_);
    const auto [begin, end] = observers_.equal_range(group);
    for (auto it = begin; it != end; ++it) {
      if (auto observer = it->second.lock()) observers.push_back(std::move(observer));
    }
  }
  for (const auto& observer : observers) {
    for (const auto& event : events) (*observer)(event);
  }
}

// --- retention ---

void Service::arm_retention(Group& group) {
  if (!group.info.retention_days || group.chunks.empty()) return;
  const auto retention = std::chrono::days(*group.info.retention_days);
  Time oldest = kNever;
  for (const auto& [number, chunk] : group.chunks) oldest = std::min(oldest, chunk.last);
  const Time when = oldest + retention;
  if (when >= group.armed_for) return;  // an alarm that rings too early arms the right one
  group.armed_for = when;
  group.retention_timer = scheduler_.at(when, [this, number = group.number] { on_retention(number); });
}

void Service::on_retention(std::uint64_t number) {
  const std::scoped_lock lock(mutex_);
  const auto found = by_number_.find(number);
  if (found == by_number_.end()) return;
  Group& group = *found->second;
  group.armed_for = kNever;
  group.retention_timer = {};
  if (!commits_.may_write(storage::Commits::Purpose::kFrees)) return;
  if (!group.info.retention_days) return;
  const Time expired = scheduler_.now() - std::chrono::days(*group.info.retention_days);
  std::vector<std::uint64_t> chunks;
  for (const auto& [chunk_number, chunk] : group.chunks) {
    if (chunk.last <= expired) chunks.push_back(chunk_number);
  }
  WriteBatch batch;
  for (const auto chunk : chunks) drop_chunk(group, chunk, batch);
  if (!batch.empty()) commits_.submit(std::move(batch));
  arm_retention(group);
}

// --- reading ---

Service::Range Service::range_of(const Group& group, const EventQuery& query) const {
  Range range;
  range.start = query.start.value_or(Time::min());
  range.end = query.end.value_or(kNever);
  if (group.info.retention_days) {
    const Time expired = scheduler_.now() - std::chrono::days(*group.info.retention_days);
    range.start = std::max(range.start, expired + Milliseconds(1));
  }
  range.limit = query.limit;
  range.bytes = limits_.answer_bytes;
  return range;
}

// The chunks that may hold events of the range, oldest event first. What they need is copied: reading them goes on
// without the mutex, so that nobody who appends waits for it.
std::vector<Service::Source> Service::sources(const Group& group, const Range& range) const {
  std::vector<Source> sources;
  for (const auto& [number, chunk] : group.chunks) {
    if (chunk.last < range.start || chunk.first >= range.end || chunk.last < range.from.timestamp) continue;
    if (range.before && chunk.first > range.before->timestamp) continue;
    const auto name = group.stream_names.find(chunk.stream);
    if (name == group.stream_names.end() || (range.wanted_stream && !range.wanted_stream(name->second))) continue;
    sources.push_back({chunk.first, number, group.number, name->second, chunk.unstored});
  }
  std::ranges::sort(sources, {}, [](const Source& source) { return std::pair(source.first, source.number); });
  return sources;
}

Result<void> Service::read_source(const Source& source, const Range& range, std::vector<Event>& events) const {
  std::string stored;
  std::string_view text;
  if (source.unstored != nullptr) {
    text = *source.unstored;
  } else {
    MR_ASSIGN_OR_RETURN(auto found,
                        store_.get(Family::kText, internal::key(kChunkPrefix, source.group, source.number)));
    if (!found) return {};  // dropped meanwhile, by the limit or the retention
    stored = *std::move(found);
    text = stored;
  }
  for (std::uint64_t index = 0; text.size() >= kEventOverhead; ++index) {
    const Time at = from_unix_ms(static_cast<std::int64_t>(read_be(text, 8)));
    const Time ingested = from_unix_ms(static_cast<std::int64_t>(read_be(text, 8)));
    const std::size_t bytes = read_be(text, 4);
    if (bytes > text.size()) break;
    const std::string_view message = text.substr(0, bytes);
    text.remove_prefix(bytes);
    const Position position{at, source.number, index};
    if (at < range.start || at >= range.end || position < range.from) continue;
    if (range.before && !(position < *range.before)) continue;
    if (range.wanted && !range.wanted(message)) continue;
    events.push_back({position, source.stream, std::string(message), ingested});
    std::ranges::push_heap(events, later);
  }
  return {};
}

// The first events of the range in order of time. Chunks are read in order of their first event, only as far as needed.
Result<std::vector<Event>> Service::merge(const std::vector<Source>& chunks, const Range& range) const {
  std::vector<Event> heap;
  std::vector<Event> events;
  std::size_t bytes = 0;
  std::size_t next = 0;
  while (events.size() < range.limit && (events.empty() || bytes < range.bytes)) {
    while (next < chunks.size() && (heap.empty() || chunks[next].first <= heap.front().position.timestamp)) {
      MR_RETURN_IF_ERROR(read_source(chunks[next++], range, heap));
    }
    if (heap.empty()) break;
    std::ranges::pop_heap(heap, later);
    bytes += heap.back().message.size() + kAwsEventOverhead;
    events.push_back(std::move(heap.back()));
    heap.pop_back();
  }
  return events;
}

Result<Page<Event>> Service::filter_events(const GroupName& name, const EventQuery& query,
                                           const std::function<bool(std::string_view)>& wanted_stream,
                                           const std::function<bool(std::string_view)>& wanted) {
  std::unique_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(Group * group, find(name));
  seal_all(*group);
  Range range = range_of(*group, query);
  range.wanted_stream = wanted_stream;
  range.wanted = wanted;
  if (!query.token.empty()) {
    const auto from = internal::parse_position(query.token);
    if (!from) return bad_token();
    range.from = *from;
  }
  Page<Event> page;
  ++range.limit;  // one more tells whether there is a next page
  const auto chunks = sources(*group, range);
  lock.unlock();
  MR_ASSIGN_OR_RETURN(page.items, merge(chunks, range));
  std::size_t bytes = 0;
  std::size_t keep = 0;
  while (keep < page.items.size() && keep < query.limit && (keep == 0 || bytes < range.bytes)) {
    bytes += page.items[keep++].message.size() + kAwsEventOverhead;
  }
  // Cut by the answer's size: what follows is not known, so the next page may turn out to be empty.
  const bool cut = keep < page.items.size() || (keep == page.items.size() && bytes >= range.bytes);
  if (cut && keep > 0) {
    Position from = page.items[keep - 1].position;
    ++from.index;
    page.next_token = internal::position_text(from);
  }
  page.items.resize(keep);
  return page;
}

Result<StreamEvents> Service::stream_events(const GroupName& name, std::string_view stream_name,
                                            const EventQuery& query, From from) {
  std::unique_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(Group * group, find(name));
  MR_ASSIGN_OR_RETURN([[maybe_unused]] Stream * stream, find_stream(*group, stream_name));
  seal_all(*group);
  Range range = range_of(*group, query);
  range.wanted_stream = [&](const std::string& other) { return other == stream_name; };
  Position here{Time(Milliseconds(0)), 0, 0};
  bool backward = from == From::kTail;
  if (!query.token.empty()) {
    const auto position =
        query.token.size() > 2 ? internal::parse_position(query.token.substr(2)) : std::optional<Position>();
    if (!position || (!query.token.starts_with("f/") && !query.token.starts_with("b/"))) return bad_token();
    here = *position;
    backward = query.token.starts_with("b/");
    if (backward) {
      range.before = here;
    } else {
      range.from = here;
    }
  }
  const auto chunks = sources(*group, range);
  lock.unlock();
  StreamEvents result;
  if (backward) {
    range.limit = range.bytes = SIZE_MAX;
    MR_ASSIGN_OR_RETURN(result.events, merge(chunks, range));
    std::size_t bytes = 0;
    std::size_t keep = 0;
    while (keep < result.events.size() && keep < query.limit && (keep == 0 || bytes < limits_.answer_bytes)) {
      bytes += result.events[result.events.size() - ++keep].message.size() + kAwsEventOverhead;
    }
    result.events.erase(result.events.begin(), result.events.end() - static_cast<std::ptrdiff_t>(keep));
  } else {
    MR_ASSIGN_OR_RETURN(result.events, merge(chunks, range));
  }
  Position behind = here;
  if (!result.events.empty()) {
    here = result.events.front().position;
    behind = result.events.back().position;
    ++behind.index;
  }
  result.forward_token = "f/" + internal::position_text(behind);
  result.backward_token = "b/" + internal::position_text(here);
  return result;
}

}  // namespace millrace::logs
