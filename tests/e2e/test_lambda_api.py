"""The Lambda API through boto3: functions, their settings, concurrency, asynchronous configuration, tags, and what Invoke refuses."""
import base64
import hashlib
import io
import json
import urllib.request
import zipfile

import botocore.exceptions
import pytest

from recorder import RecorderServer
from world import ROLE, wait_until


@pytest.fixture(scope="module")
def recorders():
    running = RecorderServer()
    yield running
    running.close()


@pytest.fixture
def functions(server):
    return server.client("lambda")


def zip_of_text(name, text):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, text)
    return buffer.getvalue()


ECHO = zip_of_text("index.py", "def handler(event, context):\n    return event\n")


def refused(call, **options):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**options)
    error = caught.value.response
    return error["Error"]["Code"], error["Error"]["Message"], error["ResponseMetadata"]["HTTPStatusCode"]


def arn_of(name):
    return f"arn:aws:lambda:us-east-1:000000000000:function:{name}"


def queue(server, name):
    sqs = server.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def messages(server, url):
    found = []
    while some := server.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=600, MessageAttributeNames=["All"]).get("Messages"):
        found += some
    return found


def test_a_function_s_life(functions, unique):
    created = functions.create_function(FunctionName=unique, Runtime="python3.11", Role=ROLE, Handler="index.handler", Code={"ZipFile": ECHO}, Timeout=7, MemorySize=192,
                                        Description="first", Environment={"Variables": {"LEVEL": "1"}}, Tags={"team": "posts"})
    assert created["FunctionArn"] == arn_of(unique) and created["State"] in ("Active", "Pending") and created["Version"] == "$LATEST"
    assert created["CodeSha256"] == base64.b64encode(hashlib.sha256(ECHO).digest()).decode() and created["CodeSize"] == len(ECHO)
    assert refused(functions.create_function, FunctionName=unique, Runtime="python3.11", Role=ROLE, Handler="index.handler", Code={"ZipFile": ECHO}) == \
        ("ResourceConflictException", f"Function already exist: {unique}", 409)
    functions.get_waiter("function_active_v2").wait(FunctionName=unique)
    got = functions.get_function(FunctionName=unique)
    assert got["Configuration"]["Timeout"] == 7 and got["Configuration"]["Environment"] == {"Variables": {"LEVEL": "1"}} and got["Tags"] == {"team": "posts"}
    assert got["Code"]["RepositoryType"] == "S3"
    with urllib.request.urlopen(got["Code"]["Location"]) as archive:
        assert archive.read() == ECHO
    changed = functions.update_function_configuration(FunctionName=unique, Timeout=9, Description="second", Environment={"Variables": {}})
    assert changed["Timeout"] == 9 and changed["MemorySize"] == 192 and changed["Description"] == "second"
    functions.get_waiter("function_updated_v2").wait(FunctionName=unique)
    other = zip_of_text("index.py", "def handler(event, context):\n    return 'new'\n")
    updated = functions.update_function_code(FunctionName=unique, ZipFile=other)
    assert updated["CodeSha256"] != created["CodeSha256"] and updated["RevisionId"] != changed["RevisionId"]
    assert json.loads(functions.invoke(FunctionName=unique)["Payload"].read()) == "new"
    assert functions.get_function_configuration(FunctionName=arn_of(unique))["Description"] == "second"
    assert functions.delete_function(FunctionName=unique)["ResponseMetadata"]["HTTPStatusCode"] in (200, 204)
    assert refused(functions.get_function, FunctionName=unique) == ("ResourceNotFoundException", f"Function not found: {arn_of(unique)}", 404)
    assert refused(functions.delete_function, FunctionName=unique)[0] == "ResourceNotFoundException"
    assert refused(functions.invoke, FunctionName=unique) == ("ResourceNotFoundException", f"Function not found: {arn_of(unique)}:$LATEST", 404)


def test_functions_are_listed_in_pages_and_per_account(server, unique):
    mine, other = server.client("lambda", account="111111111111"), server.client("lambda", account="222222222222")
    names = [f"{unique}{i}" for i in range(5)]
    for name in names:
        mine.create_function(FunctionName=name, Runtime="python3.11", Role=ROLE, Handler="index.handler", Code={"ZipFile": ECHO})
    pages = list(mine.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2}))
    assert [len(page["Functions"]) for page in pages] == [2, 2, 1]
    assert [function["FunctionName"] for page in pages for function in page["Functions"]] == names
    assert other.list_functions()["Functions"] == []
    assert refused(other.get_function, FunctionName=names[0])[0] == "ResourceNotFoundException"


