"""Reads take no lock of ours: counted in the real server, on the threads that answer, while DynamoDB's reads run."""
import bisect
import functools
import pathlib
import re
import shutil
import signal
import subprocess

import pytest
from botocore.exceptions import ClientError

from world import BINARY, Server, wait_until

HERE = pathlib.Path(__file__).resolve().parent
ROUNDS = 50
THREAD = "mr:io"


@pytest.fixture(scope="module")
def counter(tmp_path_factory):
    library = tmp_path_factory.mktemp("shim") / "lock_counter.so"
    built = subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(HERE / "lock_counter.c"), "-ldl"],
                           capture_output=True, text=True, check=False)
    if built.returncode != 0:
        pytest.skip("no C compiler here: " + built.stderr)
    if re.search(rb"lib[at]san", subprocess.run(["ldd", str(BINARY)], capture_output=True, check=False).stdout):
        pytest.skip("a sanitizer wants to be loaded first")
    if shutil.which("nm") is None or not symbols()[0]:
        pytest.skip("no nm here, or a binary without symbols")
    return library


@pytest.fixture(scope="module")
def counted(counter, tmp_path_factory):
    """A server whose locks can be counted; `counted.places(work)` tells who took one meanwhile."""
    patch = pytest.MonkeyPatch()
    out = tmp_path_factory.mktemp("counts") / "places"
    patch.setenv("LOCK_COUNTER_OUT", str(out))
    server = Server()
    with patch.context() as preloaded:
        preloaded.setenv("LD_PRELOAD", str(counter))
        server.start()

    def places(work):
        out.unlink(missing_ok=True)
        server.process.send_signal(signal.SIGUSR1)
        work()
        server.process.send_signal(signal.SIGUSR2)
        wait_until(lambda: out.exists() and out.read_text().endswith("end\n"), "the counts")
        return parsed(out.read_text())

    server.places = places
    yield server
    server.close()
    patch.undo()


@functools.cache
def symbols():
    """Addresses of the binary's functions, ascending, and their names."""
    found = subprocess.run(["nm", "-C", "--defined-only", str(BINARY)], capture_output=True, text=True, check=False)
    rows = sorted((int(line[:16], 16), line[19:]) for line in found.stdout.splitlines() if line[17:18] in "tTwW")
    return [row[0] for row in rows], [row[1] for row in rows]


def function_of(frame):
    """The function a frame of the binary is in; of a library, its name and the address."""
    own, _, offset = frame.rpartition("+")
    if own != BINARY.name:
        return frame
    addresses, names = symbols()
    at = bisect.bisect_right(addresses, int(offset, 16) - 1)  # a call's address is before that of its return
    return names[at - 1] if at > 0 else frame


def parsed(text):
    """[(count, frames outwards)] of the threads that answer."""
    rows = [line.split() for line in text.splitlines() if line != "end"]
    return [(int(row[0]), row[2:]) for row in rows if row[1] == THREAD]


def taker(frames):
    """Who asked for the lock: the first frame that is not the standard library's wrapping."""
    wraps = r"std::|__gthread|.*\b(lock_guard|unique_lock|shared_lock|scoped_lock)<"
    return next((frame for frame in frames if not re.match(wraps, function_of(frame))), frames[-1])


def is_asio(function):
    return "boost::asio" in re.sub(r"\(.*", "", function)


def is_ours(frames):
    """Not RocksDB's or another library's, nor Asio's (a loop's queue of work), whose templates are in our binary."""
    frame = taker(frames)
    if not frame.startswith(BINARY.name + "+"):
        return False
    if is_asio(function_of(frame)):
        return False
    # Optimised, what takes it may be inlined into a function of ours.
    address = hex(int(frame.rpartition("+")[2], 16) - 1)
    inlined = subprocess.run(["addr2line", "-f", "-C", "-i", "-e", str(BINARY), address], capture_output=True, text=True, check=False)
    return not any(is_asio(line) for line in inlined.stdout.splitlines()[::2])


def ours(places):
    return [f"{count} x {' < '.join(re.sub('[(].*', '', function_of(each)) for each in frames)}" for count, frames in places if is_ours(frames)]


