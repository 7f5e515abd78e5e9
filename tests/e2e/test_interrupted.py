"""What is cut off in the middle: large uploads, backups, and clocks that jump, against the real binary."""
import hashlib
import http.client
import json
import os
import pathlib
import random
import shutil
import subprocess
import threading

import botocore.exceptions
import pytest

from world import BINARY, Server, wait_until

MIB = 1 << 20
SIZE = 96 * MIB
FIELDS = {"Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0",
          "x-amz-content-sha256": "UNSIGNED-PAYLOAD", "Content-Length": str(SIZE)}


def block(number):
    return random.Random(number).randbytes(MIB)


BLOCKS = [block(i) for i in range(8)]
DIGEST = hashlib.md5(b"".join(BLOCKS[i % 8] for i in range(SIZE // MIB))).hexdigest()


class Upload(threading.Thread):
    """PUT of 96 MiB, a MiB at a time. `sent` counts them; `status` is the answer's, None without one."""

    def __init__(self, server, key):
        super().__init__()
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        self.key, self.sent, self.status = key, 0, None
        self.start()

    def run(self):
        try:
            self.connection.putrequest("PUT", f"/bucket/{self.key}")
            for name, value in FIELDS.items():
                self.connection.putheader(name, value)
            self.connection.endheaders()
            for i in range(SIZE // MIB):
                self.connection.send(BLOCKS[i % 8])
                self.sent += 1
            self.status = self.connection.getresponse().status
        except OSError:
            pass
        except http.client.HTTPException:
            pass


def digest_of(server, key):
    """The MD5 of an object's bytes; None when there is no such object."""
    try:
        body = server.client("s3").get_object(Bucket="bucket", Key=key)["Body"]
    except botocore.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "NoSuchKey"
        return None
    digest = hashlib.md5()
    for chunk in iter(lambda: body.read(MIB), b""):
        digest.update(chunk)
    return digest.hexdigest()


def files_of(server):
    return [path for path in (pathlib.Path(server.data) / "objects").rglob("*") if path.is_file()]


def assert_whole(server):
    result = subprocess.run([str(BINARY), "check", str(server.data)], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture
def bucket(own_server):
    own_server.client("s3").create_bucket(Bucket="bucket")
    return own_server


def test_an_upload_that_a_kill_cut_off_leaves_the_old_object_and_no_file(bucket):
    bucket.client("s3").put_object(Bucket="bucket", Key="large", Body=b"o" * 200_000)
    upload = Upload(bucket, "large")
    wait_until(lambda: upload.sent >= 24, "a part of the upload")
    bucket.kill()
    upload.join()
    assert upload.status is None
    bucket.start()
    assert digest_of(bucket, "large") == hashlib.md5(b"o" * 200_000).hexdigest()
    assert [path.stat().st_size for path in files_of(bucket)] == [200_028]  # with the checksums of its four blocks
    bucket.stop()
    assert_whole(bucket)


def test_an_upload_is_whole_after_a_kill_once_it_was_answered(bucket):
    upload = Upload(bucket, "large")
    upload.join()
    bucket.kill()
    assert upload.status == 200
    bucket.start()
    assert digest_of(bucket, "large") == DIGEST


def test_a_stop_in_the_middle_of_an_upload_is_clean_and_half_of_an_object_is_never_there(bucket):
    upload = Upload(bucket, "large")
    wait_until(lambda: upload.sent >= 24, "a part of the upload")
    assert bucket.stop() == 0
    upload.join()
    assert_whole(bucket)
    bucket.start()
    assert digest_of(bucket, "large") == (DIGEST if upload.status == 200 else None)
    assert len(files_of(bucket)) == (1 if upload.status == 200 else 0)


def test_parts_that_were_acknowledged_outlive_a_kill_and_are_completed_afterwards(bucket):
    s3 = bucket.client("s3")
    upload = s3.create_multipart_upload(Bucket="bucket", Key="parts")["UploadId"]
    halves = [b"".join(BLOCKS[i % 8] for i in range(SIZE // MIB // 2))] * 2
    etags = [s3.upload_part(Bucket="bucket", Key="parts", UploadId=upload, PartNumber=1, Body=halves[0])["ETag"]]
    bucket.kill()
    bucket.start()
    etags.append(s3.upload_part(Bucket="bucket", Key="parts", UploadId=upload, PartNumber=2, Body=halves[1])["ETag"])
    s3.complete_multipart_upload(Bucket="bucket", Key="parts", UploadId=upload,
                                 MultipartUpload={"Parts": [{"PartNumber": i + 1, "ETag": etag} for i, etag in enumerate(etags)]})
    bucket.kill()
    bucket.start()
    assert digest_of(bucket, "parts") == DIGEST
    bucket.stop()
    assert_whole(bucket)


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.1])
def test_a_stop_during_a_backup_leaves_a_whole_backup_or_none(bucket, tmp_path, delay):
    s3 = bucket.client("s3")
    for i in range(40):
        s3.put_object(Bucket="bucket", Key=f"k{i}", Body=bytes([i]) * 150_000)
    target = tmp_path / "backup"
    backup = subprocess.Popen([str(BINARY), "--endpoint", bucket.endpoint, "backup", str(target)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        backup.wait(delay + 0.05)
    except subprocess.TimeoutExpired:
        pass
    assert bucket.stop() == 0
    backup.communicate(timeout=30)
    assert_whole(bucket)
    restored = subprocess.run([str(BINARY), "restore", str(target), "--data", str(tmp_path / "restored")], capture_output=True, text=True, timeout=60, check=False)
    if backup.returncode == 0:
        assert restored.returncode == 0, restored.stderr
    if restored.returncode != 0:
        assert "no complete backup" in restored.stderr or "does not exist" in restored.stderr, restored.stderr
        return
    with Server(data=tmp_path / "restored") as server:
        assert digest_of(server, "k7") == hashlib.md5(bytes([7]) * 150_000).hexdigest()


# The machine's clock as a file says, in seconds off.
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
int clock_gettime(clockid_t clock, struct timespec *out) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  int result = real(clock, out);
  if (result != 0 || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)) return result;
  long off = 0;
  FILE *file = fopen(getenv("CLOCK_FILE"), "r");
  if (file) {
    if (fscanf(file, "%ld", &off) != 1) off = 0;
    fclose(file);
  }
  out->tv_sec += off;
  return 0;
}
"""


@pytest.fixture
def jumping_clock(tmp_path, monkeypatch):
    """Calls to it move the machine's clock of servers that are started from now on, by seconds from the truth."""
    library = tmp_path / "clock.so"
    built = subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), "-x", "c", "-", "-ldl"], input=SHIM, text=True, capture_output=True, check=False)
    if built.returncode != 0:
        pytest.skip("no C compiler here: " + built.stderr)
    if b"libasan" in subprocess.run(["ldd", str(BINARY)], capture_output=True, check=False).stdout:
        pytest.skip("a sanitizer wants to be loaded first")
    file = tmp_path / "clock"
    file.write_text("0")
    monkeypatch.setenv("CLOCK_FILE", str(file))
    monkeypatch.setenv("LD_PRELOAD", str(library))

    def jump(seconds):
        new = tmp_path / "clock.new"
        new.write_text(str(seconds))
        os.replace(new, file)
    return jump


def records_of(server):
    """(sequence number, time) of every record of the table's stream."""
    streams = server.client("dynamodbstreams")
    (stream,) = streams.list_streams(TableName="items")["Streams"]
    found = []
    for shard in streams.describe_stream(StreamArn=stream["StreamArn"])["StreamDescription"]["Shards"]:
        iterator = streams.get_shard_iterator(StreamArn=stream["StreamArn"], ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        found += [(int(each["dynamodb"]["SequenceNumber"]), each["dynamodb"]["ApproximateCreationDateTime"]) for each in streams.get_records(ShardIterator=iterator)["Records"]]
    return found


def test_a_clock_that_jumps_loses_nothing_and_repeats_no_number(jumping_clock, tmp_path):
    day = 86_400
    with Server(data=tmp_path / "data") as server:
        dynamodb = server.client("dynamodb")
        dynamodb.create_table(TableName="items", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}], BillingMode="PAY_PER_REQUEST",
                              AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                              StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})
        queue, news = (server.client("sqs").create_queue(QueueName=name)["QueueUrl"] for name in ("queue", "news"))
        fifo = server.client("sqs").create_queue(QueueName="queue.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
        server.client("s3").create_bucket(Bucket="bucket")
        server.client("s3").put_bucket_notification_configuration(Bucket="bucket", NotificationConfiguration={
            "QueueConfigurations": [{"QueueArn": "arn:aws:sqs:us-east-1:000000000000:news", "Events": ["s3:ObjectCreated:*"]}]})

        def write(name):
            dynamodb.put_item(TableName="items", Item={"id": {"S": name}})
            server.client("sqs").send_message(QueueUrl=queue, MessageBody=name)
            server.client("s3").put_object(Bucket="bucket", Key=name, Body=b"x")
            sent = server.client("sqs").send_message(QueueUrl=fifo, MessageBody=name, MessageGroupId="g", MessageDeduplicationId=name)
            fifo_numbers.append(int(sent["SequenceNumber"]))

        fifo_numbers = []
        names = []
        for i, jump in enumerate([0, -day, 3600, -2 * day, 0]):
            jumping_clock(jump)
            names.append(f"k{i}")
            write(names[-1])
            if i % 2:
                server.kill() if i == 3 else server.stop()
                server.start()
        found = records_of(server)
        assert len(found) == len(names)
        assert [number for number, _ in found] == sorted({number for number, _ in found}), "in order, none twice"
        assert [at for _, at in found] == sorted(at for _, at in found), "time never falls in a stream"
        assert {item["id"]["S"] for item in dynamodb.scan(TableName="items")["Items"]} == set(names)
        jumping_clock(3700)  # what was sent an hour ahead is visible from then on
        received = set()
        while messages := server.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            received |= {message["Body"] for message in messages}
        assert received == set(names)
        assert fifo_numbers == sorted(set(fifo_numbers)), "rising, none twice"
        sequencers = {}
        while messages := server.client("sqs").receive_message(QueueUrl=news, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                for record in json.loads(message["Body"]).get("Records", []):  # none in the test event
                    sequencers[record["s3"]["object"]["key"]] = record["s3"]["object"]["sequencer"]
        assert sorted(sequencers, key=sequencers.get) == names
        jumping_clock(3 * day)  # beyond the stream's retention
        write("later")
        assert {item["id"]["S"] for item in dynamodb.scan(TableName="items")["Items"]} == {*names, "later"}
        assert server.stop() == 0
    assert_whole(server)


def run(*arguments):
    return subprocess.run([str(BINARY), *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    """A data directory with a table, small objects and a large one, and a backup of it."""
    place = tmp_path_factory.mktemp("contents")
    with Server(data=place / "data") as server:
        dynamodb, s3 = server.client("dynamodb"), server.client("s3")
        dynamodb.create_table(TableName="items", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}], BillingMode="PAY_PER_REQUEST",
                              AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}])
        for i in range(50):
            dynamodb.put_item(TableName="items", Item={"id": {"S": f"k{i}"}})
        s3.create_bucket(Bucket="bucket")
        for i in range(20):
            s3.put_object(Bucket="bucket", Key=f"k{i}", Body=bytes([i]) * 150_000)
        s3.put_object(Bucket="bucket", Key="large", Body=b"".join(BLOCKS))
        server.cli("backup", str(place / "backup"))
        server.stop()
        yield place


def assert_contents(server):
    assert server.client("dynamodb").scan(TableName="items", Select="COUNT")["Count"] == 50
    assert digest_of(server, "k7") == hashlib.md5(bytes([7]) * 150_000).hexdigest()
    assert digest_of(server, "large") == hashlib.md5(b"".join(BLOCKS)).hexdigest()


def kill_when(there, process, victim=None):
    """SIGKILL of the victim, or the process itself, as soon as `there()`, or after the process has ended."""
    while process.poll() is None and not there():
        pass
    (victim or process).kill()
    process.wait(30)


# What is there when a restore is killed: nothing but the folder's mark, the database, some objects.
@pytest.mark.parametrize("sign", ["restoring", "db", "objects", "objects/*/*"])
def test_a_restore_that_a_kill_cut_off_is_named_and_never_served(contents, tmp_path, sign):
    data = tmp_path / "restored"
    restore = subprocess.Popen([str(BINARY), "restore", str(contents / "backup"), "--data", str(data)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    kill_when(lambda: any(data.glob(sign)), restore)
    if (data / "millrace.json").exists() and not (data / "restoring").exists():
        assert run("check", data).returncode == 0, "it was faster"
        return
    for refused in (run("serve", "--port", "0", "--data", data), run("check", data)):
        assert refused.returncode != 0 and "interrupted restore" in refused.stderr and str(contents / "backup") in refused.stderr, refused.stderr
    again = run("restore", contents / "backup", "--data", data)
    assert again.returncode != 0 and "interrupted restore" in again.stderr and "Remove it" in again.stderr
    shutil.rmtree(data)
    again = run("restore", contents / "backup", "--data", data)
    assert again.returncode == 0, again.stderr
    with Server(data=data) as server:
        assert_contents(server)


@pytest.mark.parametrize("sign", ["", "db", "db/*.log", "objects/*/*", "backup.json"])
def test_a_backup_that_a_kill_cut_off_is_no_backup_and_never_served(contents, tmp_path, sign):
    target, data = tmp_path / "backup", tmp_path / "data"
    assert run("restore", contents / "backup", "--data", data).returncode == 0
    with Server(data=data) as server:
        backup = subprocess.Popen([str(BINARY), "--endpoint", server.endpoint, "backup", str(target)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        kill_when(lambda: any(target.glob(sign)) if sign else target.exists(), backup, victim=server)
        assert backup.returncode != 0 or (target / "backup.json").exists()
        if target.exists() and any(target.iterdir()):
            served = run("serve", "--port", "0", "--data", target)
            assert served.returncode != 0 and ("is a backup" in served.stderr or "not millrace's" in served.stderr), served.stderr
        whole = (target / "backup.json").exists()
        restored = run("restore", target, "--data", tmp_path / "restored")
        assert (restored.returncode == 0) == whole, restored.stderr
        assert whole or "no complete backup" in restored.stderr
        server.start()
        assert_contents(server)
    if whole:
        with Server(data=tmp_path / "restored") as server:
            assert_contents(server)
