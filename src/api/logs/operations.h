// One function per operation; the AWS API reference says what each does. Thread-safe.
#pragma once

#include <optional>
#include <string_view>

#include "logs/service.h"
#include "wire/service.h"

namespace millrace::api_logs {

using wire::Document;
using wire::Reply;
using wire::RequestContext;

// operations/groups.cc
Result<Reply> create_log_group(logs::Service& logs, const RequestContext& context, const Document& input);
Result<Reply> delete_log_group(logs::Service& logs, const RequestContext& context, const Document& input);
Result<Reply> describe_log_groups(logs::Service& logs, const RequestContext& context, const Document& input);
Result<Reply> put_retention_policy(logs::Service& logs, const RequestContext& context, const Document& input);
Result<Reply> delete_retention_policy(logs::Service& logs, const RequestContext& context, const Document& input);
Result<Reply> tag_resource(logs::Service& logs, const RequestContext& context, const Document& input);
Result<Reply> untag_resource(logs::Service& logs, const RequestContext& context, const Document& input);
Result<Reply> list_tags_for_resource(logs::Service& logs, const RequestContext& context, const Document& input);
Result<Reply> tag_log_group(logs::Service& logs, const RequestContext& context, const Document& input);
Result<Reply> untag_log_group(logs::Service& logs, const RequestContext& context, const Document& input);
Result<Reply> list_tags_log_group(logs::Service& logs, const RequestContext& context, const Document& input);

// operations/streams.cc
Result<Reply> create_log_stream(logs::Service& logs, const RequestContext& context, const Document& input);
Result<Reply> delete_log_stream(logs::Service& logs, const RequestContext& context, const Document& input);
Result<Reply> describe_log_streams(logs::Service& logs, const RequestContext& context, const Document& input);

// operations/events.cc
Result<Reply> put_log_events(logs::Service& logs, const RequestContext& context, const Document& input);
Result<Reply> get_log_events(logs::Service& logs, const RequestContext& context, const Document& input);
Result<Reply> filter_log_events(logs::Service& logs, const RequestContext& context, const Document& input);

// operations/metric_filters.cc
Result<Reply> put_metric_filter(logs::Service& logs, const RequestContext& context, const Document& input);
Result<Reply> delete_metric_filter(logs::Service& logs, const RequestContext& context, const Document& input);
Result<Reply> describe_metric_filters(logs::Service& logs, const RequestContext& context, const Document& input);
Result<Reply> test_metric_filter(logs::Service& logs, const RequestContext& context, const Document& input);

// `output` as an answer that waits for what the service has done so far.
Reply reply(const logs::Service& logs, Document output = Document::object());

// The group of logGroupName or logGroupIdentifier (a name, or an ARN with or without ":*"), of which AWS takes exactly
// one. kInvalidParameter otherwise.
Result<logs::GroupName> group_of(const RequestContext& context, std::optional<std::string_view> name,
                                 std::optional<std::string_view> identifier);
// kInvalidParameter naming the member.
Error not_supported(std::string_view member);

}  // namespace millrace::api_logs
