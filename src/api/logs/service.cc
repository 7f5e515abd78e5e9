#include "api/logs/service.h"

#include "api/logs/operations.h"
#include "logs/errors.h"
#include "wire/arn.h"
#include "wire/generated/logs.h"
#include "wire/refusals.h"

namespace millrace::api_logs {

Reply reply(const logs::Service& logs, Document output) {
  Reply answer;
  answer.output = std::move(output);
  answer.after = logs.last_commit();
  return answer;
}

Error not_supported(std::string_view member) {
  return Error(logs::kInvalidParameter, "The parameter " + std::string(member) + " is not supported by this server.");
}

Result<logs::GroupName> group_of(const RequestContext& context, std::optional<std::string_view> name,
                                 std::optional<std::string_view> identifier) {
  if (name.has_value() == identifier.has_value()) {
    return Error(logs::kInvalidParameter, name ? "LogGroupName and logGroupIdentifier are mutually exclusive."
                                               : "Either logGroupName or logGroupIdentifier must be given.");
  }
  const std::string_view text = name ? *name : *identifier;
  logs::GroupName group{context.caller.scope, std::string(text)};
  if (!text.starts_with("arn:")) return group;
  constexpr std::string_view kKind = "log-group:";
  const auto arn = wire::parse_arn(text);
  if (!arn || arn->service != "logs" || !arn->resource.starts_with(kKind)) {
    return Error(logs::kInvalidParameter, "Invalid log group identifier: " + std::string(text));
  }
  group.scope = {arn->account, arn->region};
  group.name = arn->resource.substr(kKind.size());
  if (group.name.ends_with(":*")) group.name.resize(group.name.size() - 2);
  return group;
}

std::unique_ptr<wire::Service> make_logs_service(logs::Service& logs) {
  auto service = std::make_unique<wire::Service>(wire::logs::kModel);
  using Operation = Result<Reply> (*)(logs::Service&, const RequestContext&, const Document&);
  const auto serve = [&](std::string_view name, Operation operation) {
    service->on(name, [&logs, operation](const RequestContext& context, const Document& input) {
      return operation(logs, context, input);
    });
  };
  serve("CreateLogGroup", create_log_group);
  serve("DeleteLogGroup", delete_log_group);
  serve("DescribeLogGroups", describe_log_groups);
  serve("PutRetentionPolicy", put_retention_policy);
  serve("DeleteRetentionPolicy", delete_retention_policy);
  serve("TagResource", tag_resource);
  serve("UntagResource", untag_resource);
  serve("ListTagsForResource", list_tags_for_resource);
  serve("TagLogGroup", tag_log_group);
  serve("UntagLogGroup", untag_log_group);
  serve("ListTagsLogGroup", list_tags_log_group);
  serve("CreateLogStream", create_log_stream);
  serve("DeleteLogStream", delete_log_stream);
  serve("DescribeLogStreams", describe_log_streams);
  serve("PutLogEvents", put_log_events);
  serve("GetLogEvents", get_log_events);
  serve("FilterLogEvents", filter_log_events);
  serve("PutMetricFilter", put_metric_filter);
  serve("DeleteMetricFilter", delete_metric_filter);
  serve("DescribeMetricFilters", describe_metric_filters);
  serve("TestMetricFilter", test_metric_filter);
  service->on_pool({"GetLogEvents", "FilterLogEvents"});
  wire::hold_refusals(*service, [&logs] { return logs.last_commit(); });
  return service;
}

}  // namespace millrace::api_logs
