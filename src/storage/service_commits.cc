#include "storage/service_commits.h"

#include <limits>

#include "telemetry/log.h"

namespace millrace::storage {
namespace {

// Several threads may submit at once: only forward.
void raise(std::atomic<CommitNumber>& to, CommitNumber number) {
  auto seen = to.load();
  while (seen < number && !to.compare_exchange_weak(seen, number)) {
  }
}

}  // namespace
ServiceCommits::ServiceCommits(Commits& commits, std::string service)
    : commits_(commits), state_(std::make_shared<State>()) {
  state_->service = std::move(service);
}

void ServiceCommits::set_restore(std::function<Result<void>()> restore) { state_->restore = std::move(restore); }

void ServiceCommits::set_resume(platform::Scheduler& scheduler, std::function<void()> resume) {
  state_->scheduler = &scheduler;
  state_->resume = std::move(resume);
}

CommitNumber ServiceCommits::submit(WriteBatch batch, std::function<void(const Committed&)> done) {
  auto told = [&commits = commits_, weak = std::weak_ptr(state_), done = std::move(done)](const Committed& committed) {
    if (committed.error != nullptr && committed.error->is(kStorageFailed)) {
      if (const auto state = weak.lock()) refused(commits, state, committed.number);
    }
    if (done) done(committed);
  };
  const CommitNumber number = commits_.submit(std::move(batch), std::move(told));
  raise(state_->last, number);
  return number;
}

void ServiceCommits::join(WriteBatch& batch) {
  batch.on_commit([&commits = commits_, weak = std::weak_ptr(state_)](const Committed& committed) {
    if (committed.error == nullptr || !committed.error->is(kStorageFailed)) return;
    if (const auto state = weak.lock()) refused(commits, state, committed.number);
  });
}

CommitNumber ServiceCommits::last() const {
  return state_->lost.load() ? std::numeric_limits<CommitNumber>::max() : state_->last.load();
}

// Once for all that one group refuses: deferred work comes after it.
void ServiceCommits::refused(Commits& commits, const std::shared_ptr<State>& state, CommitNumber number) {
  raise(state->last, number);  // its submitter may not have come that far
  if (!state->restore) state->lost = true;
  if (!state->restore || state->restoring.exchange(true)) return;
  commits.defer([weak = std::weak_ptr(state)]() -> CommitNumber {
    const auto kept = weak.lock();
    if (kept == nullptr) return 0;
    kept->restoring = false;
    // What is submitted from here on may come after the restore: its own refusal sees to it.
    const CommitNumber last = kept->last.load();
    const auto restored = kept->restore();
    kept->lost = !restored.ok();
    if (restored.ok()) return last;
    telemetry::log_error(kept->service,
                         "reads are refused, as what is on the disk cannot be shown: " + restored.error().message());
    return 0;
  });
}

std::optional<Error> ServiceCommits::paused(Purpose purpose) {
  auto refusal = commits_.refusal(purpose);
  if (!refusal) return std::nullopt;
  const auto index = static_cast<std::size_t>(purpose);
  if (!state_->resume || state_->waiting[index].exchange(true)) return refusal;
  commits_.when_accepting(purpose, [weak = std::weak_ptr(state_), index] {
    const auto state = weak.lock();
    if (state == nullptr) return;
    state->scheduler->post([weak, index] {
      const auto kept = weak.lock();
      if (kept == nullptr) return;
      kept->waiting[index] = false;
      kept->resume();
    });
  });
  return refusal;
}

}  // namespace millrace::storage
