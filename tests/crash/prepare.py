"""What a fresh server gets before the load: tables, queues, a bucket, and a mapping to a function that fails on poison."""
import http.server
import io
import json
import socketserver
import threading
import zipfile

from load import ACCOUNTS, BALANCE, number, text
from wire import zip_text

STREAM = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
ROLE = "arn:aws:iam::000000000000:role/function"
HANDLER = """
import http.client, json, os
HOST = os.environ["RECORDER"]

def handler(event, context):
    records = [[r["dynamodb"]["Keys"], r["dynamodb"]["SequenceNumber"]] for r in event["Records"]]
    connection = http.client.HTTPConnection(HOST, timeout=30)
    connection.request("POST", "/", json.dumps(records))
    connection.getresponse().read()
    connection.close()
    if any("poison" in r["dynamodb"].get("NewImage", {}) for r in event["Records"]):
        raise ValueError("poison")
"""
ARCHIVIST = """
def handler(event, context):
    if any("poison" in r["dynamodb"].get("NewImage", {}) for r in event["Records"]):
        raise ValueError("poison")
"""


class Recorder(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """Remembers in `world.delivered` what the function was given."""
    daemon_threads = True

    def __init__(self):
        self.world = None
        recorder = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                if len(body) < int(self.headers["content-length"]):
                    return  # killed in the middle of the request
                records, world = json.loads(body), recorder.world
                with world.lock:
                    world.delivered += [(f"{keys['pk']['S']} {keys['sk']['S']}", int(at)) for keys, at in records]
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


def attributes(*pairs):
    return [{"AttributeName": name, "AttributeType": kind} for name, kind in (pair.split(":") for pair in pairs)]


def keys(*names):
    return [{"AttributeName": name, "KeyType": kind} for name, kind in zip(names, ("HASH", "RANGE"))]


def index(name, *names):
    return {"IndexName": name, "KeySchema": keys(*names), "Projection": {"ProjectionType": "ALL"}}


def table(server, name, key, others=(), **options):
    answer = server.db("CreateTable", TableName=name, BillingMode="PAY_PER_REQUEST", KeySchema=keys(*key), StreamSpecification=STREAM,
                       AttributeDefinitions=attributes(*[f"{each}:S" for each in key], *others), **options)
    return answer["TableDescription"]["LatestStreamArn"]


def set_up(server, recorder, factor):
    """The streams' ARNs by table, and the queues' URLs by name."""
    arns = {
        "items": table(server, "items", ("pk", "sk"), ("g:S", "n:N"), GlobalSecondaryIndexes=[index("by-group", "g", "n")],
                       LocalSecondaryIndexes=[index("by-number", "pk", "n")]),
        "pairs": table(server, "pairs", ("id",)),
        "money": table(server, "money", ("id",)),
        "expiring": table(server, "expiring", ("id",), ("g:S",), GlobalSecondaryIndexes=[index("by-group", "g")]),
    }
    server.db("UpdateTimeToLive", TableName="expiring", TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"})
    for account in range(ACCOUNTS):
        server.db("PutItem", TableName="money", Item={"id": text(f"account-{account}"), "balance": number(BALANCE)})
    urls = {name: server.queues("CreateQueue", QueueName=name)["QueueUrl"] for name in ("direct", "failures")}
    server.checked("PUT", "/bucket")
    server.checked("PUT", "/failures")
    consume(server, arns["items"], "consumer", HANDLER, "arn:aws:sqs:us-east-1:000000000000:failures", factor,
            {"RECORDER": f"127.0.0.1:{recorder.server_address[1]}"})
    consume(server, arns["items"], "archivist", ARCHIVIST, "arn:aws:s3:::failures", factor, {})
    return arns, urls


def consume(server, stream, name, code, destination, factor, environment):
    """A function, and a mapping of the stream to it; what it fails on goes to the destination."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("index.py", code)
    server.functions("POST", "/functions", {
        "FunctionName": name, "Runtime": "python3.11", "Role": ROLE, "Handler": "index.handler", "Timeout": 60,
        "Code": {"ZipFile": zip_text(archive.getvalue())}, "Environment": {"Variables": environment}})
    server.functions("POST", "/event-source-mappings/", {
        "EventSourceArn": stream, "FunctionName": name, "StartingPosition": "TRIM_HORIZON", "BatchSize": 50,
        "ParallelizationFactor": factor, "MaximumRetryAttempts": 0, "BisectBatchOnFunctionError": True,
        "DestinationConfig": {"OnFailure": {"Destination": destination}}})
