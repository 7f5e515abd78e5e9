// Queues, durable: standard ones and FIFO queues.
//
// Bodies and delays live in Family::kQueue, queues in Family::kCatalogue (sqs/internal/records.h has the keys); which
// messages are ready, delayed or in flight is in memory and rebuilt by load(). Of FIFO queues and queues with a redrive
// policy it is also stored who was given what until when, and how often, written behind without anybody waiting for it;
// of other queues messages that were in flight are ready again after a restart (they deliver at least once).
//
// FIFO: messages of a group come in order, none of it while one is in flight; within five minutes a message that was
// sent before is accepted without being added, also after a restart.
//
// Thread-safe: one mutex; no call waits for a disk but to read a body that is not in memory. Batches are submitted
// under the mutex, so state order is commit order; an answer that shows a change must be held until last_commit() is
// durable. Delays, visibility, retention and the wait of long polls follow the movable clock; callbacks of long polls
// run without the mutex, on any thread.
//
// Lifetime: the scheduler must have stopped running work before the service is destroyed.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/scope.h"
#include "platform/clock.h"
#include "platform/random.h"
#include "sqs/attributes.h"
#include "sqs/limits.h"
#include "sqs/message.h"
#include "storage/numbers.h"
#include "storage/service_commits.h"
#include "storage/store.h"

namespace millrace::sqs {

namespace internal {
struct Entry;
}

using Tags = std::map<std::string, std::string, std::less<>>;

struct Outgoing {
  std::string body;
  std::vector<MessageAttribute> attributes;
  std::string trace_header;
  std::string inherited_trace_header = {};      // of the request; takes its place when that is empty, without a digest
  std::optional<int> delay_seconds;             // the queue's when absent
  std::string sender;                           // account or role id, shown as SenderId
  std::optional<std::string> group_id;          // MessageGroupId
  std::optional<std::string> deduplication_id;  // MessageDeduplicationId, FIFO queues only
};

struct Sent {
  std::string message_id;
  std::string body_md5;
  std::string attributes_md5;   // "" without attributes
  std::string trace_md5;        // MD5OfMessageSystemAttributes, "" without
  std::string sequence_number;  // of FIFO queues, else ""
};

// One entry's outcome in a batch.
template <typename T>
struct BatchEntry {
  std::string id;
  Result<T> result;
};
template <typename T>
using BatchResult = std::vector<BatchEntry<T>>;

struct SendEntry {
  std::string id;
  Outgoing message;
};
struct ReceiptEntry {
  std::string id;
  std::string receipt_handle;
  std::optional<int> visibility_seconds;  // ChangeMessageVisibility
};

struct ReceiveRequest {
  int messages_max = 1;
  std::optional<int> visibility_seconds;  // the queue's when absent
  std::optional<int> wait_seconds;        // the queue's when absent
  std::optional<std::string> attempt_id;  // ReceiveRequestAttemptId, FIFO queues only
};

struct Received {
  Message message;
  std::string receipt_handle;
  std::uint32_t receive_count = 0;
  Time first_received{};
  Time visible_from{};  // when it becomes receivable again
};
using ReceiveDone = std::function<void(Result<std::vector<Received>>)>;

struct Page {
  std::vector<QueueName> queues;
  std::string next_token;  // "" at the end
};

// For `queues peek`: nothing changes.
struct Peeked {
  Message message;
  std::string_view state;  // "ready", "delayed", "in flight"
  Time visible_from{};     // of a delayed message or one in flight
  std::uint32_t receive_count = 0;
};

class Service {
 public:
  Service(storage::Store& store, storage::Commits& commits, platform::Scheduler& scheduler, platform::Random& random);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  // Reads queues and messages; removes what deleted queues left. Once, before anything else.
  Result<void> load();
  // What answers have to wait for.
  storage::CommitNumber last_commit() const { return commits_.last(); }

