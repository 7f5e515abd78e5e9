"""Custom resources: functions that a stack tells what to do, and that answer to the ResponseURL of the event."""

import json

import pytest

from test_stacks import settled
from world import wait_until, zip_of

# Answers over the full URL, as CDK's Python handlers do. What it does is said by the properties.
PYTHON = """
import json, urllib.request

def handler(event, context):
    print("EVENT " + json.dumps(event))
    properties = event["ResourceProperties"]
    if properties.get("Crash") == event["RequestType"]:
        raise Exception("crashed")
    answer = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    answer.update(Status="SUCCESS", PhysicalResourceId=properties.get("Id", "id-1"), Data={"Greeting": "hello " + properties.get("Name", "")})
    answer.update(json.loads(properties.get(event["RequestType"] + "Answer", "{}")))
    if properties.get("Long"):
        answer["Reason"] = "x" * 5000
    body = json.dumps(answer).encode()
    urllib.request.urlopen(urllib.request.Request(event["ResponseURL"], data=body, method="PUT", headers={"content-type": ""}))
"""
# Answers as CDK's Node.js handlers and the cfn-response module do: host and path only.
NODE = """
const https = require('https');
exports.handler = (event) => new Promise((resolve, reject) => {
  const url = new URL(event.ResponseURL);
  const body = JSON.stringify({Status: 'SUCCESS', PhysicalResourceId: 'node-1', StackId: event.StackId,
    RequestId: event.RequestId, LogicalResourceId: event.LogicalResourceId, Data: {Host: url.hostname}});
  const request = https.request({hostname: url.hostname, path: url.pathname, method: 'PUT',
    headers: {'content-type': '', 'content-length': Buffer.byteLength(body)}}, (response) => {
      response.resume();
      response.statusCode < 400 ? resolve() : reject(new Error('status ' + response.statusCode));
    });
  request.on('error', reject);
  request.end(body);
});
"""
FETCH = """
exports.handler = async (event) => {
  const answer = await fetch(event.ResponseURL, {method: 'PUT', body: JSON.stringify({Status: 'SUCCESS',
    PhysicalResourceId: 'fetch-1', StackId: event.StackId, RequestId: event.RequestId,
    LogicalResourceId: event.LogicalResourceId})});
  if (!answer.ok) throw new Error('status ' + answer.status);
};
"""


def provider(server, tmp_path, name, code=PYTHON, runtime="python3.11"):
    file = tmp_path / ("index.py" if runtime.startswith("python") else "index.js")
    file.write_text(code)
    return server.function(name, zip_of(file), runtime=runtime)


def template(token, outputs=True, **properties):
    body = {"Resources": {"Thing": {"Type": "Custom::Thing", "Properties": {"ServiceToken": token, **properties}}}}
    if outputs:
        body["Outputs"] = {"Greeting": {"Value": {"Fn::GetAtt": ["Thing", "Greeting"]}}, "Id": {"Value": {"Ref": "Thing"}}}
    return json.dumps(body)


def events_of(server, name):
    """The events that the function got, in order."""
    server.settle()
    found = server.client("logs").filter_log_events(logGroupName="/aws/lambda/" + name, filterPattern="EVENT")["events"]
    return [json.loads(each["message"].split("EVENT ", 1)[1]) for each in found]


def reasons(cloudformation, name, status):
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    return {each["LogicalResourceId"]: each["ResourceStatusReason"] for each in events if each["ResourceStatus"] == status}


@pytest.fixture
def cloudformation(server):
    return server.client("cloudformation")


def test_a_function_is_told_of_creation_change_and_deletion(server, cloudformation, unique, tmp_path):
    token = provider(server, tmp_path, unique)
    made = cloudformation.create_stack(StackName=unique, TemplateBody=template(
        token, Name="Ann", Count=30, Ratio=1.5, Flag=True, Nested={"List": [1, False, "x"]}))["StackId"]
    stack = settled(cloudformation, unique)
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]} == {"Greeting": "hello Ann", "Id": "id-1"}
    cloudformation.update_stack(StackName=unique, TemplateBody=template(token, Name="Bob", Id="id-2"))
    stack = settled(cloudformation, unique)
    assert stack["StackStatus"] == "UPDATE_COMPLETE"
    assert {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]} == {"Greeting": "hello Bob", "Id": "id-2"}
    cloudformation.delete_stack(StackName=unique)
    assert settled(cloudformation, made)["StackStatus"] == "DELETE_COMPLETE"
    create, update, replaced, delete = events_of(server, unique)
    assert set(create) == {"RequestType", "ServiceToken", "ResponseURL", "StackId", "RequestId", "LogicalResourceId",
                           "ResourceType", "ResourceProperties"}
    assert create["ResourceProperties"] == {"ServiceToken": token, "Name": "Ann", "Count": "30", "Ratio": "1.5", "Flag": "true",
                                            "Nested": {"List": ["1", "false", "x"]}}
    assert (create["RequestType"], create["StackId"], create["ResourceType"]) == ("Create", made, "Custom::Thing")
    assert (update["RequestType"], update["PhysicalResourceId"]) == ("Update", "id-1")
    assert update["OldResourceProperties"] == create["ResourceProperties"]
    assert (replaced["RequestType"], replaced["PhysicalResourceId"]) == ("Delete", "id-1")
    assert (delete["RequestType"], delete["PhysicalResourceId"]) == ("Delete", "id-2")


