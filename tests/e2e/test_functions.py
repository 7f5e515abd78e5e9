"""Functions on their worst days: whatever a handler does, the server answers as AWS would and goes on."""
import base64
import io
import json
import pathlib
import shutil
import time
import zipfile

import botocore.exceptions
import pytest

from world import ROLE, Server, wait_until


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
    python(server, unique, "import time\ndef handler(event, context):\n    time.sleep(20)\n")
    python(server, unique + "quick", "def handler(event, context):\n    return 1\n")
    invoke(server, unique + "quick")
    server.client("lambda").invoke(FunctionName=unique, InvocationType="Event")
    started = time.monotonic()
    invoke(server, unique + "quick")
    assert time.monotonic() - started < 10


def test_output_is_in_the_logs(server, unique):
    python(server, unique, "def handler(event, context):\n    print('a line of', event['who'])\n")
    invoke(server, unique, b'{"who": "mine"}')
    logs = server.client("logs")
    events = wait_until(lambda: [event for event in logs.filter_log_events(logGroupName=f"/aws/lambda/{unique}")["events"] if "a line of mine" in event["message"]], "the line")
    assert len(events) == 1


# ---- kinds of handlers


PROVIDED = """#!/bin/bash
set -u
api="http://${AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime"
while true; do
  event=$(curl -sS -D /tmp/head "$api/invocation/next") || exit 1
  id=$(tr -d '\\r' < /tmp/head | awk -F': ' 'tolower($1) == "lambda-runtime-aws-request-id" { print $2 }')
  if [ "$event" = '"fail"' ]; then
    curl -sS -X POST "$api/invocation/$id/error" -H 'Lambda-Runtime-Function-Error-Type: Unhandled' \\
      -d '{"errorMessage":"as asked","errorType":"Bash"}' > /dev/null
  else
    curl -sS -X POST "$api/invocation/$id/response" -d "{\\"got\\":$event,\\"handler\\":\\"$_HANDLER\\"}" > /dev/null
  fi
done
"""


@pytest.mark.skipif(shutil.which("curl") is None, reason="the bootstrap speaks through curl")
def test_a_runtime_of_one_s_own_in_bash(server, unique):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo("bootstrap")
        info.external_attr = 0o755 << 16
        archive.writestr(info, PROVIDED)
    server.function(unique, buffer.getvalue(), handler="mine", runtime="provided.al2023")
    assert invoke(server, unique, b'{"n": [1]}')[1] == {"got": {"n": [1]}, "handler": "mine"}
    answer, error = invoke(server, unique, b'"fail"')
    assert answer["FunctionError"] == "Unhandled" and error == {"errorMessage": "as asked", "errorType": "Bash"}
    assert invoke(server, unique, b"2")[1] == {"got": 2, "handler": "mine"}


def test_an_ecmascript_module_with_top_level_await(server, unique):
    server.function(unique, zip_of_files({"index.mjs": "import { S3Client } from '@aws-sdk/client-s3';\nconst ready = await Promise.resolve('ready');\n"
                                                       "export const handler = async (event) => ({ ready, event, sdk: typeof S3Client });\n"}))
    assert invoke(server, unique, b"1")[1] == {"ready": "ready", "event": 1, "sdk": "function"}


def test_a_handler_with_a_callback(server, unique):
    node(server, unique, "exports.handler = (event, context, callback) => { setTimeout(() => event.bad ? callback(new TypeError('no')) : callback(null, { got: event }), 10); };")
    assert invoke(server, unique, b'{"n": 1}')[1] == {"got": {"n": 1}}
    answer, error = invoke(server, unique, b'{"bad": 1}')
    assert answer["FunctionError"] == "Unhandled" and error["errorType"] == "TypeError" and error["errorMessage"] == "no"


# ---- handlers on their worst days, continued


def test_a_function_that_takes_too_much_memory(server, unique):
    python(server, unique, "def handler(event, context):\n    if not event.get('mb'): return 'fine'\n    return len(bytearray(b'x') * (event['mb'] << 20))\n", memory=128)
    answer, error = invoke(server, unique, b'{"mb": 2000}')
    assert answer["FunctionError"] == "Unhandled" and error["errorType"] in ("Runtime.ExitError", "MemoryError", "Runtime.OutOfMemory"), error
    assert invoke(server, unique)[1] == "fine"


def test_a_function_that_forks_and_leaves_children(server, unique):
    """The children hold the output open; the answer does not wait for them, and none outlives its function."""
    body = ("import subprocess\ndef handler(event, context):\n    for _ in range(3): subprocess.Popen(['sleep', event['seconds']])\n    return 'left'\n")
    python(server, unique, body)
    seconds = str(40_000 + int(unique[1:7], 16) % 10_000) + ".5"
    started = time.monotonic()
    assert invoke(server, unique, json.dumps({"seconds": seconds}).encode())[1] == "left"
    assert time.monotonic() - started < 10
    assert sleeping(seconds) == 3
    server.client("lambda").delete_function(FunctionName=unique)
    wait_until(lambda: sleeping(seconds) == 0, "the children to be gone")


def sleeping(seconds):
    found = 0
    for folder in pathlib.Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                found += (folder / "cmdline").read_bytes() == f"sleep\0{seconds}\0".encode()
            except OSError:
                pass  # it has ended meanwhile
    return found


@pytest.mark.parametrize("make, body", [
    (python, "import os, sys\ndef handler(event, context):\n    os.close(1); os.close(2)\n    return 'quiet'\n"),
    (node, "exports.handler = async () => { require('fs').closeSync(1); require('fs').closeSync(2); return 'quiet'; };")])
