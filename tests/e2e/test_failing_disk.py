"""A disk that fails or turns read-only while the real server writes to it: what was acknowledged stays, what is asked for later is refused
with the reason, everything can still be read, and the server stops and starts again."""
import errno
import os
import pathlib
import subprocess
import threading
import time
import urllib.request

import botocore.exceptions
import pytest

import world
from test_durability import fill, small_disk  # noqa: F401
from world import BINARY, Server, wait_until, zip_of

HERE = pathlib.Path(__file__).resolve().parent
FUNCTION = b"def handler(event, context):\n    return event\n"
SYNCS, WRITES, NAMES, FAILED, TEXT = 0, 1, 2, 3, 8


class Disk:
    """The control file of failing_disk.c."""

    def __init__(self, file):
        self.file = file
        file.write_bytes(bytes(128))

    def fail(self, error, kinds=(SYNCS,), only=""):
        with open(self.file, "r+b", buffering=0) as file:
            file.seek(TEXT)
            file.write(only.encode() + b"\0")
            for kind in kinds:
                file.seek(kind)
                file.write(bytes([error]))

    def heal(self):
        self.fail(0, (SYNCS, WRITES, NAMES))

    def failures(self):
        return self.file.read_bytes()[FAILED]


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    library = tmp_path_factory.mktemp("shim") / "failing_disk.so"
    built = subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(HERE / "failing_disk.c"), "-ldl"], capture_output=True, text=True, check=False)
    if built.returncode != 0:
        pytest.skip("no C compiler here: " + built.stderr)
    if b"libasan" in subprocess.run(["ldd", str(BINARY)], capture_output=True, check=False).stdout:
        pytest.skip("a sanitizer wants to be loaded first")
    return library


@pytest.fixture
def disk(shim, tmp_path, monkeypatch):
    """Servers started from now on have their data on it; it works until told otherwise."""
    disk = Disk(tmp_path / "control")
    monkeypatch.setenv("FAILING_DISK_CONTROL", str(disk.file))
    monkeypatch.setenv("FAILING_DISK_ROOT", str(tmp_path / "data"))
    monkeypatch.setenv("LD_PRELOAD", str(shim))
    return disk


