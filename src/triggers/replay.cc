#include "triggers/replay.h"

#include <algorithm>
#include <utility>

#include "model/change_record.h"

namespace millrace::triggers {

Replay::Replay(SenderTools tools, EventSource& source, std::shared_ptr<internal::PoolGate> gate, ReplayRequest request)
    : tools_(std::move(tools)), source_(source), gate_(std::move(gate)), request_(std::move(request)) {}

ReplayProgress Replay::progress() const {
  const std::lock_guard lock(mutex_);
  return progress_;
}

void Replay::start() {
  tools_.scheduler.post([self = shared_from_this()] { self->begin(); });
}

void Replay::begin() {
  auto filters = Filters::compile(request_.mapping.filters);
  if (!filters.ok()) return finish(filters.error().message());
  filters_ = std::make_shared<const Filters>(std::move(filters).value());
  const auto info = source_.describe(request_.mapping.stream_arn);
  if (!info.ok()) return finish(info.error().message());
  shards_ = info->shards;
  // A child has a greater number than its parent, and greater sequence numbers.
  std::sort(shards_.begin(), shards_.end(), [](const auto& a, const auto& b) { return a.number < b.number; });
  position_ = request_.after;
  if (shards_.empty()) return finish("");
  read_on();
}

void Replay::next_shard() {
  position_ = request_.after;
  if (++shard_ == shards_.size()) return finish("");
  read_on();
}

void Replay::read_on() {
  if (cancelled_) return finish("it was cancelled");
  if (position_ >= request_.last) return next_shard();
  auto job = std::make_shared<internal::ReadJob>();
  job->gate = gate_;
  job->source = &source_;
  job->request = {.stream_arn = request_.mapping.stream_arn,
                  .shard = shards_[shard_].number,
                  .after = position_,
                  .records_max = static_cast<std::size_t>(std::max<std::int64_t>(1, request_.mapping.batch_size)),
                  .bytes_max = kPayloadBytesMax - kEnvelopeBytes};
  job->filters = filters_;
  tools_.scheduler.offload([job] { job->run(); }, [self = shared_from_this(), job] { self->arrived(*job); });
}

void Replay::arrived(internal::ReadJob& job) {
  if (job.error) return finish(job.error->message());
  std::deque<Record>& records = job.arrived.records;
  while (!records.empty() && records.back().sequence > request_.last) records.pop_back();
  if (records.empty()) {
    const bool at_end = job.arrived.at_tail || job.arrived.read_to >= request_.last;
    position_ = job.arrived.read_to;
    return at_end ? next_shard() : read_on();
  }
  Sending sending;
  sending.mapping = request_.mapping.uuid;
  sending.function_arn = request_.function_arn.empty() ? request_.mapping.function_arn : request_.function_arn;
  sending.what = "replay";
  sending.shard = shards_[shard_].id;
  sending.reports = request_.mapping.report_failures;
  sending.retries = request_.retries;
  const SequenceNumber last = records.back().sequence;
  const std::size_t count = records.size();
  sending.records = std::move(records);
  send(tools_, std::move(sending),
       [self = shared_from_this(), last, count](const Sent& outcome) { self->sent(last, count, outcome); });
}

void Replay::sent(SequenceNumber last, std::size_t records, const Sent& outcome) {
  {
    const std::lock_guard lock(mutex_);
    ++progress_.batches;
    progress_.records += outcome.done;
    if (!outcome.complete) progress_.last_error = outcome.error;
    if (outcome.complete || request_.keep_going) {
      progress_.failed += records - outcome.done;
      progress_.position = last;
    }
  }
  if (!outcome.complete && !request_.keep_going) {
    return finish("a batch in shard " + shards_[shard_].id + " up to " + model::sequence_number(last) +
                  " failed: " + outcome.error);
  }
  position_ = last;
  read_on();
}

void Replay::finish(std::string stopped) {
  const std::lock_guard lock(mutex_);
  progress_.finished = true;
  progress_.stopped = std::move(stopped);
}

}  // namespace millrace::triggers
