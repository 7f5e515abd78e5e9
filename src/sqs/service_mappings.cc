// What event source mappings ask of a queue: batches of any size, a call when there is something, deletion by receipt.
#include "sqs/internal/queue.h"
#include "sqs/internal/records.h"
#include "sqs/service.h"

namespace millrace::sqs {

using internal::MessageState;

std::shared_ptr<void> Service::watch(const QueueName& name, std::function<void()> ready) {
  const std::scoped_lock lock(mutex_);
  const std::uint64_t id = next_watcher_++;
  watchers_[name].push_back({id, std::make_shared<const std::function<void()>>(std::move(ready))});
  if (const auto it = queues_.find(name); it != queues_.end()) arm(*it->second);
  return std::shared_ptr<void>(nullptr, [this, id, name](void*) {
    const std::scoped_lock inner(mutex_);
    const auto it = watchers_.find(name);
    std::erase_if(it->second, [&](const Watcher& watcher) { return watcher.id == id; });
    if (it->second.empty()) watchers_.erase(it);
  });
}

void Service::delete_received(const QueueName& name, const std::vector<std::string>& receipt_handles) {
  if (put_off([this, name, receipt_handles] { delete_received(name, receipt_handles); })) return;
  Calls calls;
  {
    const std::scoped_lock lock(mutex_);
    const auto queue = find(name);
    if (!queue.ok()) return;
    (*queue)->messages.advance(scheduler_.now());
    storage::WriteBatch batch;
    for (const auto& handle : receipt_handles) (void)remove_by_receipt(**queue, handle, batch);
    if (!batch.empty()) commits_.submit(std::move(batch));
    if ((*queue)->settings.fifo) serve(**queue, calls);
  }
  for (auto& call : calls) call();
}

void Service::release_received(const QueueName& name, const std::vector<std::string>& receipt_handles) {
  if (put_off([this, name, receipt_handles] { release_received(name, receipt_handles); })) return;
  Calls calls;
  {
    const std::scoped_lock lock(mutex_);
    const auto queue = find(name);
    if (!queue.ok()) return;
    for (const auto& handle : receipt_handles) (void)change_by_receipt(**queue, handle, 0);
    serve(**queue, calls);
    arm(**queue);
  }
  for (auto& call : calls) call();
}

Result<Service::Facts> Service::facts(const QueueName& name) {
  const std::scoped_lock lock(mutex_);
  MR_ASSIGN_OR_RETURN(Queue * queue, find(name));
  settle(*queue, scheduler_.now());
  return Facts{.is_fifo = queue->settings.fifo,
               .visibility_seconds = queue->settings.visibility_seconds,
               .ready = queue->messages.ready_count(),
               .delayed = queue->messages.delayed_count(),
               .in_flight = queue->messages.in_flight_count(),
               .oldest = queue->messages.oldest_sent()};
}

}  // namespace millrace::sqs
