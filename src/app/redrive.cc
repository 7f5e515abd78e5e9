#include "app/internal/redrive.h"

#include <algorithm>
#include <utility>

#include "app/internal/admin_endpoints.h"
#include "app/internal/mapping_view.h"
#include "model/change_record.h"
#include "platform/control_loop.h"
#include "s3/object_store.h"
#include "sqs/attributes.h"
#include "sqs/service.h"
#include "triggers/engine.h"

namespace millrace::app {
namespace {

using codec::Json;

constexpr std::size_t kReasonsMax = 20;
constexpr int kTakenSeconds = 12 * 60 * 60;  // AWS: the longest visibility timeout
constexpr int kReceivedAtOnce = 10;

class QueueDocuments final : public DocumentStore {
 public:
  QueueDocuments(sqs::Service& queues, sqs::QueueName name) : queues_(queues), name_(std::move(name)) {}

  Result<Taken> take() override {
    Taken out;
    std::size_t bytes = 0;
    while (out.documents.size() < kRedriveDocumentsMax && bytes < kRedriveBytesMax) {
      Result<std::vector<sqs::Received>> received = std::vector<sqs::Received>();
      queues_.receive(name_, {.messages_max = kReceivedAtOnce, .visibility_seconds = kTakenSeconds, .wait_seconds = 0},
                      [&](Result<std::vector<sqs::Received>> found) { received = std::move(found); });
      if (!received.ok()) return received.error();
      if (received->empty()) return out;
      for (auto& each : *received) {
        bytes += each.message.body.size();
        out.documents.push_back({std::move(each.receipt_handle), std::move(each.message.body)});
      }
    }
    out.more = true;
    return out;
  }
  Result<void> remove(const std::string& handle) override { return queues_.delete_message(name_, handle); }
  void leave(const std::string& handle) override { (void)queues_.change_visibility(name_, handle, 0); }

 private:
  sqs::Service& queues_;
  const sqs::QueueName name_;
};

// AWS: keys are aws/lambda/<UUID>/<shardId>/<YYYY>/<MM>/<DD>/<time>-<UUID>.
class BucketDocuments final : public DocumentStore {
 public:
  BucketDocuments(s3::ObjectStore& objects, std::string account, std::string bucket, std::string prefix)
      : objects_(objects), account_(std::move(account)), bucket_(std::move(bucket)), prefix_(std::move(prefix)) {}

  Result<Taken> take() override {
    Taken out;
    std::size_t bytes = 0;
    s3::ListRequest request{.prefix = prefix_, .delimiter = "", .after = ""};
    while (true) {
      MR_ASSIGN_OR_RETURN(const s3::ListPage page, objects_.list_objects(account_, bucket_, request));
      for (const auto& object : page.objects) {
        out.more = out.documents.size() >= kRedriveDocumentsMax || bytes >= kRedriveBytesMax;
        if (out.more) return out;
        auto opened = objects_.open_object(account_, bucket_, object.key);
        if (!opened.ok()) continue;  // deleted since it was listed
        MR_ASSIGN_OR_RETURN(std::string text, opened->content->read(0, opened->info.bytes));
        bytes += text.size();
        out.documents.push_back({object.key, std::move(text)});
      }
      if (!page.truncated) return out;
      request.after = page.last;
    }
  }
  Result<void> remove(const std::string& handle) override {
    const auto removed = objects_.delete_object(account_, bucket_, handle);
    return removed.ok() ? Result<void>() : removed.error();
  }
  void leave(const std::string&) override {}

