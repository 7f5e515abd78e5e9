"""What the benchmarks share: bodies, load generators, the bare machine, figures of a process, a description of the machine."""
import atexit
import collections
import functools
import hashlib
import hmac
import json
import os
import pathlib
import platform
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "examples/demo"))
from table import Samples  # noqa: E402,F401
from world import BINARY, DEPS, Server, wait_until, zip_of  # noqa: E402,F401

BIN = pathlib.Path(os.environ.get("MILLRACE_BENCH_BIN", BINARY.parent))
CONNECTIONS = 32
STREAM = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
TICKS = os.sysconf("SC_CLK_TCK")
CREDENTIALS = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0"
FIELDS = {"Content-Type": "application/x-amz-json-1.0", "Authorization": CREDENTIALS}
PEER_CREDENTIALS = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")  # AWS's example; ExtendDB's development mode knows it

Run = collections.namedtuple("Run", "rate p50 p99 requests size")
Paced = collections.namedtuple("Paced", "rate p50 p99 worst failed")


# -- bodies ----------------------------------------------------------------------------------------------------------------

def new_run():
    new_run.count += 1
    return f"r{new_run.count:06d}"


new_run.count = 0


BODIES_SAID = "the text of items compresses to about half, as db_bench's values do; the same for references and peers"
BODY_LEAST = len("%BODY%")


@functools.cache
def body_pool():
    """A file of 4 MiB of text that compresses to about half: pieces of 50 letters, each twice. Bodies are cut from it anywhere."""
    letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    text = random.Random(1).randbytes(2 << 20).translate(letters * 4)
    with tempfile.NamedTemporaryFile(prefix="bench-pool-", delete=False) as file:
        file.write(b"".join(text[at:at + 50] * 2 for at in range(0, len(text), 50)))
    atexit.register(os.unlink, file.name)
    return pathlib.Path(file.name)


@functools.cache
def pool_text():
    return body_pool().read_text()


def body(size):
    """What the generators replace by a cut of the pool."""
    return "%BODY%" + "x" * (size - BODY_LEAST) if size >= BODY_LEAST else "x" * size


def cut(number, size):
    """Such a cut, for requests that Python makes."""
    at = number * 7919 % (len(pool_text()) - size)
    return pool_text()[at:at + size]


def item(run, size=960):
    """About 1 KiB; %KEY% becomes a number."""
    return {"id": {"S": f"{run}-%KEY%"}, "n": {"N": "42"}, "body": {"S": body(size)}}


def put(table, run, size=960):
    return "DynamoDB_20120810.PutItem", {"TableName": table, "Item": item(run, size)}


def get(table, run):
    return "DynamoDB_20120810.GetItem", {"TableName": table, "Key": {"id": {"S": f"{run}-%KEY%"}}}


def batch_get(table, run, items=25):
    return "DynamoDB_20120810.BatchGetItem", {"RequestItems": {table: {"Keys": [{"id": {"S": f"{run}-%KEY%"}}] * items}}}


def update(table, run):
    return "DynamoDB_20120810.UpdateItem", {
        "TableName": table, "Key": {"id": {"S": f"{run}-%KEY%"}}, "ConditionExpression": "attribute_exists(id) AND n >= :least",
        "UpdateExpression": "SET n = n + :one, checked = :yes",
        "ExpressionAttributeValues": {":least": {"N": "42"}, ":one": {"N": "1"}, ":yes": {"BOOL": True}}}


