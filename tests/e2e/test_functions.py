"""Functions on their worst days: whatever a handler does, the server answers as AWS would and goes on."""
import base64
import io
import json
import time
import zipfile

import botocore.exceptions
import pytest

from world import ROLE, wait_until


def zip_of_files(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def python(server, name, body, **options):
    server.function(name, zip_of_files({"index.py": body}), runtime="python3.11", **options)
    return name


def node(server, name, body, **options):
    server.function(name, zip_of_files({"index.js": body}), runtime="nodejs20.x", **options)
    return name


def invoke(server, name, payload=b"{}", **options):
    answer = server.client("lambda", read_timeout=120).invoke(FunctionName=name, Payload=payload, **options)
    return answer, json.loads(answer["Payload"].read() or b"null")


def refused(call, *arguments, **options):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(*arguments, **options)
    return caught.value.response["Error"]


def test_answers_with_log_tail_and_version(server, unique):
    python(server, unique, "def handler(event, context):\n    print('hello', context.function_name)\n    return {'got': event}\n")
    answer, body = invoke(server, unique, b'{"x": [1, 2]}', LogType="Tail")
    assert body == {"got": {"x": [1, 2]}} and answer["ExecutedVersion"] == "$LATEST" and "FunctionError" not in answer
    tail = base64.b64decode(answer["LogResult"]).decode()
    assert f"hello {unique}" in tail and "START RequestId" in tail and "REPORT RequestId" in tail and "Max Memory Used" in tail


@pytest.mark.parametrize("make, body", [(python, "def handler(event, context):\n    raise ValueError('boom')\n"),
                                        (node, "exports.handler = async () => { throw new RangeError('boom'); };")])
def test_a_function_that_throws(server, unique, make, body):
    make(server, unique, body)
    answer, error = invoke(server, unique)
    assert answer["StatusCode"] == 200 and answer["FunctionError"] == "Unhandled"
    assert error["errorMessage"] == "boom" and error["errorType"] in ("ValueError", "RangeError")


def test_a_function_that_exits_and_then_works_again(server, unique):
    python(server, unique, "import os\ndef handler(event, context):\n    if event.get('die'): os._exit(3)\n    return 'fine'\n")
    answer, error = invoke(server, unique, b'{"die": true}')
    assert answer["FunctionError"] == "Unhandled" and error["errorType"] == "Runtime.ExitError" and "exit status 3" in error["errorMessage"]
    assert invoke(server, unique)[1] == "fine"


def test_a_function_that_hangs_is_killed_with_its_children(server, unique):
    node(server, unique, "const { spawn } = require('child_process');\nexports.handler = async () => { spawn('sleep', ['3600']); await new Promise(() => setInterval(() => {}, 1000)); };", timeout=1)
    answer, error = invoke(server, unique)
    assert answer["FunctionError"] == "Unhandled" and error["errorType"] == "Sandbox.Timedout"
    assert error["errorMessage"].endswith("Task timed out after 1.00 seconds")


def test_a_function_that_prints_100_mb(server, unique):
    python(server, unique, "import sys\ndef handler(event, context):\n    line = 'x' * 999 + '\\n'\n    for _ in range(100_000): sys.stdout.write(line)\n    return 'done'\n")
    assert invoke(server, unique)[1] == "done"
    assert server.admin("health")["status"] == "ok"


def test_an_answer_over_6_mb(server, unique):
    python(server, unique, "def handler(event, context):\n    return 'x' * 7_000_000\n")
    answer, error = invoke(server, unique)
    assert answer["FunctionError"] == "Unhandled" and error["errorType"] == "Function.ResponseSizeTooLarge"
    assert error["errorMessage"] == "Response payload size exceeded maximum allowed payload size (6291556 bytes)."


def test_an_answer_that_is_no_json(server, unique):
    python(server, unique, "def handler(event, context):\n    return object()\n")
    answer, error = invoke(server, unique)
    assert answer["FunctionError"] == "Unhandled" and "MarshalError" in error["errorType"]


@pytest.mark.parametrize("handler, kind", [("index.missing", "Runtime.HandlerNotFound"), ("missing.handler", "Runtime.ImportModuleError"), ("noDots", "Runtime.MalformedHandlerName")])
def test_no_such_handler(server, unique, handler, kind):
    server.function(unique, zip_of_files({"index.js": "exports.handler = async () => 1;"}), handler=handler)
    answer, error = invoke(server, unique)
    assert answer["FunctionError"] == "Unhandled" and error["errorType"] == kind


def test_zips_that_are_none_or_climb_out(server, unique):
    client = server.client("lambda")
    create = dict(FunctionName=unique, Runtime="python3.11", Role=ROLE, Handler="index.handler")
    assert refused(client.create_function, **create, Code={"ZipFile": b"no zip"})["Code"] == "InvalidParameterValueException"
    assert refused(client.create_function, **create, Code={"ZipFile": zip_of_files({"../../evil.py": "x"})})["Code"] == "InvalidParameterValueException"
    assert refused(client.get_function, FunctionName=unique)["Code"] == "ResourceNotFoundException"


def test_options_that_are_not_served_are_refused_by_name(server, unique):
    client = server.client("lambda")
    error = refused(client.create_function, FunctionName=unique, Runtime="python3.11", Role=ROLE, Handler="index.handler",
                    Code={"ZipFile": zip_of_files({"index.py": ""})}, Layers=["arn:aws:lambda:us-east-1:000000000000:layer:x:1"])
    assert "ayer" in error["Message"]


def test_environment_is_the_function_s_own(server, unique, monkeypatch):
    python(server, unique, "import os\ndef handler(event, context):\n    return dict(os.environ)\n", environment={"MINE": "1"})
    _, variables = invoke(server, unique)
    assert variables["MINE"] == "1" and variables["AWS_ENDPOINT_URL"] == server.endpoint and variables["AWS_LAMBDA_FUNCTION_NAME"] == unique
    assert variables["TZ"] == ":UTC" and "AWS_PROFILE" not in variables and "MILLRACE_BINARY" not in variables


def test_the_old_sdk_reaches_this_server_and_nothing_else(server, unique):
    node(server, unique, "const AWS = require('aws-sdk');\nexports.handler = async () => {\n  const s3 = new AWS.S3();\n"
         "  await s3.createBucket({ Bucket: process.env.BUCKET }).promise();\n  await s3.putObject({ Bucket: process.env.BUCKET, Key: 'k', Body: 'v2' }).promise();\n"
         "  return (await new AWS.STS().getCallerIdentity().promise()).Account;\n};", environment={"BUCKET": unique})
    answer, account = invoke(server, unique)
    assert account == "000000000000", account
    assert server.client("s3").get_object(Bucket=unique, Key="k")["Body"].read() == b"v2"


def test_retired_runtimes_run_on_the_nearest(server, unique):
    server.function(unique, zip_of_files({"index.py": "import sys\ndef handler(event, context):\n    return list(sys.version_info[:2])\n"}), runtime="python3.6")
    assert invoke(server, unique)[1][0] == 3
    assert "python" in server.admin(f"functions/{unique}")["interpreter"].lower()


def test_a_folder_stands_for_a_zip_while_developing(server, unique, tmp_path):
    (tmp_path / "index.py").write_text("def handler(event, context):\n    return 1\n")
    server.client("lambda").create_function(FunctionName=unique, Runtime="python3.11", Role=ROLE, Handler="index.handler",
                                            Code={"S3Bucket": "hot-reload", "S3Key": str(tmp_path)})
    assert invoke(server, unique)[1] == 1
    (tmp_path / "index.py").write_text("def handler(event, context):\n    return 'changed'\n")
    assert invoke(server, unique)[1] == "changed"


def test_code_from_s3(server, unique):
    s3 = server.client("s3")
    s3.create_bucket(Bucket=unique)
    s3.put_object(Bucket=unique, Key="code.zip", Body=zip_of_files({"index.py": "def handler(event, context):\n    return 's3'\n"}))
    server.client("lambda").create_function(FunctionName=unique, Runtime="python3.11", Role=ROLE, Handler="index.handler", Code={"S3Bucket": unique, "S3Key": "code.zip"})
    assert invoke(server, unique)[1] == "s3"


def test_reserved_concurrency_throttles(server, unique):
    python(server, unique, "def handler(event, context):\n    return 1\n", concurrency=0)
    error = refused(server.client("lambda").invoke, FunctionName=unique)
    assert error["Code"] == "TooManyRequestsException"


def test_async_events_are_retried_and_end_in_the_destination(server, unique):
    sqs, functions = server.client("sqs"), server.client("lambda")
    url = sqs.create_queue(QueueName=unique)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    python(server, unique, "def handler(event, context):\n    raise RuntimeError('always')\n")
    functions.put_function_event_invoke_config(FunctionName=unique, DestinationConfig={"OnFailure": {"Destination": arn}})
    assert functions.invoke(FunctionName=unique, InvocationType="Event", Payload=b'{"n": 1}')["StatusCode"] == 202
    server.settle()
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    server.advance("5m")
    document = json.loads(sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"])
    assert document["requestContext"]["condition"] == "RetriesExhausted" and document["requestContext"]["approximateInvokeCount"] == 3
    assert document["requestPayload"] == {"n": 1} and document["responsePayload"]["errorMessage"] == "always"


def test_one_slow_function_does_not_delay_another(server, unique):
    python(server, unique, "import time\ndef handler(event, context):\n    time.sleep(3)\n")
    python(server, unique + "quick", "def handler(event, context):\n    return 1\n")
    invoke(server, unique + "quick")
    server.client("lambda").invoke(FunctionName=unique, InvocationType="Event")
    started = time.monotonic()
    invoke(server, unique + "quick")
    assert time.monotonic() - started < 1.5


def test_output_is_in_the_logs(server, unique):
    python(server, unique, "def handler(event, context):\n    print('a line of', event['who'])\n")
    invoke(server, unique, b'{"who": "mine"}')
    logs = server.client("logs")
    events = wait_until(lambda: [event for event in logs.filter_log_events(logGroupName=f"/aws/lambda/{unique}")["events"] if "a line of mine" in event["message"]], "the line")
    assert len(events) == 1
