#include "sqs/service.h"

#include <algorithm>

#include "codec/json.h"
#include "crypto/encoding.h"
#include "sqs/errors.h"
#include "sqs/internal/queue.h"
#include "sqs/internal/records.h"
#include "sqs/limits.h"
#include "storage/log_key.h"
#include "storage/scan.h"
#include "telemetry/log.h"

namespace millrace::sqs {
namespace {

using codec::Json;
using storage::damaged;
using storage::Family;
using storage::WriteBatch;

std::string catalogue_key(const QueueName& name) {
  return std::string(internal::kQueuePrefix) + name.scope.account + "/" + name.scope.region + "/" + name.name;
}

Json map_to_json(const std::map<std::string, std::string, std::less<>>& map) {
  Json json = Json::object();
  for (const auto& [key, value] : map) json.set(key, value);
  return json;
}

std::map<std::string, std::string, std::less<>> map_of(const Json* json) {
  std::map<std::string, std::string, std::less<>> map;
  if (json == nullptr || !json->is_object()) return map;
  for (const auto& [key, value] : json->as_object()) {
    if (value.is_string()) map[key] = value.as_string();
  }
  return map;
}

std::optional<QueueName> parse_catalogue_key(std::string_view key) {
  key.remove_prefix(internal::kQueuePrefix.size());
  const auto account_end = key.find('/');
  const auto region_end = key.find('/', account_end + 1);
  if (account_end == std::string_view::npos || region_end == std::string_view::npos) return std::nullopt;
  return QueueName{Scope{std::string(key.substr(0, account_end)),
                         std::string(key.substr(account_end + 1, region_end - account_end - 1))},
                   std::string(key.substr(region_end + 1))};
}

Error does_not_exist() { return Error(kQueueDoesNotExist, "The specified queue does not exist."); }

void erase_messages(std::uint64_t number, WriteBatch& batch) {
  for (const auto prefix : {internal::kMessagePrefix, internal::kCountPrefix, internal::kRecentPrefix}) {
    const std::string from = internal::numbered_key(prefix, number);
    batch.erase_range(Family::kQueue, from, storage::prefix_end(from));
  }
}

}  // namespace

Service::Service(storage::Store& store, storage::Commits& commits, platform::Scheduler& scheduler,
                 platform::Random& random)
    : store_(store), commits_(commits, "sqs"), scheduler_(scheduler), random_(random) {
  commits_.set_restore([this] { return restore(); });
  commits_.set_resume(scheduler, [this] { resume(); });
}

Service::~Service() = default;

Result<void> Service::load() {
  const std::scoped_lock lock(mutex_);
  // A number is never used again, also when everything that had a higher one is gone and the clock was set back: old
  // receipts stay harmless, and SequenceNumbers rise.
  MR_RETURN_IF_ERROR(numbers_.load(store_, scheduler_));
  return read_all();
}

Result<void> Service::read_all() {
  MR_RETURN_IF_ERROR(load_queues());
  MR_RETURN_IF_ERROR(load_messages());
  MR_RETURN_IF_ERROR(load_counts());
  MR_RETURN_IF_ERROR(load_recent());
  for (auto& [name, queue] : queues_) arm(*queue);
  return {};
}

Result<void> Service::restore() {
  Calls calls;
  Result<void> read;
  {
    const std::scoped_lock lock(mutex_);
    const auto before = std::exchange(queues_, {});
    by_number_.clear();
    cached_bytes_ = 0;
    for (const auto& [name, queue] : before) {
      for (auto& waiter : queue->waiters) {
        calls.push_back([this, done = std::move(waiter.done)] {
          auto refusal = commits_.paused(storage::Commits::Purpose::kFrees);
          done(refusal ? Result<std::vector<Received>>(*std::move(refusal)) : std::vector<Received>());
        });
      }
    }
    read = read_all();
    for (const auto& [name, queue] : before) {
      Queue* now = find_number(queue->number);
      if (now == nullptr) continue;
      for (const auto& [number, held] : queue->messages.entries()) {
        internal::Entry* entry = now->messages.find(number);
        if (entry == nullptr || held.received == 0) continue;
        entry->received = held.received;
        entry->nonce = held.nonce;
        entry->first_received = held.first_received;
        entry->last_received = held.last_received;
        if (held.state != internal::MessageState::kInFlight) continue;
        now->messages.set_visibility(number, held.state, held.visible_from, scheduler_.now());
      }
    }
  }
  for (auto& call : calls) call();
  return read;
}

void Service::resume() {
  std::vector<std::uint64_t> numbers;
  std::vector<std::function<void()>> put_off;
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& [number, queue] : by_number_) numbers.push_back(number);
    put_off.swap(put_off_);
  }
  for (const auto& work : put_off) work();
  for (const std::uint64_t number : numbers) on_timer(number);
}

