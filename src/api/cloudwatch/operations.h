// One function per operation; the AWS API reference says what each does. Thread-safe.
#pragma once

#include <optional>
#include <string_view>

#include "api/cloudwatch/service.h"
#include "metrics/query.h"
#include "wire/service.h"

namespace millrace::api_cloudwatch {

using wire::Document;
using wire::Reply;
using wire::RequestContext;

// operations/data.cc
Result<Reply> put_metric_data(const Parts& parts, const RequestContext& context, const Document& input);
Result<Reply> list_metrics(const Parts& parts, const RequestContext& context, const Document& input);
// operations/statistics.cc
Result<Reply> get_metric_data(const Parts& parts, const RequestContext& context, const Document& input);
Result<Reply> get_metric_statistics(const Parts& parts, const RequestContext& context, const Document& input);

// operations/alarms.cc
Result<Reply> put_metric_alarm(const Parts& parts, const RequestContext& context, const Document& input);
Result<Reply> delete_alarms(const Parts& parts, const RequestContext& context, const Document& input);
Result<Reply> describe_alarms(const Parts& parts, const RequestContext& context, const Document& input);
Result<Reply> describe_alarms_for_metric(const Parts& parts, const RequestContext& context, const Document& input);
Result<Reply> describe_alarm_history(const Parts& parts, const RequestContext& context, const Document& input);
Result<Reply> set_alarm_state(const Parts& parts, const RequestContext& context, const Document& input);
Result<Reply> enable_alarm_actions(const Parts& parts, const RequestContext& context, const Document& input);
Result<Reply> disable_alarm_actions(const Parts& parts, const RequestContext& context, const Document& input);
Result<Reply> tag_resource(const Parts& parts, const RequestContext& context, const Document& input);
Result<Reply> untag_resource(const Parts& parts, const RequestContext& context, const Document& input);
Result<Reply> list_tags_for_resource(const Parts& parts, const RequestContext& context, const Document& input);

// --- what they share, shared.cc ---

// kInvalidParameterValue naming the member.
Error not_supported(std::string_view member);
Error invalid(std::string text);   // kInvalidParameterValue
Error conflict(std::string text);  // kInvalidParameterCombination
Error missing(std::string_view member);

// The dimensions of [{Name, Value}], sorted. Errors: empty, too long, no ASCII, more than 30, twice the same name.
Result<metrics::Dimensions> dimensions_of(const Document& input);
Document dimensions_document(const metrics::Dimensions& dimensions);
// kInvalidParameterValue unless it is a unit of CloudWatch.
Result<void> check_unit(std::string_view unit);
std::optional<Time> time_of(const Document& input, std::string_view member);
double seconds_of(Time time);
// The queries of MetricDataQueries or of an alarm's Metrics, checked.
Result<std::vector<metrics::Query>> queries_of(const Scope& scope, const Document& list);
// Pages of a list: `token` is where to go on. Error: kInvalidNextToken.
Result<std::size_t> offset_of(std::string_view token);
std::string token_of(std::size_t offset);

}  // namespace millrace::api_cloudwatch