  // kQueueNameExists when it exists with another value of one of `attributes`. With the same: success, unchanged.
  Result<void> create_queue(const QueueName& name, const Attributes& attributes, const Tags& tags);
  Result<void> delete_queue(const QueueName& name);
  Result<void> check_exists(const QueueName& name);  // kQueueDoesNotExist
  // By name. `max`: 1 to 1000; without, the first 1000 and no token (AWS).
  Result<Page> list_queues(const Scope& scope, std::string_view prefix, std::optional<int> max, std::string_view token);
  Result<Attributes> get_attributes(const QueueName& name, const std::vector<std::string>& wanted);
  Result<void> set_attributes(const QueueName& name, const Attributes& attributes);
  Result<void> purge(const QueueName& name);
  Result<Tags> tags(const QueueName& name);
  Result<void> tag(const QueueName& name, const Tags& tags);
  Result<void> untag(const QueueName& name, const std::vector<std::string>& keys);
  Result<Page> dead_letter_sources(const QueueName& name, std::optional<int> max, std::string_view token);
  std::vector<QueueName> all_queues();
  // Deletes every queue of an account, all regions.
  void reset(std::string_view account);

  Result<Sent> send(const QueueName& name, Outgoing message);
  Result<BatchResult<Sent>> send_batch(const QueueName& name, std::vector<SendEntry> entries);

  // Answers at once when there are messages, or when the wait is 0, else when there are or the wait is over. `done` is
  // called exactly once, perhaps before this returns (then it returns 0); not after cancel(). Returns what cancel()
  // takes.
  using WaitId = std::uint64_t;
  WaitId receive(const QueueName& name, const ReceiveRequest& request, ReceiveDone done);
  void cancel(const QueueName& name, WaitId wait);

  // A stale receipt of a message that was received again since succeeds without effect, as does one of a message that
  // is gone (AWS). kReceiptHandleIsInvalid for what is no receipt of this queue.
  Result<void> delete_message(const QueueName& name, std::string_view receipt_handle);
  Result<BatchResult<bool>> delete_batch(const QueueName& name, const std::vector<ReceiptEntry>& entries);
  Result<void> change_visibility(const QueueName& name, std::string_view receipt_handle, int seconds);
  Result<BatchResult<bool>> change_visibility_batch(const QueueName& name, const std::vector<ReceiptEntry>& entries);

  // How many bytes of bodies stay in memory: for tests.
  void set_cache_bytes_max(std::size_t bytes);

  // The first `max` messages in order of sending. May read the disk.
  Result<std::vector<Peeked>> peek(const QueueName& name, std::size_t max);

  // May read the disk. For event source mappings: up to `count` messages (no limit of 10) of together about `bytes_max`
  // bytes, now.
  Result<std::vector<Received>> take_batch(const QueueName& name, std::size_t count, std::size_t bytes_max);
  // Calls `ready`, from any thread, not under the mutex, whenever messages may have become receivable, until the last
  // owner of what is returned lets go. It may come once more after that. The queue need not exist yet.
  std::shared_ptr<void> watch(const QueueName& name, std::function<void()> ready);
  // Deletes what the receipts name; stale ones are passed over.
  void delete_received(const QueueName& name, const std::vector<std::string>& receipt_handles);
  // Makes messages receivable again whose receipts are still good.
  void release_received(const QueueName& name, const std::vector<std::string>& receipt_handles);
  struct Facts {
    bool is_fifo = false;
    int visibility_seconds = 30;
    std::size_t ready = 0, delayed = 0, in_flight = 0;
    Time oldest = kNever;  // when the oldest message was sent
  };
  Result<Facts> facts(const QueueName& name);

  // For delivery::Target. stage() adds the message to `batch`; the function returned puts it into the queue and must
  // be called once the batch is durable.
  Result<std::function<void()>> stage(const QueueName& name, Outgoing message, storage::WriteBatch& batch);

 private:
  struct Queue;
  struct Waiter;
  struct Watcher {
    std::uint64_t id = 0;
    std::shared_ptr<const std::function<void()>> ready;
  };
  // What to call after the mutex is released.
  using Calls = std::vector<std::function<void()>>;
  struct Prepared;
  struct Wanted {
    std::size_t count = 1;
    std::size_t bytes_max = std::size_t{1} << 40;  // of bodies, about
    Milliseconds visibility{30'000};
  };
  class Next;

  Result<void> read_all();
  Result<void> load_queues();
  Result<void> load_messages();
  Result<void> load_counts();
  Result<void> load_recent();
  Result<Queue*> find(const QueueName& name);
  Queue* find_number(std::uint64_t number);
  Result<void> check_redrive(const QueueName& name, const QueueSettings& settings);
  void save(const Queue& queue, storage::WriteBatch& batch) const;
  Result<Page> page_of(std::vector<QueueName> names, std::optional<int> max, std::string_view token) const;
  void remove_queue(const QueueName& name, storage::WriteBatch& batch, Calls& calls);