bool Service::put_off(std::function<void()> work) {
  const std::scoped_lock lock(mutex_);
  if (commits_.may_write(storage::Commits::Purpose::kFrees)) return false;
  put_off_.push_back(std::move(work));
  return true;
}

Result<void> Service::load_queues() {
  const std::string prefix(internal::kQueuePrefix);
  auto it = store_.iterate(Family::kCatalogue, {prefix, storage::prefix_end(prefix)});
  for (it->seek(prefix); it->valid(); it->next()) {
    const auto name = parse_catalogue_key(it->key());
    auto json = codec::parse_json(it->value());
    if (!name || !json.ok()) return damaged("queue", it->key());
    auto queue = std::make_unique<Queue>();
    queue->name = *name;
    queue->number = static_cast<std::uint64_t>(json->int_or("number", 0));
    queue->created = from_unix_ms(json->int_or("created", 0));
    queue->modified = from_unix_ms(json->int_or("modified", 0));
    queue->tags = map_of(json->find("tags"));
    const bool sound = queue->settings.apply(map_of(json->find("attributes")), QueueSettings::Change::kCreate).ok();
    if (!sound || json->int_or("v", 0) != 1 || queue->number == 0 || by_number_.contains(queue->number)) {
      return damaged("queue", it->key());
    }
    queue->messages = internal::MessageIndex(queue->settings.fifo);
    numbers_.pass(queue->number);
    by_number_[queue->number] = queue.get();
    queues_[*name] = std::move(queue);
  }
  return it->status();
}

Result<void> Service::load_messages() {
  const Time now = scheduler_.now();
  const std::string prefix(internal::kMessagePrefix);
  std::uint64_t orphan = 0;
  auto it = store_.iterate(Family::kQueue, {prefix, storage::prefix_end(prefix)});
  for (it->seek(prefix); it->valid(); it->next()) {
    const auto numbers = internal::parse_numbered_key(internal::kMessagePrefix, it->key());
    const auto times = internal::decode_times(it->value());
    if (!numbers || !times) return damaged("message", it->key());
    numbers_.pass(numbers->message);
    const auto found = by_number_.find(numbers->queue);
    if (found == by_number_.end()) {  // delivered while its queue was being deleted
      if (numbers->queue != orphan && commits_.may_write(storage::Commits::Purpose::kFrees)) {
        WriteBatch batch;
        erase_messages(numbers->queue, batch);
        commits_.submit(std::move(batch));
        orphan = numbers->queue;
      }
      continue;
    }
    internal::Entry entry;
    entry.sent = times->sent;
    entry.visible_from = times->visible_from;
    if (found->second->settings.fifo) {
      auto message = internal::decode_message(it->value());
      if (!message) return damaged("message", it->key());
      entry.group = std::move(message->group_id);
    }
    if (cached_bytes_ + it->value().size() <= cache_bytes_max_) {
      entry.encoded = it->value();
      cached_bytes_ += entry.encoded.size();
    }
    found->second->messages.add(numbers->message, std::move(entry), now);
  }
  return it->status();
}

Result<void> Service::load_counts() {
  const Time now = scheduler_.now();
  const std::string prefix(internal::kCountPrefix);
  auto it = store_.iterate(Family::kQueue, {prefix, storage::prefix_end(prefix)});
  for (it->seek(prefix); it->valid(); it->next()) {
    const auto numbers = internal::parse_numbered_key(internal::kCountPrefix, it->key());
    const auto counts = internal::decode_counts(it->value());
    if (!numbers || !counts) return damaged("receive count", it->key());
    Queue* queue = find_number(numbers->queue);
    internal::Entry* entry = queue == nullptr ? nullptr : queue->messages.find(numbers->message);
    if (entry == nullptr) continue;
    entry->received = counts->received;
    entry->first_received = counts->first_received;
    entry->last_received = counts->last_received;
    entry->nonce = counts->nonce;
    if (counts->visible_from > now) {
      queue->messages.set_visibility(numbers->message, internal::MessageState::kInFlight, counts->visible_from, now);
    }
  }
  return it->status();
}

