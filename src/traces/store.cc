#include "traces/store.h"

#include <algorithm>
#include <cmath>

#include "codec/key.h"
#include "storage/scan.h"
#include "traces/header.h"

namespace millrace::traces {
namespace {

using storage::Family;

constexpr std::string_view kHeads = "traces/t/";
constexpr std::string_view kDocuments = "traces/d/";
constexpr std::size_t kPendingBytesMax = 1024 * 1024;  // then they are submitted at once
constexpr Milliseconds kOffsetMin{1000};               // less is the time between two readings
constexpr Milliseconds kSweepStep = std::chrono::hours(1);

std::string head_key(std::uint64_t number) { return codec::KeyWriter(kHeads).be64(number).str(); }
std::string documents_of(std::uint64_t number) { return codec::KeyWriter(kDocuments).be64(number).str(); }
std::string document_key(std::uint64_t number, std::string_view segment) {
  return codec::KeyWriter(kDocuments).be64(number).text(segment).str();
}

Time time_of(double seconds) { return from_unix_ms(std::llround(std::min(seconds, 1e11) * 1000)); }

}  // namespace

Store::Store(storage::Store& store, storage::Commits& commits, platform::Scheduler& scheduler, Limits limits)
    : store_(store), commits_(commits, "traces"), scheduler_(scheduler), limits_(limits) {
  commits_.set_resume(scheduler, [this] {
    const std::lock_guard lock(mutex_);
    submit();
    arm_sweep();
  });
}

Store::~Store() {
  const std::lock_guard lock(mutex_);
  persist_timer_.cancel();
  sweep_timer_.cancel();
}

Result<void> Store::load() {
  const std::lock_guard lock(mutex_);
  const auto it = store_.iterate(Family::kText, {std::string(kHeads), storage::prefix_end(kHeads)});
  for (it->seek(kHeads); it->valid(); it->next()) {
    codec::KeyReader reader(it->key());
    reader.skip(kHeads);
    const auto number = reader.be64();
    const auto head = codec::parse_json(it->value());
    if (!number || !reader.empty() || !head.ok() || head->int_or("v", 0) != 1 ||
        !is_trace_id(head->string_or("id", ""))) {
      return storage::damaged("trace", it->key());
    }
    const Key key{{std::string(head->string_or("account", "")), std::string(head->string_or("region", ""))},
                  std::string(head->string_or("id", ""))};
    Entry entry{.number = *number,
                .first = from_unix_ms(head->int_or("first", 0)),
                .last = from_unix_ms(head->int_or("last", 0)),
                .bytes = static_cast<std::uint64_t>(head->int_or("bytes", 0)),
                .segments = 1,
                .limit_exceeded = head->bool_or("limited", false)};
    const auto [place, is_new] = entries_.try_emplace(key, entry);
    if (!is_new) return storage::damaged("trace, there is another of its id,", it->key());
    bytes_ += entry.bytes;
    last_number_ = std::max(last_number_, *number);
    by_number_[*number] = place;
    scopes_.insert_or_assign(key.id, key.scope);
  }
  MR_RETURN_IF_ERROR(it->status());
  arm_sweep();
  return {};
}

void Store::set_default_scope(Scope scope) {
  const std::lock_guard lock(mutex_);
  default_scope_ = std::move(scope);
}

Store::Key Store::key_of(const std::optional<Scope>& scope, const std::string& trace_id) const {
  if (scope) return {*scope, trace_id};
  const auto known = scopes_.find(trace_id);
  return {known == scopes_.end() ? default_scope_ : known->second, trace_id};
}

Store::Entry& Store::open(const Key& key) {
  const auto [place, is_new] = entries_.try_emplace(key);
  if (is_new) {
    place->second.number = ++last_number_;
    by_number_[last_number_] = place;
    scopes_.try_emplace(key.id, key.scope);
  }
  return place->second;
}

void Store::expect(const Scope& scope, const std::string& trace_id) {
  const std::lock_guard lock(mutex_);
  open({scope, trace_id});
}

void Store::receive(const std::optional<Scope>& scope, Segment segment) {
  const Milliseconds offset = scheduler_.now() - scheduler_.machine_now();
  if (std::chrono::abs(offset) < kOffsetMin) return put(scope, std::move(segment));
  put(scope, moved(segment, static_cast<double>(offset.count()) / 1000));
}

void Store::put(const std::optional<Scope>& scope, Segment segment) {
  Scope owner;
  const bool has_room = commits_.may_write(storage::Commits::Purpose::kAdds);
  {
    const std::lock_guard lock(mutex_);
    if (!has_room) {
      ++dropped_;
      return;
    }
    const Key key = key_of(scope, segment.trace_id);
    Entry& entry = open(key);
    const std::uint64_t bytes = segment.document.size() + segment.id.size();
    if (entry.bytes + bytes > limits_.trace_bytes) {
      ++dropped_;
      entry.limit_exceeded = true;
      changed_.insert(key);
      return arm_persist();
    }
    const Time start = time_of(segment.start);
    const Time end = time_of(segment.end);
    entry.first = entry.segments == 0 ? start : std::min(entry.first, start);
    entry.last = entry.segments == 0 ? end : std::max(entry.last, end);
    ++entry.segments;
    entry.bytes += bytes;
    bytes_ += bytes;
    pending_bytes_ += bytes;
    pending_.insert_or_assign({entry.number, segment.id}, segment.document);
    changed_.insert(key);
    shrink();
    if (pending_bytes_ > kPendingBytesMax) {
      submit();
    } else {
      arm_persist();
    }
    arm_sweep();
    owner = key.scope;
  }
  if (observer_) observer_(owner, segment);
}

void Store::submit() {
  if (!commits_.may_write(storage::Commits::Purpose::kFrees)) return;
  storage::WriteBatch batch = std::exchange(erased_, {});
  for (const auto& [place, document] : pending_)
    batch.put(Family::kText, document_key(place.first, place.second), document);
  for (const Key& key : changed_) {
    const auto found = entries_.find(key);
    if (found == entries_.end()) continue;
    const Entry& entry = found->second;
    codec::Json head = codec::Json::object({{"v", 1},
                                            {"account", key.scope.account},
                                            {"region", key.scope.region},
                                            {"id", key.id},
                                            {"first", to_unix_ms(entry.first)},
                                            {"last", to_unix_ms(entry.last)},
                                            {"bytes", entry.bytes}});
    head.set_if(entry.limit_exceeded, "limited", true);
    batch.put(Family::kText, head_key(entry.number), head.dump());
  }
  if (batch.empty()) return;
  // Kept until they are written, since readers may come before.
  const auto written = std::make_shared<const Pending>(std::exchange(pending_, {}));
  changed_.clear();
  pending_bytes_ = 0;
  committing_.push_back(written);
  commits_.submit(std::move(batch), [this, written](const storage::Committed& committed) {
    if (committed.error != nullptr) return;  // then it is nowhere else
    // Posted: the submitter holds the mutex.
    scheduler_.post([this, written] {
      const std::lock_guard lock(mutex_);
      std::erase(committing_, written);
    });
  });
}

void Store::flush() {
  const std::lock_guard lock(mutex_);
  submit();
}

void Store::drop(Entries::iterator entry) {
  const std::uint64_t number = entry->second.number;
  erased_.erase(Family::kText, head_key(number));
  const std::string from = documents_of(number);
  erased_.erase_range(Family::kText, from, storage::prefix_end(from));
  pending_.erase(pending_.lower_bound({number, ""}), pending_.lower_bound({number + 1, ""}));
  bytes_ -= entry->second.bytes;
  changed_.erase(entry->first);
  const auto known = scopes_.find(entry->first.id);
  if (known != scopes_.end() && known->second == entry->first.scope) scopes_.erase(known);
  by_number_.erase(number);
  entries_.erase(entry);
}

void Store::shrink() {
  while (by_number_.size() > 1 && (bytes_ > limits_.bytes || entries_.size() > limits_.traces))
    drop(by_number_.begin()->second);
}

void Store::arm_persist() {
  if (std::exchange(persist_armed_, true)) return;
  persist_timer_ = scheduler_.at(scheduler_.now() + kPersistAfter, [this] {
    const std::lock_guard lock(mutex_);
    persist_armed_ = false;
    submit();
  });
}

// Of the oldest trace; looked at again as long as there is one.
void Store::arm_sweep() {
  if (sweep_armed_ || by_number_.empty()) return;
  sweep_armed_ = true;
  const Time due = std::max(by_number_.begin()->second->second.last + limits_.age, scheduler_.now() + kSweepStep);
  sweep_timer_ = scheduler_.at(due, [this] { sweep(); });
}

void Store::sweep() {
  const std::lock_guard lock(mutex_);
  sweep_armed_ = false;
  if (!commits_.may_write(storage::Commits::Purpose::kFrees)) return;
  const Time before = scheduler_.now() - limits_.age;
  for (auto it = entries_.begin(); it != entries_.end();) {
    const auto entry = it++;
    if (entry->second.last <= before) drop(entry);
  }
  submit();
  arm_sweep();
}

Result<std::optional<Trace>> Store::find(const Scope& scope, const std::string& trace_id) const {
  std::map<std::string, std::string> documents;
  Trace out{.id = trace_id};
  std::uint64_t number = 0;
  std::vector<std::shared_ptr<const Pending>> newer;
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find({scope, trace_id});
    if (found == entries_.end() || found->second.segments == 0) return std::optional<Trace>();
    if (found->second.last <= scheduler_.now() - limits_.age) return std::optional<Trace>();
    number = found->second.number;
    out.limit_exceeded = found->second.limit_exceeded;
    newer.assign(committing_.begin(), committing_.end());
    newer.push_back(
        std::make_shared<const Pending>(pending_.lower_bound({number, ""}), pending_.lower_bound({number + 1, ""})));
  }
  const std::string from = documents_of(number);
  const auto it = store_.iterate(Family::kText, {from, storage::prefix_end(from)});
  for (it->seek(from); it->valid(); it->next()) {
    codec::KeyReader reader(it->key());
    reader.skip(from);
    if (auto segment = reader.text()) documents.insert_or_assign(*std::move(segment), std::string(it->value()));
  }
  MR_RETURN_IF_ERROR(it->status());
  for (const auto& batch : newer) {
    const auto end = batch->lower_bound({number + 1, ""});
    for (auto each = batch->lower_bound({number, ""}); each != end; ++each)
      documents.insert_or_assign(each->first.second, each->second);
  }
  for (auto& [id, document] : documents) out.documents.push_back(std::move(document));
  return std::optional(std::move(out));
}

