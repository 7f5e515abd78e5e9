#include "streams/streams.h"

#include "streams/internal/catalogue.h"
#include "streams/internal/engine.h"

namespace millrace::streams {

Result<std::unique_ptr<Streams>> Streams::load(storage::Store& store, storage::Commits& commits,
                                               platform::Scheduler& scheduler, platform::Random& random,
                                               StreamsOptions options) {
  MR_ASSIGN_OR_RETURN(Catalogue catalogue, load_catalogue(store));
  auto engine = std::make_shared<Engine>(store, commits, scheduler, random, options, std::move(catalogue));
  engine->start();
  return std::unique_ptr<Streams>(new Streams(std::move(engine)));
}

std::optional<Stream> as_committed(Stream stream) {
  std::vector<Shard> shards;
  bool closing = false;
  for (Shard& shard : stream.shards) {
    const bool is_closing = !shard.is_open() && !shard.end;  // the end is known once the closing is durable
    closing = closing || is_closing;
    if (!shard.durable) continue;
    if (is_closing) shard.closed = kNever;
    shards.push_back(std::move(shard));
  }
  if (shards.empty() && !stream.shards.empty()) return std::nullopt;
  if (closing) stream.closed = kNever;
  stream.shards = std::move(shards);
  return stream;
}

Streams::Streams(std::shared_ptr<Engine> engine) : engine_(std::move(engine)) {}
Streams::~Streams() = default;

Opened Streams::open(const OpenRequest& request, storage::WriteBatch& batch) { return engine_->open(request, batch); }
void Streams::close(StreamId stream, storage::WriteBatch& batch) { engine_->close(stream, batch); }
Result<void> Streams::reshape(StreamId stream, const Reshape& change, storage::WriteBatch& batch) {
  return engine_->reshape(stream, change, batch);
}
void Streams::set_reshaper(std::function<void(const Stream&, const Reshape&)> reshaper) {
  engine_->set_reshaper(std::move(reshaper));
}
std::optional<std::uint64_t> Streams::shard_for(StreamId stream, std::uint64_t key_hash) const {
  return engine_->shard_for(stream, key_hash);
}
std::optional<Stream> Streams::find(StreamId stream) const { return engine_->find(stream); }
std::optional<Stream> Streams::find(std::string_view arn) const { return engine_->find(arn); }
std::vector<Stream> Streams::list(const Scope& scope, std::string_view table_name) const {
  return engine_->list(scope, table_name);
}
Result<Page> Streams::read(ShardNumber shard, Stamp after, ReadLimits limits) const {
  return engine_->read(shard, after, limits);
}
Result<std::size_t> Streams::backlog(ShardNumber shard, Stamp after, std::size_t max) const {
  return engine_->backlog(shard, after, max);
}
bool Streams::waits_for_parent(ShardNumber shard, Stamp after) const { return engine_->waits_for_parent(shard, after); }
void Streams::note_read_to_end(ShardNumber shard) { engine_->note_read_to_end(shard); }
Stamp Streams::head() const { return engine_->head(); }
Milliseconds Streams::retention_of(const Stream& stream) const { return engine_->retention_of(stream); }
Result<void> Streams::set_retention(StreamId stream, std::optional<Milliseconds> retention,
                                    storage::WriteBatch& batch) {
  return engine_->set_retention(stream, retention, batch);
}
Result<void> Streams::set_chaos(StreamId stream, const Chaos& chaos) { return engine_->set_chaos(stream, chaos); }
bool Streams::happens(double chance) const { return engine_->happens(chance); }
Time Streams::now() const { return engine_->now(); }
Subscription Streams::subscribe(StreamId stream, std::function<void(const Wake&)> wake) {
  return engine_->subscribe(stream, std::move(wake));
}

}  // namespace millrace::streams
