// Topics, their subscriptions, and publishing to them; durable.
//
// What is kept in Family::kCatalogue (parts as in codec/key.h):
//   "sns/t/" text account, text region, text name            JSON: the topic
//   "sns/s/" text account, text region, text name, raw id    JSON: a subscription
// A message is not kept: publishing stages it into every subscriber's place in one batch, through `delivery`. What a
// subscriber refuses (its queue or function is gone, the message does not fit) goes to the subscription's dead-letter
// queue, or is counted and lost. A function's own errors are its asynchronous invocation's affair.
//
// Thread-safe: one mutex over immutable snapshots; it is not held while anything is staged, so publishing may be part
// of another service's commit. Changes are submitted under it; an answer that shows one waits for last_commit().
// Messages reach their subscribers once their batch is durable.
//
// Lifetime: the scheduler must have stopped running work before the service is destroyed.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "delivery/delivery.h"
#include "platform/clock.h"
#include "platform/random.h"
#include "sns/message.h"
#include "sns/topic.h"
#include "storage/service_commits.h"
#include "storage/store.h"
#include "telemetry/metrics.h"

namespace millrace::sns {

struct SubscriptionInfo {
  SubscriptionName name;
  Subscription subscription;
};

template <typename T>
struct Page {
  std::vector<T> items;
  std::string next_token;  // "" at the end
};

struct PublishEntry {
  std::string id;
  Outgoing message;
};
struct PublishedEntry {
  std::string id;
  Result<std::string> message_id;
};

class Service {
 public:
  struct Resources {
    storage::Store& store;
    storage::Commits& commits;
    platform::Scheduler& scheduler;
    platform::Random& random;
    telemetry::Registry& registry;
    delivery::Delivery& delivery;
  };
  explicit Service(Resources resources) : resources_(resources), commits_(resources.commits, "sns") {
    commits_.set_restore([this] { return load(); });
  }
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  // Reads topics and subscriptions. Before anything else, and when the store refused a change.
  Result<void> load();
  // What answers have to wait for.
  storage::CommitNumber last_commit() const { return commits_.last(); }

  // Success, unchanged, when it exists with the same values of `attributes` and tags; else kInvalidParameter.
  Result<void> create_topic(const TopicName& name, const Attributes& attributes, const Tags& tags);
  void delete_topic(const TopicName& name);                 // also when there is none (AWS)
  Result<TopicPointer> topic(const TopicName& name) const;  // kTopicNotFound
  Result<Page<TopicName>> list_topics(const Scope& scope, std::string_view token) const;
  Result<void> set_topic_attribute(const TopicName& name, std::string_view attribute, std::string_view value);
  Result<void> tag(const TopicName& name, const Tags& tags);  // kResourceNotFound, kTagLimitExceeded
  Result<void> untag(const TopicName& name, const std::vector<std::string>& keys);
  std::vector<TopicPointer> all_topics() const;
  void reset(std::string_view account);

  // The ARN. The same protocol and endpoint again: that of the subscription there is, if `attributes` agree.
  Result<std::string> subscribe(const TopicName& topic, std::string_view protocol, std::string_view endpoint,
                                const Attributes& attributes, std::string_view account);
  Result<void> unsubscribe(const SubscriptionName& name);  // success also when there is none (AWS)
  Result<SubscriptionInfo> subscription(const SubscriptionName& name) const;
  Result<void> set_subscription_attribute(const SubscriptionName& name, std::string_view attribute,
                                          std::string_view value);
  Result<Page<SubscriptionInfo>> list_subscriptions(const Scope& scope, std::string_view token) const;
  Result<Page<SubscriptionInfo>> list_subscriptions_of(const TopicName& topic, std::string_view token) const;

  // The message's id.
  Result<std::string> publish(const TopicName& topic, const Outgoing& message);
  // One commit for all. Errors of the batch as a whole fail it.
  Result<std::vector<PublishedEntry>> publish_batch(const TopicName& topic, const std::vector<PublishEntry>& entries);

  // For delivery::Target: adds the message for every subscriber to `batch`; the function returned is to be called once
  // that is durable.
  Result<delivery::AfterCommit> stage(const TopicName& topic, const Outgoing& message, storage::WriteBatch& batch);

 private:
  using AfterCommits = std::vector<delivery::AfterCommit>;

  TopicPointer find(const TopicName& name) const;  // REQUIRES: mutex_ held
  void store_topic(Topic topic, storage::WriteBatch batch);
  Result<void> load_subscriptions();
  std::string stage_all(const Topic& topic, const Outgoing& message, storage::WriteBatch& batch, AfterCommits& after);
  void stage_one(const Topic& topic, const Subscription& subscription, const Notification& notification,
                 storage::WriteBatch& batch, AfterCommits& after);
  void submit_published(storage::WriteBatch batch, AfterCommits after);
  telemetry::Counter& counter(std::string_view name, std::string_view help, const TopicName& topic);

  const Resources resources_;
  storage::ServiceCommits commits_;

  mutable std::mutex mutex_;  // guards below
  std::map<TopicName, TopicPointer> topics_;
};

}  // namespace millrace::sns
