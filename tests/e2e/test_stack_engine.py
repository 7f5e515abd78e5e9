"""The stack engine with the real services: killed servers, nested stacks, deletions that are refused, operations that are given up."""

import json

import pytest
from botocore.exceptions import ClientError

from test_custom_resources import events_of, provider, reasons
from test_stacks import QUEUE, settled, template
from world import wait_until

# Answers everything but the request that its properties name.
QUIET = """
import json, urllib.request

def handler(event, context):
    print("EVENT " + json.dumps(event))
    if event["ResourceProperties"].get("Silent") == event["RequestType"]:
        return
    answer = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    answer.update(Status="SUCCESS", PhysicalResourceId="thing")
    body = json.dumps(answer).encode()
    urllib.request.urlopen(urllib.request.Request(event["ResponseURL"], data=body, method="PUT", headers={"content-type": ""}))
"""


@pytest.fixture
def cloudformation(server):
    return server.client("cloudformation")


def thing(token, silent="", **resource):
    return {"Type": "Custom::Thing", "Properties": {"ServiceToken": token, "Silent": silent}, **resource}


def queues(server, prefix):
    """What is there of queues, with a visibility timeout each."""
    client = server.client("sqs")
    urls = client.list_queues(QueueNamePrefix=prefix).get("QueueUrls", [])
    return {url: client.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])["Attributes"]["VisibilityTimeout"]
            for url in urls}


def listed(cloudformation, name):
    """Physical ids of the queues that the stack lists."""
    summaries = cloudformation.list_stack_resources(StackName=name)["StackResourceSummaries"]
    return {each["PhysicalResourceId"] for each in summaries if each["ResourceType"] == "AWS::SQS::Queue"}


def kill_while(server, name, request):
    """Kills the server while the function behind the stack's Thing has been asked for `request`, and starts it again."""
    wait_until(lambda: [each for each in events_of(server, name) if each["RequestType"] == request], request + " to be sent")
    server.kill()
    server.start()
    return server.client("cloudformation")


def test_a_server_killed_while_creating_rolls_back(own_server, tmp_path):
    cloudformation = own_server.client("cloudformation")
    token = provider(own_server, tmp_path, "kill", QUIET)
    cloudformation.create_stack(StackName="kill", TemplateBody=template(Queue=QUEUE, Thing=thing(token, "Create")))
    cloudformation = kill_while(own_server, "kill", "Create")
    assert settled(cloudformation, "kill")["StackStatus"] == "ROLLBACK_COMPLETE"
    assert queues(own_server, "kill") == {}
    assert [each["RequestType"] for each in events_of(own_server, "kill")] == ["Create", "Delete"]


def test_a_server_killed_while_updating_goes_back_to_what_was(own_server, tmp_path):
    cloudformation = own_server.client("cloudformation")
    token = provider(own_server, tmp_path, "kill", QUIET)
    cloudformation.create_stack(StackName="kill", TemplateBody=template(Queue=QUEUE, Other=QUEUE, Thing=thing(token)))
    settled(cloudformation, "kill")
    before = queues(own_server, "kill")
    changed = {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 7}}
    replaced = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "kill-replaced"}}
    cloudformation.update_stack(StackName="kill", TemplateBody=template(
        Queue=changed, Other=replaced, New=QUEUE, Thing=thing(token, "Update", DependsOn=["Queue", "Other", "New"])))
    wait_until(lambda: len(queues(own_server, "kill")) == 4, "queues to be made")
    cloudformation = kill_while(own_server, "kill", "Update")
    assert settled(cloudformation, "kill")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert queues(own_server, "kill") == before
    assert listed(cloudformation, "kill") == set(before)