def test_update_with_a_stale_revision_is_refused(server, functions, unique):
    server.function(unique, ECHO, runtime="python3.11")
    code, message, status = refused(functions.update_function_configuration, FunctionName=unique, Timeout=3, RevisionId="00000000-0000-0000-0000-000000000000")
    assert (code, status) == ("PreconditionFailedException", 412) and "Revision Id" in message


def test_update_function_code_dry_run_changes_nothing(server, functions, unique):
    server.function(unique, ECHO, runtime="python3.11")
    functions.update_function_code(FunctionName=unique, ZipFile=zip_of_text("index.py", "def handler(e, c): return 'never'"), DryRun=True)
    assert json.loads(functions.invoke(FunctionName=unique, Payload=b'"same"')["Payload"].read()) == "same"


def test_reserved_concurrency(server, functions, unique):
    server.function(unique, ECHO, runtime="python3.11")
    assert "ReservedConcurrentExecutions" not in functions.get_function_concurrency(FunctionName=unique)
    assert functions.put_function_concurrency(FunctionName=unique, ReservedConcurrentExecutions=3)["ReservedConcurrentExecutions"] == 3
    assert functions.get_function_concurrency(FunctionName=unique)["ReservedConcurrentExecutions"] == 3
    assert functions.get_function(FunctionName=unique)["Concurrency"] == {"ReservedConcurrentExecutions": 3}
    assert refused(functions.put_function_concurrency, FunctionName=unique, ReservedConcurrentExecutions=901)[:2] == (
        "InvalidParameterValueException", "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].")
    assert refused(functions.put_function_concurrency, FunctionName=unique + ":$LATEST", ReservedConcurrentExecutions=1)[:2] == (
        "InvalidParameterValueException", "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. "
                                          "Please specify either a function name or an unqualified function ARN.")
    functions.put_function_concurrency(FunctionName=unique, ReservedConcurrentExecutions=0)
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        functions.invoke(FunctionName=unique)
    answer = caught.value.response
    assert answer["Error"] == {"Code": "TooManyRequestsException", "Message": "Rate Exceeded."} and answer["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert answer["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded" and "retry-after" in answer["ResponseMetadata"]["HTTPHeaders"]
    assert functions.delete_function_concurrency(FunctionName=unique)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert functions.invoke(FunctionName=unique)["StatusCode"] == 200


def test_event_invoke_configuration(server, functions, unique):
    server.function(unique, ECHO, runtime="python3.11")
    _, arn = queue(server, unique)
    missing = ("ResourceNotFoundException", f"The function {arn_of(unique)}:$LATEST doesn't have an EventInvokeConfig", 404)
    assert refused(functions.get_function_event_invoke_config, FunctionName=unique) == missing
    assert refused(functions.put_function_event_invoke_config, FunctionName=unique)[:2] == (
        "InvalidParameterValueException", "You must specify at least one of error handling or destination setting.")
    put = functions.put_function_event_invoke_config(FunctionName=unique, MaximumRetryAttempts=1, MaximumEventAgeInSeconds=600)
    assert put["FunctionArn"] == arn_of(unique) + ":$LATEST" and put["DestinationConfig"] == {"OnSuccess": {}, "OnFailure": {}}
    merged = functions.update_function_event_invoke_config(FunctionName=unique, DestinationConfig={"OnFailure": {"Destination": arn}})
    assert merged["MaximumRetryAttempts"] == 1 and merged["DestinationConfig"]["OnFailure"] == {"Destination": arn}
    assert functions.get_function_event_invoke_config(FunctionName=unique)["MaximumEventAgeInSeconds"] == 600
    [listed] = functions.list_function_event_invoke_configs(FunctionName=unique)["FunctionEventInvokeConfigs"]
    assert listed["MaximumRetryAttempts"] == 1
    replaced = functions.put_function_event_invoke_config(FunctionName=unique, MaximumRetryAttempts=0)
    assert replaced["MaximumRetryAttempts"] == 0 and "MaximumEventAgeInSeconds" not in replaced and replaced["DestinationConfig"]["OnFailure"] == {}
    bad = refused(functions.put_function_event_invoke_config, FunctionName=unique, DestinationConfig={"OnFailure": {"Destination": arn_of(unique)}})
    assert bad[:2] == ("InvalidParameterValueException", "You can't specify the function as a destination for itself.")
    assert functions.delete_function_event_invoke_config(FunctionName=unique)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert refused(functions.get_function_event_invoke_config, FunctionName=unique) == missing


def test_tags(server, functions, unique):
    server.function(unique, ECHO, runtime="python3.11", Tags={"a": "1"})
    functions.tag_resource(Resource=arn_of(unique), Tags={"b": "2", "c": "ü"})
    assert functions.list_tags(Resource=arn_of(unique))["Tags"] == {"a": "1", "b": "2", "c": "ü"}
    functions.untag_resource(Resource=arn_of(unique), TagKeys=["a", "b"])
    assert functions.list_tags(Resource=arn_of(unique))["Tags"] == {"c": "ü"}
    assert refused(functions.tag_resource, Resource=arn_of(unique + "x"), Tags={"a": "1"})[0] == "ResourceNotFoundException"


# ---- Invoke


def test_invocation_types(server, functions, recorders, unique):
    recorder = recorders.function(server, unique)
    answer = functions.invoke(FunctionName=unique, InvocationType="DryRun")
    assert answer["StatusCode"] == 204 and answer["Payload"].read() == b""
    answer = functions.invoke(FunctionName=unique, InvocationType="Event", Payload=b'{"n": 1}')
    assert answer["StatusCode"] == 202 and answer["Payload"].read() == b"" and "ExecutedVersion" not in answer
    assert functions.invoke_async(FunctionName=unique, InvokeArgs=b'{"n": 2}')["Status"] == 202
    server.settle()
    assert sorted(event["n"] for event in recorder.events) == [1, 2]  # and not the dry run
    assert refused(functions.invoke, FunctionName=unique + "x", InvocationType="DryRun")[0] == "ResourceNotFoundException"


def test_payload_limits(server, functions, unique):
    server.function(unique, zip_of_text("index.py", "def handler(event, context):\n    return len(event)\n"), runtime="python3.11")

    def text_of(bytes_):
        return json.dumps("x" * (bytes_ - 2)).encode()

    limit = 6 * 1024 * 1024
    assert json.loads(functions.invoke(FunctionName=unique, Payload=text_of(limit))["Payload"].read()) == limit - 2
    assert refused(functions.invoke, FunctionName=unique, Payload=text_of(limit + 1)) == (
        "RequestEntityTooLargeException", f"{limit + 1} byte payload is too large for the RequestResponse invocation type (service limit {limit} bytes)", 413)
    limit = 1024 * 1024
    assert functions.invoke(FunctionName=unique, InvocationType="Event", Payload=text_of(limit))["StatusCode"] == 202
    assert refused(functions.invoke, FunctionName=unique, InvocationType="Event", Payload=text_of(limit + 1)) == (
        "RequestEntityTooLargeException", f"{limit + 1} byte payload is too large for the Event invocation type (service limit {limit} bytes)", 413)
    assert refused(functions.invoke_async, FunctionName=unique, InvokeArgs=text_of(262_145))[2] == 413
    code, message, status = refused(functions.invoke, FunctionName=unique, Payload=b"{no json")
    assert (code, status) == ("InvalidRequestContentException", 400) and message.startswith("Could not parse request body into json: ")


def test_client_context_reaches_the_function(server, functions, unique):
    server.function(unique, zip_of_text("index.py", "def handler(event, context):\n    return context.client_context.custom\n"), runtime="python3.11")
    context = base64.b64encode(json.dumps({"custom": {"who": "me"}}).encode()).decode()
    assert json.loads(functions.invoke(FunctionName=unique, ClientContext=context)["Payload"].read()) == {"who": "me"}


# ---- asynchronous events


def test_async_retries_come_after_one_and_two_minutes_with_the_same_request(server, functions, recorders, unique):
    recorder = recorders.function(server, unique)
    recorder.behave = lambda event: 1 / 0
    functions.invoke(FunctionName=unique, InvocationType="Event", Payload=b'{"n": 1}')
    server.settle()
    assert len(recorder.events) == 1
    for moved, invocations in (("40s", 1), ("30s", 2), ("80s", 2), ("60s", 3)):  # at 1 min, and 2 min after that
        server.advance(moved)
        assert len(recorder.events) == invocations
    server.advance("6h")
    assert recorder.events == [{"n": 1}] * 3 and len(set(recorder.requests)) == 1
    server.settle()
    assert not [wait for wait in server.settle()["waiting"] if unique in wait["what"]]


def test_destinations_of_success_and_failure_and_the_dead_letter_queue(server, functions, recorders, unique):
    (success, success_arn), (failure, failure_arn), (letters, letters_arn) = (queue(server, unique + kind) for kind in ("ok", "bad", "dlq"))
    recorder = recorders.function(server, unique, DeadLetterConfig={"TargetArn": letters_arn})

    def behave(event):
        if event.get("bad"):
            raise RuntimeError("no such post")
        return {"done": event}
    recorder.behave = behave
    functions.put_function_event_invoke_config(FunctionName=unique, MaximumRetryAttempts=1, DestinationConfig={
        "OnSuccess": {"Destination": success_arn}, "OnFailure": {"Destination": failure_arn}})
    functions.invoke(FunctionName=unique, InvocationType="Event", Payload=b'{"n": 1}')
    bad = functions.invoke(FunctionName=unique, InvocationType="Event", Payload=b'{"bad": true}')["ResponseMetadata"]["RequestId"]
    server.settle()
    server.advance("10m")
    [good] = [json.loads(message["Body"], object_pairs_hook=lambda pairs: pairs) for message in messages(server, success)]
    assert [name for name, _ in good] == ["version", "timestamp", "requestContext", "requestPayload", "responseContext", "responsePayload"]
    document = dict(good)
    assert dict(document["requestContext"])["condition"] == "Success" and dict(document["requestContext"])["approximateInvokeCount"] == 1
    assert document["responseContext"] == [("statusCode", 200), ("executedVersion", "$LATEST")] and document["responsePayload"] == [("done", [("n", 1)])]
    [message] = messages(server, failure)
    document = json.loads(message["Body"])
    assert document["requestContext"] == {"requestId": bad, "functionArn": arn_of(unique) + ":$LATEST", "condition": "RetriesExhausted", "approximateInvokeCount": 2}
    assert document["responseContext"]["functionError"] == "Unhandled" and document["responsePayload"]["errorMessage"] == "no such post"
    [letter] = messages(server, letters)
    assert json.loads(letter["Body"]) == {"bad": True}
    attributes = {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()}
    assert attributes == {"RequestID": bad, "ErrorCode": "200", "ErrorMessage": "no such post"}


def test_events_go_on_after_a_restart_with_their_attempts(own_server, recorders, unique):
    recorder = recorders.function(own_server, unique)
    url, arn = queue(own_server, unique)
    recorder.behave = lambda event: 1 / 0
    functions = own_server.client("lambda")
    functions.put_function_event_invoke_config(FunctionName=unique, DestinationConfig={"OnFailure": {"Destination": arn}})
    for number in range(20):
        functions.invoke(FunctionName=unique, InvocationType="Event", Payload=json.dumps({"n": number}).encode())
    own_server.settle()
    assert len(recorder.events) == 20
    own_server.kill()
    own_server.start()
    own_server.settle()
    own_server.advance("10m")
    assert len(recorder.events) == 60
    assert sorted(json.loads(message["Body"])["requestPayload"]["n"] for message in messages(own_server, url)) == list(range(20))


def test_a_stop_in_the_middle_of_events_loses_and_charges_nothing(own_server, recorders, unique):
    """SIGTERM while events run and more wait: the process ends within its limit, and all of them are done after the restart."""
    recorder = recorders.function(own_server, unique, concurrency=2)
    url, arn = queue(own_server, unique)
    functions = own_server.client("lambda")
    functions.put_function_event_invoke_config(FunctionName=unique, MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": arn}})
    recorder.hold()
    for number in range(10):
        functions.invoke(FunctionName=unique, InvocationType="Event", Payload=json.dumps({"n": number}).encode())
    recorder.wait(2)
    assert own_server.stop(limit=15) == 0
    recorder.release()
    own_server.start()
    own_server.settle()
    own_server.advance("5m")
    assert {event["n"] for event in recorder.events} == set(range(10)) and messages(own_server, url) == []


def test_fifty_parallel_invocations(server, recorders, unique):
    import threading

    recorder = recorders.function(server, unique)
    recorder.behave = lambda event: event["n"]
    recorder.hold()
    answers = {}

    def call(number):
        functions = server.client("lambda", read_timeout=120)
        answers[number] = json.loads(functions.invoke(FunctionName=unique, Payload=json.dumps({"n": number}).encode())["Payload"].read())

    threads = [threading.Thread(target=call, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    wait_until(lambda: recorder.running == 50, "fifty functions at once", limit=60)
    recorder.release()
    for thread in threads:
        thread.join()
    assert answers == {number: number for number in range(50)}
