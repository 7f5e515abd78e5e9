"""Asynchronous invocation per qualifier: retries, age, destinations and their documents."""
import json

import botocore.exceptions
import pytest

from test_functions import zip_of_files

FLAKY = "exports.handler = async (event) => { if (event.fail) throw new Error('no'); return {ok: event}; };"


@pytest.fixture
def world(server, unique):
    """A function with version 1 and alias `live`, and two queues."""
    client, queues = server.client("lambda"), server.client("sqs")
    server.function(unique, zip_of_files({"index.js": FLAKY}), runtime="nodejs20.x")
    client.publish_version(FunctionName=unique)
    client.create_alias(FunctionName=unique, Name="live", FunctionVersion="1")
    urls = [queues.create_queue(QueueName=f"{unique}-{end}")["QueueUrl"] for end in ("good", "bad")]
    arns = [queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"] for url in urls]

    def received(index):
        return [json.loads(m["Body"]) for m in queues.receive_message(QueueUrl=urls[index], MaxNumberOfMessages=10).get("Messages", [])]
    return client, unique, arns, received


def test_an_alias_has_its_own_retries_and_destinations(server, world):
    client, name, (good, bad), received = world
    client.put_function_event_invoke_config(FunctionName=name, Qualifier="live", MaximumRetryAttempts=1, MaximumEventAgeInSeconds=3600,
                                            DestinationConfig={"OnSuccess": {"Destination": good}, "OnFailure": {"Destination": bad}})
    client.invoke(FunctionName=name, Qualifier="live", InvocationType="Event", Payload=b'{"a": 1.50}')
    client.invoke(FunctionName=f"{name}:live", InvocationType="Event", Payload=b'{"fail": true}')
    client.invoke(FunctionName=name, InvocationType="Event", Payload=b"{}")  # $LATEST: nobody is told
    server.settle()
    server.advance("3m")
    (success,), (failure,) = received(0), received(1)
    assert list(success) == ["version", "timestamp", "requestContext", "requestPayload", "responseContext", "responsePayload"]
    context = success["requestContext"]
    assert context["functionArn"].endswith(f":{name}:live") and context["condition"] == "Success" and context["approximateInvokeCount"] == 1
    assert success["responseContext"] == {"statusCode": 200, "executedVersion": "1"} and success["responsePayload"] == {"ok": {"a": 1.5}}
    assert failure["requestContext"]["condition"] == "RetriesExhausted" and failure["requestContext"]["approximateInvokeCount"] == 2
    assert failure["responseContext"] == {"statusCode": 200, "executedVersion": "1", "functionError": "Unhandled"}
    assert failure["responsePayload"]["errorMessage"] == "no"
    assert received(0) == [] and received(1) == []


def test_a_function_as_destination_may_be_an_alias(server, world, unique):
    client, name, _, _ = world
    client.put_function_event_invoke_config(FunctionName=name, DestinationConfig={"OnSuccess": {"Destination": _made(server, client, unique)}})
    client.invoke(FunctionName=name, InvocationType="Event", Payload=b"{}")
    server.settle()
    ran = server.admin(f"/invocations?function={unique}-next")["invocations"]
    assert [(one["version"], one["source"]) for one in ran] == [("1", "async")]


def _made(server, client, unique):
    server.function(f"{unique}-next", zip_of_files({"index.js": FLAKY}), runtime="nodejs20.x")
    client.publish_version(FunctionName=f"{unique}-next")
    return client.create_alias(FunctionName=f"{unique}-next", Name="a", FunctionVersion="1")["AliasArn"]


def test_configurations_per_qualifier_are_listed_merged_and_deleted(world):
    client, name, (good, _), _ = world
    client.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
    client.put_function_event_invoke_config(FunctionName=name, Qualifier="1", MaximumRetryAttempts=1)
    client.put_function_event_invoke_config(FunctionName=name, Qualifier="live", MaximumRetryAttempts=2)
    arn = client.get_function(FunctionName=name)["Configuration"]["FunctionArn"]
    shown = client.list_function_event_invoke_configs(FunctionName=name)["FunctionEventInvokeConfigs"]
    assert {one["FunctionArn"]: one["MaximumRetryAttempts"] for one in shown} == {f"{arn}:$LATEST": 0, f"{arn}:1": 1, f"{arn}:live": 2}
    merged = client.update_function_event_invoke_config(FunctionName=name, Qualifier="live", DestinationConfig={"OnSuccess": {"Destination": good}})
    assert merged["MaximumRetryAttempts"] == 2 and merged["DestinationConfig"]["OnSuccess"] == {"Destination": good}
    client.delete_alias(FunctionName=name, Name="live")
    with pytest.raises(botocore.exceptions.ClientError, match=f"The function {arn}:live doesn't have an EventInvokeConfig"):
        client.get_function_event_invoke_config(FunctionName=name, Qualifier="live")
    with pytest.raises(botocore.exceptions.ClientError, match="The function doesn't exist."):
        client.put_function_event_invoke_config(FunctionName=name, Qualifier="live", MaximumRetryAttempts=2)
    client.delete_function_event_invoke_config(FunctionName=name, Qualifier="1")
    with pytest.raises(botocore.exceptions.ClientError, match="You can't specify the function as a destination for itself"):
        client.put_function_event_invoke_config(FunctionName=name, DestinationConfig={"OnFailure": {"Destination": f"{arn}:1"}})
