"""Stacks through boto3: created, changed, replaced, rolled back and deleted, with their events."""

import json

import pytest
from botocore.exceptions import ClientError

from world import wait_until

QUEUE = {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 45}}
TOPIC = {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": {"Fn::Sub": "${AWS::StackName}-topic"}}}
YAML = """
Parameters:
  Seconds: {Type: Number, Default: 40}
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
      BillingMode: PAY_PER_REQUEST
      StreamSpecification: {StreamViewType: NEW_IMAGE}
  Queue:
    Type: AWS::SQS::Queue
    Properties: {VisibilityTimeout: !Ref Seconds}
Outputs:
  Stream: {Value: !GetAtt Table.StreamArn}
  Name: {Value: !Sub "${Queue.QueueName}/${AWS::Region}"}
"""


def template(**resources):
    return json.dumps({"Resources": resources})


def settled(cloudformation, name):
    def look():
        stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        return None if stack["StackStatus"].endswith("_IN_PROGRESS") else stack

    return wait_until(look, "a settled stack " + name)


@pytest.fixture
def cloudformation(server):
    return server.client("cloudformation")


def test_a_stack_of_short_tags_is_created_and_deleted_with_its_resources(server, cloudformation, unique):
    made = cloudformation.create_stack(StackName=unique, TemplateBody=YAML)["StackId"]
    stack = settled(cloudformation, unique)
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    assert ":table/" + unique in outputs["Stream"] and outputs["Name"].endswith("/us-east-1")
    cloudformation.delete_stack(StackName=unique)
    assert settled(cloudformation, made)["StackStatus"] == "DELETE_COMPLETE"
    assert not [each for each in server.client("dynamodb").list_tables()["TableNames"] if each.startswith(unique)]


def test_an_update_changes_in_place_replaces_and_removes(server, cloudformation, unique):
    cloudformation.create_stack(StackName=unique, TemplateBody=template(Queue=QUEUE, Topic=TOPIC))
    settled(cloudformation, unique)
    resource = lambda: cloudformation.describe_stack_resource(StackName=unique, LogicalResourceId="Queue")[
        "StackResourceDetail"]["PhysicalResourceId"]
    first = resource()
    changed = {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 46}}
    cloudformation.update_stack(StackName=unique, TemplateBody=template(Queue=changed))
    assert settled(cloudformation, unique)["StackStatus"] == "UPDATE_COMPLETE"
    assert resource() == first
    assert not [each for each in server.client("sns").list_topics()["Topics"] if unique in each["TopicArn"]]
    named = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": unique + "-new"}}
    cloudformation.update_stack(StackName=unique, TemplateBody=template(Queue=named))
    assert settled(cloudformation, unique)["StackStatus"] == "UPDATE_COMPLETE"
    assert resource() != first
    assert server.client("sqs").list_queues(QueueNamePrefix=unique)["QueueUrls"] == [resource()]
    with pytest.raises(ClientError, match="No updates are to be performed."):
        cloudformation.update_stack(StackName=unique, TemplateBody=template(Queue=named))


def test_an_update_may_ask_for_an_attribute_that_it_brings(cloudformation, unique):
    table = {"Type": "AWS::DynamoDB::Table", "Properties": {
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}], "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST"}}
    cloudformation.create_stack(StackName=unique, TemplateBody=template(Table=table))
    settled(cloudformation, unique)
    table["Properties"]["StreamSpecification"] = {"StreamViewType": "NEW_IMAGE"}
    follower = {"Type": "AWS::SSM::Parameter", "Properties": {"Name": unique, "Type": "String", "Value": {"Fn::GetAtt": ["Table", "StreamArn"]}}}
    cloudformation.update_stack(StackName=unique, TemplateBody=template(Table=table, Follower=follower))
    assert settled(cloudformation, unique)["StackStatus"] == "UPDATE_COMPLETE"
    table["Properties"]["StreamSpecification"] = {"StreamViewType": "KEYS_ONLY"}
    with pytest.raises(ClientError, match="undefined resource|does not exist|Unresolved resource dependencies"):
        follower["Properties"]["Value"] = {"Fn::GetAtt": ["Gone", "StreamArn"]}
        cloudformation.update_stack(StackName=unique, TemplateBody=template(Table=table, Follower=follower))


def test_a_creation_that_fails_is_rolled_back_and_says_why(server, cloudformation, unique):
    bad = {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 999999}, "DependsOn": "Queue"}
    cloudformation.create_stack(StackName=unique, TemplateBody=template(Queue=QUEUE, Bad=bad))
    assert settled(cloudformation, unique)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "QueueUrls" not in server.client("sqs").list_queues(QueueNamePrefix=unique)
    events = cloudformation.describe_stack_events(StackName=unique)["StackEvents"]
    failed = [each for each in events if each["ResourceStatus"] == "CREATE_FAILED"]
    assert [each["LogicalResourceId"] for each in failed] == ["Bad"]
    assert "VisibilityTimeout" in failed[0]["ResourceStatusReason"]


@pytest.mark.parametrize("body, message", [
    (template(A={"Type": "AWS::EC2::Instance"}), r"Unrecognized resource types: \[AWS::EC2::Instance\]"),
    (template(A={"Type": "AWS::SQS::Queue", "Properties": {"Nonsense": 1}}), r"extraneous key \[Nonsense\]"),
    (template(A={"Type": "AWS::SQS::Queue", "DependsOn": "B"}, B={"Type": "AWS::SQS::Queue", "DependsOn": "A"}),
     r"Circular dependency between resources: \[A, B\]"),
    (template(A={"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Ref": "X"}}}),
     r"Unresolved resource dependencies \[X\]"),
    (json.dumps({"Parameters": {"P": {"Type": "String"}}, "Resources": {"A": QUEUE}}),
     r"Parameters: \[P\] must have values"),
])
def test_a_wrong_template_is_refused_before_anything_is_made(cloudformation, unique, body, message):
    with pytest.raises(ClientError, match=message):
        cloudformation.create_stack(StackName=unique, TemplateBody=body)
    with pytest.raises(ClientError, match="Stack with id " + unique + " does not exist"):
        cloudformation.describe_stacks(StackName=unique)


def test_a_change_set_shows_what_executing_it_does(cloudformation, unique):
    made = cloudformation.create_change_set(StackName=unique, ChangeSetName="one", ChangeSetType="CREATE",
                                            TemplateBody=template(Queue=QUEUE))
    shown = cloudformation.describe_change_set(ChangeSetName=made["Id"])
    assert shown["Status"] == "CREATE_COMPLETE"
    assert [each["ResourceChange"]["Action"] for each in shown["Changes"]] == ["Add"]
    cloudformation.execute_change_set(ChangeSetName=made["Id"])
    assert settled(cloudformation, unique)["StackStatus"] == "CREATE_COMPLETE"
    again = cloudformation.create_change_set(StackName=unique, ChangeSetName="two", TemplateBody=template(Queue=QUEUE))
    shown = cloudformation.describe_change_set(ChangeSetName=again["Id"])
    assert shown["Status"] == "FAILED" and "didn't contain changes" in shown["StatusReason"]