  Result<Prepared> prepare(const Queue& queue, Outgoing message);
  std::optional<Sent> find_duplicate(const Queue& queue, const Prepared& prepared) const;
  Sent put(Queue& queue, Prepared prepared, storage::WriteBatch& batch);
  void remember(Queue& queue, const Prepared& prepared, std::uint64_t number, storage::WriteBatch& batch);
  void forget_recent(Queue& queue, Time now, storage::WriteBatch& batch);
  void move_delays(Queue& queue, storage::WriteBatch& batch);
  Result<void> find_delayed(Queue& queue);  // error: as read_message()
  Result<void> set_attributes_once(const QueueName& name, const Attributes& attributes);
  void insert(Queue& queue, std::uint64_t number, internal::Entry entry);
  void submit_sent(storage::WriteBatch batch, std::uint64_t queue, std::vector<std::uint64_t> numbers);
  void drop_body(Queue& queue, std::uint64_t number);
  void forget(Queue& queue, std::uint64_t number);  // from memory

  // What the store refused goes from memory: everything is read again. Who holds which message, and pollers' answers,
  // are not about what is stored.
  Result<void> restore();
  void resume();  // background work, when there is room again
  // Puts `work` off while nothing can be written; false: it is for now.
  bool put_off(std::function<void()> work);

  void settle(Queue& queue, Time now);
  Result<std::vector<Received>> take(Queue& queue, const Wanted& wanted);
  Result<std::vector<Received>> take(Queue& queue, const ReceiveRequest& request);
  Result<std::optional<std::vector<Received>>> repeat_attempt(Queue& queue, const ReceiveRequest& request);
  void remember_attempt(Queue& queue, const std::string& id, const std::vector<Received>& taken);
  std::string counts_of(const internal::Entry& entry) const;
  Result<std::vector<Peeked>> peek_once(const QueueName& name, std::size_t max);
  // Error: storage::kWouldBlock for a body that is not in memory; it is then among the queue's absent ones.
  Result<Message> read_message(Queue& queue, std::uint64_t number);
  // Bodies are read from the disk without the mutex. fetch(): on the pool, then the queue's pollers are served;
  // with_bodies(): here, for threads that may wait; runs `attempt` (under the mutex) again with what it lacked.
  struct Fetched;
  void fetch(Queue& queue);
  void read_absent(Fetched& fetched) const;                               // without the mutex
  Error damaged_message(const Queue& queue, std::uint64_t number) const;  // which is noted
  void keep_fetched(Fetched fetched);                                     // takes the mutex
  template <typename Attempt>
  auto with_bodies(const QueueName& name, const Attempt& attempt) -> decltype(attempt());
  bool move_to_dead_letters(Queue& queue, std::uint64_t number, storage::WriteBatch& batch);
  void serve(Queue& queue, Calls& calls);
  void arm(Queue& queue);
  void on_timer(std::uint64_t number);

  Result<bool> remove_by_receipt(Queue& queue, std::string_view handle, storage::WriteBatch& batch);
  Result<bool> change_by_receipt(Queue& queue, std::string_view handle, std::optional<int> seconds);
  Result<std::uint64_t> message_of(const Queue& queue, std::string_view handle, std::uint64_t& nonce) const;

  storage::Store& store_;
  storage::ServiceCommits commits_;
  platform::Scheduler& scheduler_;
  platform::Random& random_;

  std::mutex mutex_;  // guards everything below
  std::map<QueueName, std::unique_ptr<Queue>> queues_;
  std::map<std::uint64_t, Queue*> by_number_;
  storage::Numbers numbers_{storage::Series::kMessages};  // of queues and messages
  WaitId next_wait_ = 1;
  std::uint64_t next_watcher_ = 1;
  std::map<QueueName, std::vector<Watcher>> watchers_;  // also of queues that are not there
  std::vector<std::function<void()>> put_off_;
  std::size_t cached_bytes_ = 0;
  std::size_t cache_bytes_max_ = kMessageCacheBytesMax;
};

}  // namespace millrace::sqs
