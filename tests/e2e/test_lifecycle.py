"""Starting, stopping, being killed, and going on."""
import json
import os
import pathlib
import socket
import stat
import subprocess
import threading
import time

import botocore.exceptions
import pytest

from recorder import RecorderServer
from world import BINARY, Server, wait_until, zip_of

HANDLER = "import json, os, boto3\nqueue = os.environ['QUEUE_URL']\nsqs = boto3.client('sqs')\ndef handler(event, context):\n" \
          "    for record in event['Records']:\n        sqs.send_message(QueueUrl=queue, MessageBody=record['dynamodb']['Keys']['id']['S'])\n"


def make_table(server, name, **options):
    return server.client("dynamodb").create_table(
        TableName=name, BillingMode="PAY_PER_REQUEST", AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}], **options)["TableDescription"]


def serve(*arguments, environment=None):
    return subprocess.run([str(BINARY), "serve", *map(str, arguments)], capture_output=True, text=True, timeout=30, check=False,
                          env={**os.environ, **(environment or {})})


def test_everything_is_there_after_a_restart(own_server):
    dynamodb, s3, sqs, functions = (own_server.client(name) for name in ("dynamodb", "s3", "sqs", "lambda"))
    make_table(own_server, "kept", StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"})
    dynamodb.put_item(TableName="kept", Item={"id": {"S": "1"}, "n": {"N": "12345678901234567890.5"}})
    s3.create_bucket(Bucket="kept-bucket")
    s3.put_object(Bucket="kept-bucket", Key="small", Body=b"small")
    s3.put_object(Bucket="kept-bucket", Key="large", Body=b"x" * 300_000)
    url = sqs.create_queue(QueueName="kept")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="kept")
    own_server.function("kept", zip_of_text("index.py", "def handler(event, context):\n    return event\n"), runtime="python3.11")
    assert own_server.stop() == 0
    own_server.start()
    assert own_server.client("dynamodb").get_item(TableName="kept", Key={"id": {"S": "1"}})["Item"]["n"]["N"] == "12345678901234567890.5"
    assert own_server.client("s3").get_object(Bucket="kept-bucket", Key="large")["Body"].read() == b"x" * 300_000
    assert own_server.client("s3").get_object(Bucket="kept-bucket", Key="small")["Body"].read() == b"small"
    assert own_server.client("sqs").receive_message(QueueUrl=url)["Messages"][0]["Body"] == "kept"
    answer = own_server.client("lambda").invoke(FunctionName="kept", Payload=b'{"a": 1}')
    assert json.loads(answer["Payload"].read()) == {"a": 1}


def zip_of_text(name, text):
    import io
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, text)
    return buffer.getvalue()


def test_the_moved_clock_survives_a_restart(own_server):
    own_server.advance("31d")
    before = own_server.admin("clock")["now_ms"]
    own_server.stop()
    own_server.start()
    assert own_server.admin("clock")["now_ms"] >= before


def test_a_second_server_on_the_same_directory_is_refused_by_name(own_server):
    result = serve("--port", 0, "--data", own_server.data)
    assert result.returncode == 1
    assert str(own_server.process.pid) in result.stderr and "millrace serve" in result.stderr