Result<void> Service::load_recent() {
  const std::string prefix(internal::kRecentPrefix);
  WriteBatch old;
  auto it = store_.iterate(Family::kQueue, {prefix, storage::prefix_end(prefix)});
  for (it->seek(prefix); it->valid(); it->next()) {
    const auto numbers = internal::parse_numbered_key(internal::kRecentPrefix, it->key());
    const auto record = internal::decode_recent(it->value());
    if (!numbers || !record) return damaged("deduplication record", it->key());
    numbers_.pass(numbers->message);
    Queue* queue = find_number(numbers->queue);
    if (queue == nullptr || record->sent + kDeduplicationInterval <= scheduler_.now()) {
      old.erase(Family::kQueue, it->key());
      continue;
    }
    queue->recent.add(record->key, {record->sent, numbers->message, record->message_id});
  }
  if (!old.empty() && commits_.may_write(storage::Commits::Purpose::kFrees)) commits_.submit(std::move(old));
  return it->status();
}

Result<Service::Queue*> Service::find(const QueueName& name) {
  const auto it = queues_.find(name);
  if (it != queues_.end()) return it->second.get();
  for (const auto& [other, queue] : queues_) {
    if (other.name == name.name) {
      telemetry::log_info("sqs", "no queue '" + name.name + "' in account " + name.scope.account + ", region " +
                                     name.scope.region + "; there is one in account " + other.scope.account +
                                     ", region " + other.scope.region);
      break;
    }
  }
  return does_not_exist();
}

Service::Queue* Service::find_number(std::uint64_t number) {
  const auto it = by_number_.find(number);
  return it == by_number_.end() ? nullptr : it->second;
}

void Service::save(const Queue& queue, WriteBatch& batch) const {
  Json json = Json::object();
  json.set("v", 1)
      .set("number", queue.number)
      .set("created", to_unix_ms(queue.created))
      .set("modified", to_unix_ms(queue.modified))
      .set("attributes", map_to_json(queue.settings.to_map()))
      .set("tags", map_to_json(queue.tags));
  batch.put(Family::kCatalogue, catalogue_key(queue.name), json.dump());
}

Result<void> Service::check_redrive(const QueueName& name, const QueueSettings& settings) {
  if (!settings.redrive) return {};
  const auto invalid = [&](std::string_view reason) {
    return Error(kInvalidParameterValue, "Value " + settings.redrive_text +
                                             " for parameter RedrivePolicy is invalid. Reason: " + std::string(reason));
  };
  const auto target = parse_queue_arn(settings.redrive->target_arn);
  if (!target || target->scope.account != name.scope.account) {
    return invalid("Dead letter target owner should be same as the source's owner.");
  }
  if (target->scope.region != name.scope.region) {
    return invalid("Dead-letter target region should be same as the source's region.");
  }
  const auto it = queues_.find(*target);
  if (it == queues_.end()) return invalid("Dead letter target does not exist.");
  // AWS: with both full stops.
  if (it->second->settings.fifo != settings.fifo) {
    return invalid("Dead-letter queue must be same type of queue as the source..");
  }
  if (!it->second->settings.allow.allows(queue_arn(name))) {
    return invalid("Queue " + queue_arn(name) + " is not allowed to use " + settings.redrive->target_arn +
                   " as a dead letter queue by its RedriveAllowPolicy.");
  }
  return {};
}

