// Publishing: one batch with what every subscriber gets.
#include <algorithm>
#include <set>
#include <utility>

#include "sns/errors.h"
#include "sns/limits.h"
#include "sns/service.h"
#include "telemetry/log.h"

namespace millrace::sns {
namespace {

using storage::WriteBatch;

bool is_batch_id(std::string_view id) {
  return !id.empty() && id.size() <= 80 && std::ranges::all_of(id, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

Result<void> check_batch(const std::vector<PublishEntry>& entries) {
  if (entries.empty()) return Error(kEmptyBatchRequest, "The batch request doesn't contain any entries.");
  if (entries.size() > kBatchEntriesMax) {
    return Error(kTooManyEntriesInBatchRequest,
                 "The batch request contains more entries than permissible: " + std::to_string(entries.size()) + ".");
  }
  std::set<std::string_view> seen;
  std::size_t bytes = 0;
  for (const auto& entry : entries) {
    if (!is_batch_id(entry.id)) {
      return Error(kInvalidBatchEntryId,
                   "The Id of a batch entry in a batch request doesn't abide by the specification.");
    }
    if (!seen.insert(entry.id).second) {
      return Error(kBatchEntryIdsNotDistinct, "Two or more batch entries in the request have the same Id.");
    }
    bytes += message_bytes(entry.message);
  }
  if (bytes > kMessageBytesMax) {
    return Error(kBatchRequestTooLong, "The length of all the batch messages put together is more than the limit.");
  }
  return {};
}

delivery::Message letter_for(const Subscription& subscription, const Notification& notification) {
  delivery::Message letter;
  if (subscription.protocol == "lambda") {
    letter.body = function_event(notification);
  } else if (subscription.raw) {
    letter.body = body_for(*notification.message, subscription.protocol);
    for (const auto& attribute : notification.message->attributes) {
      letter.attributes.push_back({attribute.name, attribute.type, attribute.value});
    }
  } else {
    letter.body = queue_envelope(notification);
  }
  return letter;
}

}  // namespace

telemetry::Counter& Service::counter(std::string_view name, std::string_view help, const TopicName& topic) {
  return resources_.registry.counter(name, {{"topic", topic.name}, {"region", topic.scope.region}}, help);
}

// Staged apart: a target that refuses must not leave half of its entries in the batch.
void Service::stage_one(const Topic& topic, const Subscription& subscription, const Notification& notification,
                        WriteBatch& batch, AfterCommits& after) {
  const delivery::Message letter = letter_for(subscription, notification);
  const auto send = [&](const std::string& arn) -> Result<void> {
    WriteBatch staged;
    MR_ASSIGN_OR_RETURN(auto call, resources_.delivery.stage(arn, letter, staged));
    batch.append(std::move(staged));
    if (call) after.push_back(std::move(call));
    return {};
  };
  const auto sent = send(subscription.endpoint);
  if (sent.ok()) {
    counter("sns_notifications_delivered_total", "NumberOfNotificationsDelivered", topic.name).add();
    return;
  }
  counter("sns_notifications_failed_total", "NumberOfNotificationsFailed", topic.name).add();
  std::string fate = "it is lost: the subscription has no dead-letter queue";
  if (!subscription.dead_letter_arn.empty()) {
    const auto kept = send(subscription.dead_letter_arn);
    fate = kept.ok() ? "it is in " + subscription.dead_letter_arn
                     : "it is lost: its dead-letter queue refused: " + kept.error().message();
    counter(kept.ok() ? "sns_notifications_redriven_to_dlq_total" : "sns_notifications_failed_to_redrive_to_dlq_total",
            kept.ok() ? "NumberOfNotificationsRedrivenToDlq" : "NumberOfNotificationsFailedToRedriveToDlq", topic.name)
        .add();
  }
  telemetry::log_warning("sns", "message " + notification.id + " of " + notification.topic_arn +
                                    " cannot be delivered to " + subscription.endpoint + ": " + sent.error().message() +
                                    "; " + fate);
}

std::string Service::stage_all(const Topic& topic, const Outgoing& message, WriteBatch& batch, AfterCommits& after) {
  Notification notification;
  notification.message = &message;
  notification.id = resources_.random.uuid();
  notification.topic_arn = topic_arn(topic.name);
  notification.region = topic.name.scope.region;
  notification.sent = resources_.scheduler.now();
  if (const auto it = topic.attributes.find("SignatureVersion"); it != topic.attributes.end()) {
    notification.signature_version = it->second;
  }
  counter("sns_messages_published_total", "NumberOfMessagesPublished", topic.name).add();
  for (const auto& [id, subscription] : topic.subscriptions) {
    if (!subscription.filter.passes(message)) {
      counter("sns_notifications_filtered_out_total", "NumberOfNotificationsFilteredOut", topic.name).add();
      continue;
    }
    notification.subscription_arn = subscription_arn({topic.name, id});
    stage_one(topic, subscription, notification, batch, after);
  }
  return notification.id;
}

void Service::submit_published(WriteBatch batch, AfterCommits after) {
  if (batch.empty()) return;
  platform::Scheduler& scheduler = resources_.scheduler;
  commits_.submit(std::move(batch), [&scheduler, after = std::move(after)](const storage::Committed& committed) {
    if (committed.error != nullptr || after.empty()) return;
    scheduler.post([after] {
      for (const auto& call : after) call();
    });
  });
}

Result<std::string> Service::publish(const TopicName& name, const Outgoing& message) {
  MR_ASSIGN_OR_RETURN(const TopicPointer found, topic(name));
  MR_RETURN_IF_ERROR(check_message(message));
  WriteBatch batch;
  AfterCommits after;
  std::string id = stage_all(*found, message, batch, after);
  submit_published(std::move(batch), std::move(after));
  return id;
}

Result<std::vector<PublishedEntry>> Service::publish_batch(const TopicName& name,
                                                           const std::vector<PublishEntry>& entries) {
  MR_ASSIGN_OR_RETURN(const TopicPointer found, topic(name));
  MR_RETURN_IF_ERROR(check_batch(entries));
  WriteBatch batch;
  AfterCommits after;
  std::vector<PublishedEntry> results;
  for (const auto& entry : entries) {
    auto checked = check_message(entry.message);
    if (!checked.ok()) {
      results.push_back({entry.id, std::move(checked).error()});
    } else {
      results.push_back({entry.id, stage_all(*found, entry.message, batch, after)});
    }
  }
  submit_published(std::move(batch), std::move(after));
  return results;
}

Result<delivery::AfterCommit> Service::stage(const TopicName& name, const Outgoing& message, WriteBatch& batch) {
  MR_ASSIGN_OR_RETURN(const TopicPointer found, topic(name));
  MR_RETURN_IF_ERROR(check_message(message));
  AfterCommits after;
  stage_all(*found, message, batch, after);
  return delivery::AfterCommit([after = std::move(after)] {
    for (const auto& call : after) call();
  });
}

}  // namespace millrace::sns
