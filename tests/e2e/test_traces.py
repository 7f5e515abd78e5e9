"""Traces: where the time of an invocation went, without a line of X-Ray code in it, and with the X-Ray protocol from outside."""
import base64
import http.server
import io
import json
import re
import socket
import threading
import time
import urllib.request
import zipfile

import botocore.exceptions
import pytest

from world import Server, wait_until

HEADER = "exports.handler = async () => process.env._X_AMZN_TRACE_ID"
CALLS = """
const {S3Client, ListBucketsCommand} = require('@aws-sdk/client-s3')
const {DynamoDBClient, GetItemCommand} = require('@aws-sdk/client-dynamodb')
exports.handler = async event => {
  await new S3Client({}).send(new ListBucketsCommand({}))
  await new DynamoDBClient({}).send(new GetItemCommand({TableName: process.env.TABLE, Key: {id: {S: '1'}}})).catch(error => error)
  return process.env._X_AMZN_TRACE_ID
}
"""
# Signs as the SDKs do, but tells nothing of the trace.
BARE = """
const http = require('http')
exports.handler = async () => {
  const url = new URL(process.env.AWS_ENDPOINT_URL)
  const credential = `${process.env.AWS_ACCESS_KEY_ID}/20260101/us-east-1/s3/aws4_request`
  await new Promise((resolve, reject) => http.get({host: url.hostname, port: url.port, path: '/', headers: {
    authorization: `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=host, Signature=0`,
    'x-amz-security-token': process.env.AWS_SESSION_TOKEN}}, answer => { answer.resume(); answer.on('end', resolve) }).on('error', reject))
  return process.env._X_AMZN_TRACE_ID
}
"""


def zipped(code, name="index.js"):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, code)
    return out.getvalue()


@pytest.fixture(scope="module")
def xray(server):
    return server.client("xray")


def make(server, name, code, mode="Active", **options):
    return server.function(name, zipped(code), TracingConfig={"Mode": mode}, **options)


def invoke(server, name, header=None, payload=b"{}"):
    """The function's answer; `header` goes with the request as another service would send it."""
    functions = server.client("lambda")
    if header:
        functions.meta.events.register("before-sign.lambda.Invoke", lambda request, **_: request.headers.add_header("X-Amzn-Trace-Id", header))
    answer = functions.invoke(FunctionName=name, Payload=payload)
    return json.loads(answer["Payload"].read())


def fields(header):
    return dict(part.split("=", 1) for part in header.split(";"))


def trace(xray, id, complete=lambda segments: True):
    """The documents of a trace, once `complete` says so."""
    def look():
        found = xray.batch_get_traces(TraceIds=[id])["Traces"]
        documents = [json.loads(segment["Document"]) for each in found for segment in each["Segments"]]
        return documents if documents and complete(documents) else None
    return wait_until(look, f"trace {id}")


def flat(documents):
    """Names of all segments and subsegments, with their operation."""
    out = []
    for each in documents:
        out.append((each["name"], each.get("aws", {}).get("operation")))
        out += flat(each.get("subsegments", []))
    return out


def by_origin(documents, origin):
    return next(each for each in documents if each.get("origin") == origin)


# ---- functions

def test_an_active_function_is_traced_with_its_calls(server, xray, unique):
    server.client("dynamodb").create_table(TableName=unique, BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                                           AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}])
    arn = make(server, unique, CALLS, environment={"TABLE": unique})
    header = fields(invoke(server, unique))
    assert header["Sampled"] == "1"
    documents = trace(xray, header["Root"])
    assert [each["origin"] for each in documents] == ["AWS::Lambda", "AWS::Lambda::Function"]
    service, function = documents
    assert function["parent_id"] == service["id"] and function["resource_arn"] == arn
    parts = {part["name"]: part for part in function["subsegments"]}
    assert list(parts) == ["Initialization", "Invocation"]
    assert parts["Invocation"]["id"] == header["Parent"]
    assert parts["Initialization"]["end_time"] - parts["Initialization"]["start_time"] > 0.005
    calls = {(call["name"], call["aws"]["operation"]): call for call in parts["Invocation"]["subsegments"]}
    assert set(calls) == {("S3", "ListBuckets"), ("DynamoDB", "GetItem")}
    assert calls["DynamoDB", "GetItem"]["aws"]["table_name"] == unique
    for call in calls.values():
        assert parts["Invocation"]["start_time"] <= call["start_time"] <= call["end_time"] <= parts["Invocation"]["end_time"]
        assert call["namespace"] == "aws" and call["http"]["response"]["status"] == 200
    # A warm process has no initialisation.
    warm = by_origin(trace(xray, fields(invoke(server, unique))["Root"]), "AWS::Lambda::Function")
    assert [part["name"] for part in warm["subsegments"]] == ["Invocation"]
    assert server.client("lambda").get_function_configuration(FunctionName=unique)["TracingConfig"] == {"Mode": "Active"}
    tail = base64.b64decode(server.client("lambda").invoke(FunctionName=unique, LogType="Tail")["LogResult"]).decode()
    assert re.search(r"REPORT RequestId: .*\nXRAY TraceId: 1-[0-9a-f]{8}-[0-9a-f]{24}\tSegmentId: [0-9a-f]{16}\tSampled: true", tail), tail


