#include "codec/json.h"
#include "iam/managed_policies.h"

namespace millrace::iam {
namespace aws_policies_internal {

using codec::Json;

constexpr std::string_view kLogs[] = {"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"};

ManagedPolicy policy_of(std::string path, std::string name, std::vector<std::string_view> actions, bool with_logs) {
  Json list = Json::array();
  for (const auto action : actions) list.push(action);
  if (with_logs) {
    for (const auto action : kLogs) list.push(action);
  }
  const Json statement = Json::object({{"Effect", "Allow"}, {"Action", std::move(list)}, {"Resource", "*"}});
  ManagedPolicy policy;
  policy.account = kAwsAccount;
  policy.path = std::move(path);
  policy.name = std::move(name);
  policy.id = derived_id("ANPA", policy.arn());
  policy.created = policy.updated = from_unix_ms(1'428'624'000'000);  // the day when Lambda became available
  policy.versions.push_back(
      {1, policy.created, Json::object({{"Version", "2012-10-17"}, {"Statement", Json::array({statement})}}).dump()});
  return policy;
}

}  // namespace aws_policies_internal

const std::vector<ManagedPolicy>& aws_policies() {
  using aws_policies_internal::policy_of;
  constexpr bool kWithLogs = true;
  static const std::vector<ManagedPolicy> kPolicies = {
      policy_of("/", "AWSXRayDaemonWriteAccess",
                {"xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules",
                 "xray:GetSamplingTargets", "xray:GetSamplingStatisticSummaries"},
                !kWithLogs),
      policy_of("/", "AdministratorAccess", {"*"}, !kWithLogs),
      policy_of("/service-role/", "AWSLambdaBasicExecutionRole", {}, kWithLogs),
      policy_of("/service-role/", "AWSLambdaDynamoDBExecutionRole",
                {"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"},
                kWithLogs),
      policy_of("/service-role/", "AWSLambdaKinesisExecutionRole",
                {"kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords",
                 "kinesis:GetShardIterator", "kinesis:ListShards", "kinesis:ListStreams", "kinesis:SubscribeToShard"},
                kWithLogs),
      policy_of("/service-role/", "AWSLambdaRole", {"lambda:InvokeFunction"}, !kWithLogs),
      policy_of("/service-role/", "AWSLambdaSQSQueueExecutionRole",
                {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}, kWithLogs),
      policy_of("/service-role/", "AWSLambdaVPCAccessExecutionRole",
                {"ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets",
                 "ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"},
                kWithLogs),
  };
  return kPolicies;
}

}  // namespace millrace::iam
