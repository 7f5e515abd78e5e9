#include "storage/rocks/internal/background_pace.h"

#include <algorithm>
#include <limits>

#include "platform/processor_time.h"

namespace millrace::storage {

namespace {

using std::chrono::nanoseconds;

// A quarter of a core while nothing piles up, half of one when something begins to.
constexpr int kPausesRelaxed = 3;
constexpr int kPausesBehind = 1;
constexpr double kBuffersBehind = 0.8;
constexpr int kRunsBehind = 6;  // that came since the last merge ended
constexpr int kRunsFarBehind = 10;

// Of the thread that asks, when it asked last.
struct LastPiece {
  const void* owner = nullptr;
  nanoseconds processor_time{};
  std::uint64_t groups = 0;
};
thread_local LastPiece last_piece;

}  // namespace

nanoseconds pause_after(nanoseconds spent, BackgroundWork work, const Backlog& backlog) {
  int pauses = kPausesRelaxed;
  if (work == BackgroundWork::kFlush) {
    if (backlog.buffers >= kBuffersBehind) pauses = kPausesBehind;
    if (backlog.buffers >= 1) pauses = 0;
  } else {
    if (backlog.runs >= kRunsBehind) pauses = kPausesBehind;
    if (backlog.runs >= kRunsFarBehind) pauses = 0;
  }
  return std::min<nanoseconds>(spent * pauses, kPauseMax);
}

BackgroundPace::BackgroundPace(std::shared_ptr<rocksdb::WriteBufferManager> buffers)
    : rocksdb::RateLimiter(Mode::kWritesOnly), buffers_(std::move(buffers)) {}

void BackgroundPace::hurry() {
  const std::lock_guard lock(mutex_);
  hurry_ = true;
  to_hurry_.notify_all();
}

void BackgroundPace::Request(std::int64_t bytes, rocksdb::Env::IOPriority priority, rocksdb::Statistics*) {
  bytes_.fetch_add(bytes, std::memory_order_relaxed);
  requests_.fetch_add(1, std::memory_order_relaxed);
  // RocksDB raises it to IO_USER when it holds up writes itself.
  if (priority != rocksdb::Env::IO_HIGH && priority != rocksdb::Env::IO_LOW) return;
  const LastPiece before = last_piece;
  const std::uint64_t groups = groups_.load(std::memory_order_relaxed);
  const nanoseconds now = platform::thread_processor_time();
  last_piece = {this, now, groups};
  if (before.owner != this || before.groups == groups || hurry_) return;
  const auto work = priority == rocksdb::Env::IO_HIGH ? BackgroundWork::kFlush : BackgroundWork::kMerge;
  std::unique_lock lock(mutex_);
  to_hurry_.wait_for(lock, pause_after(now - before.processor_time, work, backlog()), [this] { return hurry_.load(); });
}

std::int64_t BackgroundPace::GetSingleBurstBytes() const { return std::numeric_limits<std::int64_t>::max(); }
std::int64_t BackgroundPace::GetBytesPerSecond() const { return std::numeric_limits<std::int64_t>::max(); }

Backlog BackgroundPace::backlog() const {
  Backlog out;
  out.buffers = static_cast<double>(buffers_->memory_usage()) / static_cast<double>(buffers_->buffer_size());
  for (const auto& runs : runs_) out.runs = std::max(out.runs, runs.load(std::memory_order_relaxed));
  return out;
}

void BackgroundPace::OnFlushCompleted(rocksdb::DB*, const rocksdb::FlushJobInfo& info) {
  ++runs_[info.cf_id % kFamiliesMax];
}

void BackgroundPace::OnCompactionCompleted(rocksdb::DB*, const rocksdb::CompactionJobInfo& info) {
  runs_[info.cf_id % kFamiliesMax] = 0;
}

}  // namespace millrace::storage
