// One function per operation; the AWS API reference says what each does. Thread-safe.
#pragma once

#include "sns/service.h"
#include "wire/service.h"

namespace millrace::api_sns {

using wire::Document;
using wire::Reply;
using wire::RequestContext;

// operations/topics.cc
Result<Reply> create_topic(sns::Service& topics, const RequestContext& context, const Document& input);
Result<Reply> delete_topic(sns::Service& topics, const RequestContext& context, const Document& input);
Result<Reply> list_topics(sns::Service& topics, const RequestContext& context, const Document& input);
Result<Reply> get_topic_attributes(sns::Service& topics, const RequestContext& context, const Document& input);
Result<Reply> set_topic_attributes(sns::Service& topics, const RequestContext& context, const Document& input);
Result<Reply> tag_resource(sns::Service& topics, const RequestContext& context, const Document& input);
Result<Reply> untag_resource(sns::Service& topics, const RequestContext& context, const Document& input);
Result<Reply> list_tags_for_resource(sns::Service& topics, const RequestContext& context, const Document& input);

// operations/subscriptions.cc
Result<Reply> subscribe(sns::Service& topics, const RequestContext& context, const Document& input);
Result<Reply> unsubscribe(sns::Service& topics, const RequestContext& context, const Document& input);
Result<Reply> list_subscriptions(sns::Service& topics, const RequestContext& context, const Document& input);
Result<Reply> list_subscriptions_by_topic(sns::Service& topics, const RequestContext& context, const Document& input);
Result<Reply> get_subscription_attributes(sns::Service& topics, const RequestContext& context, const Document& input);
Result<Reply> set_subscription_attributes(sns::Service& topics, const RequestContext& context, const Document& input);

// operations/publish.cc
Result<Reply> publish(sns::Service& topics, const RequestContext& context, const Document& input);
Result<Reply> publish_batch(sns::Service& topics, const RequestContext& context, const Document& input);

// `output` as an answer that waits for what the topics have done so far.
Reply reply(const sns::Service& topics, Document output = Document::object());
// The topic of an ARN. Error: kInvalidParameter naming `member`.
Result<sns::TopicName> topic_of(std::string_view arn, std::string_view member);
Result<sns::SubscriptionName> subscription_of(std::string_view arn);

}  // namespace millrace::api_sns
