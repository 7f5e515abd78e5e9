"""Full disks, failed disks, damaged logs, backups and upgrades, against the real binary."""
import itertools
import json
import re
import subprocess
import threading
import urllib.request

import botocore.exceptions
import pytest

from world import BINARY, Server, wait_until


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 48 MiB; skipped where mounting is not permitted."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "none", str(place)], capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip("mounting is not permitted here: " + mounted.stderr.decode().strip())
    yield place
    subprocess.run(["umount", "-l", str(place)], check=False)


def make_table(server, name="items", **options):
    server.client("dynamodb").create_table(
        TableName=name, KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}], BillingMode="PAY_PER_REQUEST", **options)


def put(server, key, table="items", **attributes):
    server.client("dynamodb").put_item(TableName=table, Item={"id": {"S": key}, **attributes})


def get(server, key, table="items"):
    return server.client("dynamodb").get_item(TableName=table, Key={"id": {"S": key}}).get("Item")


def metrics(server):
    with urllib.request.urlopen(server.endpoint + "/metrics") as response:
        text = response.read().decode()
    return {line.split()[0]: float(line.split()[1]) for line in text.splitlines() if line and not line.startswith("#")}


def refused(call):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call()
    return caught.value.response["Error"]["Message"]


def fill(place):
    with open(place / "ballast", "wb") as ballast:
        try:
            while True:
                ballast.write(b"x" * 65536)
                ballast.flush()
        except OSError:
            pass


def test_a_full_disk_refuses_writes_with_the_reason_and_takes_them_again_by_itself(small_disk, tmp_path):
    with Server(data=small_disk / "data", log=tmp_path / "log") as server:
        make_table(server)
        put(server, "before")
        server.client("s3").create_bucket(Bucket="bucket")
        fill(small_disk)
        try:
            put(server, "touches-the-reserve")
        except botocore.exceptions.ClientError:
            pass
        message = refused(lambda: put(server, "after"))
        assert "disk is full" in message and "Nothing of this write was done" in message
        assert "disk is full" in refused(lambda: server.client("s3").put_object(Bucket="bucket", Key="k", Body=b"x" * 100_000))
        assert "disk is full" in refused(lambda: server.client("sqs").create_queue(QueueName="q"))
        assert get(server, "before") and not get(server, "after")
        assert server.client("dynamodb").scan(TableName="items")["Count"] >= 1
        status = server.admin("status")
        assert status["writes"].startswith("refused: The disk is full") and any("disk is full" in each for each in status["warnings"])
        with pytest.raises(RuntimeError, match="503.*disk is full"):
            server.admin("health")
        assert metrics(server)["millrace_storage_writable"] == 0 and "disk_free" in str(metrics(server))
        assert "the disk is full" in server.log()
        (small_disk / "ballast").unlink()
        wait_until(lambda: server.admin("status")["writes"] == "taken", "room", 5)
        put(server, "after")
        assert get(server, "after") and metrics(server)["millrace_storage_writable"] == 1
        fill(small_disk)
        assert server.stop(limit=15) == 0, "SIGTERM works on a full disk"
        (small_disk / "ballast").unlink()
        server.start()
        assert get(server, "before") and get(server, "after")


def test_a_read_only_disk_is_told_at_start(small_disk):
    with Server(data=small_disk / "data") as server:
        make_table(server)
        server.stop()
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
        # Its configuration and log are written beside the data by the test's own Server, hence run by hand.
        result = subprocess.run([str(BINARY), "serve", "--port", "0", "--data", str(server.data)], capture_output=True, text=True, timeout=20, check=False)
        assert result.returncode != 0 and "Read-only file system" in result.stderr
        subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
        server.start()
        assert server.client("dynamodb").list_tables()["TableNames"] == ["items"]


def test_os_durability_says_so(tmp_path):
    with Server(data=tmp_path / "data", arguments=["--durability=os", "--memory=32MiB"]) as server:
        assert server.admin("status")["durability"].startswith("os: a power cut may undo")
        assert metrics(server)["millrace_storage_block_cache_capacity_bytes"] == 30 << 20  # and 2 of hot rows
    assert server.stop() == 0


@pytest.mark.parametrize("option, text", [("--memory=lots", "no size such as"), ("--memory=1MiB", "at least 16MiB"), ("--reserve=-1", "no size")])
def test_impossible_sizes_are_refused(tmp_path, option, text):
    result = subprocess.run([str(BINARY), "serve", "--port", "0", "--data", str(tmp_path), option], capture_output=True, text=True, timeout=20, check=False)
    assert result.returncode != 0 and text in result.stderr


def newest_log(data):
    return max((path for path in (data / "db").glob("*.log") if path.stat().st_size), key=lambda path: path.stat().st_mtime)