def test_calls_without_a_header_are_found_by_their_credentials(server, xray, unique):
    make(server, unique, BARE)
    documents = trace(xray, fields(invoke(server, unique))["Root"])
    assert ("S3", "ListBuckets") in flat(documents)


def test_pass_through_follows_the_caller_only(server, xray, unique):
    make(server, unique, HEADER, mode="PassThrough")
    header = fields(invoke(server, unique))
    assert header["Sampled"] == "0"
    assert xray.batch_get_traces(TraceIds=[header["Root"]])["Traces"] == []
    root = header["Root"][:-4] + "0000"
    sent = f"Root={root};Parent=53995c3f42cd8ad8;Sampled=1"
    assert fields(invoke(server, unique, sent))["Root"] == root
    assert by_origin(trace(xray, root), "AWS::Lambda")["parent_id"] == "53995c3f42cd8ad8"
    # Both modes respect a decision against it.
    server.client("lambda").update_function_configuration(FunctionName=unique, TracingConfig={"Mode": "Active"})
    root = root[:-4] + "1111"
    assert fields(invoke(server, unique, f"Root={root};Sampled=0"))["Sampled"] == "0"
    assert xray.batch_get_traces(TraceIds=[root])["Traces"] == []
    assert fields(invoke(server, unique))["Sampled"] == "1"


def test_a_failure_is_a_fault_with_its_exception(server, xray, unique):
    make(server, unique, "exports.handler = async () => { throw new TypeError('boom ' + process.env._X_AMZN_TRACE_ID) }")
    answer = invoke(server, unique)
    root = re.search(r"Root=([^;]+)", answer["errorMessage"]).group(1)
    function = by_origin(trace(xray, root), "AWS::Lambda::Function")
    assert function["fault"] and function["cause"]["exceptions"][0]["type"] == "TypeError"
    assert xray.get_trace_summaries(StartTime=0, EndTime=4e9, FilterExpression=f'fault AND service("{unique}")')["TraceSummaries"][0]["Id"] == root


def test_attempts_of_an_event_are_one_trace(server, xray, unique):
    make(server, unique, "exports.handler = async () => { console.log(process.env._X_AMZN_TRACE_ID); throw new Error('no') }")
    server.client("lambda").invoke(FunctionName=unique, InvocationType="Event", Payload=b"{}")
    server.advance("10m")
    found = xray.get_trace_summaries(StartTime=0, EndTime=4e9, FilterExpression=f'service("{unique}")')["TraceSummaries"]
    assert len(found) == 1
    documents = trace(xray, found[0]["Id"])
    attempts = sorted(part["name"] for each in documents for part in each["subsegments"] if part["name"].startswith("Attempt"))
    assert attempts == ["Attempt #1", "Attempt #2", "Attempt #3"]
    waits = [part["end_time"] - part["start_time"] for each in documents for part in each["subsegments"] if part["name"] == "Dwell Time"]
    assert max(waits) > 170


