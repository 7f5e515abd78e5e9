#include "sns/service.h"

#include <algorithm>
#include <utility>

#include "codec/json.h"
#include "codec/key.h"
#include "crypto/encoding.h"
#include "sns/errors.h"
#include "sns/limits.h"
#include "storage/scan.h"

namespace millrace::sns {
namespace {

using codec::Json;
using storage::Family;
using storage::WriteBatch;

constexpr std::string_view kTopicPrefix = "sns/t/";
constexpr std::string_view kSubscriptionPrefix = "sns/s/";

std::string key_of(std::string_view prefix, const TopicName& name) {
  return codec::KeyWriter(prefix).text(name.scope.account).text(name.scope.region).text(name.name).str();
}

std::string key_of(const SubscriptionName& name) { return key_of(kSubscriptionPrefix, name.topic) + name.id; }

Json map_json(const Attributes& map) {
  Json json = Json::object();
  for (const auto& [key, value] : map) json.set(key, value);
  return json;
}

Attributes map_of(const Json* json) {
  Attributes map;
  if (json == nullptr || !json->is_object()) return map;
  for (const auto& [key, value] : json->as_object()) {
    if (value.is_string()) map[key] = value.as_string();
  }
  return map;
}

std::string encode(const Topic& topic) {
  return Json::object({{"v", 1},
                       {"account", topic.name.scope.account},
                       {"region", topic.name.scope.region},
                       {"name", topic.name.name},
                       {"created", to_unix_ms(topic.created)},
                       {"attributes", map_json(topic.attributes)},
                       {"tags", map_json(topic.tags)},
                       {"deleted", topic.deleted_subscriptions}})
      .dump();
}

std::string encode(const TopicName& topic, const Subscription& subscription) {
  return Json::object({{"v", 1},
                       {"account", topic.scope.account},
                       {"region", topic.scope.region},
                       {"topic", topic.name},
                       {"id", subscription.id},
                       {"protocol", subscription.protocol},
                       {"endpoint", subscription.endpoint},
                       {"owner", subscription.owner},
                       {"settings", map_json(subscription.settings())}})
      .dump();
}

TopicName name_of(const Json& json, std::string_view member) {
  return {Scope{std::string(json.string_or("account", "")), std::string(json.string_or("region", ""))},
          std::string(json.string_or(member, ""))};
}

Error no_topic() { return Error(kTopicNotFound, "Topic does not exist"); }
Error no_subscription() { return Error(kTopicNotFound, "Subscription does not exist"); }

// The scope decides what a policy may be, so it comes first.
Result<void> set_all(Subscription& subscription, const Attributes& attributes) {
  if (const auto scope = attributes.find("FilterPolicyScope"); scope != attributes.end()) {
    MR_RETURN_IF_ERROR(subscription.set(scope->first, scope->second));
  }
  for (const auto& [name, value] : attributes) {
    if (name == "FilterPolicyScope") continue;
    auto set = subscription.set(name, value);
    if (set.ok()) continue;
    // AWS: "Invalid parameter: Attributes Reason: FilterPolicy: ..."
    constexpr std::string_view kPrefix = "Invalid parameter: ";
    std::string text = set.error().message();
    if (text.starts_with(kPrefix)) text.erase(0, kPrefix.size());
    return Error(kInvalidParameter, "Invalid parameter: Attributes Reason: " + text);
  }
  return {};
}

// A page of `all`, which is sorted by `key`; a token is the base64 of the last key of the page before.
template <typename T, typename Key>
Result<Page<T>> page_of(std::vector<T> all, std::string_view token, Key key) {
  if (!token.empty()) {
    const auto last = crypto::base64_decode(token);
    if (!last) return Error(kInvalidParameter, "Invalid parameter: NextToken");
    std::erase_if(all, [&](const T& item) { return key(item) <= *last; });
  }
  Page<T> page;
  if (all.size() > kPageSize) {
    all.resize(kPageSize);
    page.next_token = crypto::base64_encode(key(all.back()));
  }
  page.items = std::move(all);
  return page;
}

std::string key_of_info(const SubscriptionInfo& info) { return subscription_arn(info.name); }

}  // namespace

Result<void> Service::load() {
  const std::scoped_lock lock(mutex_);
  topics_.clear();
  const auto it =
      resources_.store.iterate(Family::kCatalogue, {std::string(kTopicPrefix), storage::prefix_end(kTopicPrefix)});
  for (it->seek(kTopicPrefix); it->valid(); it->next()) {
    const auto json = codec::parse_json(it->value());
    Topic topic;
    if (json.ok()) topic.name = name_of(*json, "name");
    if (!json.ok() || key_of(kTopicPrefix, topic.name) != it->key()) return storage::damaged("topic", it->key());
    topic.created = from_unix_ms(json->int_or("created", 0));
    topic.attributes = map_of(json->find("attributes"));
    topic.tags = map_of(json->find("tags"));
    topic.deleted_subscriptions = static_cast<std::uint64_t>(json->int_or("deleted", 0));
    TopicName name = topic.name;
    topics_[std::move(name)] = std::make_shared<const Topic>(std::move(topic));
  }
  MR_RETURN_IF_ERROR(it->status());
  return load_subscriptions();
}

Result<void> Service::load_subscriptions() {
  std::map<TopicName, Topic> changed;
  const auto it = resources_.store.iterate(
      Family::kCatalogue, {std::string(kSubscriptionPrefix), storage::prefix_end(kSubscriptionPrefix)});
  for (it->seek(kSubscriptionPrefix); it->valid(); it->next()) {
    const auto json = codec::parse_json(it->value());
    if (!json.ok()) return storage::damaged("subscription", it->key());
    const TopicName name = name_of(*json, "topic");
    const TopicPointer present = find(name);
    if (present == nullptr) return storage::damaged("subscription of no topic", it->key());
    Subscription subscription;
    subscription.id = json->string_or("id", "");
    subscription.protocol = json->string_or("protocol", "");
    subscription.endpoint = json->string_or("endpoint", "");
    subscription.owner = json->string_or("owner", "");
    const bool sound = set_all(subscription, map_of(json->find("settings"))).ok();
    if (!sound || key_of(SubscriptionName{name, subscription.id}) != it->key()) {
      return storage::damaged("subscription", it->key());
    }
    auto& topic = changed.try_emplace(name, *present).first->second;
    std::string id = subscription.id;
    topic.subscriptions[std::move(id)] = std::move(subscription);
  }
  for (auto& [name, topic] : changed) topics_[name] = std::make_shared<const Topic>(std::move(topic));
  return it->status();
}

TopicPointer Service::find(const TopicName& name) const {
  const auto it = topics_.find(name);
  return it == topics_.end() ? nullptr : it->second;
}

void Service::store_topic(Topic topic, WriteBatch batch) {
  batch.put(Family::kCatalogue, key_of(kTopicPrefix, topic.name), encode(topic));
  commits_.submit(std::move(batch));
  TopicName name = topic.name;
  topics_[std::move(name)] = std::make_shared<const Topic>(std::move(topic));
}

Result<void> Service::create_topic(const TopicName& name, const Attributes& attributes, const Tags& tags) {
  MR_RETURN_IF_ERROR(check_topic_name(name.name));
  if (tags.size() > kTagsMax)
    return Error(kTagLimitExceeded, "Could not complete request: tag quota of per resource exceeded");
  Topic topic;
  topic.name = name;
  topic.created = resources_.scheduler.now();
  topic.tags = tags;
  for (const auto& [attribute, value] : attributes) MR_RETURN_IF_ERROR(topic.set(attribute, value));
  const std::scoped_lock lock(mutex_);
  if (const TopicPointer present = find(name)) {
    for (const auto& [attribute, value] : topic.attributes) {
      const auto it = present->attributes.find(attribute);
      if (it == present->attributes.end() || it->second != value) {
        return Error(kInvalidParameter,
                     "Invalid parameter: Attributes Reason: Topic already exists with different attributes");
      }
    }
    if (!tags.empty() && tags != present->tags) {
      return Error(kInvalidParameter, "Invalid parameter: Tags Reason: Topic already exists with different tags");
    }
    return {};
  }
  const auto in_scope =
      std::ranges::count_if(topics_, [&](const auto& entry) { return entry.first.scope == name.scope; });
  if (static_cast<std::size_t>(in_scope) >= kTopicsMax) {
    return Error(kTopicLimitExceeded, "Topic limit exceeded: " + std::to_string(kTopicsMax));
  }
  store_topic(std::move(topic), {});
  return {};
}

void Service::delete_topic(const TopicName& name) {
  const std::scoped_lock lock(mutex_);
  if (topics_.erase(name) == 0) return;
  WriteBatch batch;
  batch.erase(Family::kCatalogue, key_of(kTopicPrefix, name));
  const std::string from = key_of(kSubscriptionPrefix, name);
  batch.erase_range(Family::kCatalogue, from, storage::prefix_end(from));
  commits_.submit(std::move(batch));
}

void Service::reset(std::string_view account) {
  std::vector<TopicName> names;
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& [name, topic] : topics_) {
      if (name.scope.account == account) names.push_back(name);
    }
  }
  for (const auto& name : names) delete_topic(name);
}

