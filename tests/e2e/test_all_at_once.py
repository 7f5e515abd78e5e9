"""Everything at the same time, to be run with the thread sanitizer above all: clients of all services, functions fed by mappings, and
meanwhile backups, tables and indexes that come and go, shards that split, expiry, resets, a clock that moves. No answer may be missing,
the clean stop must be one, and `millrace check` finds nothing in the directory or in the last backup."""
import random
import shutil
import subprocess
import sys
import threading
import time
import traceback

import botocore.exceptions
from conftest import LONG, ROOT
from races import is_instrumented
from world import BINARY, zip_of

sys.path.append(str(ROOT / "tests/crash"))
from prepare import STREAM, index, table  # noqa: E402
from wire import Connection, Refused  # noqa: E402

SECONDS, KEYS = 30 if LONG or is_instrumented(BINARY) else 4, 40
EXPECTED = {
    "ConditionalCheckFailedException", "TransactionCanceledException", "TransactionConflictException", "DuplicateItemException",
    "ResourceNotFoundException", "ResourceInUseException", "LimitExceededException",  # of what comes and goes meanwhile
    "TrimmedDataAccessException", "NoSuchKey", "NoSuchUpload", "404", "ReceiptHandleIsInvalid", "InvalidParameterValue",
}
CODE = "def handler(event, context):\n    return {'got': len(event.get('Records', []))}\n"


def text(value):
    return {"S": str(value)}


def number(value):
    return {"N": str(value)}


class Client(threading.Thread):
    """Takes one of its steps after the other, at random, until told to stop. `error`: what no client should see."""

    def __init__(self, server, place, stop):
        super().__init__(daemon=True, name=f"{type(self).__name__} {place}")
        self.server, self.place, self.stop, self.error, self.done = server, place, stop, None, 0
        self.wire, self.dice = Connection(server.port), random.Random(f"{self.name}")
        self.steps = [getattr(self, name) for name in sorted(vars(type(self))) if not name.startswith("_")]

    def run(self):
        try:
            while not self.stop.is_set():
                try:
                    self.dice.choice(self.steps)()
                    self.done += 1
                except (Refused, botocore.exceptions.ClientError) as refused:
                    code = refused.code if isinstance(refused, Refused) else refused.response["Error"]["Code"]
                    if code not in EXPECTED:
                        raise
        except Exception:  # noqa: BLE001: told by the test
            self.error = f"{self.name}: {traceback.format_exc()}"

    def _key(self):
        return {"pk": text(f"p{self.dice.randrange(4)}"), "sk": text(f"s{self.dice.randrange(KEYS)}")}

    def _item(self):
        return {**self._key(), "g": text(f"g{self.dice.randrange(3)}"), "n": number(self.dice.randrange(9)), "pad": text("x" * self.dice.choice((1, 900))),
                "expires": number(int(time.time()) + self.dice.randrange(-9000, 9000))}


class Writers(Client):
    def put(self):
        self.wire.db("PutItem", TableName=self.dice.choice(("items", "plain")), Item=self._item(), ReturnValues="ALL_OLD")

    def update(self):
        self.wire.db("UpdateItem", TableName="items", Key=self._key(), UpdateExpression="SET v = :v ADD hits :one", ConditionExpression="attribute_exists(g)",
                     ExpressionAttributeValues={":v": number(1), ":one": number(1)}, ReturnValues="ALL_NEW")

    def count(self):
        self.wire.db("UpdateItem", TableName="items", Key={"pk": text("hot"), "sk": text("hot")}, UpdateExpression="ADD hits :one",
                     ExpressionAttributeValues={":one": number(1)})

    def delete(self):
        self.wire.db("DeleteItem", TableName="items", Key=self._key())

    def batch(self):
        items = {str(item["sk"]) + str(item["pk"]): item for item in (self._item() for _ in range(10))}
        self.wire.db("BatchWriteItem", RequestItems={"items": [{"PutRequest": {"Item": item}} for item in items.values()]})

    def transact(self):
        self.wire.db("TransactWriteItems", TransactItems=[
            {"Put": {"TableName": "items", "Item": self._item()}}, {"Put": {"TableName": "plain", "Item": self._item()}},
            {"Update": {"TableName": "items", "Key": {"pk": text("hot"), "sk": text("sum")}, "UpdateExpression": "ADD hits :one", "ExpressionAttributeValues": {":one": number(1)}}}])

    def passing_table(self):
        self.wire.db("PutItem", TableName="passing", Item=self._item())