def test_a_log_damaged_in_the_middle_refuses_to_start_and_tells_how_to_go_on(own_server, tmp_path):
    make_table(own_server)
    for i in range(50):
        put(own_server, f"k{i}")
    own_server.kill()
    log = newest_log(own_server.data)
    content = bytearray(log.read_bytes())
    content[len(content) // 2] ^= 0xFF
    log.write_bytes(content)
    with pytest.raises(RuntimeError) as error:
        own_server.start()
    assert log.name in str(error.value) and re.search(r"\d+ acknowledged changes", str(error.value))
    assert "--accept-lost-writes" in str(error.value) and (own_server.data / "damaged-wal" / log.name).exists()
    own_server.arguments = ["--accept-lost-writes"]
    own_server.start()
    assert get(own_server, "k0") and not get(own_server, "k49")
    put(own_server, "new")
    own_server.stop()
    own_server.arguments = []
    own_server.start()
    assert get(own_server, "new")


def test_a_torn_last_block_starts_normally(own_server):
    make_table(own_server)
    for i in range(10):
        put(own_server, f"k{i}")
    own_server.kill()
    with open(newest_log(own_server.data), "ab") as log:
        log.write(b"\x12\x34\x56\x78\xff\x00\x01half a record")
    own_server.start()
    assert all(get(own_server, f"k{i}") for i in range(10))


def millrace(*arguments):
    return subprocess.run([str(BINARY), *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)


def checked(path):
    result = millrace("--json", "check", path)
    return result.returncode, json.loads(result.stdout) if result.stdout else result.stderr


def fill_with_everything(server):
    make_table(server, StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})
    db = server.client("dynamodb")
    db.update_time_to_live(TableName="items", TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"})
    for i in range(60):
        put(server, f"k{i}", city={"S": f"c{i % 3}"}, ttl={"N": "4102444800"})
    db.update_table(TableName="items", AttributeDefinitions=[{"AttributeName": "city", "AttributeType": "S"}],
                    GlobalSecondaryIndexUpdates=[{"Create": {"IndexName": "by_city", "KeySchema": [{"AttributeName": "city", "KeyType": "HASH"}], "Projection": {"ProjectionType": "ALL"}}}])
    server.settle()
    db.delete_item(TableName="items", Key={"id": {"S": "k1"}})
    put(server, "k2", city={"S": "moved"})
    s3 = server.client("s3")
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="small", Body=b"s" * 100)
    s3.put_object(Bucket="bucket", Key="large", Body=b"l" * 300_000)
    upload = s3.create_multipart_upload(Bucket="bucket", Key="parts")["UploadId"]
    etags = [s3.upload_part(Bucket="bucket", Key="parts", UploadId=upload, PartNumber=n, Body=bytes([n]) * size)["ETag"] for n, size in ((1, 5 << 20), (2, 1000))]
    s3.complete_multipart_upload(Bucket="bucket", Key="parts", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": n + 1, "ETag": etag} for n, etag in enumerate(etags)]})
    server.client("sqs").create_queue(QueueName="queue")


def sequence_numbers(server):
    streams = server.client("dynamodbstreams")
    (stream,) = streams.list_streams(TableName="items")["Streams"]
    numbers = []
    for shard in streams.describe_stream(StreamArn=stream["StreamArn"])["StreamDescription"]["Shards"]:
        iterator = streams.get_shard_iterator(StreamArn=stream["StreamArn"], ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        numbers += [int(record["dynamodb"]["SequenceNumber"]) for record in streams.get_records(ShardIterator=iterator)["Records"]]
    return numbers


def test_a_backup_made_while_serving_is_restored_whole(own_server, tmp_path):
    fill_with_everything(own_server)
    target = tmp_path / "backup"
    stop = threading.Event()

    def write():
        for i in itertools.count():
            if stop.is_set():
                return
            put(own_server, f"during{i % 50}", city={"S": f"c{i % 5}"})
    writer = threading.Thread(target=write)
    writer.start()
    try:
        output = own_server.cli("backup", str(target))
    finally:
        stop.set()
        writer.join()
    assert str(target) in output
    assert "not an empty folder" in subprocess.run([str(BINARY), "--endpoint", own_server.endpoint, "backup", str(target)], capture_output=True, text=True, check=False).stderr
    assert [own_server.admin(f"backup?number={number}")["state"] for number in (1, 2, 0, 3)] == ["done", "failed", "failed", "none"], "each is told its own end"
    own_server.client("s3").delete_object(Bucket="bucket", Key="large")
    put(own_server, "after the backup")
    given = sequence_numbers(own_server)
    own_server.stop()
    assert "is a backup" in millrace("serve", "--port", "0", "--data", target).stderr

    status, report = checked(target)
    assert (status, report["ok"], report["problems"]) == (0, True, []) and report["checked"]["items"] >= 59 and report["checked"]["object_files"] == 3
    status, report = checked(own_server.data)
    assert (status, report["ok"], report["problems"]) == (0, True, [])
    assert "not an empty folder" in millrace("restore", target, "--data", own_server.data).stderr

    restored = millrace("restore", target, "--data", tmp_path / "restored")
    assert restored.returncode == 0, restored.stderr
    with Server(data=tmp_path / "restored") as server:
        assert get(server, "k2")["city"] == {"S": "moved"} and not get(server, "k1") and not get(server, "after the backup")
        assert server.client("s3").get_object(Bucket="bucket", Key="large")["Body"].read() == b"l" * 300_000
        assert len(server.client("s3").get_object(Bucket="bucket", Key="parts")["Body"].read()) == (5 << 20) + 1000
        put(server, "new")
        assert sequence_numbers(server)[-1] > max(given), "a number is never given twice, also not those after the backup"
        server.stop()
        assert checked(server.data)[0] == 0


def test_a_damaged_backup_is_not_restored(own_server, tmp_path):
    fill_with_everything(own_server)
    target = tmp_path / "backup"
    own_server.cli("backup", str(target))
    own_server.stop()
    victim = max((path for path in (target / "objects").rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    content = bytearray(victim.read_bytes())
    content[1000] ^= 1
    victim.unlink()  # a link: the server's own file stays as it is
    victim.write_bytes(content)
    status, report = checked(target)
    assert status == 1 and victim.name in str(report["problems"])
    result = millrace("restore", target, "--data", tmp_path / "restored")
    assert result.returncode == 1 and victim.name in result.stderr and not list((tmp_path / "restored").iterdir())
    (target / "backup.json").unlink()
    assert "no complete backup" in millrace("restore", target, "--data", tmp_path / "restored").stderr


def test_a_damaged_object_file_is_noticed_by_reading_and_by_the_check(own_server):
    fill_with_everything(own_server)
    (victim,) = [path for path in (own_server.data / "objects").rglob("*") if path.is_file() and 300_000 <= path.stat().st_size < 301_000]  # checksums follow the bytes
    content = bytearray(victim.read_bytes())
    content[299_000] ^= 1
    victim.write_bytes(content)
    with pytest.raises(Exception):
        body = own_server.client("s3").get_object(Bucket="bucket", Key="large")["Body"].read()
        assert len(body) == 300_000
    assert "is damaged" in own_server.log()
    assert "in use by process" in checked(own_server.data)[1]
    own_server.stop()
    status, report = checked(own_server.data)
    assert status == 1 and report["problem_count"] == 1 and "large" in report["problems"][0] and "damaged" in report["problems"][0]


def test_a_directory_of_an_older_version_is_upgraded_and_of_a_newer_one_refused(own_server):
    make_table(own_server)
    put(own_server, "k")
    own_server.stop()
    version = own_server.data / "millrace.json"
    present = json.loads(version.read_text())["format"]
    version.write_text('{"format":1}\n')
    own_server.start()
    assert get(own_server, "k") and json.loads(version.read_text())["format"] == present
    assert "upgrading" in own_server.log()
    own_server.stop()
    version.write_text(json.dumps({"format": present + 1}))
    with pytest.raises(RuntimeError, match="newer version of millrace"):
        own_server.start()


def test_conflicts_of_transactions_can_be_switched_on(own_server):
    make_table(own_server)
    db = own_server.client("dynamodb")
    own_server.cli("faults", "add", "dynamodb", "--kind", "conflict", "--count", "2")
    with pytest.raises(db.exceptions.TransactionConflictException):
        put(own_server, "k")
    with pytest.raises(db.exceptions.TransactionCanceledException) as cancelled:
        db.transact_write_items(TransactItems=[{"Put": {"TableName": "items", "Item": {"id": {"S": "k"}}}}])
    assert [reason["Code"] for reason in cancelled.value.response["CancellationReasons"]] == ["TransactionConflict"]
    assert not get(own_server, "k")
    assert metrics(own_server)["millrace_transaction_conflicts_total"] == 2
    own_server.cli("faults", "add", "dynamodb", "--kind", "in_progress", "--count", "1")
    put(own_server, "not a transaction")
    with pytest.raises(db.exceptions.TransactionInProgressException):
        db.transact_write_items(TransactItems=[{"Put": {"TableName": "items", "Item": {"id": {"S": "k"}}}}])
    with pytest.raises(RuntimeError, match="TransactWriteItems"):
        own_server.cli("faults", "add", "s3", "--kind", "conflict")