Result<TopicPointer> Service::topic(const TopicName& name) const {
  const std::scoped_lock lock(mutex_);
  TopicPointer found = find(name);
  if (found == nullptr) return no_topic();
  return found;
}

std::vector<TopicPointer> Service::all_topics() const {
  const std::scoped_lock lock(mutex_);
  std::vector<TopicPointer> all;
  for (const auto& [name, topic] : topics_) all.push_back(topic);
  return all;
}

Result<Page<TopicName>> Service::list_topics(const Scope& scope, std::string_view token) const {
  std::vector<TopicName> names;
  {
    const std::scoped_lock lock(mutex_);
    for (auto it = topics_.lower_bound(TopicName{scope, ""}); it != topics_.end() && it->first.scope == scope; ++it) {
      names.push_back(it->first);
    }
  }
  return page_of(std::move(names), token, [](const TopicName& name) { return name.name; });
}

Result<void> Service::set_topic_attribute(const TopicName& name, std::string_view attribute, std::string_view value) {
  const std::scoped_lock lock(mutex_);
  const TopicPointer present = find(name);
  if (present == nullptr) return no_topic();
  Topic topic = *present;
  MR_RETURN_IF_ERROR(topic.set(attribute, value));
  store_topic(std::move(topic), {});
  return {};
}