class Readers(Client):
    def get(self):
        self.wire.db("GetItem", TableName="items", Key=self._key(), ConsistentRead=True)

    def query(self):
        self.wire.db("Query", TableName="items", IndexName="by-group", KeyConditionExpression="g = :g", ExpressionAttributeValues={":g": text("g1")})

    def scan(self):
        self.wire.db("Scan", TableName="items", Segment=self.dice.randrange(2), TotalSegments=2)

    def many(self):
        keys = [{"pk": text("p1"), "sk": text(f"s{i}")} for i in range(20)]
        self.wire.db("BatchGetItem", RequestItems={"items": {"Keys": keys}, "plain": {"Keys": keys}})

    def together(self):
        self.wire.db("TransactGetItems", TransactItems=[{"Get": {"TableName": name, "Key": self._key()}} for name in ("items", "plain")])

    def records(self):
        for stream in self.wire.streams("ListStreams", TableName="items")["Streams"]:
            self.wire.records(stream["StreamArn"])

    def described(self):
        for name in self.wire.db("ListTables")["TableNames"]:
            self.wire.db("DescribeTable", TableName=name)


class Queues(Client):
    def _url(self):
        return self.wire.queues("GetQueueUrl", QueueName=self.dice.choice(("queue", "queue.fifo")))["QueueUrl"]

    def send(self):
        url = self._url()
        self.wire.queues("SendMessage", QueueUrl=url, MessageBody="m" * self.dice.randrange(1, 500), DelaySeconds=0,
                         **({"MessageGroupId": f"g{self.dice.randrange(3)}", "MessageDeduplicationId": str(self.dice.random())} if "fifo" in url else {}))

    def receive(self):
        url = self._url()
        for message in self.wire.queues("ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=5, WaitTimeSeconds=self.dice.choice((0, 0, 1))).get("Messages", []):
            self.wire.queues("ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=30)
            self.wire.queues("DeleteMessage", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def seen(self):
        self.wire.queues("GetQueueAttributes", QueueUrl=self._url(), AttributeNames=["All"])

    def feed(self):
        self.wire.queues("SendMessage", QueueUrl=self.wire.queues("GetQueueUrl", QueueName="source")["QueueUrl"], MessageBody="m")


class Objects(Client):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.steps, self.s3 = [step for step in self.steps if step.__name__ != "__init__"], self.server.client("s3")

    def _object(self):
        return f"o{self.dice.randrange(12)}"

    def put(self):
        self.s3.put_object(Bucket="bucket", Key=self._object(), Body=b"x" * self.dice.choice((10, 5000, 300_000)))

    def get(self):
        self.s3.get_object(Bucket="bucket", Key=self._object(), Range="bytes=1-900")["Body"].read()

    def parts(self):
        name = self._object()
        upload = self.s3.create_multipart_upload(Bucket="bucket", Key=name)["UploadId"]
        etags = [self.s3.upload_part(Bucket="bucket", Key=name, UploadId=upload, PartNumber=n, Body=b"y" * size)["ETag"] for n, size in ((1, 5 << 20), (2, 100))]
        if self.dice.random() < 0.3:
            self.s3.abort_multipart_upload(Bucket="bucket", Key=name, UploadId=upload)
        else:
            self.s3.complete_multipart_upload(Bucket="bucket", Key=name, UploadId=upload,
                                              MultipartUpload={"Parts": [{"PartNumber": n + 1, "ETag": etag} for n, etag in enumerate(etags)]})

    def copy(self):
        self.s3.copy_object(Bucket="bucket", Key=self._object(), CopySource={"Bucket": "bucket", "Key": self._object()}, Metadata={"a": "b"}, MetadataDirective="REPLACE")

    def delete(self):
        self.s3.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": self._object()} for _ in range(3)]})

    def listed(self):
        self.s3.list_objects_v2(Bucket="bucket")


class Others(Client):
    """The services whose protocols only boto3 knows here."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.steps = [step for step in self.steps if step.__name__ != "__init__"]
        self.clients = {name: self.server.client(name) for name in ("sns", "logs", "cloudwatch", "events", "ssm", "kms", "lambda", "cloudformation", "xray", "iam")}

    def publish(self):
        self.clients["sns"].publish(TopicArn="arn:aws:sns:us-east-1:000000000000:topic", Message="news")

    def log(self):
        logs = self.clients["logs"]
        logs.put_log_events(logGroupName="group", logStreamName="stream", logEvents=[{"timestamp": int(time.time() * 1000), "message": "line"}])
        logs.filter_log_events(logGroupName="group", limit=20)

    def measure(self):
        self.clients["cloudwatch"].put_metric_data(Namespace="mine", MetricData=[{"MetricName": "m", "Value": 1}])
        self.clients["cloudwatch"].list_metrics()

    def event(self):
        self.clients["events"].put_events(Entries=[{"Source": "mine", "DetailType": "d", "Detail": "{}"}])

    def parameter(self):
        self.clients["ssm"].put_parameter(Name=f"p{self.dice.randrange(3)}", Value="v", Type="String", Overwrite=True)
        self.clients["ssm"].get_parameters_by_path(Path="/")

    def keys(self):
        self.clients["kms"].describe_key(KeyId=self.clients["kms"].create_key()["KeyMetadata"]["KeyId"])
        self.clients["kms"].list_keys()

    def invoke(self):
        self.clients["lambda"].invoke(FunctionName="function", Payload=b"{}", InvocationType=self.dice.choice(("RequestResponse", "Event")))

    def functions(self):
        self.clients["lambda"].list_functions()
        self.clients["lambda"].list_event_source_mappings()
        self.clients["lambda"].update_function_configuration(FunctionName="function", Description=str(self.dice.random()))

    def traces(self):
        now = time.time()
        self.clients["xray"].get_trace_summaries(StartTime=now - 600, EndTime=now)


class Stacks(Client):
    def come_and_go(self):
        clients, name = self.server.client("cloudformation"), "stack"
        template = '{"Resources": {"Q": {"Type": "AWS::SQS::Queue"}, "T": {"Type": "AWS::SNS::Topic"}, "P": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": {"Ref": "Q"}}}}}'
        clients.create_stack(StackName=name, TemplateBody=template)
        clients.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
        clients.describe_stack_events(StackName=name)
        clients.delete_stack(StackName=name)
        clients.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 1})


class Tables(Client):
    """A table that comes and goes while it is written, indexes of one that stays, settings."""

    def passing(self):
        table(self.wire, "passing", ("pk", "sk"), ("g:S",), GlobalSecondaryIndexes=[index("by-group", "g")])
        self.stop.wait(0.3)
        self.wire.db("DeleteTable", TableName="passing")

    def backfill(self):
        present = "GlobalSecondaryIndexes" in self.wire.db("DescribeTable", TableName="plain")["Table"]
        change = {"Delete": {"IndexName": "late"}} if present else {"Create": index("late", "g", "n")}
        self.wire.db("UpdateTable", TableName="plain", GlobalSecondaryIndexUpdates=[change],
                     AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind in (("pk", "S"), ("sk", "S"), ("g", "S"), ("n", "N"))])

    def stream(self):
        enabled = self.wire.db("DescribeTable", TableName="plain")["Table"].get("StreamSpecification", {}).get("StreamEnabled")
        self.wire.db("UpdateTable", TableName="plain", StreamSpecification={"StreamEnabled": False} if enabled else STREAM)

    def shards(self):
        self.wire.admin("streams/items", {"action": "roll"})


class Operators(Client):
    def look(self):
        for path in ("status", "requests", "mappings", "functions", "queues", "objects", "streams", "topics", "doctor", "clock"):
            self.wire.admin(path)
        self.wire.checked("GET", "/metrics")
        for mapping in self.wire.admin("mappings")["mappings"]:
            self.wire.admin(f"mappings/{mapping['uuid']}/history?limit=10")

    def hour(self):
        self.wire.admin("clock", {"advance": "10m"})

    def reset(self):
        self.wire.admin("reset?account=111111111111", {})

    def backup(self):
        target = self.server.data.parent / f"backup-{self.place}"
        shutil.rmtree(target, ignore_errors=True)
        result = command("--endpoint", self.server.endpoint, "backup", target)
        if result.returncode != 0:  # the other operator's
            assert result.stderr == "millrace: a backup is under way already\n", result.stdout + result.stderr
            assert not target.exists()


def fill(server):
    wire = Connection(server.port)
    stream = table(wire, "items", ("pk", "sk"), ("g:S", "n:N"), GlobalSecondaryIndexes=[index("by-group", "g", "n")], LocalSecondaryIndexes=[index("by-number", "pk", "n")])
    table(wire, "plain", ("pk", "sk"))
    wire.db("UpdateTimeToLive", TableName="items", TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"})
    for name in ("queue", "source"):
        wire.queues("CreateQueue", QueueName=name, Attributes={"VisibilityTimeout": "60"})  # a function's timeout at least
    wire.queues("CreateQueue", QueueName="queue.fifo", Attributes={"FifoQueue": "true"})
    server.client("s3").create_bucket(Bucket="bucket")
    topic = server.client("sns").create_topic(Name="topic")["TopicArn"]
    server.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:000000000000:queue")
    server.client("logs").create_log_group(logGroupName="group")
    server.client("logs").create_log_stream(logGroupName="group", logStreamName="stream")
    events = server.client("events")
    events.put_rule(Name="rule", EventPattern='{"source": ["mine"]}')
    events.put_targets(Rule="rule", Targets=[{"Id": "queue", "Arn": "arn:aws:sqs:us-east-1:000000000000:queue"}])
    server.client("sqs", account="111111111111").create_queue(QueueName="other")
    code = server.data.parent / "index.py"
    code.write_text(CODE)
    server.function("function", zip_of(code), runtime="python3.11")
    server.mapping(stream, "function", "LATEST", BatchSize=20, ParallelizationFactor=2)
    server.mapping("arn:aws:sqs:us-east-1:000000000000:source", "function", None)


def command(*arguments):
    return subprocess.run([str(BINARY), *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False)


def run(*arguments):
    result = command(*arguments)
    assert result.returncode == 0, result.stdout + result.stderr


def test_everything_at_once_answers_and_stays_consistent(own_server):
    fill(own_server)
    stop = threading.Event()
    clients = [kind(own_server, i, stop) for kind, count in ((Writers, 6), (Readers, 3), (Queues, 3), (Objects, 2), (Others, 2), (Stacks, 1), (Tables, 1), (Operators, 2))
               for i in range(count)]
    for client in clients:
        client.start()
    stop.wait(SECONDS)
    stop.set()
    for client in clients:
        client.join(60)
    assert not (wrong := "\n".join(client.error or f"{client.name} waits" for client in clients if client.error or client.is_alive())), wrong
    assert all(client.done for client in clients), {client.name: client.done for client in clients}
    assert own_server.stop() == 0
    run("check", own_server.data)
    for backup in sorted(own_server.data.parent.glob("backup-*")):
        run("check", backup)