std::vector<std::string> Store::list(const Scope& scope, RangeType type, Time from, Time to, std::size_t count,
                                     const std::string& after) const {
  std::vector<std::string> found;
  {
    const std::lock_guard lock(mutex_);
    const Time expired = scheduler_.now() - limits_.age;
    for (auto it = entries_.lower_bound({scope, ""}); it != entries_.end() && it->first.scope == scope; ++it) {
      const Entry& entry = it->second;
      if (entry.segments == 0 || entry.last <= expired) continue;
      const Time began = time_of_trace(it->first.id);
      const bool inside = type == RangeType::kTraceId ? began >= std::chrono::floor<Seconds>(from) && began <= to
                                                      : entry.last >= from && entry.first <= to;
      if (inside) found.push_back(it->first.id);
    }
  }
  // Ids begin with their time, and a place among them holds whatever comes and goes meanwhile.
  std::ranges::sort(found, std::greater<>());
  const auto first = after.empty() ? found.begin() : std::ranges::upper_bound(found, after, std::greater<>());
  const auto taken = std::min(count, static_cast<std::size_t>(found.end() - first));
  return {first, first + static_cast<std::ptrdiff_t>(taken)};
}

void Store::reset(std::string_view account) {
  const std::lock_guard lock(mutex_);
  for (auto it = entries_.begin(); it != entries_.end();) {
    const auto entry = it++;
    if (entry->first.scope.account == account) drop(entry);
  }
  submit();
}

Usage Store::usage() const {
  const std::lock_guard lock(mutex_);
  Usage out{.bytes = bytes_, .dropped = dropped_};
  for (const auto& [key, entry] : entries_) out.traces += entry.segments > 0;
  return out;
}

}  // namespace millrace::traces