def test_a_port_in_use_is_refused(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = serve("--port", taken.getsockname()[1], "--data", tmp_path / "data")
    assert result.returncode == 1
    assert "in use" in result.stderr.lower() or "address" in result.stderr.lower()


def test_a_directory_of_a_newer_version_is_refused(tmp_path):
    server = Server(data=tmp_path / "data").start()
    server.stop()
    version = tmp_path / "data/millrace.json"
    version.write_text(json.dumps({**json.loads(version.read_text()), "format": 99}))
    result = serve("--port", 0, "--data", tmp_path / "data")
    assert result.returncode == 1 and "newer" in result.stderr


def test_a_damaged_directory_is_refused_and_named(tmp_path):
    server = Server(data=tmp_path / "data").start()
    make_table(server, "tab")
    server.stop()
    for file in (tmp_path / "data/db").iterdir():
        if file.name.startswith(("MANIFEST", "CURRENT")):
            file.write_bytes(b"damaged")
    result = serve("--port", 0, "--data", tmp_path / "data")
    assert result.returncode == 1 and str(tmp_path / "data") in result.stderr


def test_a_foreign_directory_is_left_alone(tmp_path):
    (tmp_path / "letter.txt").write_text("mine")
    result = serve("--port", 0, "--data", tmp_path)
    assert result.returncode == 1 and str(tmp_path) in result.stderr
    assert [entry.name for entry in tmp_path.iterdir()] == ["letter.txt"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_cannot_be_written_is_refused(tmp_path):
    os.chmod(tmp_path, stat.S_IRUSR | stat.S_IXUSR)
    result = serve("--port", 0, "--data", tmp_path / "data")
    assert result.returncode == 1 and str(tmp_path) in result.stderr


def test_other_addresses_need_a_word(tmp_path):
    result = serve("--address", "0.0.0.0", "--port", 0, "--data", tmp_path / "data")
    assert result.returncode == 1 and "--allow-anyone" in result.stderr


def test_bad_configuration_is_refused_with_its_place(tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("server:\n  prot: 1\n")
    result = serve("--port", 0, "--data", tmp_path / "data", "--config", config)
    assert result.returncode == 1 and "c.yaml:2" in result.stderr and "prot" in result.stderr


def test_an_ephemeral_server_leaves_nothing(tmp_path):
    server = Server(data=tmp_path / "unused", arguments=["--ephemeral"])
    server.start()
    server.close()
    assert not (tmp_path / "unused").exists() or not any((tmp_path / "unused").iterdir())


def test_kill_during_writes_loses_nothing_acknowledged(own_server):
    """SIGKILL while eight writers write: whatever was acknowledged is there, and its record is in the stream exactly once."""
    table = make_table(own_server, "tab", StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"})
    acknowledged, stop = [], threading.Event()

    def write(worker):
        dynamodb = own_server.client("dynamodb")
        for i in range(100_000):
            if stop.is_set():
                return
            key = f"{worker}-{i}"
            try:
                dynamodb.put_item(TableName="tab", Item={"id": {"S": key}})
            except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, ConnectionError):
                return
            acknowledged.append(key)

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(acknowledged) > 500, "some writes")
    own_server.kill()
    stop.set()
    for thread in threads:
        thread.join()
    own_server.start()
    dynamodb, streams = own_server.client("dynamodb"), own_server.client("dynamodbstreams")
    present = {item["id"]["S"] for page in dynamodb.get_paginator("scan").paginate(TableName="tab") for item in page["Items"]}
    assert set(acknowledged) <= present
    recorded = [record["dynamodb"]["Keys"]["id"]["S"] for record in read_stream(streams, table["LatestStreamArn"])]
    assert sorted(recorded) == sorted(present)


def read_stream(streams, arn):
    records = []
    for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        while iterator:
            page = streams.get_records(ShardIterator=iterator)
            records += page["Records"]
            iterator = page.get("NextShardIterator") if page["Records"] else None
    return records


def test_kill_during_deliveries_delivers_everything(own_server):
    """SIGKILL in the middle of deliveries: after the restart they go on, and nothing is missing in the queue."""
    stream = make_table(own_server, "tab", StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"})["LatestStreamArn"]
    url = own_server.client("sqs").create_queue(QueueName="out")["QueueUrl"]
    own_server.function("copy", zip_of_text("index.py", HANDLER), runtime="python3.11", environment={"QUEUE_URL": url})
    own_server.mapping(stream, "copy", "TRIM_HORIZON", BatchSize=10)
    dynamodb = own_server.client("dynamodb")
    for i in range(200):
        dynamodb.put_item(TableName="tab", Item={"id": {"S": str(i)}})
    own_server.kill()
    own_server.start()
    own_server.settle()
    sqs, seen = own_server.client("sqs"), set()
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=0).get("Messages"):
        seen |= {message["Body"] for message in messages}
    assert seen == {str(i) for i in range(200)}


def test_sigterm_lets_requests_finish(own_server):
    recorders = RecorderServer()
    recorder = recorders.function(own_server, "slow")
    recorder.behave = lambda event: "finished"
    recorder.hold()
    answers = []
    call = threading.Thread(target=lambda: answers.append(json.loads(own_server.client("lambda").invoke(FunctionName="slow")["Payload"].read())))
    call.start()
    recorder.wait(1)
    own_server.process.terminate()
    wait_until(lambda: "stopping" in own_server.log(), "the server to be stopping")
    recorder.release()
    call.join()
    assert own_server.process.wait(20) == 0 and answers == ["finished"]
    recorders.close()


def test_sigterm_during_busy_work_ends_within_its_limit(own_server):
    """Eight writers, deliveries, functions that hang, and long polls: SIGTERM ends all of it with status 0 in about ten seconds."""
    stream = make_table(own_server, "tab", StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"})["LatestStreamArn"]
    url = own_server.client("sqs").create_queue(QueueName="out")["QueueUrl"]
    own_server.function("copy", zip_of_text("index.py", HANDLER), runtime="python3.11", environment={"QUEUE_URL": url})
    own_server.function("hang", zip_of_text("index.py", "import time\ndef handler(event, context):\n    time.sleep(600)\n"), runtime="python3.11", timeout=900)
    own_server.mapping(stream, "copy", "TRIM_HORIZON", BatchSize=10)
    own_server.mapping(stream, "hang", "TRIM_HORIZON", BatchSize=10)
    own_server.client("lambda").invoke(FunctionName="hang", InvocationType="Event")
    written, stop = [0] * 8, threading.Event()

    def write(worker):
        dynamodb = own_server.client("dynamodb")
        while not stop.is_set():
            try:
                dynamodb.put_item(TableName="tab", Item={"id": {"S": f"{worker}-{written[worker]}"}})
                written[worker] += 1
            except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
                return

    def wait(service, operation, **options):
        try:
            getattr(own_server.client(service), operation)(**options)
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
            pass  # cut at the limit

    empty = own_server.client("sqs").create_queue(QueueName="empty")["QueueUrl"]
    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(8)]
    threads += [threading.Thread(target=wait, args=("sqs", "receive_message"), kwargs={"QueueUrl": empty, "WaitTimeSeconds": 20}),
                threading.Thread(target=wait, args=("lambda", "invoke"), kwargs={"FunctionName": "hang"})]
    for thread in threads:
        thread.start()
    wait_until(lambda: sum(written) > 100, "some writes")
    started = time.monotonic()
    assert own_server.stop(limit=15) == 0
    assert time.monotonic() - started < 13
    stop.set()
    for thread in threads:
        thread.join()
    own_server.start()
    present = sum(page["Count"] for page in own_server.client("dynamodb").get_paginator("scan").paginate(TableName="tab"))
    assert present >= sum(written)


def test_run_gives_a_command_its_own_server_and_passes_its_status(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import os, sys, urllib.request\nassert os.environ['AWS_ACCESS_KEY_ID'] and os.environ['AWS_REGION']\n"
                      "print(urllib.request.urlopen(os.environ['AWS_ENDPOINT_URL'] + '/_millrace/health').read().decode())\nsys.exit(7)\n")
    result = subprocess.run([str(BINARY), "run", "--", "python3", str(script)], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 7 and '"status":"ok"' in result.stdout.replace(" ", "")
    result = subprocess.run([str(BINARY), "run", "--", str(tmp_path / "nothing")], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 127


def test_damage_in_the_middle_of_the_log_is_noticed(tmp_path):
    """A bit flipped in the middle of the write-ahead log of a killed server: it refuses to start and names the file."""
    server = Server(data=tmp_path / "data").start()
    make_table(server, "tab")
    for i in range(50):
        server.client("dynamodb").put_item(TableName="tab", Item={"id": {"S": str(i)}, "b": {"S": "x" * 500}})
    server.kill()
    log = max(pathlib.Path(tmp_path / "data/db").glob("*.log"), key=lambda path: path.stat().st_size)
    content = bytearray(log.read_bytes())
    content[len(content) // 2] ^= 0xFF
    log.write_bytes(content)
    result = serve("--port", 0, "--data", tmp_path / "data")
    assert result.returncode == 1 and str(tmp_path / "data") in result.stderr
