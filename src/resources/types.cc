#include "resources/types.h"

namespace millrace::resources {

void register_types(stacks::TypeRegistry& registry) {
  registry.add(make_dynamodb_table());
  registry.add(make_sns_topic());
  registry.add(make_sqs_queue());
  registry.add(make_cdk_metadata());
  registry.add(make_dynamodb_global_table());
  registry.add(make_events_rule());
  registry.add(make_iam_access_key());
  registry.add(make_iam_group());
  registry.add(make_iam_managed_policy());
  registry.add(make_iam_policy());
  registry.add(make_iam_role());
  registry.add(make_iam_user());
  registry.add(make_iam_user_to_group_addition());
  registry.add(make_lambda_event_source_mapping());
  registry.add(make_lambda_function());
  registry.add(make_lambda_permission());
  registry.add(make_logs_log_group());
  registry.add(make_s3_bucket());
  registry.add(make_s3_bucket_policy());
  registry.add(make_ssm_parameter());
  registry.add(make_cloudwatch_alarm());
  registry.add(make_ecr_repository());
  registry.add(make_kms_alias());
  registry.add(make_kms_key());
  registry.add(make_lambda_alias());
  registry.add(make_lambda_event_invoke_config());
  registry.add(make_lambda_layer_version());
  registry.add(make_lambda_url());
  registry.add(make_lambda_version());
  registry.add(make_logs_metric_filter());
  registry.add(make_sns_subscription());
  registry.add(make_sns_topic_policy());
  registry.add(make_sqs_queue_policy());
  registry.add(make_cloudformation_stack());
  registry.add(make_custom_resource("Custom::*"));
  registry.add(make_custom_resource("AWS::CloudFormation::CustomResource"));
}

}  // namespace millrace::resources