def test_a_function_that_closes_its_output(server, unique, make, body):
    make(server, unique, body)
    assert invoke(server, unique)[1] == "quiet"


@pytest.mark.skipif(any(any(pathlib.Path(folder).glob("node*")) for folder in ("/usr/bin", "/usr/local/bin")), reason="this machine has Node.js where it is always found")
def test_without_an_interpreter_the_error_names_what_to_install(tmp_path, unique, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    with Server(data=tmp_path / "data", config={"functions": {"interpreters": []}}) as bare:
        node(bare, unique, "exports.handler = async () => 1;")
        answer, error = invoke(bare, unique)
        assert answer["FunctionError"] == "Unhandled" and error["errorType"] == "Runtime.NotInstalled", error
        assert "nodejs20.x" in error["errorMessage"] and "install the Debian package nodejs" in error["errorMessage"]


# ---- calls back to this server, and to no other


CLIENTS = {
    "boto3": ("python3.11", "index.py", """
import boto3, os
def handler(event, context):
    name = os.environ["NAME"]
    s3, dynamodb, sqs = boto3.client("s3"), boto3.resource("dynamodb"), boto3.client("sqs")
    s3.put_object(Bucket=name, Key="boto3", Body=b"boto3")
    dynamodb.Table(name).put_item(Item={"id": "boto3"})
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"], MessageBody="boto3")
    return s3.get_object(Bucket=name, Key="boto3")["Body"].read().decode()
"""),
    "v3": ("nodejs20.x", "index.mjs", """
import { S3Client, PutObjectCommand, GetObjectCommand } from "@aws-sdk/client-s3";
import { DynamoDBClient, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { SQSClient, GetQueueUrlCommand, SendMessageCommand } from "@aws-sdk/client-sqs";
const [s3, dynamodb, sqs] = [new S3Client({}), new DynamoDBClient({}), new SQSClient({})];
export const handler = async () => {
  const name = process.env.NAME;
  await s3.send(new PutObjectCommand({ Bucket: name, Key: "v3", Body: "v3" }));
  await dynamodb.send(new PutItemCommand({ TableName: name, Item: { id: { S: "v3" } } }));
  const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: name }));
  await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: "v3" }));
  return (await s3.send(new GetObjectCommand({ Bucket: name, Key: "v3" }))).Body.transformToString();
};
"""),
    "v2": ("nodejs14.x", "index.js", """
const AWS = require("aws-sdk");
const [s3, documents, sqs] = [new AWS.S3(), new AWS.DynamoDB.DocumentClient(), new AWS.SQS()];
exports.handler = async () => {
  const name = process.env.NAME;
  await s3.putObject({ Bucket: name, Key: "v2", Body: "v2" }).promise();
  await documents.put({ TableName: name, Item: { id: "v2" } }).promise();
  const { QueueUrl } = await sqs.getQueueUrl({ QueueName: name }).promise();
  await sqs.sendMessage({ QueueUrl, MessageBody: "v2" }).promise();
  return (await s3.getObject({ Bucket: name, Key: "v2" }).promise()).Body.toString();
};
"""),
}


def test_every_sdk_calls_this_server(server, unique):
    server.client("s3").create_bucket(Bucket=unique)
    url = server.client("sqs").create_queue(QueueName=unique)["QueueUrl"]
    server.client("dynamodb").create_table(TableName=unique, BillingMode="PAY_PER_REQUEST", AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                                           KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}])
    for sdk, (runtime, file, body) in CLIENTS.items():
        server.function(unique + sdk, zip_of_files({file: body}), runtime=runtime, environment={"NAME": unique}, memory=512)
        answer, body = invoke(server, unique + sdk)
        assert body == sdk, (sdk, body)
    assert {item["id"]["S"] for item in server.client("dynamodb").scan(TableName=unique)["Items"]} == set(CLIENTS)
    received = set()
    while messages := server.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        received |= {message["Body"] for message in messages}
    assert received == set(CLIENTS)


HOST = "sqs.us-east-1.amazonaws.com"


def test_calls_to_aws_by_name_end_here_or_fail(server, unique):
    """Whatever a handler uses to reach a host of AWS: it gets this server's answer, or an error of the look-up."""
    python(server, unique + "py", f"""
import http.client, socket, urllib.request
def attempt(call):
    try:
        return call()
    except Exception as error:
        return type(error).__name__
def https():
    connection = http.client.HTTPSConnection("{HOST}", timeout=5)
    connection.request("GET", "/")
    return connection.getresponse().getheader("server")
def handler(event, context):
    return [attempt(https), attempt(lambda: socket.create_connection(("{HOST}", 443), timeout=5).getpeername()[0]),
            attempt(lambda: urllib.request.urlopen("https://{HOST}/", timeout=5).headers["server"])]
""")
    node(server, unique + "js", f"""
const https = require('https'), net = require('net');
exports.handler = async () => [
  await new Promise((done) => https.get('https://{HOST}/', (answer) => done(answer.headers.server)).on('error', (error) => done(error.code))),
  await new Promise((done) => net.connect(443, '{HOST}').on('connect', () => done('connected')).on('error', (error) => done(error.code))),
  await fetch('https://{HOST}/').then((answer) => answer.headers.get('server'), (error) => error.cause.code)];
""")
    _, found = invoke(server, unique + "py")
    assert found[0] in ("millrace", "gaierror", "HTTPError") and found[1] == "gaierror" and found[2] in ("millrace", "HTTPError", "URLError"), found
    _, found = invoke(server, unique + "js")
    assert found == ["millrace", "ENOTFOUND", "millrace"], found