@pytest.mark.parametrize("code, id_", [(NODE, "node-1"), (FETCH, "fetch-1")], ids=["https", "fetch"])
def test_node_handlers_answer_to_the_host_that_aws_names(server, cloudformation, unique, tmp_path, code, id_):
    token = provider(server, tmp_path, unique, code, "nodejs20.x")
    cloudformation.create_stack(StackName=unique, TemplateBody=template(token, outputs=False))
    assert settled(cloudformation, unique)["StackStatus"] == "CREATE_COMPLETE"
    detail = cloudformation.describe_stack_resource(StackName=unique, LogicalResourceId="Thing")["StackResourceDetail"]
    assert (detail["PhysicalResourceId"], detail["ResourceType"]) == (id_, "Custom::Thing")


def test_a_creation_that_answers_failure_is_deleted_by_its_id_and_says_why(server, cloudformation, unique, tmp_path):
    token = provider(server, tmp_path, unique)
    answer = json.dumps({"Status": "FAILED", "Reason": "no luck", "PhysicalResourceId": "half-made"})
    cloudformation.create_stack(StackName=unique, TemplateBody=template(token, CreateAnswer=answer))
    assert settled(cloudformation, unique)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert reasons(cloudformation, unique, "CREATE_FAILED")["Thing"].startswith(
        "Received response status [FAILED] from custom resource. Message returned: no luck (RequestId: ")
    assert [(each["RequestType"], each.get("PhysicalResourceId")) for each in events_of(server, unique)] == [
        ("Create", None), ("Delete", "half-made")]


@pytest.mark.parametrize("properties, reason", [
    ({"CreateAnswer": '{"PhysicalResourceId": ""}'}, "Invalid PhysicalResourceId"),
    ({"CreateAnswer": '{"Status": "DONE"}'}, "Invalid response object: Value of property Status"),
    ({"Long": True}, "Response object is too long."),
    ({"ServiceTimeout": 4000}, "Invalid ServiceTimeout 4000"),
])
def test_an_answer_that_cannot_be_taken_fails_the_creation(server, cloudformation, unique, tmp_path, properties, reason):
    token = provider(server, tmp_path, unique)
    cloudformation.create_stack(StackName=unique, TemplateBody=template(token, **properties))
    assert settled(cloudformation, unique)["StackStatus"] in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED")
    assert reasons(cloudformation, unique, "CREATE_FAILED")["Thing"].startswith(reason)


def test_an_attribute_that_was_not_answered_fails_the_stack(server, cloudformation, unique, tmp_path):
    token = provider(server, tmp_path, unique)
    cloudformation.create_stack(StackName=unique, TemplateBody=template(token, CreateAnswer='{"Data": {}}'))
    stack = settled(cloudformation, unique)
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "CustomResource attribute error: Vendor response doesn't contain Greeting" in " ".join(
        each.get("ResourceStatusReason", "") for each in cloudformation.describe_stack_events(StackName=unique)["StackEvents"])


@pytest.mark.parametrize("token, reason", [
    ("arn:aws:sns:us-east-1:000000000000:topic", "is a topic; millrace serves custom resources of functions only"),
    ("arn:aws:lambda:us-east-1:000000000000:function:nobody", "Function not found"),
])
def test_a_service_token_that_is_no_function_is_refused_by_name(cloudformation, unique, token, reason):
    cloudformation.create_stack(StackName=unique, TemplateBody=template(token))
    assert settled(cloudformation, unique)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert reason in reasons(cloudformation, unique, "CREATE_FAILED")["Thing"]


def test_a_function_that_never_answers_is_given_up_by_the_clock(server, cloudformation, unique, tmp_path):
    token = provider(server, tmp_path, unique)
    made = cloudformation.create_stack(StackName=unique, TemplateBody=template(token, Crash="Create", ServiceTimeout="600"))["StackId"]
    server.advance("9m")
    assert cloudformation.describe_stacks(StackName=made)["Stacks"][0]["StackStatus"] == "CREATE_IN_PROGRESS"
    server.advance("2m")
    assert settled(cloudformation, made)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert reasons(cloudformation, made, "CREATE_FAILED")["Thing"].startswith(
        "CloudFormation did not receive a response from your Custom Resource. Please check your logs for requestId [")


