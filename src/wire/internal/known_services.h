// Services that clients call on the same port and that are not served: named in the answer, in their own protocol.
#pragma once

#include <string_view>

#include "wire/shapes.h"

namespace millrace::wire::internal {

struct KnownService {
  std::string_view signing_name;
  std::string_view full_name;
  std::string_view target_prefix;  // "" = none
  Protocol protocol;
};

inline constexpr KnownService kKnownServices[] = {
    {"apigateway", "Amazon API Gateway", "", Protocol::kRestJson},
    {"application-autoscaling", "Application Auto Scaling", "AnyScaleFrontendService", Protocol::kJson},
    {"cloudformation", "AWS CloudFormation", "", Protocol::kQuery},
    {"cloudtrail", "AWS CloudTrail", "CloudTrail_20131101", Protocol::kJson},
    {"dax", "Amazon DynamoDB Accelerator (DAX)", "AmazonDAXV3", Protocol::kJson},
    {"dynamodb", "Amazon DynamoDB", "DynamoDB_20120810", Protocol::kJson},
    {"dynamodb", "Amazon DynamoDB Streams", "DynamoDBStreams_20120810", Protocol::kJson},
    {"ec2", "Amazon Elastic Compute Cloud", "", Protocol::kQuery},
    {"ecr", "Amazon EC2 Container Registry", "AmazonEC2ContainerRegistry_V20150921", Protocol::kJson},
    {"es", "Amazon OpenSearch Service", "", Protocol::kRestJson},
    {"events", "Amazon EventBridge", "AWSEvents", Protocol::kJson},
    {"firehose", "Amazon Kinesis Firehose", "Firehose_20150804", Protocol::kJson},
    {"iam", "AWS Identity and Access Management", "", Protocol::kQuery},
    {"kinesis", "Amazon Kinesis", "Kinesis_20131202", Protocol::kJson},
    {"kms", "AWS Key Management Service", "TrentService", Protocol::kJson},
    {"lambda", "AWS Lambda", "", Protocol::kRestJson},
    {"logs", "Amazon CloudWatch Logs", "Logs_20140328", Protocol::kJson},
    {"monitoring", "Amazon CloudWatch", "GraniteServiceVersion20100801", Protocol::kJson},
    {"s3", "Amazon Simple Storage Service", "", Protocol::kRestXml},
    {"scheduler", "Amazon EventBridge Scheduler", "", Protocol::kRestJson},
    {"secretsmanager", "AWS Secrets Manager", "secretsmanager", Protocol::kJson},
    {"sns", "Amazon Simple Notification Service", "", Protocol::kQuery},
    {"sqs", "Amazon Simple Queue Service", "AmazonSQS", Protocol::kJson},
    {"ssm", "Amazon Simple Systems Manager", "AmazonSSM", Protocol::kJson},
    {"states", "AWS Step Functions", "AWSStepFunctions", Protocol::kJson},
    {"sts", "AWS Security Token Service", "", Protocol::kQuery},
    {"tagging", "AWS Resource Groups Tagging API", "ResourceGroupsTaggingAPI_20170126", Protocol::kJson},
    {"xray", "AWS X-Ray", "", Protocol::kRestJson},
};

}  // namespace millrace::wire::internal