Result<void> Service::tag(const TopicName& name, const Tags& tags) {
  const std::scoped_lock lock(mutex_);
  const TopicPointer present = find(name);
  if (present == nullptr) return Error(kResourceNotFound, "Resource does not exist");
  Topic topic = *present;
  for (const auto& [key, value] : tags) topic.tags[key] = value;
  if (topic.tags.size() > kTagsMax) {
    return Error(kTagLimitExceeded, "Could not complete request: tag quota of per resource exceeded");
  }
  store_topic(std::move(topic), {});
  return {};
}

Result<void> Service::untag(const TopicName& name, const std::vector<std::string>& keys) {
  const std::scoped_lock lock(mutex_);
  const TopicPointer present = find(name);
  if (present == nullptr) return Error(kResourceNotFound, "Resource does not exist");
  Topic topic = *present;
  for (const auto& key : keys) topic.tags.erase(key);
  store_topic(std::move(topic), {});
  return {};
}

// --- subscriptions ---

Result<std::string> Service::subscribe(const TopicName& name, std::string_view protocol, std::string_view endpoint,
                                       const Attributes& attributes, std::string_view account) {
  MR_RETURN_IF_ERROR(check_endpoint(protocol, endpoint));
  Subscription subscription;
  subscription.protocol = protocol;
  subscription.endpoint = endpoint;
  subscription.owner = account;
  MR_RETURN_IF_ERROR(set_all(subscription, attributes));
  const std::scoped_lock lock(mutex_);
  const TopicPointer present = find(name);
  if (present == nullptr) return no_topic();
  for (const auto& [id, other] : present->subscriptions) {
    if (other.protocol != protocol || other.endpoint != endpoint) continue;
    if (!attributes.empty() && other.settings() != subscription.settings()) {
      return Error(kInvalidParameter,
                   "Invalid parameter: Attributes Reason: Subscription already exists with different attributes");
    }
    return subscription_arn({name, id});
  }
  if (present->subscriptions.size() >= kSubscriptionsPerTopicMax) {
    return Error(kSubscriptionLimitExceeded, "Subscription limit exceeded for this topic");
  }
  subscription.id = resources_.random.uuid();
  const SubscriptionName made{name, subscription.id};
  WriteBatch batch;
  batch.put(Family::kCatalogue, key_of(made), encode(name, subscription));
  Topic topic = *present;
  topic.subscriptions[made.id] = std::move(subscription);
  store_topic(std::move(topic), std::move(batch));
  return subscription_arn(made);
}