Result<void> Service::create_queue(const QueueName& name, const Attributes& attributes, const Tags& tags) {
  if (tags.size() > kTagsMax) return Error(kInvalidParameterValue, "Too many tags added for queue " + name.name + ".");
  QueueSettings settings;
  MR_RETURN_IF_ERROR(settings.apply(attributes, QueueSettings::Change::kCreate));
  MR_RETURN_IF_ERROR(check_queue_name(name.name, settings));
  const std::scoped_lock lock(mutex_);
  if (const auto it = queues_.find(name); it != queues_.end()) {
    const Attributes wanted = settings.to_map();
    const Attributes present = it->second->settings.to_map();
    for (const auto& [attribute, value] : attributes) {
      const auto is = present.find(attribute);
      const auto should = wanted.find(attribute);
      if ((is == present.end()) != (should == wanted.end()) ||
          (is != present.end() && should != wanted.end() && is->second != should->second)) {
        return Error(kQueueNameExists,
                     "A queue already exists with the same name and a different value for attribute " + attribute);
      }
    }
    return {};
  }
  MR_RETURN_IF_ERROR(check_redrive(name, settings));
  auto queue = std::make_unique<Queue>();
  WriteBatch batch;
  queue->number = numbers_.take(batch);
  queue->name = name;
  queue->created = queue->modified = scheduler_.now();
  queue->settings = std::move(settings);
  queue->messages = internal::MessageIndex(queue->settings.fifo);
  queue->tags = tags;
  save(*queue, batch);
  commits_.submit(std::move(batch));
  by_number_[queue->number] = queue.get();
  queues_[name] = std::move(queue);
  return {};
}

void Service::remove_queue(const QueueName& name, WriteBatch& batch, Calls& calls) {
  const auto it = queues_.find(name);
  Queue& queue = *it->second;
  batch.erase(Family::kCatalogue, catalogue_key(name));
  erase_messages(queue.number, batch);
  for (const auto& [number, entry] : queue.messages.entries()) cached_bytes_ -= entry.encoded.size();
  for (auto& waiter : queue.waiters) {
    calls.push_back([done = std::move(waiter.done)] { done(does_not_exist()); });
  }
  by_number_.erase(queue.number);
  queues_.erase(it);
}

Result<void> Service::delete_queue(const QueueName& name) {
  Calls calls;
  {
    const std::scoped_lock lock(mutex_);
    MR_ASSIGN_OR_RETURN(Queue * queue, find(name));
    WriteBatch batch;
    remove_queue(queue->name, batch, calls);
    commits_.submit(std::move(batch));
  }
  for (auto& call : calls) call();
  return {};
}

void Service::reset(std::string_view account) {
  Calls calls;
  {
    const std::scoped_lock lock(mutex_);
    std::vector<QueueName> names;
    for (const auto& [name, queue] : queues_) {
      if (name.scope.account == account) names.push_back(name);
    }
    if (names.empty()) return;
    WriteBatch batch;
    for (const auto& name : names) remove_queue(name, batch, calls);
    commits_.submit(std::move(batch));
  }
  for (auto& call : calls) call();
}

Result<void> Service::check_exists(const QueueName& name) {
  const std::scoped_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN([[maybe_unused]] Queue * queue, find(name));
  return {};
}

std::vector<QueueName> Service::all_queues() {
  const std::scoped_lock lock(mutex_);
  std::vector<QueueName> names;
  for (const auto& [name, queue] : queues_) names.push_back(name);
  return names;
}

// `names` is sorted; a token is the base64 of the last name of the page before.
Result<Page> Service::page_of(std::vector<QueueName> names, std::optional<int> max, std::string_view token) const {
  if (max && (*max < 1 || *max > kListResultsMax)) {
    return Error(
        kInvalidParameterValue,
        "Value " + std::to_string(*max) + " for parameter MaxResults is invalid. Reason: Must be between 1 and 1000.");
  }
  if (!token.empty()) {
    const auto last = crypto::base64_decode(token);
    if (!last) return Error(kInvalidParameterValue, "Invalid or expired next token.");
    std::erase_if(names, [&](const QueueName& name) { return name.name <= *last; });
  }
  Page page;
  const auto size = static_cast<std::size_t>(max.value_or(kListResultsMax));
  if (names.size() > size) {
    names.resize(size);
    // AWS: without MaxResults there is no token.
    if (max) page.next_token = crypto::base64_encode(names.back().name);
  }
  page.queues = std::move(names);
  return page;
}

Result<Page> Service::list_queues(const Scope& scope, std::string_view prefix, std::optional<int> max,
                                  std::string_view token) {
  const std::scoped_lock lock(mutex_);
  std::vector<QueueName> names;
  for (auto it = queues_.lower_bound(QueueName{scope, std::string(prefix)}); it != queues_.end(); ++it) {
    if (it->first.scope != scope || !it->first.name.starts_with(prefix)) break;
    names.push_back(it->first);
  }
  return page_of(std::move(names), max, token);
}