def key(number):
    return {"p": {"S": "a"}, "s": {"N": str(number % 20)}}


@pytest.fixture(scope="module")
def reads(counted):
    db = counted.client("dynamodb")
    streams = counted.client("dynamodbstreams")
    db.create_table(TableName="Table", BillingMode="PAY_PER_REQUEST",
                    KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}, {"AttributeName": "s", "KeyType": "RANGE"}],
                    AttributeDefinitions=[{"AttributeName": "p", "AttributeType": "S"}, {"AttributeName": "s", "AttributeType": "N"}],
                    StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})
    for number in range(20):
        db.put_item(TableName="Table", Item={**key(number), "v": {"S": "x" * 100}})
    arn = streams.list_streams(TableName="Table")["Streams"][0]["StreamArn"]
    shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]

    def iterator():
        return streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]

    start = iterator()
    page = streams.get_records(ShardIterator=start)
    assert len(page["Records"]) == 20
    tail = page["NextShardIterator"]

    def refused():
        with pytest.raises(ClientError):
            db.get_item(TableName="Table", Key={"p": {"S": "a"}})

    return {
        "GetItem": lambda i: db.get_item(TableName="Table", Key=key(i), ReturnConsumedCapacity="TOTAL"),
        "GetItem, consistent": lambda i: db.get_item(TableName="Table", Key=key(i), ConsistentRead=True),
        "GetItem, absent": lambda i: db.get_item(TableName="Table", Key={"p": {"S": "z"}, "s": {"N": str(i)}}),
        "GetItem, refused": lambda i: refused(),
        "BatchGetItem": lambda i: db.batch_get_item(RequestItems={"Table": {"Keys": [key(j) for j in range(20)]}}),
        "TransactGetItems": lambda i: db.transact_get_items(TransactItems=[{"Get": {"TableName": "Table", "Key": key(i)}}]),
        "Query": lambda i: db.query(TableName="Table", KeyConditionExpression="p = :p", ExpressionAttributeValues={":p": {"S": "a"}}),
        "Scan": lambda i: db.scan(TableName="Table"),
        "DescribeStream": lambda i: streams.describe_stream(StreamArn=arn),
        "GetShardIterator": lambda i: iterator(),
        "GetRecords": lambda i: streams.get_records(ShardIterator=start),
        "GetRecords at the tail": lambda i: streams.get_records(ShardIterator=tail),
        "change": lambda i: db.put_item(TableName="Table", Item={**key(i), "v": {"N": str(i)}}),
    }


NAMES = ["GetItem", "GetItem, consistent", "GetItem, absent", "GetItem, refused", "BatchGetItem", "TransactGetItems", "Query", "Scan",
         "DescribeStream", "GetShardIterator", "GetRecords", "GetRecords at the tail"]


@pytest.mark.parametrize("name", NAMES)
def test_a_read_takes_no_lock(counted, reads, name):
    # Both threads find their maps and the request's series; who records after a quiet minute wakes the control thread.
    for number in range(10):
        reads[name](number)
    taken = counted.places(lambda: [reads[name](number) for number in range(ROUNDS)])
    assert ours(taken) == []


def test_reads_between_writes_take_no_lock(counted, reads):
    """What a reader finds changed it does not take a lock for either: metrics are read and recorded, tables come and go."""
    db = counted.client("dynamodb")
    metrics = counted.client("cloudwatch")

    def change(number):
        name = f"Other{number}"
        db.create_table(TableName=name, BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}],
                        AttributeDefinitions=[{"AttributeName": "p", "AttributeType": "S"}],
                        StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"})
        metrics.list_metrics(Namespace="AWS/DynamoDB")  # gathers what was recorded

    for name in NAMES:
        reads[name](0)
    for number in range(3):
        change(number)
        reads["change"](number)
        taken = counted.places(lambda: [reads[name](i) for i in range(4) for name in NAMES])
        assert ours(taken) == []


def test_a_write_is_counted(counted, reads):
    """The counter works: a write takes its table's lock."""
    taken = counted.places(lambda: [reads["change"](number) for number in range(ROUNDS)])
    assert any("tables" in function_of(taker(frames)) for _, frames in taken if is_ours(frames)), ours(taken)