Result<void> Service::unsubscribe(const SubscriptionName& name) {
  const std::scoped_lock lock(mutex_);
  const TopicPointer present = find(name.topic);
  if (present == nullptr || !present->subscriptions.contains(name.id)) return {};
  Topic topic = *present;
  topic.subscriptions.erase(name.id);
  ++topic.deleted_subscriptions;
  WriteBatch batch;
  batch.erase(Family::kCatalogue, key_of(name));
  store_topic(std::move(topic), std::move(batch));
  return {};
}

Result<SubscriptionInfo> Service::subscription(const SubscriptionName& name) const {
  const std::scoped_lock lock(mutex_);
  const TopicPointer present = find(name.topic);
  if (present == nullptr) return no_subscription();
  const auto it = present->subscriptions.find(name.id);
  if (it == present->subscriptions.end()) return no_subscription();
  return SubscriptionInfo{name, it->second};
}

Result<void> Service::set_subscription_attribute(const SubscriptionName& name, std::string_view attribute,
                                                 std::string_view value) {
  const std::scoped_lock lock(mutex_);
  const TopicPointer present = find(name.topic);
  if (present == nullptr || !present->subscriptions.contains(name.id)) return no_subscription();
  Topic topic = *present;
  Subscription& subscription = topic.subscriptions.find(name.id)->second;
  MR_RETURN_IF_ERROR(subscription.set(attribute, value));
  WriteBatch batch;
  batch.put(Family::kCatalogue, key_of(name), encode(name.topic, subscription));
  store_topic(std::move(topic), std::move(batch));
  return {};
}

Result<Page<SubscriptionInfo>> Service::list_subscriptions(const Scope& scope, std::string_view token) const {
  std::vector<SubscriptionInfo> all;
  {
    const std::scoped_lock lock(mutex_);
    for (auto it = topics_.lower_bound(TopicName{scope, ""}); it != topics_.end() && it->first.scope == scope; ++it) {
      for (const auto& [id, subscription] : it->second->subscriptions) all.push_back({{it->first, id}, subscription});
    }
  }
  std::ranges::sort(all, {}, key_of_info);
  return page_of(std::move(all), token, key_of_info);
}

Result<Page<SubscriptionInfo>> Service::list_subscriptions_of(const TopicName& name, std::string_view token) const {
  MR_ASSIGN_OR_RETURN(const TopicPointer found, topic(name));
  std::vector<SubscriptionInfo> all;
  for (const auto& [id, subscription] : found->subscriptions) all.push_back({{name, id}, subscription});
  return page_of(std::move(all), token, key_of_info);
}

}  // namespace millrace::sns