def test_a_batch_shows_where_its_records_waited(server, xray, unique):
    table = server.client("dynamodb").create_table(
        TableName=unique, BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"})["TableDescription"]
    make(server, unique, HEADER)
    mapping = server.mapping(table["LatestStreamArn"], unique, "TRIM_HORIZON", BatchSize=100, MaximumBatchingWindowInSeconds=30)
    for number in range(3):
        server.client("dynamodb").put_item(TableName=unique, Item={"id": {"S": str(number)}})
    server.settle()
    server.advance("30s")
    found = xray.get_trace_summaries(StartTime=0, EndTime=4e9, FilterExpression=f'service("{unique}") AND annotation.records = 3')["TraceSummaries"]
    assert len(found) == 1
    service = by_origin(trace(xray, found[0]["Id"]), "AWS::Lambda")
    by_request = xray.get_trace_summaries(StartTime=0, EndTime=4e9, FilterExpression=f'annotation.request = "{service["aws"]["request_id"]}" AND annotation.mapping = "{mapping}"')
    assert [each["Id"] for each in by_request["TraceSummaries"]] == [found[0]["Id"]]
    spans = {part["name"]: part["end_time"] - part["start_time"] for part in service["subsegments"]}
    assert 29 < spans["Batch"] < 32 and spans.get("Stream wait", 0) < 5
    assert list(spans)[-1] == "Attempt #1"
    assert service["metadata"]["millrace"]["source"] == table["LatestStreamArn"]


def test_a_trace_goes_on_through_a_queue(server, xray, unique):
    sqs = server.client("sqs")
    url = sqs.create_queue(QueueName=unique)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    make(server, f"{unique}-a", """
const {SQSClient, SendMessageCommand} = require('@aws-sdk/client-sqs')
exports.handler = async () => {
  await new SQSClient({}).send(new SendMessageCommand({QueueUrl: process.env.QUEUE, MessageBody: 'x'}))
  return process.env._X_AMZN_TRACE_ID
}""", environment={"QUEUE": url})
    make(server, f"{unique}-b", HEADER, mode="PassThrough", timeout=20)
    server.mapping(arn, f"{unique}-b", None)
    root = fields(invoke(server, f"{unique}-a"))["Root"]
    documents = trace(xray, root, lambda found: len(found) == 4)
    assert [(each["name"], each["origin"]) for each in documents if each["name"].endswith("b")] == [
        (f"{unique}-b", "AWS::Lambda"), (f"{unique}-b", "AWS::Lambda::Function")]
    assert ("SQS", "SendMessage") in flat(documents)


def test_a_stack_decides_about_tracing(server, unique):
    stacks, functions = server.client("cloudformation"), server.client("lambda")

    def template(**properties):
        return json.dumps({"Resources": {"F": {"Type": "AWS::Lambda::Function", "Properties": {
            "FunctionName": unique, "Runtime": "nodejs20.x", "Handler": "index.handler", "Role": "arn:aws:iam::000000000000:role/f",
            "Code": {"ZipFile": HEADER}, **properties}}}})
    stacks.create_stack(StackName=unique, TemplateBody=template(TracingConfig={"Mode": "Active"}))
    stacks.get_waiter("stack_create_complete").wait(StackName=unique)
    assert functions.get_function_configuration(FunctionName=unique)["TracingConfig"]["Mode"] == "Active"
    stacks.update_stack(StackName=unique, TemplateBody=template())
    stacks.get_waiter("stack_update_complete").wait(StackName=unique)
    assert functions.get_function_configuration(FunctionName=unique)["TracingConfig"]["Mode"] == "PassThrough"


# ---- the protocol

def ids(number):
    return f"1-{int(time.time()):08x}-{number:024x}"


def document(id, **more):
    now = time.time()
    return {"id": "00000000000000aa", "trace_id": id, "name": "outside", "start_time": now - 1, "end_time": now, **more}


def test_segments_are_put_and_found(xray):
    id = ids(1)
    bad = {"id": "00000000000000ab", "name": "no;name", "trace_id": id, "start_time": 1, "end_time": 2}
    answer = xray.put_trace_segments(TraceSegmentDocuments=[json.dumps(document(id, annotations={"order": 7})), json.dumps(bad), "{"])
    assert [(each.get("Id"), each["ErrorCode"]) for each in answer["UnprocessedTraceSegments"]] == [("00000000000000ab", "InvalidName"), (None, "ParseError")]
    assert answer["UnprocessedTraceSegments"][0]["Message"] == "Invalid segment. ErrorCode: InvalidName"
    found = xray.get_trace_summaries(StartTime=time.time() - 60, EndTime=time.time() + 60, FilterExpression="annotation.order = 7")["TraceSummaries"]
    assert [each["Id"] for each in found] == [id]
    assert found[0]["Annotations"]["order"][0]["AnnotationValue"] == {"NumberValue": 7.0}
    assert found[0]["ResponseTime"] == pytest.approx(1, abs=0.01)
    assert xray.batch_get_traces(TraceIds=[ids(2)])["Traces"] == []


@pytest.mark.parametrize("options", [{"FilterExpression": "nonsense"}, {"TimeRangeType": "Service"}, {"EndTime": 0}, {"NextToken": "x"}])
def test_what_is_not_served_is_refused(xray, options):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        xray.get_trace_summaries(**{"StartTime": 1, "EndTime": 2, **options})
    assert caught.value.response["Error"]["Code"] == "InvalidRequestException"


def test_summaries_come_in_pages(xray):
    start = time.time() - 5
    for first in range(0, 120, 40):
        xray.put_trace_segments(TraceSegmentDocuments=[json.dumps(document(ids(1000 + n), annotations={"page": "p"})) for n in range(first, first + 40)])
    pages = list(xray.get_paginator("get_trace_summaries").paginate(StartTime=start, EndTime=time.time() + 5, FilterExpression='annotation.page = "p"'))
    assert len(pages) > 1
    found = [each["Id"] for page in pages for each in page["TraceSummaries"]]
    assert len(found) == len(set(found)) == 120


def test_the_sampling_rule_is_asked_for_unsigned_at_the_daemons_address(server, xray):
    rule = xray.get_sampling_rules()["SamplingRuleRecords"][0]["SamplingRule"]
    assert (rule["RuleName"], rule["FixedRate"], rule["ReservoirSize"]) == ("Default", 1.0, 1)

    def post(path, body):
        request = urllib.request.Request(server.endpoint + path, data=json.dumps(body).encode(), headers={"content-type": "application/json"})
        return json.loads(urllib.request.urlopen(request).read())
    assert post("/GetSamplingRules", {})["SamplingRuleRecords"][0]["SamplingRule"]["RuleName"] == "Default"
    statistics = {"ClientID": "0" * 24, "Timestamp": time.time(), "RequestCount": 1, "SampledCount": 1}
    answer = post("/SamplingTargets", {"SamplingStatisticsDocuments": [{**statistics, "RuleName": name} for name in ("Default", "mine")]})
    assert answer["SamplingTargetDocuments"][0]["FixedRate"] == 1
    assert answer["UnprocessedStatistics"][0]["RuleName"] == "mine"


def test_the_daemons_port_takes_segments(server, xray, unique):
    make(server, unique, """
const dgram = require('dgram')
exports.handler = async () => {
  const [host, port] = process.env.AWS_XRAY_DAEMON_ADDRESS.split(':')
  const header = Object.fromEntries(process.env._X_AMZN_TRACE_ID.split(';').map(part => part.split('=')))
  const now = Date.now() / 1000
  const segment = {id: '00000000000000cc', trace_id: header.Root, parent_id: header.Parent, type: 'subsegment', name: 'own work', start_time: now, end_time: now + 0.001}
  const socket = dgram.createSocket('udp4')
  await new Promise(resolve => socket.send('{"format": "json", "version": 1}\\n' + JSON.stringify(segment), port, host, resolve))
  await new Promise(resolve => socket.close(resolve))
  return process.env._X_AMZN_TRACE_ID
}""")
    root = fields(invoke(server, unique))["Root"]
    documents = trace(xray, root, lambda found: ("own work", None) in flat(found) and len(found) == 2)
    invocation = by_origin(documents, "AWS::Lambda::Function")["subsegments"][-1]
    assert [part["name"] for part in invocation["subsegments"]] == ["own work"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        id = ids(5)
        for datagram in (b"", b"{}", b"\n\n", b'{"format":"xml","version":1}\n{}', b'{"format":"json","version":1}\n{}', b"\xff" * 100):
            sender.sendto(datagram, ("127.0.0.1", server.port))
        sender.sendto(b'{"format": "json", "version": 1}\n' + json.dumps(document(id)).encode(), ("127.0.0.1", server.port))
    trace(xray, id)


def test_the_x_ray_sdk_within_a_function(server, xray, unique):
    """Its subsegments lie in the invocation, and what its captured client calls lies under those."""
    pytest.importorskip("aws_xray_sdk")
    make(server, unique, "", runtime="python3.12")
    code = """
import os
import boto3
from aws_xray_sdk.core import patch, xray_recorder
patch(["botocore"])

def handler(event, context):
    with xray_recorder.in_subsegment("thinking") as part:
        part.put_annotation("order", 42)
        boto3.client("s3").list_buckets()
    return os.environ["_X_AMZN_TRACE_ID"]
"""
    server.client("lambda").update_function_code(FunctionName=unique, ZipFile=zipped(code, "index.py"))
    root = fields(invoke(server, unique))["Root"]
    documents = trace(xray, root, lambda found: ("thinking", None) in flat(found) and len(found) == 3)
    invocation = by_origin(documents, "AWS::Lambda::Function")["subsegments"][-1]
    thinking = invocation["subsegments"][0]
    assert thinking["annotations"] == {"order": 42}
    captured = thinking["subsegments"][0]
    assert captured["aws"]["operation"] == "ListBuckets"
    served = by_origin(documents, "AWS::S3::Bucket")
    assert served["inferred"] and served["parent_id"] == captured["id"]
    assert captured["start_time"] - 0.002 <= served["start_time"] <= served["end_time"] <= captured["end_time"] + 0.002
    found = xray.get_trace_summaries(StartTime=0, EndTime=4e9, FilterExpression='annotation.order = 42 AND edge(id(type:"AWS::Lambda::Function"), "S3")')
    assert root in [each["Id"] for each in found["TraceSummaries"]]


# ---- people

def test_the_terminal_draws_the_waterfall(server, xray, unique):
    make(server, unique, BARE)
    root = fields(invoke(server, unique))["Root"]
    trace(xray, root, lambda found: len(found) == 2)
    listed = server.cli("traces", "ls", "--filter", f'service("{unique}")')
    assert root in listed and unique in listed and "ok" in listed
    shown = server.cli("traces", "show", root)
    lines = shown.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [unique, "Attempt", unique, "Initialization", "Invocation", "S3"], shown
    assert all("|" in line and ("-" in line or "=" in line) for line in lines[1:])
    assert json.loads(server.cli("traces", "show", root, "--json"))["Id"] == root
    with pytest.raises(RuntimeError, match="there is no trace"):
        server.cli("traces", "show", ids(9))


def test_traces_survive_a_restart_and_end_after_thirty_days(own_server, unique):
    make(own_server, unique, HEADER)
    root = fields(invoke(own_server, unique))["Root"]
    own_server.stop()
    own_server.start()
    xray = own_server.client("xray")
    assert len(trace(xray, root)) == 2
    own_server.advance("31d")
    assert xray.batch_get_traces(TraceIds=[root])["Traces"] == []


def test_spans_go_to_a_collector_when_one_is_configured(tmp_path, unique):
    received = []

    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            failed = not received and not getattr(Collector, "failed", False)
            Collector.failed = True
            self.send_response(503 if failed else 200)
            self.send_header("content-length", "0")
            self.end_headers()
            if not failed:
                received.append((self.path, self.headers["content-type"], body))

        def log_message(self, *_):
            pass

    collector = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    config = {"traces": {"otlp": f"http://127.0.0.1:{collector.server_port}"}}
    with Server(data=tmp_path / "data", config=config) as server:
        make(server, unique, BARE)
        header = fields(invoke(server, unique))

        def spans():
            return {span["name"]: span for _, _, body in received for resource in body["resourceSpans"]
                    for scope in resource["scopeSpans"] for span in scope["spans"]}
        wait_until(lambda: {"Invocation", "S3.ListBuckets", "Attempt #1"} <= set(spans()), "the spans")
        assert received[0][:2] == ("/v1/traces", "application/json")
        call, invocation = spans()["S3.ListBuckets"], spans()["Invocation"]
        assert call["traceId"] == header["Root"].replace("1-", "", 1).replace("-", "")
        assert call["parentSpanId"] == invocation["spanId"] == header["Parent"]
        assert int(invocation["startTimeUnixNano"]) <= int(call["startTimeUnixNano"]) <= int(call["endTimeUnixNano"])
    collector.shutdown()


def test_a_sampled_share_as_on_aws(tmp_path, unique):
    with Server(data=tmp_path / "data", config={"traces": {"sampling": "aws"}}) as server:
        make(server, unique, HEADER)
        rule = server.client("xray").get_sampling_rules()["SamplingRuleRecords"][0]["SamplingRule"]
        assert rule["FixedRate"] == 0.05
        sampled = [fields(invoke(server, unique))["Sampled"] for _ in range(60)]
        assert sampled[0] == "1" and sampled.count("0") > 30