@pytest.mark.parametrize("deletes", [False, True], ids=["rollback", "deletion"])
def test_a_server_killed_while_removing_goes_on(own_server, tmp_path, deletes):
    cloudformation = own_server.client("cloudformation")
    token = provider(own_server, tmp_path, "kill", QUIET)
    bad = {} if deletes else {"Bad": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 999999}, "DependsOn": "Thing"}}
    made = cloudformation.create_stack(StackName="kill", TemplateBody=template(
        Queue=QUEUE, Thing=thing(token, "Delete", DependsOn="Queue"), **bad))["StackId"]
    if deletes:
        assert settled(cloudformation, made)["StackStatus"] == "CREATE_COMPLETE"
        cloudformation.delete_stack(StackName="kill")
    cloudformation = kill_while(own_server, "kill", "Delete")
    assert cloudformation.describe_stacks(StackName=made)["Stacks"][0]["StackStatus"].endswith("_IN_PROGRESS")
    own_server.advance("61m")
    assert settled(cloudformation, made)["StackStatus"] == ("DELETE_FAILED" if deletes else "ROLLBACK_FAILED")
    assert listed(cloudformation, made) == set(queues(own_server, "kill")) != set()
    cloudformation.delete_stack(StackName="kill", RetainResources=["Thing"] if deletes else [])
    own_server.advance("61m")
    if not deletes:
        assert settled(cloudformation, made)["StackStatus"] == "DELETE_FAILED"
        cloudformation.delete_stack(StackName="kill", RetainResources=["Thing"])
    assert settled(cloudformation, made)["StackStatus"] == "DELETE_COMPLETE"
    assert queues(own_server, "kill") == {}


INNER = {"Parameters": {"Seconds": {"Type": "Number"}, "Names": {"Type": "CommaDelimitedList", "Default": ""}},
         "Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": {"Ref": "Seconds"}}}},
         "Outputs": {"Url": {"Value": {"Ref": "Queue"}}}}