def count(table):
    return "DynamoDB_20120810.UpdateItem", {
        "TableName": table, "Key": {"id": {"S": "counter"}}, "UpdateExpression": "ADD hits :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}}}


def query(table, partition):
    return "DynamoDB_20120810.Query", {"TableName": table, "KeyConditionExpression": "id = :id",
                                       "ExpressionAttributeValues": {":id": {"S": partition}}}


def batch(table, run, items=25, size=960):
    return "DynamoDB_20120810.BatchWriteItem", {"RequestItems": {table: [{"PutRequest": {"Item": item(run, size)}}] * items}}


# -- load ------------------------------------------------------------------------------------------------------------------

def port_of(endpoint):
    return int(endpoint.rsplit(":", 1)[1])


def body_file(folder, request):
    path = pathlib.Path(folder, "body")
    path.write_text(json.dumps(request[1], separators=(",", ":")))
    return str(path)


def wrk(endpoint, arguments, seconds):
    result = subprocess.run(["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(ROOT / "bench/load.lua"), endpoint, "--",
                             *map(str, arguments)], capture_output=True, text=True, check=True)
    line = next((line for line in result.stdout.splitlines() if line.startswith("RESULT")), None)
    if line is None:
        raise RuntimeError(f"wrk: {result.stdout[:500]}{result.stderr[:500]}")
    rate, p50, p99, failed, requests, size = map(float, line.split()[1:])
    if failed or not requests:
        raise RuntimeError(f"{failed:.0f} of {requests:.0f} requests failed ({arguments[0]})")
    return Run(rate, p50, p99, int(requests), size)


def signing_key(secret, day):
    key = b"AWS4" + secret.encode()
    for part in (day, "us-east-1", "dynamodb", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key.hex()


def load(endpoint, request, seconds, keys=0, sign=False):
    """As many requests as the server answers, for so many seconds; keys as in load.lua. `sign`: with PEER_CREDENTIALS, validly."""
    date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    with tempfile.TemporaryDirectory() as folder:
        return wrk(endpoint, [request[0], body_file(folder, request), keys, body_pool(), *([signing_key(PEER_CREDENTIALS[1], date[:8]), date] if sign else [])], seconds)


def generate(endpoint, request, connections, rate, requests, every=0, on_done=None, keys=0):
    """bench/generate.cc: paced (rate > 0) or a number of requests; with `keys` over so many items again and again.
    `on_done(requests, seconds)` after each `every`."""
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen([str(BIN / "generate"), str(port_of(endpoint)), request[0], body_file(folder, request), str(connections),
                                    str(rate), str(requests), str(every), str(keys), str(body_pool())], stdout=subprocess.PIPE, text=True)
        result = None
        for line in process.stdout:
            words = line.split()
            if words[0] == "DONE" and on_done:
                on_done(int(words[1]), float(words[2]))
            elif words[0] == "RESULT":
                result = Paced(*map(float, words[1:]))
        if process.wait() != 0 or result is None or result.failed:
            raise RuntimeError(f"generate {request[0]}: exit {process.returncode}, {result}")
        return result


def fill(endpoint, table, keys):
    """Writes the items 1 to `keys`, 25 at a time. Returns the run they are named after."""
    run = new_run()
    generate(endpoint, batch(table, run), 8, 0, -(-keys // 25))
    return run


# -- the bare machine ------------------------------------------------------------------------------------------------------

class BareHttp:
    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="bare-http-")
        port_file = pathlib.Path(self.folder, "port")
        self.process = subprocess.Popen([str(BIN / "bare_http"), str(port_file)], stdin=subprocess.PIPE)
        while not (port_file.exists() and port_file.read_text().strip()):
            time.sleep(0.01)
        self.endpoint = f"http://127.0.0.1:{port_file.read_text().strip()}"
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        shutil.rmtree(self.folder)


class BareRocks:
    """bench/bare_rocksdb.cc over one directory."""

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="bare-rocksdb-")
        return self

    def run(self, *arguments):
        """The numbers that a mode prints."""
        result = subprocess.run([str(BIN / "bare_rocksdb"), str(body_pool()), self.folder, *map(str, arguments)], capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise RuntimeError(f"bare_rocksdb {' '.join(map(str, arguments))}: {result.stderr.strip()}")
        return [float(word) for word in result.stdout.split()]

    def __exit__(self, *_):
        shutil.rmtree(self.folder)


def bare_rocksdb(*arguments):
    """The same over a directory of its own."""
    with BareRocks() as rocks:
        return rocks.run(*arguments)


def trivial_start_ms():
    """What starting any program costs here."""
    started = time.monotonic()
    subprocess.run(["true"], stdout=subprocess.PIPE, check=True)
    return (time.monotonic() - started) * 1000


# -- a process -------------------------------------------------------------------------------------------------------------

def memory_of(process):
    """Resident, in MB."""
    lines = pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def cpu_of(process):
    """User and system time so far, in seconds."""
    return ticks_of(pathlib.Path(f"/proc/{process.pid}/stat"))


THREAD_GROUPS = {"mr:io": "io", "mr:committer": "committer", "mr:control": "control", "mr:io-pool": "pool", "mr:worker": "pool",
                 "rocksdb:low": "merges", "rocksdb:high": "flushes"}
BACKGROUND = ("merges", "flushes")


def ticks_of(path):
    words = path.read_text().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / TICKS


def spent_by(task):
    """Seconds of CPU of a thread: to the nanosecond where the kernel tells it, else in ticks."""
    schedstat = task / "schedstat"
    return int(schedstat.read_text().split()[0]) / 1e9 if schedstat.exists() else ticks_of(task / "stat")


def cpu_by_thread(process):
    """Seconds of CPU so far by group of threads."""
    out = collections.Counter()
    for task in pathlib.Path(f"/proc/{process.pid}/task").iterdir():
        try:
            name = (task / "comm").read_text().strip()
            spent = spent_by(task)
        except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            continue
        out[THREAD_GROUPS.get(name, "other")] += spent
    return out


def foreground(cpu):
    """Of cpu_by_thread: what requests cost, without the database's merges and flushes."""
    return sum(seconds for group, seconds in cpu.items() if group not in BACKGROUND)


def shares(before, after, seconds):
    """Text: how busy each group of threads was, of one core."""
    used = {group: (after[group] - before.get(group, 0)) / seconds for group in after}
    return ", ".join(f"{group} {part:.0%}" for group, part in sorted(used.items(), key=lambda each: -each[1]) if part >= 0.005)


def metrics(server):
    with urllib.request.urlopen(server.endpoint + "/metrics") as answer:
        return answer.read().decode()


def merge_debt(text):
    """Of /metrics: merges and flushes that run, and bytes that wait for one. Raises when it does not tell."""
    running = re.findall(r"^millrace_storage_running_(?:compactions|flushes) (\S+)", text, re.MULTILINE)
    pending = re.findall(r"^millrace_storage_\w+_pending_compaction_bytes (\S+)", text, re.MULTILINE)
    if len(running) != 2 or not pending:
        raise RuntimeError("/metrics does not tell of running merges")
    return sum(map(float, running)) + sum(map(float, pending))


def until_merged(server, quiet=2.0, limit=900):
    """Until the database has done what a load left behind, and nothing of it began for `quiet` seconds: what follows shall not pay."""
    last_busy = time.monotonic()

    def done():
        nonlocal last_busy
        if merge_debt(metrics(server)):
            last_busy = time.monotonic()
        time.sleep(0.05)
        return time.monotonic() - last_busy >= quiet
    wait_until(done, "the merges after the load", limit=limit)


def make_table(dynamodb, name, stream=None, sort=False):
    keys = [("id", "HASH")] + ([("at", "RANGE")] if sort else [])
    answer = dynamodb.create_table(
        TableName=name, BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in keys],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key, _ in keys],
        **({"StreamSpecification": stream} if stream else {}))
    return answer["TableDescription"].get("LatestStreamArn")


# -- the machine ----------------------------------------------------------------------------------------------------------

def machine():
    model = next((line.split(":", 1)[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores ({model}), {memory:.0f} GB, Linux {platform.release()}, {disk()}; load generators on the same machine"


@functools.cache
def disk():
    """Where data directories of the runs lie, and what a sync costs there."""
    times = []
    with tempfile.NamedTemporaryFile() as file:
        for _ in range(50):
            file.write(b"x" * 4096)
            file.flush()
            started = time.monotonic()
            os.fdatasync(file.fileno())
            times.append((time.monotonic() - started) * 1e6)
    kind = subprocess.run(["stat", "-f", "-c", "%T", tempfile.gettempdir()], capture_output=True, text=True, check=False).stdout.strip()
    return f"{kind or 'unknown file system'} with {statistics.median(times):.0f} us per fdatasync of 4 KiB"