class Load:
    """A server with something of everything, and what was acknowledged."""

    def __init__(self, server):
        self.server = server
        self.acknowledged = {}
        self.answers = []
        self.lock = threading.Lock()

    def fill(self, tmp_path):
        server = self.server
        self.stream = server.client("dynamodb").create_table(
            TableName="items", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}], BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}, {"AttributeName": "g", "AttributeType": "S"}],
            GlobalSecondaryIndexes=[{"IndexName": "by_g", "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}], "Projection": {"ProjectionType": "ALL"}}],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})["TableDescription"]["LatestStreamArn"]
        for i in range(20):
            self.put(f"before{i}", i)
        s3 = server.client("s3")
        s3.create_bucket(Bucket="bucket")
        s3.put_object(Bucket="bucket", Key="small", Body=b"s" * 100)
        s3.put_object(Bucket="bucket", Key="large", Body=b"l" * 200_000)
        self.url = server.client("sqs").create_queue(QueueName="queue")["QueueUrl"]
        server.client("sqs").send_message(QueueUrl=self.url, MessageBody="message")
        code = tmp_path / "index.py"
        code.write_bytes(FUNCTION)
        server.function("function", zip_of(code), handler="index.handler", runtime="python3.11")
        self.log_at_start = len(server.log())

    def put(self, key, number, client=None):
        (client or self.server.client("dynamodb")).put_item(TableName="items", Item={"id": {"S": key}, "g": {"S": "g"}, "n": {"N": str(number)}})
        with self.lock:
            self.acknowledged[key] = number

    def write_until_refused(self, break_disk, limit=20):
        """Eight clients put and update; `break_disk()` is called under their hands. `answers`: the error each ended with."""
        end = time.monotonic() + limit

        def run(name):
            client = self.server.client("dynamodb")
            for i in range(100_000):
                try:
                    self.put(f"{name}-{i % 50}", i, client)
                except botocore.exceptions.ClientError as error:
                    with self.lock:
                        self.answers.append((f"{name}-{i % 50}", i, error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Message"]))
                    return
                if time.monotonic() > end:
                    return
        threads = [threading.Thread(target=run, args=(f"w{i}",)) for i in range(8)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(self.acknowledged) > 100, "writes")
        break_disk()
        for thread in threads:
            thread.join()
        assert len(self.answers) == 8, "every client was told"

    # -- what must be true of a server that cannot write ---------------------------------------------------------------

    def assert_in_flight_unknown(self):
        assert {status for _, _, status, _ in self.answers} <= {500, 503}
        texts = [text for *_, text in self.answers]
        assert any("unknown" in text for text in texts), texts
        assert all("unknown" in text or "Nothing of this write was done" in text for text in texts), texts
        assert all(status == 500 for *_, status, text in self.answers if "unknown" in text)

    def assert_writes_refused(self, why):
        server, texts = self.server, []

        def refused(call):
            with pytest.raises(botocore.exceptions.ClientError) as caught:
                call()
            assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] in (500, 503)
            texts.append(caught.value.response["Error"]["Message"])
        db, s3, queues, functions = (server.client(name) for name in ("dynamodb", "s3", "sqs", "lambda"))
        refused(lambda: db.put_item(TableName="items", Item={"id": {"S": "later"}}))
        refused(lambda: db.update_item(TableName="items", Key={"id": {"S": "later"}}, UpdateExpression="SET a = :a", ExpressionAttributeValues={":a": {"S": "b"}}))
        refused(lambda: db.delete_item(TableName="items", Key={"id": {"S": "before0"}}))
        refused(lambda: db.transact_write_items(TransactItems=[{"Put": {"TableName": "items", "Item": {"id": {"S": "later"}}}}]))
        refused(lambda: db.create_table(TableName="more", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}], BillingMode="PAY_PER_REQUEST",
                                        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}]))
        refused(lambda: s3.put_object(Bucket="bucket", Key="small", Body=b"new"))
        refused(lambda: s3.put_object(Bucket="bucket", Key="large", Body=b"n" * 200_000))
        refused(lambda: s3.delete_object(Bucket="bucket", Key="small"))
        refused(lambda: queues.send_message(QueueUrl=self.url, MessageBody="later"))
        refused(lambda: queues.create_queue(QueueName="more"))
        refused(lambda: functions.delete_function(FunctionName="function"))
        for text in texts:
            assert "Nothing of this write was done" in text and why in text and "unknown" not in text, text

    def records(self):
        streams = self.server.client("dynamodbstreams")
        (stream,) = streams.list_streams(TableName="items")["Streams"]
        found = []
        for shard in streams.describe_stream(StreamArn=stream["StreamArn"])["StreamDescription"]["Shards"]:
            iterator = streams.get_shard_iterator(StreamArn=stream["StreamArn"], ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
            while iterator:
                page = streams.get_records(ShardIterator=iterator)
                found += page["Records"]
                iterator = page.get("NextShardIterator") if page["Records"] else None
        return found

    def assert_served(self):
        """Everything that reads: acknowledged states, and of a key whose last write's outcome is unknown, one of the two."""
        started = time.monotonic()
        server = self.server
        db, s3, functions = (server.client(name, read_timeout=10) for name in ("dynamodb", "s3", "lambda"))
        maybe = {key: number for key, number, _, text in self.answers if "unknown" in text}
        items = {}
        for page in db.get_paginator("scan").paginate(TableName="items"):
            items.update({item["id"]["S"]: int(item["n"]["N"]) for item in page["Items"]})
        for key, number in self.acknowledged.items():
            assert items.pop(key) in (number, maybe.get(key, number)), key
        assert all(maybe.get(key) == number for key, number in items.items()), "nobody wrote what is there"
        item = db.get_item(TableName="items", Key={"id": {"S": "before3"}}, ConsistentRead=True)["Item"]
        assert item["n"]["N"] == "3"
        for key in maybe:
            db.get_item(TableName="items", Key={"id": {"S": key}})
        assert db.query(TableName="items", KeyConditionExpression="id = :i", ExpressionAttributeValues={":i": {"S": "before3"}})["Count"] == 1
        assert db.query(TableName="items", IndexName="by_g", KeyConditionExpression="g = :g", Select="COUNT", ExpressionAttributeValues={":g": {"S": "g"}})["Count"] >= 100
        assert db.transact_get_items(TransactItems=[{"Get": {"TableName": "items", "Key": {"id": {"S": "before3"}}}}])["Responses"][0]["Item"] == item
        assert db.batch_get_item(RequestItems={"items": {"Keys": [{"id": {"S": "before3"}}]}})["Responses"]["items"] == [item]
        assert db.list_tables()["TableNames"] == ["items"] and db.describe_table(TableName="items")["Table"]["TableStatus"] == "ACTIVE"
        assert s3.get_object(Bucket="bucket", Key="small")["Body"].read() == b"s" * 100
        assert s3.get_object(Bucket="bucket", Key="large")["Body"].read() == b"l" * 200_000
        assert s3.list_objects_v2(Bucket="bucket")["KeyCount"] == 2 and [each["Name"] for each in s3.list_buckets()["Buckets"]] == ["bucket"]
        queues = server.client("sqs", read_timeout=10)
        assert queues.list_queues()["QueueUrls"] and queues.get_queue_url(QueueName="queue")["QueueUrl"]
        assert queues.get_queue_attributes(QueueUrl=self.url, AttributeNames=["All"])["Attributes"]["ApproximateNumberOfMessages"] == "1"
        assert functions.get_function(FunctionName="function")["Configuration"]["State"] == "Active"
        assert [each["FunctionName"] for each in functions.list_functions()["Functions"]] == ["function"]
        assert functions.list_event_source_mappings()["EventSourceMappings"] == []
        assert time.monotonic() - started < 10, "reads do not wait for what failed"

    def assert_stream_served(self):
        maybe = {key: number for key, number, _, text in self.answers if "unknown" in text}
        in_stream = {}
        for record in self.records():
            in_stream[record["dynamodb"]["Keys"]["id"]["S"]] = int(record["dynamodb"]["NewImage"]["n"]["N"])
        for key, number in self.acknowledged.items():
            assert in_stream[key] in (number, maybe.get(key, number)), key

    def assert_told(self, why):
        server = self.server
        status = server.admin("status")
        assert status["writes"].startswith("refused: ") and why in status["writes"], status
        assert any(why in each for each in status["warnings"])
        with pytest.raises(RuntimeError, match="503"):
            server.admin("health")
        said = subprocess.run([str(BINARY), "status"], capture_output=True, text=True, env={**os.environ, "MILLRACE_ENDPOINT": server.endpoint, "LD_PRELOAD": ""}, timeout=20, check=False).stdout
        assert why in said, said
        with urllib.request.urlopen(server.endpoint + "/metrics") as response:
            lines = response.read().decode().splitlines()
        assert "millrace_storage_writable 0" in lines
        assert why in server.log()[self.log_at_start:]

    def assert_stops(self):
        started = time.monotonic()
        assert self.server.stop() == 0, self.server.log()[-3000:]
        assert time.monotonic() - started < 3, "SIGTERM ends it"

    def assert_whole_after_a_start(self):
        self.server.start()
        self.assert_served()
        self.assert_stream_served()
        messages = self.server.client("sqs").receive_message(QueueUrl=self.server.client("sqs").get_queue_url(QueueName="queue")["QueueUrl"])["Messages"]
        assert [each["Body"] for each in messages] == ["message"]
        payload = self.server.client("lambda").invoke(FunctionName="function", Payload=b'"hello"')["Payload"].read()
        assert payload == b'"hello"', payload
        self.put("after", 1)
        self.server.stop()
        result = subprocess.run([str(world.BINARY), "check", str(self.server.data)], capture_output=True, text=True, timeout=60, check=False)
        assert result.returncode == 0, result.stdout + result.stderr


FAILURES = {
    "sync": (errno.EIO, (SYNCS,), ".log", "until the server is restarted"),
    "write": (errno.EIO, (WRITES,), ".log", "until the server is restarted"),
    "write of a full log": (errno.ENOSPC, (WRITES,), ".log", "until the server is restarted"),
    "read-only": (errno.EROFS, (SYNCS, WRITES, NAMES), "", "Read-only file system"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_disk_that_fails_under_a_load_ends_writing_and_nothing_else(disk, tmp_path, failure):
    error, kinds, only, why = FAILURES[failure]
    with Server(data=tmp_path / "data") as server:
        load = Load(server)
        load.fill(tmp_path)
        load.write_until_refused(lambda: disk.fail(error, kinds, only))
        assert disk.failures() > 0
        load.assert_in_flight_unknown()
        load.assert_writes_refused(why)
        load.assert_served()
        load.assert_stream_served()
        load.assert_told(why)
        if failure == "sync":
            disk.heal()
            load.assert_writes_refused("until the server is restarted")
        load.assert_served()
        load.assert_stops()
        disk.heal()
        load.assert_whole_after_a_start()


def test_a_failed_sync_of_an_objects_file_ends_writing_until_a_restart(disk, tmp_path):
    large = b"x" * 300_000
    with Server(data=tmp_path / "data") as server:
        s3 = server.client("s3")
        s3.create_bucket(Bucket="bucket")
        s3.put_object(Bucket="bucket", Key="before", Body=large)
        disk.fail(errno.EIO, (SYNCS,), "/objects/")
        with pytest.raises(botocore.exceptions.ClientError):
            s3.put_object(Bucket="bucket", Key="failed", Body=large)
        disk.heal()  # a sync would succeed now, although the bytes may be lost
        for body in (large, b"small"):
            with pytest.raises(botocore.exceptions.ClientError, match="until the server is restarted"):
                s3.put_object(Bucket="bucket", Key="after", Body=body)
        assert s3.get_object(Bucket="bucket", Key="before")["Body"].read() == large
        assert [each["Key"] for each in s3.list_objects_v2(Bucket="bucket")["Contents"]] == ["before"]
        server.stop()
    with Server(data=tmp_path / "data") as server:
        server.client("s3").put_object(Bucket="bucket", Key="after", Body=large)


# Mounts the image anew for each process, in a mount namespace of its own: it is unmounted, and its loop device freed, with that process.
ON_IMAGE = """#!/bin/sh
exec unshare -m --propagation private sh -c '
  e2fsck -fp {image} > /dev/null 2>&1
  mount -o loop,errors=remount-ro {image} {stage} && mkdir -p {stage}/data && mount --bind {stage}/data {data} && exec "$0" "$@"
' {binary} "$@"
"""


@pytest.fixture
def real_disk(tmp_path, monkeypatch):
    """Servers started from now on have their data on an ext4 file system of their own; calls to it make the kernel find it damaged."""
    image, stage, data, script = (tmp_path / name for name in ("image", "stage", "data", "on_image"))
    stage.mkdir()
    data.mkdir()
    with open(image, "wb") as file:
        file.truncate(1 << 30)
    try:
        made = subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no mkfs.ext4 here")
    assert made.returncode == 0, made.stderr
    script.write_text(ON_IMAGE.format(image=image, stage=stage, data=data, binary=BINARY))
    script.chmod(0o755)
    tried = subprocess.run([str(script), "--version"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.skip("mounting an image is not permitted here: " + tried.stderr.strip())
    monkeypatch.setattr(world, "BINARY", script)

    def damage():
        attached = subprocess.run(["losetup", "-j", str(image)], capture_output=True, text=True, check=True).stdout
        device = pathlib.Path(attached.split(":")[0]).name
        assert device.startswith("loop"), attached
        pathlib.Path(f"/sys/fs/ext4/{device}/trigger_fs_error").write_text("1")
    if not pathlib.Path("/sys/fs/ext4").is_dir():
        pytest.skip("this kernel's ext4 cannot be told to find damage")
    yield damage
    wait_until(lambda: not subprocess.run(["losetup", "-j", str(image)], capture_output=True, check=True).stdout, "the loop device to be free", 10)


def test_a_read_only_remount_by_the_kernel_ends_writing_and_nothing_else(real_disk, tmp_path):
    with Server(data=tmp_path / "data") as server:
        load = Load(server)
        load.fill(tmp_path)
        load.write_until_refused(real_disk)
        load.assert_in_flight_unknown()
        load.assert_writes_refused("read-only until the server is restarted")
        load.assert_served()
        load.assert_stream_served()
        load.assert_told("read-only until the server is restarted")
        load.assert_stops()
        load.assert_whole_after_a_start()


STACK = '{"Resources": {"P": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "%s", "Name": "of-stack"}}}}'
TABLE = "arn:aws:dynamodb:us-east-1:000000000000:table/table"


class Everything:
    """A server whose services all have something, and background work that is due within minutes."""

    def __init__(self, server, tmp_path):
        self.server = server
        self.connect()
        code = tmp_path / "index.py"
        code.write_bytes(b"def handler(event, context):\n    print('called')\n    return event\n")
        self.function = server.function("function", zip_of(code), handler="index.handler", runtime="python3.11", timeout=10)
        self.url = self.sqs.create_queue(QueueName="queue", Attributes={"MessageRetentionPeriod": "60"})["QueueUrl"]
        self.sqs.send_message(QueueUrl=self.url, MessageBody="expires")
        self.source = self.sqs.create_queue(QueueName="source")["QueueUrl"]
        server.mapping("arn:aws:sqs:us-east-1:000000000000:source", "function", None)
        self.topic = self.sns.create_topic(Name="topic")["TopicArn"]
        self.sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:000000000000:queue")
        self.logs.create_log_group(logGroupName="group")
        self.logs.create_log_stream(logGroupName="group", logStreamName="stream")
        self.logs.put_retention_policy(logGroupName="group", retentionInDays=1)
        self.ssm.put_parameter(Name="parameter", Value="0", Type="String")
        self.events.put_rule(Name="rule", ScheduleExpression="rate(1 minute)")
        self.events.put_targets(Rule="rule", Targets=[{"Id": "1", "Arn": "arn:aws:sqs:us-east-1:000000000000:source"}])
        self.metrics.put_metric_alarm(AlarmName="alarm", Namespace="own", MetricName="metric", Statistic="Sum", Period=60, EvaluationPeriods=1,
                                      Threshold=1, ComparisonOperator="GreaterThanThreshold", TreatMissingData="notBreaching")
        self.iam.create_role(RoleName="role", AssumeRolePolicyDocument='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}')
        self.key = self.kms.create_key()["KeyMetadata"]["KeyId"]
        self.stacks.create_stack(StackName="stack", TemplateBody=STACK % "v")
        self.db.create_table(TableName="table", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}], BillingMode="PAY_PER_REQUEST",
                             AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                             StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})
        self.db.update_time_to_live(TableName="table", TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"})
        self.db.put_item(TableName="table", Item={"id": {"S": "expires"}, "ttl": {"N": str(int(time.time()) + 3600)}})
        self.s3.create_bucket(Bucket="bucket")
        self.s3.put_bucket_lifecycle_configuration(Bucket="bucket", LifecycleConfiguration={"Rules": [
            {"ID": "rule", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}]})
        self.s3.put_object(Bucket="bucket", Key="expires", Body=b"body")
        wait_until(lambda: self.stacks.describe_stacks(StackName="stack")["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE", "the stack")
        server.settle()

    def connect(self):
        names = ("sqs", "sns", "lambda", "logs", "ssm", "events", "cloudwatch", "iam", "cloudformation", "kms", "dynamodb", "s3", "dynamodbstreams")
        (self.sqs, self.sns, self.functions, self.logs, self.ssm, self.events, self.metrics, self.iam, self.stacks, self.kms, self.db, self.s3, self.streams) = (
            self.server.client(name, read_timeout=20) for name in names)

    def writers(self):
        """One change of each service, to be made again and again."""
        stamp = lambda: int(time.time() * 1000)  # noqa: E731
        return [
            lambda i: self.sqs.send_message(QueueUrl=self.source, MessageBody=str(i)),
            lambda i: self.sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"VisibilityTimeout": str(i % 100)}),
            lambda i: self.sns.tag_resource(ResourceArn=self.topic, Tags=[{"Key": "number", "Value": str(i)}]),
            lambda i: self.functions.update_function_configuration(FunctionName="function", Description=str(i)),
            lambda i: self.functions.invoke(FunctionName="function", InvocationType="Event", Payload=b"1"),
            lambda i: self.logs.put_log_events(logGroupName="group", logStreamName="stream", logEvents=[{"timestamp": stamp(), "message": str(i)}]),
            lambda i: self.ssm.put_parameter(Name="parameter", Value=str(i), Type="String", Overwrite=True),
            lambda i: self.events.put_rule(Name="other", EventPattern='{"source":["a"]}', Description=str(i)),
            lambda i: self.metrics.put_metric_alarm(AlarmName="other", Namespace="own", MetricName="metric", Statistic="Sum", Period=60, EvaluationPeriods=1,
                                                    Threshold=i, ComparisonOperator="GreaterThanThreshold"),
            lambda i: self.iam.update_role(RoleName="role", Description=str(i)),
            lambda i: self.kms.update_key_description(KeyId=self.key, Description=str(i)),
            lambda i: self.db.tag_resource(ResourceArn=TABLE, Tags=[{"Key": "number", "Value": str(i)}]),
            lambda i: self.db.update_table(TableName="table", StreamSpecification={"StreamEnabled": False} if i % 2 == 0 else {
                "StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}),
            self.make_and_delete_a_table,
            lambda i: self.s3.put_bucket_tagging(Bucket="bucket", Tagging={"TagSet": [{"Key": "number", "Value": str(i)}]}),
            lambda i: (self.s3.create_bucket(Bucket=f"made-{i}"), self.s3.delete_bucket(Bucket=f"made-{i}")),
            lambda i: self.stacks.update_stack(StackName="stack", TemplateBody=STACK % f"v{i}"),
        ]

    def make_and_delete_a_table(self, i):
        self.db.create_table(TableName=f"made-{i}", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}], BillingMode="PAY_PER_REQUEST",
                             AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}])
        self.db.delete_table(TableName=f"made-{i}")

    def write_until_refused(self, break_disk, limit=20):
        writers, acknowledged, refused = self.writers(), {}, {}
        end = time.monotonic() + limit

        def run(number):
            for i in range(100_000):
                try:
                    writers[number](i)
                    acknowledged[number] = i
                except botocore.exceptions.ClientError as error:
                    if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
                        refused[number] = (i, error.response["Error"]["Message"])
                        return
                if time.monotonic() > end:
                    return
        threads = [threading.Thread(target=run, args=(number,)) for number in range(len(writers))]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(acknowledged) == len(writers) and min(acknowledged.values()) > 3, "writes")
        break_disk()
        for thread in threads:
            thread.join()
        assert len(refused) == len(writers), refused
        self.acknowledged, self.refused = acknowledged, refused

    def may_be(self, number):
        """What the last change of a writer may have left."""
        return {str(self.acknowledged[number])} | ({str(self.refused[number][0])} if "unknown" in self.refused[number][1] else set())

    def assert_read(self):
        started = time.monotonic()
        assert len(self.sqs.list_queues()["QueueUrls"]) == 2
        for url in (self.url, self.source):
            self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        assert self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["VisibilityTimeout"])["Attributes"]["VisibilityTimeout"] in {
            str(int(i) % 100) for i in self.may_be(1)}
        assert [each["TopicArn"] for each in self.sns.list_topics()["Topics"]] == [self.topic]
        assert self.sns.list_tags_for_resource(ResourceArn=self.topic)["Tags"][0]["Value"] in self.may_be(2)
        assert self.functions.get_function(FunctionName="function")["Configuration"]["Description"] in self.may_be(3)
        (mapping,) = self.functions.list_event_source_mappings()["EventSourceMappings"]
        assert mapping["State"] == "Enabled"
        assert "group" in [each["logGroupName"] for each in self.logs.describe_log_groups()["logGroups"]]
        logged = self.logs.get_log_events(logGroupName="group", logStreamName="stream", startFromHead=False, limit=1)["events"]
        assert {each["message"] for each in logged} <= self.may_be(5)
        assert self.ssm.get_parameter(Name="parameter")["Parameter"]["Value"] in self.may_be(6)
        rules = {each["Name"]: each for each in self.events.list_rules()["Rules"]}
        assert rules["other"]["Description"] in self.may_be(7) and rules["rule"]["State"] == "ENABLED"
        alarms = {each["AlarmName"]: each for each in self.metrics.describe_alarms()["MetricAlarms"]}
        assert str(int(alarms["other"]["Threshold"])) in self.may_be(8) and "alarm" in alarms
        assert self.iam.list_roles()["Roles"] and self.iam.get_role(RoleName="role")["Role"]["Description"] in self.may_be(9)
        assert self.kms.describe_key(KeyId=self.key)["KeyMetadata"]["Description"] in self.may_be(10)
        (stack,) = self.stacks.describe_stacks()["Stacks"]
        assert stack["StackStatus"].startswith(("CREATE_COMPLETE", "UPDATE_")), stack
        assert self.stacks.describe_stack_events(StackName="stack")["StackEvents"] and self.stacks.list_stack_resources(StackName="stack")["StackResourceSummaries"]
        tables = self.db.list_tables()["TableNames"]
        for name in tables:
            assert self.db.describe_table(TableName=name)["Table"]["TableStatus"] == "ACTIVE"
            self.db.scan(TableName=name)
        assert "table" in tables and len(tables) <= 2, tables
        (tag,) = self.db.list_tags_of_resource(ResourceArn=TABLE)["Tags"]
        assert tag["Value"] in self.may_be(11)
        for stream in self.streams.list_streams(TableName="table")["Streams"]:
            for shard in self.streams.describe_stream(StreamArn=stream["StreamArn"])["StreamDescription"]["Shards"]:
                iterator = self.streams.get_shard_iterator(StreamArn=stream["StreamArn"], ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
                self.streams.get_records(ShardIterator=iterator["ShardIterator"])
        assert self.s3.get_bucket_tagging(Bucket="bucket")["TagSet"][0]["Value"] in self.may_be(14)
        for bucket in self.s3.list_buckets()["Buckets"]:
            self.s3.list_objects_v2(Bucket=bucket["Name"])
            with pytest.raises(self.s3.exceptions.NoSuchKey):
                self.s3.get_object(Bucket=bucket["Name"], Key="missing")
        with pytest.raises(self.s3.exceptions.NoSuchBucket):
            self.s3.list_objects_v2(Bucket="missing")
        with pytest.raises(self.db.exceptions.ResourceNotFoundException):
            self.db.describe_table(TableName="missing")
        assert time.monotonic() - started < 20


def test_every_service_is_read_on_after_a_failed_sync_also_when_background_work_is_due(disk, tmp_path):
    (tmp_path / "data").mkdir()
    for attempt in range(5):
        with Server(data=tmp_path / "data" / str(attempt)) as server:
            everything = Everything(server, tmp_path)
            everything.write_until_refused(lambda: disk.fail(errno.EIO, (SYNCS,), ".log"))
            if any("unknown" in text for _, text in everything.refused.values()):
                assert_every_service_is_read_on(server, everything, disk)
                return
        disk.heal()  # the sync that failed was of the server's own work alone
    pytest.fail("no client's write was in flight when the sync failed")


def assert_every_service_is_read_on(server, everything, disk):
    everything.assert_read()
    for by in ("2m", "1h", "3d"):  # messages expire, rules and alarms are due, functions are retried, logs are too old
        moved = server.advance(by)
        assert moved["complete"] and not moved["kept"] and "until the server is restarted" in moved["why"], moved
        everything.assert_read()
        assert everything.db.get_item(TableName="table", Key={"id": {"S": "expires"}})["Item"]
        assert everything.s3.get_object(Bucket="bucket", Key="expires")["Body"].read() == b"body"
    for write in everything.writers():
        with pytest.raises(botocore.exceptions.ClientError, match="until the server is restarted"):
            write(1)
    everything.assert_read()
    assert server.stop() == 0
    disk.heal()
    server.start()
    everything.connect()
    everything.assert_read()


def test_every_service_is_read_on_when_a_disk_fills_to_its_last_byte(small_disk, tmp_path):  # noqa: F811
    with Server(data=small_disk / "data", log=tmp_path / "log") as server:
        everything = Everything(server, tmp_path)
        everything.write_until_refused(lambda: fill(small_disk))
        everything.assert_read()
        moved = server.advance("2m")
        assert moved["complete"] and not moved["kept"] and "The disk is full" in moved["why"], moved
        everything.assert_read()
        (small_disk / "ballast").unlink()
        wait_until(lambda: server.admin("status")["writes"] == "taken", "room", 5)
        for write in everything.writers()[:11]:
            write(1)
        assert server.stop() == 0
