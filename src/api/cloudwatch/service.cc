#include "api/cloudwatch/service.h"

#include "api/cloudwatch/operations.h"
#include "wire/generated/cloudwatch.h"
#include "wire/refusals.h"

namespace millrace::api_cloudwatch {

std::unique_ptr<wire::Service> make_cloudwatch_service(const Parts& parts) {
  auto service = std::make_unique<wire::Service>(wire::cloudwatch::kModel);
  using Operation = Result<Reply> (*)(const Parts&, const RequestContext&, const Document&);
  const auto serve = [&](std::string_view name, Operation operation) {
    service->on(name, [parts, operation](const RequestContext& context, const Document& input) {
      return operation(parts, context, input);
    });
  };
  serve("PutMetricAlarm", put_metric_alarm);
  serve("DeleteAlarms", delete_alarms);
  serve("DescribeAlarms", describe_alarms);
  serve("DescribeAlarmsForMetric", describe_alarms_for_metric);
  serve("DescribeAlarmHistory", describe_alarm_history);
  serve("SetAlarmState", set_alarm_state);
  serve("EnableAlarmActions", enable_alarm_actions);
  serve("DisableAlarmActions", disable_alarm_actions);
  serve("TagResource", tag_resource);
  serve("UntagResource", untag_resource);
  serve("ListTagsForResource", list_tags_for_resource);
  serve("PutMetricData", put_metric_data);
  serve("ListMetrics", list_metrics);
  serve("GetMetricData", get_metric_data);
  serve("GetMetricStatistics", get_metric_statistics);
  service->on_pool({"GetMetricData", "GetMetricStatistics"});
  wire::hold_refusals(*service, [parts] { return parts.alarms.last_commit(); });
  return service;
}

}  // namespace millrace::api_cloudwatch
