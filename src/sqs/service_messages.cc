#include <algorithm>
#include <set>

#include "crypto/digest.h"
#include "sqs/errors.h"
#include "sqs/fifo.h"
#include "sqs/internal/queue.h"
#include "sqs/internal/records.h"
#include "sqs/limits.h"
#include "sqs/service.h"
#include "storage/no_blocking.h"
#include "telemetry/log.h"

namespace millrace::sqs {
namespace {

using internal::Entry;
using internal::kCountPrefix;
using internal::kMessagePrefix;
using internal::MessageState;
using internal::numbered_key;
using storage::Family;
using storage::WriteBatch;

Error invalid_parameter(std::string_view name, std::string_view value, std::string_view reason) {
  return Error(kInvalidParameterValue, "Value " + std::string(value) + " for parameter " + std::string(name) +
                                           " is invalid. Reason: " + std::string(reason));
}

Error invalid_parameter(std::string_view name, int value, std::string_view reason) {
  return invalid_parameter(name, std::to_string(value), reason);
}

Result<void> check_visibility(std::optional<int> seconds) {
  if (seconds && (*seconds < 0 || *seconds > kVisibilitySecondsMax)) {
    return invalid_parameter("VisibilityTimeout", *seconds, "Must be between 0 and 43200, if provided.");
  }
  return {};
}

Result<void> check_receive(const ReceiveRequest& request) {
  if (request.messages_max < 1 || request.messages_max > kReceiveMessagesMax) {
    return invalid_parameter("MaxNumberOfMessages", request.messages_max, "Must be between 1 and 10, if provided.");
  }
  if (request.wait_seconds && (*request.wait_seconds < 0 || *request.wait_seconds > kWaitSecondsMax)) {
    return invalid_parameter("WaitTimeSeconds", *request.wait_seconds, "Must be >= 0 and <= 20, if provided.");
  }
  return check_visibility(request.visibility_seconds);
}

// AWS: only FIFO queues know attempts.
Result<void> check_attempt(const QueueSettings& settings, const ReceiveRequest& request) {
  if (!request.attempt_id || settings.fifo) return {};
  return invalid_parameter("ReceiveRequestAttemptId", *request.attempt_id,
                           "The request includes a parameter that is not valid for this queue type.");
}

bool is_batch_id(std::string_view id) {
  return !id.empty() && id.size() <= 80 && std::ranges::all_of(id, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

// The rules about a batch as a whole. AWS: they fail the request, not the entry.
template <typename Entries>
Result<void> check_batch(const Entries& entries, std::string_view entry_name) {
  if (entries.empty()) {
    return Error(kEmptyBatchRequest, "There should be at least one " + std::string(entry_name) + " in the request.");
  }
  if (entries.size() > kBatchEntriesMax) {
    return Error(kTooManyEntriesInBatchRequest,
                 "Maximum number of entries per request are 10. You have sent " + std::to_string(entries.size()) + ".");
  }
  std::set<std::string_view> seen;
  for (const auto& entry : entries) {
    if (!is_batch_id(entry.id)) {
      return Error(kInvalidBatchEntryId,
                   "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at "
                   "most 80 letters long.");
    }
    if (!seen.insert(entry.id).second) return Error(kBatchEntryIdsNotDistinct, "Id " + entry.id + " repeated.");
  }
  return {};
}

void erase_message(std::uint64_t queue, std::uint64_t number, WriteBatch& batch) {
  batch.erase(Family::kQueue, numbered_key(kMessagePrefix, queue, number));
  batch.erase(Family::kQueue, numbered_key(kCountPrefix, queue, number));
}

}  // namespace

// --- sending ---

Result<Service::Prepared> Service::prepare(const Queue& queue, Outgoing outgoing) {
  MR_RETURN_IF_ERROR(check_body(outgoing.body));
  MR_RETURN_IF_ERROR(check_attributes(outgoing.attributes));
  if (message_bytes(outgoing.body, outgoing.attributes) > static_cast<std::size_t>(queue.settings.message_bytes_max)) {
    return Error(kInvalidParameterValue, "One or more parameters are invalid. Reason: Message must be shorter than " +
                                             std::to_string(queue.settings.message_bytes_max) + " bytes.");
  }
  const FifoParameters parameters{outgoing.group_id, outgoing.deduplication_id, outgoing.delay_seconds};
  Prepared prepared;
  if (queue.settings.fifo) {
    MR_ASSIGN_OR_RETURN(prepared.message.deduplication_id,
                        deduplication_id_of(queue.settings, parameters, outgoing.body));
    prepared.deduplication_key =
        deduplication_key(queue.settings, *outgoing.group_id, prepared.message.deduplication_id);
    outgoing.delay_seconds.reset();
  } else {
    MR_RETURN_IF_ERROR(check_standard(parameters));
  }
  prepared.message.group_id = std::move(outgoing.group_id).value_or("");
  const int delay = outgoing.delay_seconds.value_or(queue.settings.delay_seconds);
  if (delay < 0 || delay > kDelaySecondsMax) {
    return invalid_parameter("DelaySeconds", delay, "DelaySeconds must be >= 0 and <= 900.");
  }
  prepared.message.id = random_.uuid();
  prepared.message.sent = scheduler_.now();
  prepared.visible_from = prepared.message.sent + Seconds(delay);
  prepared.sent.message_id = prepared.message.id;
  prepared.sent.body_md5 = crypto::md5_hex(outgoing.body);
  prepared.sent.attributes_md5 = attributes_md5(outgoing.attributes);
  if (!outgoing.trace_header.empty()) {
    prepared.sent.trace_md5 = attributes_md5({{"AWSTraceHeader", "String", outgoing.trace_header}});
  }
  prepared.message.body = std::move(outgoing.body);
  prepared.message.attributes = std::move(outgoing.attributes);
  prepared.message.trace_header = std::move(outgoing.trace_header);
  if (prepared.message.trace_header.empty()) prepared.message.trace_header = std::move(outgoing.inherited_trace_header);
  prepared.message.sender = std::move(outgoing.sender);
  return prepared;
}

void Service::insert(Queue& queue, std::uint64_t number, Entry entry) {
  cached_bytes_ += entry.encoded.size();
  queue.messages.add(number, std::move(entry), scheduler_.now());
}

void Service::drop_body(Queue& queue, std::uint64_t number) {
  Entry* entry = queue.messages.find(number);
  if (entry == nullptr) return;
  cached_bytes_ -= entry->encoded.size();
  entry->encoded = std::string();
}

void Service::forget(Queue& queue, std::uint64_t number) {
  drop_body(queue, number);
  queue.messages.remove(number);
}

// Over the limit of the cache, the bodies just sent leave memory as soon as the store has them.
void Service::submit_sent(WriteBatch batch, std::uint64_t queue, std::vector<std::uint64_t> numbers) {
  if (cached_bytes_ <= cache_bytes_max_) {
    commits_.submit(std::move(batch));
    return;
  }
  auto drop = [this, queue, numbers = std::move(numbers)] {
    const std::scoped_lock lock(mutex_);
    Queue* found = find_number(queue);
    if (found == nullptr) return;
    for (const auto number : numbers) drop_body(*found, number);
  };
  commits_.submit(std::move(batch), [this, drop = std::move(drop)](const storage::Committed& done) {
    if (done.error == nullptr) scheduler_.post(drop);
  });
}

Sent Service::put(Queue& queue, Prepared prepared, WriteBatch& batch) {
  const std::uint64_t number = numbers_.take(batch);
  remember(queue, prepared, number, batch);
  if (queue.settings.fifo) prepared.sent.sequence_number = sequence_number_of(number);
  Entry entry;
  entry.sent = prepared.message.sent;
  entry.visible_from = prepared.visible_from;
  entry.encoded = internal::encode_message(prepared.message, prepared.visible_from);
  if (queue.settings.fifo) entry.group = std::move(prepared.message.group_id);
  batch.put(Family::kQueue, numbered_key(kMessagePrefix, queue.number, number), entry.encoded);
  insert(queue, number, std::move(entry));
  return std::move(prepared.sent);
}

Result<Sent> Service::send(const QueueName& name, Outgoing message) {
  Calls calls;
  Sent sent;
  {
    const std::scoped_lock lock(mutex_);
    MR_ASSIGN_OR_RETURN(Queue * queue, find(name));
    MR_ASSIGN_OR_RETURN(Prepared prepared, prepare(*queue, std::move(message)));
    if (auto duplicate = find_duplicate(*queue, prepared)) return *std::move(duplicate);
    WriteBatch batch;
    forget_recent(*queue, scheduler_.now(), batch);
    const std::uint64_t number = numbers_.next();
    sent = put(*queue, std::move(prepared), batch);
    submit_sent(std::move(batch), queue->number, {number});
    serve(*queue, calls);
    arm(*queue);
  }
  for (auto& call : calls) call();
  return sent;
}

Result<BatchResult<Sent>> Service::send_batch(const QueueName& name, std::vector<SendEntry> entries) {
  MR_RETURN_IF_ERROR(check_batch(entries, "SendMessageBatchRequestEntry"));
  std::size_t bytes = 0;
  for (const auto& entry : entries) bytes += message_bytes(entry.message.body, entry.message.attributes);
  if (bytes > kMessageBytesMax) {
    return Error(kBatchRequestTooLong, "Batch requests cannot be longer than " + std::to_string(kMessageBytesMax) +
                                           " bytes. You have sent " + std::to_string(bytes) + " bytes.");
  }
  Calls calls;
  BatchResult<Sent> results;
  {
    const std::scoped_lock lock(mutex_);
    MR_ASSIGN_OR_RETURN(Queue * queue, find(name));
    WriteBatch batch;
    forget_recent(*queue, scheduler_.now(), batch);
    std::vector<std::uint64_t> numbers;
    for (auto& entry : entries) {
      auto prepared = prepare(*queue, std::move(entry.message));
      if (!prepared.ok()) {
        results.push_back({std::move(entry.id), std::move(prepared).error()});
        continue;
      }
      if (auto duplicate = find_duplicate(*queue, *prepared)) {
        results.push_back({std::move(entry.id), *std::move(duplicate)});
        continue;
      }
      numbers.push_back(numbers_.next());
      results.push_back({std::move(entry.id), put(*queue, std::move(prepared).value(), batch)});
    }
    if (!batch.empty()) submit_sent(std::move(batch), queue->number, std::move(numbers));
    serve(*queue, calls);
    arm(*queue);
  }
  for (auto& call : calls) call();
  return results;
}

Result<std::function<void()>> Service::stage(const QueueName& name, Outgoing message, WriteBatch& batch) {
  const std::scoped_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(Queue * queue, find(name));
  MR_ASSIGN_OR_RETURN(Prepared prepared, prepare(*queue, std::move(message)));
  if (find_duplicate(*queue, prepared)) return std::function<void()>([] {});
  const std::uint64_t number = numbers_.take(batch);
  remember(*queue, prepared, number, batch);
  auto entry = std::make_shared<Entry>();
  entry->sent = prepared.message.sent;
  entry->visible_from = prepared.visible_from;
  entry->encoded = internal::encode_message(prepared.message, prepared.visible_from);
  if (queue->settings.fifo) entry->group = prepared.message.group_id;
  batch.put(Family::kQueue, numbered_key(kMessagePrefix, queue->number, number), entry->encoded);
  // Called on the committer's thread, which must not wait for our mutex.
  return std::function<void()>([this, queue_number = queue->number, number, entry] {
    scheduler_.post([this, queue_number, number, entry] {
      Calls calls;
      {
        const std::scoped_lock inner(mutex_);
        Queue* found = find_number(queue_number);
        if (found == nullptr || found->messages.find(number) != nullptr) return;
        if (cached_bytes_ > cache_bytes_max_) entry->encoded.clear();
        insert(*found, number, std::move(*entry));
        serve(*found, calls);
        arm(*found);
      }
      for (auto& call : calls) call();
    });
  });
}

// --- receiving ---

// Makes ready what is due and removes what has outlived the retention.
void Service::settle(Queue& queue, Time now) {
  queue.messages.advance(now);
  const auto retention = Seconds(queue.settings.retention_seconds);
  if (queue.messages.count() == 0 || queue.messages.oldest_sent() + retention > now) return;
  if (!commits_.may_write(storage::Commits::Purpose::kFrees)) return;
  WriteBatch batch;
  while (queue.messages.count() > 0 && queue.messages.oldest_sent() + retention <= now) {
    const std::uint64_t number = *queue.messages.oldest();
    erase_message(queue.number, number, batch);
    forget(queue, number);
    if (batch.operations().size() >= 2 * kExpireRoundMax) commits_.submit(std::exchange(batch, WriteBatch()));
  }
  if (!batch.empty()) commits_.submit(std::move(batch));
}

Result<Message> Service::read_message(Queue& queue, std::uint64_t number) {
  const Entry* entry = queue.messages.find(number);
  std::optional<Message> message;
  if (!entry->encoded.empty()) {
    message = internal::decode_message(entry->encoded);
  } else if (queue.unreadable) {
    Error error = *std::move(queue.unreadable);
    queue.unreadable.reset();
    return error;
  } else {
    queue.absent.push_back(number);
    return Error(storage::kWouldBlock, "not in memory");
  }
  if (!message) {
    return damaged_message(queue, number);
  }
  if (queue.settings.fifo) message->sequence_number = sequence_number_of(number);
  return *std::move(message);
}

Error Service::damaged_message(const Queue& queue, std::uint64_t number) const {
  return store_.damage().note(
      "sqs", Error(storage::kStorageFailed, "message " + std::to_string(number) + " of queue " + queue.name.name +
                                                " is damaged or missing in the store"));
}

// False: it stays where it is, as the dead letter queue does not exist.
bool Service::move_to_dead_letters(Queue& queue, std::uint64_t number, WriteBatch& batch) {
  const auto target_name = parse_queue_arn(queue.settings.redrive->target_arn);
  const auto it = target_name ? queues_.find(*target_name) : queues_.end();
  if (it == queues_.end() || it->second.get() == &queue) return false;
  auto message = read_message(queue, number);
  if (!message.ok()) return false;
  message->dead_letter_source_arn = queue_arn(queue.name);
  Queue& target = *it->second;
  const std::uint64_t moved = numbers_.take(batch);
  Entry entry;
  // AWS: retention counts from the first queue, but anew in a FIFO queue.
  if (target.settings.fifo) message->sent = scheduler_.now();
  entry.sent = message->sent;
  entry.visible_from = scheduler_.now();
  if (target.settings.fifo) entry.group = message->group_id;
  entry.encoded = internal::encode_message(*message, entry.visible_from);
  batch.put(Family::kQueue, numbered_key(kMessagePrefix, target.number, moved), entry.encoded);
  erase_message(queue.number, number, batch);
  forget(queue, number);
  insert(target, moved, std::move(entry));
  // Its pollers are served later: two queues may be each other's dead letter queue.
  scheduler_.post([this, target_number = target.number] { on_timer(target_number); });
  return true;
}

// Ready messages in the order in which they are given out.
class Service::Next {
 public:
  explicit Next(const Queue& queue) : queue_(queue) {}
  // `taken`: what was given out before; else it is no longer ready.
  std::optional<std::uint64_t> operator()() {
    if (!queue_.settings.fifo) return last_ = queue_.messages.next_ready(last_.value_or(0));
    // AWS: as many of one group as possible.
    if (last_) last_ = queue_.messages.next_in_group(*last_);
    if (last_) return last_;
    last_ = queue_.messages.next_head(last_head_);
    last_head_ = last_.value_or(last_head_);
    return last_;
  }
  // The last one was moved away: whoever was behind it is next.
  void moved(std::optional<std::uint64_t> taken_before) {
    if (queue_.settings.fifo) last_ = taken_before;
  }

 private:
  const Queue& queue_;
  std::optional<std::uint64_t> last_;
  std::uint64_t last_head_ = 0;  // heads come in rising order; with a visibility of 0 one would come again
};

std::string Service::counts_of(const Entry& entry) const {
  return internal::encode_counts(
      {entry.received, entry.first_received, entry.last_received, entry.visible_from, entry.nonce});
}

Result<std::vector<Received>> Service::take(Queue& queue, const Wanted& wanted) {
  if (auto paused = commits_.paused(storage::Commits::Purpose::kFrees)) return *std::move(paused);
  const Time now = scheduler_.now();
  settle(queue, now);
  std::vector<Received> taken;
  WriteBatch moves;
  WriteBatch counts;
  std::optional<Error> failure;
  Next next(queue);
  std::optional<std::uint64_t> taken_before;  // in the group of the message looked at
  for (std::size_t bytes = 0; taken.size() < wanted.count && bytes < wanted.bytes_max;) {
    const auto number = next();
    if (!number) break;
    Entry& entry = *queue.messages.find(*number);
    if (queue.settings.redrive && entry.received >= static_cast<unsigned>(queue.settings.redrive->receives_max) &&
        move_to_dead_letters(queue, *number, moves)) {
      next.moved(taken_before);
      continue;
    }
    if (queue.messages.in_flight_count() >= kInFlightMax) {
      // AWS: a FIFO queue answers with fewer messages, without an error.
      if (!queue.settings.fifo) failure = Error(kOverLimit, "The maximum number of in flight messages is reached.");
      break;
    }
    auto message = read_message(queue, *number);
    if (!message.ok()) {
      failure = std::move(message).error();
      break;
    }
    if (entry.received++ == 0) entry.first_received = now;
    entry.last_received = now;
    entry.nonce = random_.next() | 1;
    bytes += message->body.size();
    taken.push_back({std::move(message).value(), internal::encode_receipt({queue.number, *number, entry.nonce}),
                     entry.received, entry.first_received, now + wanted.visibility});
    queue.messages.set_visibility(*number, MessageState::kInFlight, now + wanted.visibility, now);
    if (queue.stores_counts()) {
      counts.put(Family::kQueue, numbered_key(kCountPrefix, queue.number, *number), counts_of(entry));
    }
    taken_before = number;
  }
  if (failure && failure->is(storage::kWouldBlock)) {  // those that would be next are fetched with it
    while (queue.absent.size() < wanted.count) {
      const auto more = next();
      if (!more) break;
      if (queue.messages.find(*more)->encoded.empty()) queue.absent.push_back(*more);
    }
  }
  if (!moves.empty()) commits_.submit(std::move(moves));
  // Written behind: nobody waits, a crash may lose the last counts (a message is then tried once more).
  if (!counts.empty()) commits_.commits().submit(std::move(counts));
  if (taken.empty() && failure) return *std::move(failure);
  return taken;
}

Result<std::vector<Received>> Service::take(Queue& queue, const ReceiveRequest& request) {
  if (auto paused = commits_.paused(storage::Commits::Purpose::kFrees)) return *std::move(paused);
  if (request.attempt_id) {
    MR_ASSIGN_OR_RETURN(auto again, repeat_attempt(queue, request));
    if (again) return *std::move(again);
  }
  const Seconds visibility(request.visibility_seconds.value_or(queue.settings.visibility_seconds));
  MR_ASSIGN_OR_RETURN(auto taken, take(queue, Wanted{.count = static_cast<std::size_t>(request.messages_max),
                                                     .visibility = visibility}));
  if (request.attempt_id && !taken.empty()) remember_attempt(queue, *request.attempt_id, taken);
  return taken;
}

Service::WaitId Service::receive(const QueueName& name, const ReceiveRequest& request, ReceiveDone done) {
  if (auto checked = check_receive(request); !checked.ok()) {
    done(std::move(checked).error());
    return 0;
  }
  std::optional<Result<std::vector<Received>>> answer;
  {
    const std::scoped_lock lock(mutex_);
    auto found = find(name);
    if (!found.ok()) {
      answer = std::move(found).error();
    } else if (auto checked = check_attempt((*found)->settings, request); !checked.ok()) {
      answer = std::move(checked).error();
    } else {
      Queue& queue = **found;
      auto taken = take(queue, request);
      const int wait = request.wait_seconds.value_or(queue.settings.wait_seconds);
      const bool absent = !taken.ok() && taken.error().is(storage::kWouldBlock);
      if (absent) fetch(queue);
      if (absent || (taken.ok() && taken->empty() && wait > 0)) {
        queue.waiters.push_back({next_wait_, request, scheduler_.now() + Seconds(wait), std::move(done)});
        arm(queue);
        return next_wait_++;
      }
      arm(queue);
      answer = std::move(taken);
    }
  }
  done(*std::move(answer));
  return 0;
}

void Service::cancel(const QueueName& name, WaitId wait) {
  const std::scoped_lock lock(mutex_);
  const auto it = queues_.find(name);
  if (it == queues_.end()) return;
  it->second->waiters.remove_if([&](const Waiter& waiter) { return waiter.id == wait; });
}

// Gives ready messages to those who wait, and an empty answer to those whose wait is over.
void Service::serve(Queue& queue, Calls& calls) {
  const Time now = scheduler_.now();
  queue.messages.advance(now);
  for (auto it = queue.waiters.begin(); it != queue.waiters.end();) {
    auto taken = queue.messages.has_available() ? take(queue, it->request) : std::vector<Received>();
    const bool absent = !taken.ok() && taken.error().is(storage::kWouldBlock);
    if (absent) fetch(queue);
    if (absent || (taken.ok() && taken->empty() && it->until > now)) {
      ++it;
      continue;
    }
    calls.push_back([done = std::move(it->done), result = std::make_shared<Result<std::vector<Received>>>(
                                                     std::move(taken))] { done(std::move(*result)); });
    it = queue.waiters.erase(it);
  }
  const auto watchers = watchers_.find(queue.name);
  if (watchers == watchers_.end() || !queue.messages.has_available()) return;
  for (const auto& watcher : watchers->second) calls.push_back([ready = watcher.ready] { (*ready)(); });
}

// One timer per queue, for the first of: a message expires, a poller's wait ends, a message becomes ready for a poller.
void Service::arm(Queue& queue) {
  Time next = kNever;
  if (queue.messages.count() > 0) {
    next = queue.messages.oldest_sent() + Seconds(queue.settings.retention_seconds);
    // It cannot be removed now: resume() arms again.
    if (next <= scheduler_.now() && !commits_.may_write(storage::Commits::Purpose::kFrees)) next = kNever;
  }
  if (!queue.waiters.empty() || watchers_.contains(queue.name)) {
    next = std::min(next, queue.messages.next_due());
    if (!queue.fetching) {
      for (const auto& waiter : queue.waiters) next = std::min(next, waiter.until);
    }
  }
  // An earlier alarm that is no longer needed just arms the right one when it rings.
  if (next >= queue.armed_for) return;
  queue.armed_for = next;
  queue.timer = scheduler_.at(next, [this, number = queue.number] { on_timer(number); });
}

void Service::on_timer(std::uint64_t number) {
  Calls calls;
  {
    const std::scoped_lock lock(mutex_);
    Queue* queue = find_number(number);
    if (queue == nullptr) return;
    queue->armed_for = kNever;
    queue->timer = {};
    settle(*queue, scheduler_.now());
    serve(*queue, calls);
    arm(*queue);
  }
  for (auto& call : calls) call();
}

// --- bodies that are not in memory ---

void Service::fetch(Queue& queue) {
  if (queue.fetching || queue.absent.empty()) return;
  queue.fetching = true;
  auto fetched = std::make_shared<Fetched>();
  fetched->queue = queue.number;
  fetched->numbers = std::exchange(queue.absent, {});
  fetched->busy = platform::Busy(scheduler_.busy());
  scheduler_.offload([this, fetched] { read_absent(*fetched); },
                     [this, fetched] {
                       const std::uint64_t number = fetched->queue;
                       keep_fetched(std::move(*fetched));
                       on_timer(number);
                     });
}

void Service::read_absent(Fetched& fetched) const {
  std::ranges::sort(fetched.numbers);
  const auto repeated = std::ranges::unique(fetched.numbers);
  fetched.numbers.erase(repeated.begin(), repeated.end());
  for (const std::uint64_t number : fetched.numbers) {
    auto stored = store_.get(Family::kQueue, numbered_key(kMessagePrefix, fetched.queue, number));
    if (!stored.ok()) {
      fetched.error = stored.error();
    } else if (*stored) {
      fetched.bodies.emplace_back(number, **std::move(stored));
    }
  }
}

void Service::keep_fetched(Fetched fetched) {
  const std::scoped_lock lock(mutex_);
  Queue* queue = find_number(fetched.queue);
  if (queue == nullptr) return;
  queue->fetching = false;
  queue->unreadable = std::move(fetched.error);
  for (auto& [number, body] : fetched.bodies) {
    Entry* entry = queue->messages.find(number);
    if (entry == nullptr || !entry->encoded.empty()) continue;
    cached_bytes_ += body.size();
    entry->encoded = std::move(body);
  }
  // One that is neither there nor gone is missing.
  for (const std::uint64_t number : fetched.numbers) {
    const Entry* entry = queue->messages.find(number);
    if (entry == nullptr || !entry->encoded.empty() || queue->unreadable) continue;
    queue->unreadable = damaged_message(*queue, number);
  }
}

Result<std::vector<Received>> Service::take_batch(const QueueName& name, std::size_t count, std::size_t bytes_max) {
  return with_bodies(name, [&]() -> Result<std::vector<Received>> {
    const std::scoped_lock lock(mutex_);
    MR_ASSIGN_OR_RETURN(Queue * queue, find(name));
    auto taken =
        take(*queue,
             Wanted{.count = count, .bytes_max = bytes_max, .visibility = Seconds(queue->settings.visibility_seconds)});
    arm(*queue);
    return taken;
  });
}

void Service::set_cache_bytes_max(std::size_t bytes) {
  const std::scoped_lock lock(mutex_);
  cache_bytes_max_ = bytes;
}

// --- receipts ---

Result<std::uint64_t> Service::message_of(const Queue& queue, std::string_view handle, std::uint64_t& nonce) const {
  const auto receipt = internal::decode_receipt(handle);
  if (!receipt || receipt->queue != queue.number) {
    return Error(kReceiptHandleIsInvalid,
                 "The input receipt handle \"" + std::string(handle) + "\" is not a valid receipt handle.");
  }
  nonce = receipt->nonce;
  return receipt->message;
}

Result<bool> Service::remove_by_receipt(Queue& queue, std::string_view handle, WriteBatch& batch) {
  std::uint64_t nonce = 0;
  MR_ASSIGN_OR_RETURN(const std::uint64_t number, message_of(queue, handle, nonce));
  const Entry* entry = queue.messages.find(number);
  // AWS: a FIFO queue refuses the receipt of a message that may be in other hands.
  if (queue.settings.fifo && entry != nullptr && entry->nonce != 0 &&
      (entry->nonce != nonce || entry->state != MessageState::kInFlight)) {
    return invalid_parameter("ReceiptHandle", handle, "The receipt handle has expired.");
  }
  // After a restart we may no longer know who holds the message: then any receipt of it counts.
  if (entry == nullptr || (entry->nonce != 0 && entry->nonce != nonce)) return false;
  erase_message(queue.number, number, batch);
  forget(queue, number);
  return true;
}

Result<void> Service::delete_message(const QueueName& name, std::string_view receipt_handle) {
  Calls calls;
  {
    const std::scoped_lock lock(mutex_);
    MR_ASSIGN_OR_RETURN(Queue * queue, find(name));
    queue->messages.advance(scheduler_.now());
    WriteBatch batch;
    MR_ASSIGN_OR_RETURN(const bool removed, remove_by_receipt(*queue, receipt_handle, batch));
    if (removed) commits_.submit(std::move(batch));
    if (queue->settings.fifo) serve(*queue, calls);  // its group goes on
  }
  for (auto& call : calls) call();
  return {};
}

Result<BatchResult<bool>> Service::delete_batch(const QueueName& name, const std::vector<ReceiptEntry>& entries) {
  MR_RETURN_IF_ERROR(check_batch(entries, "DeleteMessageBatchRequestEntry"));
  Calls calls;
  BatchResult<bool> results;
  {
    const std::scoped_lock lock(mutex_);
    MR_ASSIGN_OR_RETURN(Queue * queue, find(name));
    queue->messages.advance(scheduler_.now());
    WriteBatch batch;
    for (const auto& entry : entries) {
      results.push_back({entry.id, remove_by_receipt(*queue, entry.receipt_handle, batch)});
    }
    if (!batch.empty()) commits_.submit(std::move(batch));
    if (queue->settings.fifo) serve(*queue, calls);
  }
  for (auto& call : calls) call();
  return results;
}

Result<bool> Service::change_by_receipt(Queue& queue, std::string_view handle, std::optional<int> seconds) {
  if (!seconds) return Error(kMissingParameter, "The request must contain the parameter VisibilityTimeout.");
  MR_RETURN_IF_ERROR(check_visibility(seconds));
  std::uint64_t nonce = 0;
  MR_ASSIGN_OR_RETURN(const std::uint64_t number, message_of(queue, handle, nonce));
  const Time now = scheduler_.now();
  settle(queue, now);
  Entry* entry = queue.messages.find(number);
  if (entry == nullptr || entry->state != MessageState::kInFlight || entry->nonce != nonce) {
    return invalid_parameter("ReceiptHandle", handle,
                             "Message does not exist or is not available for visibility timeout change.");
  }
  // AWS: 12 hours in all from the receive on.
  if (now + Seconds(*seconds) > entry->last_received + Seconds(kVisibilitySecondsMax)) {
    return invalid_parameter("VisibilityTimeout", *seconds,
                             "Total VisibilityTimeout for the message is beyond the limit [43200 seconds].");
  }
  queue.messages.set_visibility(number, MessageState::kInFlight, now + Seconds(*seconds), now);
  if (queue.stores_counts()) {
    WriteBatch counts;
    counts.put(Family::kQueue, numbered_key(kCountPrefix, queue.number, number), counts_of(*entry));
    commits_.submit(std::move(counts));
  }
  return true;
}

Result<void> Service::change_visibility(const QueueName& name, std::string_view receipt_handle, int seconds) {
  Calls calls;
  {
    const std::scoped_lock lock(mutex_);
    MR_ASSIGN_OR_RETURN(Queue * queue, find(name));
    MR_ASSIGN_OR_RETURN([[maybe_unused]] const bool changed, change_by_receipt(*queue, receipt_handle, seconds));
    serve(*queue, calls);
    arm(*queue);
  }
  for (auto& call : calls) call();
  return {};
}

Result<BatchResult<bool>> Service::change_visibility_batch(const QueueName& name,
                                                           const std::vector<ReceiptEntry>& entries) {
  MR_RETURN_IF_ERROR(check_batch(entries, "ChangeMessageVisibilityBatchRequestEntry"));
  Calls calls;
  BatchResult<bool> results;
  {
    const std::scoped_lock lock(mutex_);
    MR_ASSIGN_OR_RETURN(Queue * queue, find(name));
    for (const auto& entry : entries) {
      results.push_back({entry.id, change_by_receipt(*queue, entry.receipt_handle, entry.visibility_seconds)});
    }
    serve(*queue, calls);
    arm(*queue);
  }
  for (auto& call : calls) call();
  return results;
}

Result<std::vector<Peeked>> Service::peek(const QueueName& name, std::size_t max) {
  return with_bodies(name, [&] { return peek_once(name, max); });
}

Result<std::vector<Peeked>> Service::peek_once(const QueueName& name, std::size_t max) {
  const std::scoped_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(Queue * queue, find(name));
  settle(*queue, scheduler_.now());
  std::vector<std::uint64_t> numbers;
  numbers.reserve(queue->messages.count());
  for (const auto& [number, entry] : queue->messages.entries()) numbers.push_back(number);
  std::ranges::sort(numbers);
  if (numbers.size() > max) numbers.resize(max);
  for (const auto number : numbers) {
    if (queue->messages.find(number)->encoded.empty()) queue->absent.push_back(number);
  }
  if (!queue->absent.empty() && !queue->unreadable) return Error(storage::kWouldBlock, "not in memory");
  std::vector<Peeked> peeked;
  for (const auto number : numbers) {
    const Entry& entry = *queue->messages.find(number);
    MR_ASSIGN_OR_RETURN(Message message, read_message(*queue, number));
    const std::string_view state = entry.state == MessageState::kReady     ? "ready"
                                   : entry.state == MessageState::kDelayed ? "delayed"
                                                                           : "in flight";
    peeked.push_back({std::move(message), state, entry.visible_from, entry.received});
  }
  return peeked;
}

}  // namespace millrace::sqs