def outer(url, **parameters):
    return json.dumps({
        "Resources": {"Inner": {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": url, "Parameters": parameters}}},
        "Outputs": {"Url": {"Value": {"Fn::GetAtt": ["Inner", "Outputs.Url"]}}}})


def test_a_nested_stack_takes_its_template_from_any_address_of_its_object(server, cloudformation, unique):
    storage = server.client("s3")
    storage.create_bucket(Bucket=unique)
    storage.put_object(Bucket=unique, Key="in/inner.json", Body=json.dumps(INNER))
    addresses = [f"{server.endpoint}/{unique}/in/inner.json", f"https://s3.amazonaws.com/{unique}/in/inner.json",
                 f"https://{unique}.s3.amazonaws.com/in/inner.json", f"https://s3.us-east-1.amazonaws.com/{unique}/in/inner.json",
                 f"https://{unique}.s3.us-east-1.amazonaws.com/in/inner.json"]
    cloudformation.create_stack(StackName=unique, TemplateBody=outer(addresses[0], Seconds=10, Names=["a", "b"]))
    for seconds, address in enumerate(addresses, 10):
        if seconds > 10:
            cloudformation.update_stack(StackName=unique, TemplateBody=outer(address, Seconds=seconds))
        stack = settled(cloudformation, unique)
        assert stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE"), address
        assert queues(server, unique) == {stack["Outputs"][0]["OutputValue"]: str(seconds)}
    child = cloudformation.describe_stack_resource(StackName=unique, LogicalResourceId="Inner")["StackResourceDetail"]
    shown = cloudformation.describe_stacks(StackName=child["PhysicalResourceId"])["Stacks"][0]
    assert shown["ParentId"] == shown["RootId"] == stack["StackId"] and shown["StackName"].startswith(unique + "-Inner-")
    # The object behind the same URL changes: the next update of the parent takes it.
    changed = json.loads(json.dumps(INNER).replace('"Url"', '"Address"'))
    changed["Outputs"]["Url"] = {"Value": "moved"}
    storage.put_object(Bucket=unique, Key="in/inner.json", Body=json.dumps(changed))
    cloudformation.update_stack(StackName=unique, TemplateBody=outer(addresses[-1], Seconds=14))
    assert settled(cloudformation, unique)["Outputs"][0]["OutputValue"] == "moved"
    cloudformation.delete_stack(StackName=unique)
    assert settled(cloudformation, stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert settled(cloudformation, child["PhysicalResourceId"])["StackStatus"] == "DELETE_COMPLETE"
    assert queues(server, unique) == {}


def test_a_bucket_that_is_not_empty_stops_the_deletion(server, cloudformation, unique):
    made = cloudformation.create_stack(StackName=unique, TemplateBody=template(
        Bucket={"Type": "AWS::S3::Bucket", "Properties": {"BucketName": unique}}, Queue=QUEUE))["StackId"]
    settled(cloudformation, unique)
    storage = server.client("s3")
    storage.put_object(Bucket=unique, Key="k", Body=b"x")
    cloudformation.delete_stack(StackName=unique)
    stack = settled(cloudformation, made)
    assert (stack["StackStatus"], stack["StackStatusReason"]) == ("DELETE_FAILED", "The following resource(s) failed to delete: [Bucket]. ")
    assert "The bucket you tried to delete is not empty" in reasons(cloudformation, made, "DELETE_FAILED")["Bucket"]
    assert queues(server, unique) == {}
    storage.delete_object(Bucket=unique, Key="k")
    cloudformation.delete_stack(StackName=unique)
    assert settled(cloudformation, made)["StackStatus"] == "DELETE_COMPLETE"
    assert unique not in [each["Name"] for each in storage.list_buckets()["Buckets"]]


def test_an_export_in_use_stops_deletion_and_change(cloudformation, unique):
    exporting = {"Resources": {"Queue": QUEUE}, "Outputs": {"Out": {"Value": {"Ref": "Queue"}, "Export": {"Name": unique}}}}
    cloudformation.create_stack(StackName=unique, TemplateBody=json.dumps(exporting))
    settled(cloudformation, unique)
    importing = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": {"Fn::ImportValue": unique}}}
    user = unique + "-user"
    cloudformation.create_stack(StackName=user, TemplateBody=template(Parameter=importing))
    assert settled(cloudformation, user)["StackStatus"] == "CREATE_COMPLETE"
    with pytest.raises(ClientError, match=f"Export {unique} cannot be deleted as it is in use by {user}"):
        cloudformation.delete_stack(StackName=unique)
    cloudformation.update_stack(StackName=unique, TemplateBody=template(Queue=QUEUE))
    stack = settled(cloudformation, unique)
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert stack["Outputs"][0]["ExportName"] == unique
    cloudformation.delete_stack(StackName=user)
    cloudformation.delete_stack(StackName=unique)
    with pytest.raises(ClientError, match="does not exist"):
        settled(cloudformation, unique)
        cloudformation.describe_stacks(StackName=unique)


def test_a_protected_stack_is_not_deleted(cloudformation, unique):
    cloudformation.create_stack(StackName=unique, TemplateBody=template(Queue=QUEUE), EnableTerminationProtection=True)
    settled(cloudformation, unique)
    with pytest.raises(ClientError, match="cannot be deleted while TerminationProtection is enabled"):
        cloudformation.delete_stack(StackName=unique)
    cloudformation.update_termination_protection(StackName=unique, EnableTerminationProtection=False)
    cloudformation.delete_stack(StackName=unique)


def test_an_update_is_cancelled_and_a_failed_one_rolled_back_on_request(server, cloudformation, unique, tmp_path):
    token = provider(server, tmp_path, unique, QUIET)
    cloudformation.create_stack(StackName=unique, TemplateBody=template(Queue=QUEUE, Thing=thing(token)))
    settled(cloudformation, unique)
    cloudformation.update_stack(StackName=unique, TemplateBody=template(Queue=QUEUE, Thing=thing(token, "Update")))
    cloudformation.cancel_update_stack(StackName=unique)
    assert settled(cloudformation, unique)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert reasons(cloudformation, unique, "UPDATE_FAILED")["Thing"] == "Resource update cancelled"
    bad = {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 999999}}
    cloudformation.update_stack(StackName=unique, TemplateBody=template(Queue=bad, Thing=thing(token)), DisableRollback=True)
    assert settled(cloudformation, unique)["StackStatus"] == "UPDATE_FAILED"
    cloudformation.rollback_stack(StackName=unique)
    assert settled(cloudformation, unique)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert list(queues(server, unique).values()) == ["45"]


def test_a_creation_has_as_long_as_it_was_given(server, cloudformation, unique, tmp_path):
    token = provider(server, tmp_path, unique, QUIET)
    cloudformation.create_stack(StackName=unique, TimeoutInMinutes=5, TemplateBody=template(Queue=QUEUE, Thing=thing(token, "Create")))
    server.advance("6m")
    assert settled(cloudformation, unique)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert reasons(cloudformation, unique, "ROLLBACK_IN_PROGRESS")[unique].startswith("Stack creation time exceeded the specified timeout.")
