"""What the benchmarks share: load generators, the bare machine, figures of a process, and the table that is printed."""
import collections
import functools
import hashlib
import hmac
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "examples/demo"))
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


def item(run, body=960):
    """About 1 KiB; %KEY% becomes a number."""
    return {"id": {"S": f"{run}-%KEY%"}, "n": {"N": "42"}, "body": {"S": "x" * body}}


def put(table, run, body=960):
    return "DynamoDB_20120810.PutItem", {"TableName": table, "Item": item(run, body)}


def get(table, run):
    return "DynamoDB_20120810.GetItem", {"TableName": table, "Key": {"id": {"S": f"{run}-%KEY%"}}}


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


def batch(table, run, items=25, body=960):
    return "DynamoDB_20120810.BatchWriteItem", {"RequestItems": {table: [{"PutRequest": {"Item": item(run, body)}}] * items}}


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
        return wrk(endpoint, [request[0], body_file(folder, request), keys, *([signing_key(PEER_CREDENTIALS[1], date[:8]), date] if sign else [])], seconds)


def generate(endpoint, request, connections, rate, requests, every=0, on_done=None):
    """bench/generate.cc: paced (rate > 0) or a number of requests. `on_done(requests, seconds)` after each `every`."""
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen([str(BIN / "generate"), str(port_of(endpoint)), request[0], body_file(folder, request), str(connections),
                                    str(rate), str(requests), str(every)], stdout=subprocess.PIPE, text=True)
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


def bare_rocksdb(seconds, *arguments):
    folder = tempfile.mkdtemp(prefix="bare-rocksdb-")
    try:
        result = subprocess.run([str(BIN / "bare_rocksdb"), folder, str(seconds), *arguments], capture_output=True, text=True, check=True)
        return float(result.stdout)
    finally:
        shutil.rmtree(folder)


# -- a process -------------------------------------------------------------------------------------------------------------

def memory_of(process):
    """Resident, in MB."""
    lines = pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def cpu_of(process):
    """User and system time so far, in seconds."""
    words = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / TICKS


def make_table(dynamodb, name, stream=None, sort=False):
    keys = [("id", "HASH")] + ([("at", "RANGE")] if sort else [])
    answer = dynamodb.create_table(
        TableName=name, BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in keys],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key, _ in keys],
        **({"StreamSpecification": stream} if stream else {}))
    return answer["TableDescription"].get("LatestStreamArn")


# -- figures ---------------------------------------------------------------------------------------------------------------

class Samples:
    """Values of several rounds by name."""

    def __init__(self):
        self.values = collections.defaultdict(list)

    def add(self, name, value):
        self.values[name].append(value)

    def median(self, name):
        return statistics.median(self.values[name])

    def noise(self, name):
        values, middle = self.values[name], self.median(name)
        return (max(values) - min(values)) / abs(middle) if middle else 0


COLUMNS = ("figure", "value", "unit", "reference", "ratio", "budget", "verdict")


class Report:
    """Rows of the table that is printed."""

    def __init__(self):
        self.rows = []

    def row(self, figure, value, unit, reference="-", ratio="-", budget="-", good=None):
        entry = dict(zip(COLUMNS, (figure, round(value, 3), unit, reference, ratio, budget,
                                   "-" if good is None else "met" if good else "missed")))
        self.rows.append(entry)
        print("  ".join(str(entry[column]) for column in COLUMNS), file=sys.stderr, flush=True)  # a long run shows where it is

    def note(self, figure, reason):
        """Something that could not be measured, and why."""
        reason = " ".join(reason.split())[:200]
        entry = dict(zip(COLUMNS, (figure, "-", "-", reason, "-", "-", "not measured")))
        self.rows.append(entry)
        print(f"{figure}: {reason}", file=sys.stderr, flush=True)

    def text(self):
        widths = [max(len(str(row[column])) for row in [*self.rows, dict(zip(COLUMNS, COLUMNS))]) for column in COLUMNS]
        lines = [machine()]
        for row in [dict(zip(COLUMNS, COLUMNS)), *self.rows]:
            lines.append("  ".join(str(row[column]).ljust(width) for column, width in zip(COLUMNS, widths)).rstrip())
        return "\n".join(lines)

    def json(self):
        return json.dumps({"machine": machine(), "commit": commit(), "rows": self.rows}, indent=2)


def machine():
    model = next((line.split(":", 1)[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (f"{os.cpu_count()} cores ({model}), {memory:.0f} GB, Linux {platform.release()}, {disk()}, load generators included, "
            f"load average at the end {os.getloadavg()[0]:.1f}")


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


def commit():
    result = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return result.stdout.strip() or "unknown"
