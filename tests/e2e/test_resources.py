"""Every resource type of CloudFormation: made, changed in place, replaced and removed; what the services say each time."""
import io
import json
import zipfile

import pytest
from botocore.exceptions import ClientError

from world import wait_until

ACCOUNT = "000000000000"
TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
ALLOW = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
ROLE = f"arn:aws:iam::{ACCOUNT}:role/functions"
CODE = {"ZipFile": "def handler(event, context):\n    return 1\n"}
FUNCTION = {"Type": "AWS::Lambda::Function", "Properties": {"Runtime": "python3.11", "Handler": "index.handler", "Role": ROLE, "Code": CODE}}
KEYS = {"AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}], "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}
QUEUE = {"Type": "AWS::SQS::Queue"}
TOPIC = {"Type": "AWS::SNS::Topic"}
GROUP = {"Type": "AWS::Logs::LogGroup"}
QUEUE_ARN = {"Fn::GetAtt": ["Queue", "Arn"]}
RULES = json.dumps({"rules": [{"rulePriority": 1, "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 3},
                               "action": {"type": "expire"}}]})
LAMBDA_POLICY = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"


def policy_of(*actions):
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]}


def bucket_policy(action):
    return {"Statement": [{"Effect": "Deny", "Principal": "*", "Action": action, "Condition": {"Bool": {"aws:SecureTransport": False}},
                           "Resource": {"Fn::Sub": "arn:aws:s3:::${Bucket}/*"}}]}


class Case:
    """A type: what it needs beside it, properties before and after a change in place, those that replace it (None: no such), how a service
    shows it (given clients and the physical id), and what that gives before and after."""

    def __init__(self, name, before, after=None, replaced=None, beside=None, look=None, shown=None, changed=None, stays=False):
        self.name, self.before, self.after, self.replaced = name, before, after, replaced
        self.beside, self.look, self.shown, self.changed, self.stays = beside or {}, look, shown, changed, stays