Result<Page> Service::dead_letter_sources(const QueueName& name, std::optional<int> max, std::string_view token) {
  const std::scoped_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(Queue * target, find(name));
  const std::string arn = queue_arn(target->name);
  std::vector<QueueName> names;
  for (const auto& [other, queue] : queues_) {
    if (queue->settings.redrive && queue->settings.redrive->target_arn == arn) names.push_back(other);
  }
  return page_of(std::move(names), max, token);
}

Result<Attributes> Service::get_attributes(const QueueName& name, const std::vector<std::string>& wanted) {
  for (const auto& attribute : wanted) {
    if (!is_known_attribute(attribute)) {
      return Error(kInvalidAttributeName, "Unknown Attribute " + attribute + ".");
    }
  }
  const std::scoped_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(Queue * queue, find(name));
  settle(*queue, scheduler_.now());
  Attributes all = queue->settings.to_map();
  all["QueueArn"] = queue_arn(name);
  all["CreatedTimestamp"] = std::to_string(to_unix_s(queue->created));
  all["LastModifiedTimestamp"] = std::to_string(to_unix_s(queue->modified));
  all["ApproximateNumberOfMessages"] = std::to_string(queue->messages.ready_count());
  all["ApproximateNumberOfMessagesNotVisible"] = std::to_string(queue->messages.in_flight_count());
  all["ApproximateNumberOfMessagesDelayed"] = std::to_string(queue->messages.delayed_count());
  if (std::ranges::find(wanted, "All") != wanted.end()) return all;
  Attributes selected;
  for (const auto& attribute : wanted) {
    if (const auto it = all.find(attribute); it != all.end()) selected.insert(*it);
  }
  return selected;
}

Result<void> Service::set_attributes(const QueueName& name, const Attributes& attributes) {
  return with_bodies(name, [&] { return set_attributes_once(name, attributes); });
}

Result<void> Service::set_attributes_once(const QueueName& name, const Attributes& attributes) {
  const std::scoped_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(Queue * queue, find(name));
  QueueSettings settings = queue->settings;
  MR_RETURN_IF_ERROR(settings.apply(attributes));
  if (attributes.contains("RedrivePolicy")) MR_RETURN_IF_ERROR(check_redrive(name, settings));
  const bool moves_delays = settings.fifo && settings.delay_seconds != queue->settings.delay_seconds;
  if (moves_delays) MR_RETURN_IF_ERROR(find_delayed(*queue));
  queue->settings = std::move(settings);
  queue->modified = scheduler_.now();
  WriteBatch batch;
  save(*queue, batch);
  if (moves_delays) move_delays(*queue, batch);
  commits_.submit(std::move(batch));
  settle(*queue, scheduler_.now());
  arm(*queue);
  return {};
}

Result<void> Service::purge(const QueueName& name) {
  const std::scoped_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(Queue * queue, find(name));
  for (const auto& [number, entry] : queue->messages.entries()) cached_bytes_ -= entry.encoded.size();
  queue->messages.clear();
  WriteBatch batch;
  erase_messages(queue->number, batch);
  commits_.submit(std::move(batch));
  return {};
}

Result<Tags> Service::tags(const QueueName& name) {
  const std::scoped_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(Queue * queue, find(name));
  return queue->tags;
}

Result<void> Service::tag(const QueueName& name, const Tags& tags) {
  const std::scoped_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(Queue * queue, find(name));
  Tags changed = queue->tags;
  for (const auto& [key, value] : tags) changed[key] = value;
  if (changed.size() > kTagsMax) {
    return Error(kInvalidParameterValue, "Too many tags added for queue " + name.name + ".");
  }
  queue->tags = std::move(changed);
  WriteBatch batch;
  save(*queue, batch);
  commits_.submit(std::move(batch));
  return {};
}

Result<void> Service::untag(const QueueName& name, const std::vector<std::string>& keys) {
  const std::scoped_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(Queue * queue, find(name));
  for (const auto& key : keys) queue->tags.erase(key);
  WriteBatch batch;
  save(*queue, batch);
  commits_.submit(std::move(batch));
  return {};
}

}  // namespace millrace::sqs