def test_a_deletion_that_never_answers_fails_after_an_hour_and_can_be_repeated(server, cloudformation, unique, tmp_path):
    token = provider(server, tmp_path, unique)
    made = cloudformation.create_stack(StackName=unique, TemplateBody=template(token, Crash="Delete"))["StackId"]
    assert settled(cloudformation, made)["StackStatus"] == "CREATE_COMPLETE"
    cloudformation.delete_stack(StackName=unique)
    server.advance("61m")
    stack = settled(cloudformation, made)
    assert stack["StackStatus"] == "DELETE_FAILED"
    assert stack["StackStatusReason"] == "The following resource(s) failed to delete: [Thing]. "
    cloudformation.delete_stack(StackName=unique, RetainResources=["Thing"])
    assert settled(cloudformation, made)["StackStatus"] == "DELETE_COMPLETE"


def test_an_answer_that_nobody_waits_for_is_refused(server, cloudformation, unique, tmp_path):
    token = provider(server, tmp_path, unique)
    cloudformation.create_stack(StackName=unique, TemplateBody=template(token))
    settled(cloudformation, unique)
    import urllib.error
    import urllib.request
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(urllib.request.Request(events_of(server, unique)[0]["ResponseURL"], data=b"{}", method="PUT"))


def test_a_hidden_attribute_is_not_shown_in_events(server, cloudformation, unique, tmp_path):
    token = provider(server, tmp_path, unique)
    body = json.loads(template(token, outputs=False, Name="secret", CreateAnswer='{"NoEcho": true}'))
    body["Resources"]["Queue"] = {"Type": "AWS::SQS::Queue", "Properties": {
        "Tags": [{"Key": "seen", "Value": {"Fn::GetAtt": ["Thing", "Greeting"]}}]}}
    cloudformation.create_stack(StackName=unique, TemplateBody=json.dumps(body))
    assert settled(cloudformation, unique)["StackStatus"] == "CREATE_COMPLETE"
    queue = server.client("sqs").list_queues(QueueNamePrefix=unique)["QueueUrls"][0]
    assert server.client("sqs").list_queue_tags(QueueUrl=queue)["Tags"]["seen"] == "hello secret"
    shown = [each["ResourceProperties"] for each in cloudformation.describe_stack_events(StackName=unique)["StackEvents"]
             if each["LogicalResourceId"] == "Queue" and "ResourceProperties" in each]
    assert shown and all("hello secret" not in each and "****" in each for each in shown)


@pytest.mark.parametrize("runtime, code", [
    ("nodejs20.x", "exports.handler = (event, context) => require('cfn-response').send(event, context, 'SUCCESS', {Greeting: 'hi'}, 'x-1');"),
    ("python3.11", "import cfnresponse\ndef handler(event, context):\n"
                   "    cfnresponse.send(event, context, cfnresponse.SUCCESS, {'Greeting': 'hi'}, 'x-1')"),
])
def test_inline_code_finds_the_module_to_answer_with(cloudformation, unique, runtime, code):
    body = json.loads(template({"Fn::GetAtt": ["Function", "Arn"]}))
    body["Resources"]["Function"] = {"Type": "AWS::Lambda::Function", "Properties": {
        "Runtime": runtime, "Handler": "index.handler", "Code": {"ZipFile": code}, "Role": "arn:aws:iam::000000000000:role/function"}}
    made = cloudformation.create_stack(StackName=unique, TemplateBody=json.dumps(body))["StackId"]
    stack = settled(cloudformation, unique)
    assert {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])} == {"Greeting": "hi", "Id": "x-1"}
    cloudformation.delete_stack(StackName=unique)
    assert settled(cloudformation, made)["StackStatus"] == "DELETE_COMPLETE"


def test_what_is_there_is_imported(server, cloudformation, unique):
    names = {"AWS::S3::Bucket": "BucketName", "AWS::SQS::Queue": "QueueName", "AWS::SNS::Topic": "TopicName",
             "AWS::Logs::LogGroup": "LogGroupName"}
    server.client("s3").create_bucket(Bucket=unique)
    server.client("sqs").create_queue(QueueName=unique)
    server.client("sns").create_topic(Name=unique)
    server.client("logs").create_log_group(logGroupName=unique)
    body = {"Resources": {type_.rsplit("::")[-1]: {"Type": type_, "Properties": {name: unique}} for type_, name in names.items()}}
    cloudformation.create_change_set(StackName=unique, ChangeSetName="c", ChangeSetType="CREATE", ImportExistingResources=True,
                                     TemplateBody=json.dumps(body))
    changes = cloudformation.describe_change_set(StackName=unique, ChangeSetName="c")["Changes"]
    assert {each["ResourceChange"]["Action"] for each in changes} == {"Import"} and len(changes) == 4
    made = cloudformation.execute_change_set(StackName=unique, ChangeSetName="c") and settled(cloudformation, unique)
    assert made["StackStatus"] == "CREATE_COMPLETE"
    cloudformation.delete_stack(StackName=unique)
    assert settled(cloudformation, made["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert unique not in [each["Name"] for each in server.client("s3").list_buckets()["Buckets"]]