 private:
  s3::ObjectStore& objects_;
  const std::string account_, bucket_, prefix_;
};

std::string range_of(const triggers::Failure& failure) {
  return std::to_string(failure.batch_size) + " records from " + model::sequence_number(failure.first) + " to " +
         model::sequence_number(failure.last);
}

}  // namespace

Result<std::unique_ptr<DocumentStore>> open_documents(Parts& parts, const RedriveRequest& request) {
  const std::string& source = request.source;
  if (source.empty())
    return Error(
        kBadRequest,
        "the mapping has no on-failure destination; name the queue or bucket that holds documents with --from");
  constexpr std::string_view kBucketMark = "arn:aws:s3:::";
  if (source.starts_with(kBucketMark)) {
    const std::string bucket = source.substr(kBucketMark.size());
    const std::string account = request.mapping.scope.account;
    if (const auto found = parts.objects->bucket(account, bucket); !found.ok())
      return Error(kBadRequest, "there is no bucket " + bucket);
    return std::unique_ptr<DocumentStore>(
        std::make_unique<BucketDocuments>(*parts.objects, account, bucket, "aws/lambda/" + request.mapping.uuid + "/"));
  }
  if (source.starts_with("arn:aws:sns:"))
    return Error(kBadRequest, "a topic keeps nothing; name the queue that is subscribed to it with --from");
  const auto name = sqs::parse_queue_arn(source);
  if (!name) return Error(kBadRequest, "'" + source + "' is neither the ARN of a queue nor of a bucket");
  if (!parts.queues->check_exists(*name).ok()) return Error(kBadRequest, "there is no queue " + name->name);
  return std::unique_ptr<DocumentStore>(std::make_unique<QueueDocuments>(*parts.queues, *name));
}

Redrive::Redrive(Parts& parts, RedriveRequest request, std::unique_ptr<DocumentStore> store)
    : parts_(parts), request_(std::move(request)), store_(std::move(store)) {}

void Redrive::start() {
  parts_.loop->offload([self = shared_from_this()] { self->take(); },
                       [self = shared_from_this()] {
                         if (!self->taken_.ok()) return self->finish(self->taken_.error().message());
                         self->next();
                       });
}

// Several mappings may share a destination: only documents of this stream and function are ours, and those of a
// function that this mapping had before, unless another mapping of the stream has it now.
bool Redrive::is_ours(const triggers::Failure& failure) const {
  if (failure.stream_arn != request_.mapping.stream_arn) return false;
  if (failure.function_arn == request_.mapping.function_arn) return true;
  const auto others = parts_.engine->list(request_.mapping.scope);
  return std::none_of(others.begin(), others.end(), [&](const triggers::Mapping& other) {
    return other.stream_arn == failure.stream_arn && other.function_arn == failure.function_arn;
  });
}

void Redrive::take() {
  auto taken = store_->take();
  if (!taken.ok()) {
    taken_ = taken.error();
    return;
  }
  Counts counts;
  for (auto& document : taken->documents) {
    auto failure = triggers::parse_failure(document.text);
    if (!failure.ok() || !is_ours(*failure)) {
      ++counts.others;
      left_.push_back(std::move(document.handle));
      continue;
    }
    auto item = std::make_shared<Item>();
    item->handle = std::move(document.handle);
    item->failure = std::move(*failure);
    items_.push_back(std::move(item));
  }
  // Sequence numbers rise per key, in whatever shards its records were.
  std::stable_sort(items_.begin(), items_.end(),
                   [](const auto& a, const auto& b) { return a->failure.first < b->failure.first; });
  counts.documents = items_.size();
  const std::lock_guard lock(mutex_);
  counts_ = counts;
  more_ = taken->more;
}

// On the pool.
void Redrive::load(Item& item) const {
  auto records = item.failure.payload.empty() ? parts_.engine->read_failed_batch(request_.mapping, item.failure)
                                              : triggers::records_of(item.failure.payload);
  if (records.ok())
    item.records = std::move(*records);
  else
    item.problem = records.error().message();
}

void Redrive::next() {
  bool cancelled = false;
  {
    const std::lock_guard lock(mutex_);
    cancelled = cancelled_;
  }
  if (items_.empty() || cancelled) return finish(cancelled ? "it was cancelled" : "");
  auto item = std::move(items_.front());
  items_.pop_front();
  parts_.loop->offload([self = shared_from_this(), item] { self->load(*item); },
                       [self = shared_from_this(), item] { self->send(item); });
}

void Redrive::send(const std::shared_ptr<Item>& item) {
  if (!item->problem.empty()) {
    {
      const std::lock_guard lock(mutex_);
      ++counts_.unusable;
    }
    leave(*item, item->problem);
    return next();
  }
  if (!gate_.admits(item->records)) {
    {
      const std::lock_guard lock(mutex_);
      ++counts_.kept_back;
    }
    leave(*item, "an earlier batch with one of its keys was left");
    return next();
  }
  triggers::Sending sending;
  sending.mapping = request_.mapping.uuid;
  sending.function_arn = request_.function_arn.empty() ? request_.mapping.function_arn : request_.function_arn;
  sending.what = "redrive";
  sending.shard = item->failure.shard_id;
  sending.reports = request_.mapping.report_failures;
  sending.retries = request_.retries;
  sending.records = item->records;
  sending.event = item->failure.payload;
  triggers::send(parts_.engine->sender_tools(request_.mapping.scope, request_.mapping.uuid), std::move(sending),
                 [self = shared_from_this(), item](const triggers::Sent& outcome) { self->sent(item, outcome); });
}

void Redrive::sent(const std::shared_ptr<Item>& item, const triggers::Sent& outcome) {
  if (!outcome.complete) {
    {
      const std::lock_guard lock(mutex_);
      ++counts_.failed;
    }
    leave(*item, outcome.error);
    return next();
  }
  const auto removed = store_->remove(item->handle);
  {
    const std::lock_guard lock(mutex_);
    ++(removed.ok() ? counts_.removed : counts_.failed);
    counts_.records += item->records.size();
    if (!removed.ok() && reasons_.size() < kReasonsMax)
      reasons_.push_back(range_of(item->failure) +
                         ": done, but its document could not be removed: " + removed.error().message());
  }
  next();
}

void Redrive::leave(Item& item, const std::string& why) {
  gate_.close(item.records);
  left_.push_back(item.handle);
  const std::lock_guard lock(mutex_);
  if (reasons_.size() < kReasonsMax) reasons_.push_back(range_of(item.failure) + ": " + why);
}

void Redrive::finish(std::string stopped) {
  for (const auto& item : std::exchange(items_, {})) left_.push_back(item->handle);
  for (const std::string& handle : left_) store_->leave(handle);
  left_.clear();
  const std::lock_guard lock(mutex_);
  finished_ = true;
  stopped_ = std::move(stopped);
}

bool Redrive::is_finished() const {
  const std::lock_guard lock(mutex_);
  return finished_;
}

void Redrive::cancel() {
  const std::lock_guard lock(mutex_);
  cancelled_ = true;
}

Json Redrive::progress() const {
  const std::lock_guard lock(mutex_);
  Json json = Json::object({{"what", "redrive"}, {"finished", finished_}, {"documents", counts_.documents}});
  json.set("removed", counts_.removed).set("records", counts_.records).set("failed", counts_.failed);
  json.set("kept_back", counts_.kept_back).set("unusable", counts_.unusable).set("of_others", counts_.others);
  json.set_if(!stopped_.empty(), "stopped", stopped_);
  json.set_if(more_, "more", "there are more documents than one run takes; run it again");
  Json left = Json::array();
  for (const auto& reason : reasons_) left.push(reason);
  return json.set("left", left);
}

}  // namespace millrace::app
