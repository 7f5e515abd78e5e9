// CloudFormation's resource types: one file per type, each calls its service's own operations.
#pragma once

#include "stacks/resource_type.h"

namespace millrace::resources {

// Adds every type that is served.
void register_types(stacks::TypeRegistry& registry);

// One per type; defined in the file of its name.
std::unique_ptr<stacks::ResourceType> make_dynamodb_table();
std::unique_ptr<stacks::ResourceType> make_sns_topic();
std::unique_ptr<stacks::ResourceType> make_sqs_queue();
std::unique_ptr<stacks::ResourceType> make_cdk_metadata();
std::unique_ptr<stacks::ResourceType> make_dynamodb_global_table();
std::unique_ptr<stacks::ResourceType> make_events_rule();
std::unique_ptr<stacks::ResourceType> make_iam_access_key();
std::unique_ptr<stacks::ResourceType> make_iam_group();
std::unique_ptr<stacks::ResourceType> make_iam_managed_policy();
std::unique_ptr<stacks::ResourceType> make_iam_policy();
std::unique_ptr<stacks::ResourceType> make_iam_role();
std::unique_ptr<stacks::ResourceType> make_iam_user();
std::unique_ptr<stacks::ResourceType> make_iam_user_to_group_addition();
std::unique_ptr<stacks::ResourceType> make_lambda_event_source_mapping();
std::unique_ptr<stacks::ResourceType> make_lambda_function();
std::unique_ptr<stacks::ResourceType> make_lambda_permission();
std::unique_ptr<stacks::ResourceType> make_logs_log_group();
std::unique_ptr<stacks::ResourceType> make_s3_bucket();
std::unique_ptr<stacks::ResourceType> make_s3_bucket_policy();
std::unique_ptr<stacks::ResourceType> make_ssm_parameter();
std::unique_ptr<stacks::ResourceType> make_cloudwatch_alarm();
std::unique_ptr<stacks::ResourceType> make_ecr_repository();
std::unique_ptr<stacks::ResourceType> make_kms_alias();
std::unique_ptr<stacks::ResourceType> make_kms_key();
std::unique_ptr<stacks::ResourceType> make_lambda_alias();
std::unique_ptr<stacks::ResourceType> make_lambda_event_invoke_config();
std::unique_ptr<stacks::ResourceType> make_lambda_layer_version();
std::unique_ptr<stacks::ResourceType> make_lambda_url();
std::unique_ptr<stacks::ResourceType> make_lambda_version();
std::unique_ptr<stacks::ResourceType> make_logs_metric_filter();
std::unique_ptr<stacks::ResourceType> make_sns_subscription();
std::unique_ptr<stacks::ResourceType> make_sns_topic_policy();
std::unique_ptr<stacks::ResourceType> make_sqs_queue_policy();
std::unique_ptr<stacks::ResourceType> make_cloudformation_stack();
// "Custom::*", and the same as "AWS::CloudFormation::CustomResource".
std::unique_ptr<stacks::ResourceType> make_custom_resource(std::string_view name);

}  // namespace millrace::resources