CASES = [
    Case("AWS::CloudWatch::Alarm", {"ComparisonOperator": "GreaterThanThreshold", "EvaluationPeriods": 1, "Threshold": 1, "MetricName": "m", "Namespace": "n",
                                    "Statistic": "Sum", "Period": 60}, {"Threshold": 2}, {"AlarmName": "NAME"},
         look=lambda client, id: [each["Threshold"] for each in client("cloudwatch").describe_alarms(AlarmNames=[id])["MetricAlarms"]][0],
         shown=1.0, changed=2.0),
    Case("AWS::DynamoDB::Table", {**KEYS, "BillingMode": "PAY_PER_REQUEST"}, {"StreamSpecification": {"StreamViewType": "KEYS_ONLY"}}, {"TableName": "NAME"},
         look=lambda client, id: client("dynamodb").describe_table(TableName=id)["Table"].get("StreamSpecification", {}).get("StreamViewType"),
         shown=None, changed="KEYS_ONLY"),
    Case("AWS::DynamoDB::GlobalTable", {**KEYS, "BillingMode": "PAY_PER_REQUEST", "Replicas": [{"Region": {"Ref": "AWS::Region"}}]},
         {"StreamSpecification": {"StreamViewType": "NEW_IMAGE"}, "Replicas": [{"Region": "us-east-1", "DeletionProtectionEnabled": False}]},
         {"TableName": "NAME"},
         look=lambda client, id: client("dynamodb").describe_table(TableName=id)["Table"].get("StreamSpecification", {}).get("StreamViewType"),
         shown=None, changed="NEW_IMAGE"),
    Case("AWS::ECR::Repository", {"ImageTagMutability": "IMMUTABLE"}, {"LifecyclePolicy": {"LifecyclePolicyText": RULES}, "ImageTagMutability": "MUTABLE"},
         {"RepositoryName": "NAME"},
         look=lambda client, id: client("ecr").describe_repositories(repositoryNames=[id])["repositories"][0]["imageTagMutability"],
         shown="IMMUTABLE", changed="MUTABLE"),
    Case("AWS::Events::Rule", {"ScheduleExpression": "rate(1 day)", "Targets": [{"Id": "a", "Arn": QUEUE_ARN}]},
         {"ScheduleExpression": "cron(0 3 * * ? *)", "Targets": [{"Id": "b", "Arn": QUEUE_ARN, "Input": "{}"}]}, {"Name": "NAME"}, {"Queue": QUEUE},
         look=lambda client, id: (client("events").describe_rule(Name=id)["ScheduleExpression"],
                                  [each["Id"] for each in client("events").list_targets_by_rule(Rule=id)["Targets"]]),
         shown=("rate(1 day)", ["a"]), changed=("cron(0 3 * * ? *)", ["b"])),
    Case("AWS::IAM::AccessKey", {"UserName": {"Ref": "User"}}, {"Status": "Inactive"}, {"Serial": 1}, {"User": {"Type": "AWS::IAM::User"}},
         look=lambda client, id: [each["Status"] for user in client("iam").list_users()["Users"]
                                  for each in client("iam").list_access_keys(UserName=user["UserName"])["AccessKeyMetadata"] if each["AccessKeyId"] == id][0],
         shown="Active", changed="Inactive"),
    Case("AWS::IAM::Group", {"ManagedPolicyArns": [LAMBDA_POLICY]}, {"ManagedPolicyArns": [], "Path": "/team/"}, {"GroupName": "NAME"},
         look=lambda client, id: (client("iam").get_group(GroupName=id)["Group"]["Path"],
                                  len(client("iam").list_attached_group_policies(GroupName=id)["AttachedPolicies"])), shown=("/", 1), changed=("/team/", 0)),
    Case("AWS::IAM::ManagedPolicy", {"PolicyDocument": policy_of("s3:GetObject"), "Roles": [{"Ref": "Role"}]}, {"PolicyDocument": policy_of("sqs:*"), "Roles": []},
         {"Description": "new"}, {"Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST}}},
         look=lambda client, id: (client("iam").get_policy(PolicyArn=id)["Policy"]["DefaultVersionId"],
                                  client("iam").get_policy(PolicyArn=id)["Policy"]["AttachmentCount"]), shown=("v1", 1), changed=("v2", 0)),
    Case("AWS::IAM::Policy", {"PolicyName": "p", "PolicyDocument": policy_of("s3:GetObject"), "Roles": [{"Ref": "Role"}], "Users": [{"Ref": "User"}]},
         {"PolicyName": "q", "Users": []}, None,
         {"Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST}}, "User": {"Type": "AWS::IAM::User"}},
         look=lambda client, id: sorted(policy for role in client("iam").list_roles()["Roles"]
                                        for policy in client("iam").list_role_policies(RoleName=role["RoleName"])["PolicyNames"])
         + [policy for user in client("iam").list_users()["Users"] for policy in client("iam").list_user_policies(UserName=user["UserName"])["PolicyNames"]],
         shown=["p", "p"], changed=["q"]),
    Case("AWS::IAM::Role", {"AssumeRolePolicyDocument": TRUST, "Policies": [{"PolicyName": "p", "PolicyDocument": ALLOW}]},
         {"Policies": [], "Description": "new"}, {"RoleName": "NAME"},
         look=lambda client, id: (client("iam").get_role(RoleName=id)["Role"].get("Description"), client("iam").list_role_policies(RoleName=id)["PolicyNames"]),
         shown=(None, ["p"]), changed=("new", [])),
    Case("AWS::IAM::User", {"Groups": [{"Ref": "Group"}], "Tags": [{"Key": "a", "Value": "b"}]}, {"Groups": [], "Tags": [{"Key": "c", "Value": "d"}]},
         {"UserName": "NAME"}, {"Group": {"Type": "AWS::IAM::Group"}},
         look=lambda client, id: (len(client("iam").list_groups_for_user(UserName=id)["Groups"]), client("iam").list_user_tags(UserName=id)["Tags"]),
         shown=(1, [{"Key": "a", "Value": "b"}]), changed=(0, [{"Key": "c", "Value": "d"}])),
    Case("AWS::IAM::UserToGroupAddition", {"GroupName": {"Ref": "Group"}, "Users": [{"Ref": "User"}]}, {"Users": [{"Ref": "Other"}]}, None,
         {"Group": {"Type": "AWS::IAM::Group"}, "User": {"Type": "AWS::IAM::User"}, "Other": {"Type": "AWS::IAM::User"}},
         look=lambda client, id: ["Other" in user["UserName"] for group in client("iam").list_groups()["Groups"]
                                  for user in client("iam").get_group(GroupName=group["GroupName"])["Users"]], shown=[False], changed=[True]),
    Case("AWS::KMS::Key", {"Description": "a"}, {"Description": "b", "Enabled": False, "EnableKeyRotation": True}, None,
         look=lambda client, id: (client("kms").describe_key(KeyId=id)["KeyMetadata"]["Description"],
                                  client("kms").describe_key(KeyId=id)["KeyMetadata"]["KeyState"]),
         shown=("a", "Enabled"), changed=("b", "Disabled"), stays=True),
    Case("AWS::KMS::Alias", {"AliasName": "alias/one", "TargetKeyId": {"Ref": "Key"}}, {"TargetKeyId": {"Fn::GetAtt": ["Other", "Arn"]}},
         {"AliasName": "alias/NAME"}, {"Key": {"Type": "AWS::KMS::Key", "Properties": {"Description": "a"}},
                                       "Other": {"Type": "AWS::KMS::Key", "Properties": {"Description": "b"}}},
         look=lambda client, id: client("kms").describe_key(KeyId=id)["KeyMetadata"]["Description"], shown="a", changed="b"),
    Case("AWS::Lambda::Function", FUNCTION["Properties"], {"Timeout": 20, "Environment": {"Variables": {"KEY": "1"}}}, {"FunctionName": "NAME"},
         look=lambda client, id: client("lambda").get_function_configuration(FunctionName=id)["Timeout"], shown=3, changed=20),
    Case("AWS::Lambda::Alias", {"FunctionName": {"Ref": "Function"}, "FunctionVersion": "$LATEST", "Name": "live"}, {"Description": "new"}, {"Name": "NAME"},
         {"Function": FUNCTION},
         look=lambda client, id: client("lambda").get_alias(FunctionName=id.rsplit(":", 1)[0], Name=id.rsplit(":", 1)[1])["Description"],
         shown="", changed="new"),
    Case("AWS::Lambda::Version", {"FunctionName": {"Ref": "Function"}}, None, None, {"Function": FUNCTION},
         look=lambda client, id: client("lambda").get_function_configuration(FunctionName=id)["Version"], shown="1"),
    Case("AWS::Lambda::Permission", {"FunctionName": {"Ref": "Function"}, "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"}, None,
         {"Principal": "events.amazonaws.com"}, {"Function": FUNCTION},
         look=lambda client, id: [each["Sid"] for function in client("lambda").list_functions()["Functions"]
                                  for each in json.loads(client("lambda").get_policy(FunctionName=function["FunctionName"])["Policy"])["Statement"]].count(id), shown=1),
    Case("AWS::Lambda::Url", {"TargetFunctionArn": {"Ref": "Function"}, "AuthType": "NONE"}, {"AuthType": "AWS_IAM"}, None, {"Function": FUNCTION},
         look=lambda client, id: [client("lambda").get_function_url_config(FunctionName=function["FunctionName"])["AuthType"]
                                  for function in client("lambda").list_functions()["Functions"]][0], shown="NONE", changed="AWS_IAM"),
    Case("AWS::Lambda::EventInvokeConfig", {"FunctionName": {"Ref": "Function"}, "Qualifier": "$LATEST", "MaximumRetryAttempts": 0}, {"MaximumRetryAttempts": 1},
         None, {"Function": FUNCTION},
         look=lambda client, id: [client("lambda").get_function_event_invoke_config(FunctionName=function["FunctionName"])["MaximumRetryAttempts"]
                                  for function in client("lambda").list_functions()["Functions"]][0], shown=0, changed=1),
    Case("AWS::Lambda::EventSourceMapping", {"FunctionName": {"Ref": "Function"}, "EventSourceArn": QUEUE_ARN, "BatchSize": 2}, {"BatchSize": 3}, None,
         {"Function": FUNCTION, "Queue": QUEUE},
         look=lambda client, id: client("lambda").get_event_source_mapping(UUID=id)["BatchSize"], shown=2, changed=3),
    Case("AWS::Logs::LogGroup", {"RetentionInDays": 7}, {"RetentionInDays": 30}, {"LogGroupName": "NAME"},
         look=lambda client, id: [each["retentionInDays"] for each in client("logs").describe_log_groups(logGroupNamePrefix=id)["logGroups"]][0], shown=7, changed=30),
    Case("AWS::Logs::MetricFilter", {"LogGroupName": {"Ref": "Group"}, "FilterPattern": "a",
                                     "MetricTransformations": [{"MetricName": "m", "MetricNamespace": "n", "MetricValue": "1"}]}, {"FilterPattern": "b"},
         {"FilterName": "NAME"}, {"Group": GROUP},
         look=lambda client, id: [each["filterPattern"] for each in client("logs").describe_metric_filters()["metricFilters"] if each["filterName"] == id][0],
         shown="a", changed="b"),
    Case("AWS::S3::Bucket", {"Tags": [{"Key": "a", "Value": "b"}]}, {"Tags": [{"Key": "c", "Value": "d"}]}, {"BucketName": "NAME"},
         look=lambda client, id: client("s3").get_bucket_tagging(Bucket=id)["TagSet"][0]["Key"], shown="a", changed="c"),
    Case("AWS::S3::BucketPolicy", {"Bucket": {"Ref": "Bucket"}, "PolicyDocument": bucket_policy("s3:PutObject")},
         {"PolicyDocument": bucket_policy("s3:*")}, {"Bucket": {"Ref": "Other"}, "PolicyDocument": json.loads(json.dumps(bucket_policy("s3:*")).replace("Bucket}", "Other}"))},
         {"Bucket": {"Type": "AWS::S3::Bucket"}, "Other": {"Type": "AWS::S3::Bucket"}},
         look=lambda client, id: json.loads(client("s3").get_bucket_policy(Bucket=id)["Policy"])["Statement"][0]["Action"], shown="s3:PutObject", changed="s3:*"),
    Case("AWS::SNS::Topic", {"DisplayName": "a"}, {"DisplayName": "b"}, {"TopicName": "NAME"},
         look=lambda client, id: client("sns").get_topic_attributes(TopicArn=id)["Attributes"]["DisplayName"], shown="a", changed="b"),
    Case("AWS::SNS::Subscription", {"TopicArn": {"Ref": "Topic"}, "Protocol": "sqs", "Endpoint": QUEUE_ARN}, {"RawMessageDelivery": True}, None,
         {"Topic": TOPIC, "Queue": QUEUE},
         look=lambda client, id: client("sns").get_subscription_attributes(SubscriptionArn=id)["Attributes"].get("RawMessageDelivery", "false"),
         shown="false", changed="true"),
    Case("AWS::SNS::TopicPolicy", {"Topics": [{"Ref": "Topic"}], "PolicyDocument": {"Statement": [{"Sid": "a", "Effect": "Allow", "Principal": "*", "Action": "sns:Publish", "Resource": "*"}]}},
         {"PolicyDocument": {"Statement": [{"Sid": "b", "Effect": "Allow", "Principal": "*", "Action": "sns:Publish", "Resource": "*"}]}}, None, {"Topic": TOPIC},
         look=lambda client, id: [json.loads(client("sns").get_topic_attributes(TopicArn=each["TopicArn"])["Attributes"]["Policy"])["Statement"][0]["Sid"]
                                  for each in client("sns").list_topics()["Topics"]][0], shown="a", changed="b", stays=True),
    Case("AWS::SQS::Queue", {"VisibilityTimeout": 40}, {"VisibilityTimeout": 50}, {"QueueName": "NAME"},
         look=lambda client, id: client("sqs").get_queue_attributes(QueueUrl=id, AttributeNames=["VisibilityTimeout"])["Attributes"]["VisibilityTimeout"],
         shown="40", changed="50"),
    Case("AWS::SQS::QueuePolicy", {"Queues": [{"Ref": "Queue"}], "PolicyDocument": {"Statement": [{"Sid": "a", "Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*"}]}},
         {"PolicyDocument": {"Statement": [{"Sid": "b", "Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*"}]}}, None, {"Queue": QUEUE},
         look=lambda client, id: [json.loads(client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"])["Statement"][0]["Sid"]
                                  for url in client("sqs").list_queues()["QueueUrls"]][0], shown="a", changed="b", stays=True),
    Case("AWS::SSM::Parameter", {"Type": "String", "Value": "a"}, {"Value": "b"}, {"Name": "NAME"},
         look=lambda client, id: client("ssm").get_parameter(Name=id)["Parameter"]["Value"], shown="a", changed="b"),
    Case("AWS::CDK::Metadata", {"Analytics": "a"}, {"Analytics": "b"}),
]


@pytest.fixture
def stacks(server):
    return server.client("cloudformation")


def settled(stacks, name):
    def look():
        stack = stacks.describe_stacks(StackName=name)["Stacks"][0]
        return None if stack["StackStatus"].endswith("_IN_PROGRESS") else stack["StackStatus"]

    return wait_until(look, "a settled stack " + name)


def reasons(stacks, name):
    return [each.get("ResourceStatusReason") for each in stacks.describe_stack_events(StackName=name)["StackEvents"] if "FAILED" in each["ResourceStatus"]]


def template(case, properties):
    return json.dumps({"Resources": {**case.beside, "Thing": {"Type": case.name, "Properties": properties}}})


def thing(stacks, name):
    return stacks.describe_stack_resource(StackName=name, LogicalResourceId="Thing")["StackResourceDetail"]["PhysicalResourceId"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.removeprefix("AWS::"))
def test_a_type_is_made_changed_replaced_and_removed(server, unique, case):
    # An account for each, so that a list shows what the stack made.
    account = str(200_000_000_000 + int(unique[1:9], 16))
    client = lambda service: server.client(service, account=account)
    stacks = client("cloudformation")
    properties = dict(case.before)
    made = stacks.create_stack(StackName=unique, TemplateBody=template(case, properties), Capabilities=["CAPABILITY_NAMED_IAM"])["StackId"]
    assert settled(stacks, unique) == "CREATE_COMPLETE", reasons(stacks, unique)
    first = thing(stacks, unique)
    if case.look:
        assert case.look(client, first) == case.shown
    if case.after:
        properties.update(case.after)
        stacks.update_stack(StackName=unique, TemplateBody=template(case, properties), Capabilities=["CAPABILITY_NAMED_IAM"])
        assert settled(stacks, unique) == "UPDATE_COMPLETE", reasons(stacks, unique)
        assert thing(stacks, unique) == first
        if case.look:
            assert case.look(client, first) == case.changed
    if case.replaced:
        properties.update(json.loads(json.dumps(case.replaced).replace("NAME", unique + "-new")))
        stacks.update_stack(StackName=unique, TemplateBody=template(case, properties), Capabilities=["CAPABILITY_NAMED_IAM"])
        assert settled(stacks, unique) == "UPDATE_COMPLETE", reasons(stacks, unique)
        second = thing(stacks, unique)
        assert second != first
        gone(case, client, first)
        first = second
    stacks.delete_stack(StackName=unique)
    assert settled(stacks, made) == "DELETE_COMPLETE", reasons(stacks, made)
    gone(case, client, first)


def gone(case, client, physical_id):
    """The services do not know it any more: an error, nothing in their lists, or (a permission) no entry."""
    if not case.look or case.stays:
        return
    try:
        assert not case.look(client, physical_id)
    except (ClientError, IndexError, KeyError):
        pass


def test_every_type_is_here(server, stacks):
    served = {"Custom::*", "AWS::CloudFormation::CustomResource", "AWS::CloudFormation::Stack", "AWS::Lambda::LayerVersion"}
    document = server_documents()
    assert {case.name for case in CASES} | served >= document, document - {case.name for case in CASES} - served


def server_documents():
    """The types that docs/compatibility.md lists."""
    import pathlib
    import re
    text = (pathlib.Path(__file__).resolve().parent.parent.parent / "docs/compatibility.md").read_text(encoding="utf-8")
    table = text.split("## CloudFormation's resource types")[1]
    return {name for line in table.splitlines() if line.startswith("| `") for name in re.findall(r"`((?:AWS|Custom)::[\w:]+)`", line.split("|")[1])}


def test_a_layer_comes_from_a_bucket(server, stacks, unique):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("python/lib.py", "X = 1\n")
    s3 = server.client("s3")
    s3.create_bucket(Bucket=unique)
    s3.put_object(Bucket=unique, Key="layer.zip", Body=out.getvalue())
    layer = {"Type": "AWS::Lambda::LayerVersion", "Properties": {"LayerName": unique, "Content": {"S3Bucket": unique, "S3Key": "layer.zip"}}}
    stacks.create_stack(StackName=unique, TemplateBody=json.dumps({"Resources": {"Thing": layer}}))
    assert settled(stacks, unique) == "CREATE_COMPLETE", reasons(stacks, unique)
    arn = thing(stacks, unique)
    assert server.client("lambda").get_layer_version_by_arn(Arn=arn)["Version"] == 1
    layer["Properties"]["Description"] = "new"
    stacks.update_stack(StackName=unique, TemplateBody=json.dumps({"Resources": {"Thing": layer}}))
    assert settled(stacks, unique) == "UPDATE_COMPLETE", reasons(stacks, unique)
    assert thing(stacks, unique) == arn.rsplit(":", 1)[0] + ":2"
    stacks.delete_stack(StackName=unique)


def test_a_version_is_published_of_changed_code_only(server, stacks, unique):
    def body(code, description):
        function = {"Type": "AWS::Lambda::Function", "Properties": {**FUNCTION["Properties"], "FunctionName": unique, "Code": {"ZipFile": code}}}
        version = {"Type": "AWS::Lambda::Version", "Properties": {"FunctionName": {"Ref": "Function"}, "Description": description}}
        return json.dumps({"Resources": {"Function": function, "Thing": version}})

    stacks.create_stack(StackName=unique, TemplateBody=body("a = 1", "one"))
    assert settled(stacks, unique) == "CREATE_COMPLETE", reasons(stacks, unique)
    stacks.update_stack(StackName=unique, TemplateBody=body("a = 1", "two"))
    assert settled(stacks, unique) == "UPDATE_ROLLBACK_COMPLETE"
    assert any("A version for this Lambda function exists ( 1 )" in text for text in reasons(stacks, unique))
    assert thing(stacks, unique).endswith(":1") and server.client("lambda").get_function(FunctionName=unique, Qualifier="1")
    stacks.update_stack(StackName=unique, TemplateBody=body("a = 2", "two"))
    assert settled(stacks, unique) == "UPDATE_COMPLETE", reasons(stacks, unique)
    assert thing(stacks, unique).endswith(":2")
    stacks.delete_stack(StackName=unique)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.removeprefix("AWS::"))
def test_a_property_that_aws_does_not_know_is_an_error(stacks, unique, case):
    if case.name == "AWS::CDK::Metadata":
        pytest.skip("takes anything, as on AWS")
    with pytest.raises(ClientError, match=r"extraneous key \[Nonsense\]"):
        stacks.create_stack(StackName=unique, TemplateBody=template(case, {**case.before, "Nonsense": 1}), Capabilities=["CAPABILITY_NAMED_IAM"])


@pytest.mark.parametrize("type_name, properties, reason", [
    ("AWS::DynamoDB::GlobalTable", {**KEYS, "Replicas": [{"Region": "eu-west-1"}]}, "another region"),
    ("AWS::DynamoDB::GlobalTable", {**KEYS, "Replicas": [{"Region": "us-east-1", "Nonsense": 1}]}, "unsupported property Nonsense"),
    ("AWS::IAM::ManagedPolicy", {"PolicyDocument": {}}, "Syntax errors in policy"),
    ("AWS::IAM::User", {"ManagedPolicyArns": ["arn:aws:iam::000000000000:policy/none"]}, "does not exist or is not attachable"),
    ("AWS::Events::Rule", {"ScheduleExpression": "often"}, "ScheduleExpression is not valid"),
    ("AWS::KMS::Alias", {"AliasName": "one", "TargetKeyId": "x"}, "must start with the prefix"),
    ("AWS::KMS::Key", {"MultiRegion": True}, "MultiRegion is not supported"),
    ("AWS::S3::BucketPolicy", {"Bucket": "no-such-bucket-here", "PolicyDocument": bucket_policy("s3:*")}, None),
])
def test_what_a_service_refuses_fails_the_resource_with_its_reason(server, stacks, unique, type_name, properties, reason):
    body = json.dumps({"Resources": {"Bucket": {"Type": "AWS::S3::Bucket"}, "Thing": {"Type": type_name, "Properties": properties}}})
    stacks.create_stack(StackName=unique, TemplateBody=body, Capabilities=["CAPABILITY_NAMED_IAM"])
    assert settled(stacks, unique) == "ROLLBACK_COMPLETE"
    assert any(reason is None or (text and reason in text) for text in reasons(stacks, unique)), reasons(stacks, unique)
