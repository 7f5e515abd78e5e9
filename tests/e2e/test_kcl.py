"""The Kinesis Client Library with its DynamoDB adapter reads a stream whose shards are split and rolled, and misses nothing."""
import pathlib
import subprocess
import threading

import pytest

from mapping_world import make_table
from stream_reader import Writers
from world import wait_until

HERE = pathlib.Path(__file__).resolve().parent
LIBRARY = HERE.parent.parent / ".deps/kcl"  # tools/setup.sh fetches it


class Consumer:
    """The Java program beside this file, and what it has said."""

    def __init__(self, classes, server, arn, application, errors):
        self.errors = errors
        self.process = subprocess.Popen(
            ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", f"{LIBRARY}/*:{classes}", "Consumer", server.endpoint, arn, application],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors.open("w"), text=True)
        self.records, self.started, self.ended, self.problems = [], [], [], []
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        for line in self.process.stdout:
            kind, *words = line.split()
            if kind == "record":
                shard, number, item, version = words
                self.records.append((shard, int(number), item, int(version)))
            elif kind == "start":
                self.started.append(words[0])
            elif kind == "end":
                self.ended.append(words[0])
            elif kind == "problem":
                self.problems.append(line)

    def wait_for(self, count, limit):
        wait_until(lambda: len(self.records) >= count or self.process.poll() is not None, f"{count} records", limit)
        assert self.process.poll() is None, self.errors.read_text()[-2000:]

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.thread.join(5)


@pytest.fixture(scope="module")
def classes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kcl")
    subprocess.run(["javac", "-nowarn", "-cp", f"{LIBRARY}/*", "-d", str(folder), str(HERE / "kcl/Consumer.java")], check=True)
    return folder


def lease_table(db, name):
    """As the library makes it; it would add the index by UpdateTable, and that then needs a while."""
    db.create_table(
        TableName=name, BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "leaseKey", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("leaseKey", "leaseOwner")],
        GlobalSecondaryIndexes=[{"IndexName": "LeaseOwnerToLeaseKeyIndex", "Projection": {"ProjectionType": "KEYS_ONLY"},
                                 "KeySchema": [{"AttributeName": "leaseOwner", "KeyType": "HASH"}, {"AttributeName": "leaseKey", "KeyType": "RANGE"}]}])


def reshape(server, table, writers, *actions):
    for action in actions:
        writers.wait_for(40)
        server.admin(f"streams/{table}", {"action": action})
    writers.wait_for(40)


def test_the_library_reads_every_change_in_order_over_splits_and_rolls(server, classes, unique, tmp_path):
    db = server.client("dynamodb")
    arn = make_table(server, unique)
    lease_table(db, f"{unique}-app")
    consumer = Consumer(classes, server, arn, f"{unique}-app", tmp_path / "stderr")
    try:
        first = Writers(db, unique, threads=2).start()
        reshape(server, unique, first, "split", "roll", "split")  # all of it before the library has its leases: history
        written = first.finish()
        consumer.wait_for(sum(written.values()), 60)
        second = Writers(db, unique, threads=2, name="live").start()
        reshape(server, unique, second, "split", "roll")  # while it reads
        written = {**written, **second.finish()}
        consumer.wait_for(sum(written.values()), 30)
    finally:
        consumer.close()
    numbers, versions = {}, {}
    for _shard, number, item, version in consumer.records:
        assert number > numbers.get(item, 0), f"item {item}: {number} after {numbers.get(item)}"
        numbers[item] = number
        versions.setdefault(item, []).append(version)
    assert versions == {item: list(range(count)) for item, count in written.items()}
    assert len(set(consumer.ended)) >= 6 and len(set(consumer.started)) > len(set(consumer.ended))
    assert consumer.problems == []
