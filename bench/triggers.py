"""./x bench triggers: from a committed write to a warm Node.js function; MiniStack beside it where it can run the same thing."""
import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import boto3
import botocore.config

from common import DEPS, FIELDS, Samples, Server, batch, cpu_of, generate, make_table, memory_of, new_run, wait_until, zip_of
from table import Budget

ROLE = "arn:aws:iam::000000000000:role/function"
MINISTACK = "ministack==1.5.33"
KEYS_ONLY = {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
WRITES_PER_SECOND = 100

# What a record's handler says, when it starts, by its own clock; a datagram costs it little and needs no log.
TELLS = """
import dgram from 'node:dgram';
const socket = dgram.createSocket('udp4');
export const handler = async (event) => {
  const started = performance.timeOrigin + performance.now();
  for (const record of event.Records ?? [])
    await new Promise((done) => socket.send(`${process.env.NAME} ${record.dynamodb.Keys.id.S} ${started}`, Number(process.env.PORT), '127.0.0.1', done));
};
"""
NOTHING = "export const handler = async () => {};"
SLOW = "export const handler = async (event) => { if (event.Records) await new Promise((done) => setTimeout(done, 8000)); };"


class Listener:
    """Receives what TELLS says: (function, key) -> ms of the machine's clock, the first time."""

    def __enter__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.started, self.repeated = {}, 0
        threading.Thread(target=self.listen, daemon=True).start()
        return self

    def listen(self):
        while True:
            try:
                name, key, when = self.socket.recv(500).decode().split()
            except (OSError, ValueError):
                return
            self.repeated += (name, key) in self.started
            self.started.setdefault((name, key), float(when))

    def __exit__(self, *_):
        self.socket.close()


class MiniStack:
    """MiniStack with its local executor, in a virtual environment of its own."""

    def __enter__(self):
        home = DEPS / "ministack"
        if not (home / "bin/ministack").exists():
            subprocess.run([sys.executable, "-m", "venv", str(home)], check=True, capture_output=True)
            result = subprocess.run([str(home / "bin/pip"), "install", "-q", MINISTACK], capture_output=True, text=True, check=False)
            if result.returncode != 0:
                shutil.rmtree(home, ignore_errors=True)
                raise RuntimeError(f"not installed: {result.stderr.strip().splitlines()[-1]}")
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = one.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.folder = tempfile.mkdtemp(prefix="ministack-")
        nodes = [str(path) for path in sorted(DEPS.glob("node-*/node_modules/node/bin"))]
        self.process = subprocess.Popen([str(home / "bin/ministack")], cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={
            **os.environ, "PATH": os.pathsep.join([*nodes, os.environ["PATH"]]), "GATEWAY_PORT": str(self.port), "LAMBDA_EXECUTOR": "local",
            "LOG_LEVEL": "WARNING", "HOME": self.folder, "TMPDIR": self.folder}, start_new_session=True)
        try:
            wait_until(self.answers, "MiniStack to start", 40)
        except BaseException:
            self.__exit__()
            raise
        return self

    def answers(self):
        with contextlib.suppress(Exception):
            return bool(self.client("dynamodb").list_tables())

    def client(self, service):
        return boto3.client(service, endpoint_url=self.endpoint, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test",
                            config=botocore.config.Config(retries={"max_attempts": 0}))

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            pass
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # its functions' processes stay behind
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


# -- parts of both -----------------------------------------------------------------------------------------------------------

def make_function(place, name, text, environment=None):
    """A warm function."""
    functions = place.client("lambda")
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/index.mjs", "w", encoding="utf-8") as file:
            file.write(text)
        functions.create_function(FunctionName=name, Runtime="nodejs20.x", Role=ROLE, Handler="index.handler", Code={"ZipFile": zip_of(folder)}, Timeout=60,
                                  MemorySize=256, Environment={"Variables": {**(environment or {}), "NAME": name}})
    functions.invoke(FunctionName=name, Payload=b"{}")


def make_mapping(place, stream, function, position="LATEST", **options):
    functions = place.client("lambda")
    uuid = functions.create_event_source_mapping(EventSourceArn=stream, FunctionName=function, StartingPosition=position, **options)["UUID"]
    wait_until(lambda: functions.get_event_source_mapping(UUID=uuid)["State"] == "Enabled", "the mapping to be enabled")
    return uuid


def put_timed(connection, table, key):
    """PutItem over a plain connection; when its answer arrived, in ms of the machine's clock."""
    connection.request("POST", "/", json.dumps({"TableName": table, "Item": {"id": {"S": key}}}), {**FIELDS, "X-Amz-Target": "DynamoDB_20120810.PutItem"})
    response = connection.getresponse()
    answered = time.time() * 1000
    body = response.read()
    if response.status != 200:
        raise RuntimeError(f"PutItem: {response.status} {body}")
    return answered


def waits_of(place, listener, table, names, seconds, limit=60):
    """Writes at WRITES_PER_SECOND; ms from the arrival of PutItem's answer until each of the functions started with the record.
    Negative when the function was quicker than the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", place.port)
    run = new_run()
    answered = {}
    start = time.monotonic()
    for i in range(int(seconds * WRITES_PER_SECOND)):
        time.sleep(max(0.0, start + i / WRITES_PER_SECOND - time.monotonic()))  # the pace of the load
        key = f"{run}-{i}"
        answered[key] = put_timed(connection, table, key)
    wanted = [(name, key) for name in names for key in answered]
    wait_until(lambda: all(each in listener.started for each in wanted), "the records to reach the functions", limit)
    return [listener.started[name, key] - answered[key] for name, key in wanted]


def cuts(waits):
    points = statistics.quantiles(waits, n=100)
    return points[49], points[98]


# -- millrace ----------------------------------------------------------------------------------------------------------------

def latency(report, listener, seconds, rounds):
    for mappings in (1, 10):
        with Server() as server:
            stream = make_table(server.client("dynamodb"), "latency", KEYS_ONLY)
            names = [f"f{i}" for i in range(mappings)]
            uuids = []
            for name in names:
                make_function(server, name, TELLS, {"PORT": str(listener.port)})
                uuids.append(make_mapping(server, stream, name, BatchSize=1))
            put_timed(http.client.HTTPConnection("127.0.0.1", server.port), "latency", "warm")
            server.settle()
            samples = Samples()
            for _ in range(rounds):
                p50, p99 = cuts(waits_of(server, listener, "latency", names, seconds))
                samples.add("p50", p50)
                samples.add("p99", p99)
            figures = [server.admin(f"mappings/{uuid}")["latency_ms"] for uuid in uuids]
            given = {name: statistics.median(each[name] for each in figures) for name in ("p50", "p99")}
        text = f"{WRITES_PER_SECOND} writes/s, {mappings} mapping{'s' if mappings > 1 else ''} on the stream"
        for name, budget in (("p50", 1), ("p99", 5)):
            report.row(f"commit to function handed over, {text}: {name}", given[name], "ms", budget=Budget(at_most=budget), details="the server's histogram over all rounds")
            report.row(f"PutItem's answer to running handler, {text}: {name}", samples.values[name], "ms", budget=Budget(at_most=budget))


def backlog_rate(server, table, records, **options):
    """Records per second of a mapping that is enabled before so many records, all processes of its function warm; the function does
    nothing. Returns (rate, us of CPU per record, records of the largest batch, seconds)."""
    functions = server.client("lambda")
    stream = make_table(server.client("dynamodb"), table, KEYS_ONLY)
    make_function(server, table, NOTHING)
    warm = max(records // 10, 1000)
    generate(server.endpoint, batch(table, new_run(), size=1), 8, 0, -(-warm // 25))
    uuid = make_mapping(server, stream, table, "TRIM_HORIZON", **options)
    server.settle("600s")
    functions.update_event_source_mapping(UUID=uuid, Enabled=False)
    wait_until(lambda: functions.get_event_source_mapping(UUID=uuid)["State"] == "Disabled", "the mapping to be disabled")
    generate(server.endpoint, batch(table, new_run(), size=1), 8, 0, -(-records // 25))
    before, used = server.admin(f"mappings/{uuid}")["records"], cpu_of(server.process)
    started = time.monotonic()
    functions.update_event_source_mapping(UUID=uuid, Enabled=True)
    wait_until(lambda: functions.get_event_source_mapping(UUID=uuid)["State"] == "Enabled", "the mapping to be enabled")
    server.settle("600s")
    took, used = time.monotonic() - started, cpu_of(server.process) - used
    shown = server.admin(f"mappings/{uuid}")
    if shown["records"] - before < records:
        raise RuntimeError(f"{shown['records'] - before} of {records} records were settled")
    functions.delete_event_source_mapping(UUID=uuid)
    functions.delete_function(FunctionName=table)
    server.settle()
    return records / took, used / records * 1e6, shown["batch_records_max"], took


def rates(report, rounds, scale):
    with Server() as server:
        for size, records in ((1, 2500), (100, 100_000), (10_000, 300_000)):
            samples = Samples()
            for i in range(rounds):
                rate, cpu, most, _ = backlog_rate(server, f"rate-{size}-{i}", records // scale, BatchSize=size)
                samples.add("rate", rate)
                samples.add("cpu", cpu)
            report.row(f"records through a function that does nothing, BatchSize {size} ({most} in the largest batch, {samples.median('cpu'):.1f} us CPU of the server each)",
                       samples.values["rate"], "records/s")


def lanes(report, rounds, scale):
    for shards in (1, 8):
        with Server(config={"streams": {"shards": shards}}) as server:
            for factor in (1, 10):
                samples = Samples()
                for i in range(rounds):
                    samples.add("rate", backlog_rate(server, f"lanes-{factor}-{i}", 50_000 // scale, BatchSize=100, ParallelizationFactor=factor)[0])
                report.row(f"{shards} shard{'s' if shards > 1 else ''}, ParallelizationFactor {factor}, BatchSize 100", samples.values["rate"], "records/s")


def neighbour_waits(place, listener, seconds, limit=60):
    """Median waits without and with a busy function of 8 s on another table."""
    stream = make_table(place.client("dynamodb"), "quick", KEYS_ONLY)
    other = make_table(place.client("dynamodb"), "slow", KEYS_ONLY)
    make_function(place, "quick", TELLS, {"PORT": str(listener.port)})
    make_function(place, "slow", SLOW)
    make_mapping(place, stream, "quick", BatchSize=1)
    make_mapping(place, other, "slow", BatchSize=1)
    waits_of(place, listener, "quick", ["quick"], 0.2, limit)
    alone = waits_of(place, listener, "quick", ["quick"], seconds, limit)
    connection = http.client.HTTPConnection("127.0.0.1", place.port)
    for i in range(max(2, int(seconds / 8) + 2)):
        put_timed(connection, "slow", str(i))
    return cuts(alone), cuts(waits_of(place, listener, "quick", ["quick"], seconds, limit))


def neighbour(report, listener, seconds):
    server = Server().start()
    try:
        alone, beside = neighbour_waits(server, listener, seconds)
    finally:
        server.kill()  # the slow function is still at work
        server.close()
    report.row("delay added by a neighbour whose function takes 8 s: p50", beside[0] - alone[0], "ms", f"{alone[0]:.2f} ms alone", budget=Budget(at_most=0.5))
    report.row("delay added by a neighbour whose function takes 8 s: p99", beside[1] - alone[1], "ms", f"{alone[1]:.2f} ms alone")


def idle(report, seconds, tables=10, functions=100):
    with Server() as server:
        streams = [make_table(server.client("dynamodb"), f"idle-{i}", KEYS_ONLY) for i in range(tables)]
        client = server.client("lambda")
        with tempfile.TemporaryDirectory() as folder:
            with open(f"{folder}/index.mjs", "w", encoding="utf-8") as file:
                file.write(NOTHING)
            code = zip_of(folder)
        for i in range(functions):
            client.create_function(FunctionName=f"f{i}", Runtime="nodejs20.x", Role=ROLE, Handler="index.handler", Code={"ZipFile": code})
        server.settle()
        before = memory_of(server.process)
        for stream in streams:
            for i in range(functions):
                client.create_event_source_mapping(EventSourceArn=stream, FunctionName=f"f{i}", StartingPosition="LATEST")
        server.settle()
        after = memory_of(server.process)
        time.sleep(1)
        used = cpu_of(server.process)
        time.sleep(seconds)
        used = cpu_of(server.process) - used
    count = tables * functions
    report.row(f"{count} idle mappings: CPU", used / seconds * 60, "s per minute", budget=Budget(at_most=0.6, text="none (<= 0.6)"), details=f"{seconds:g} s watched")
    report.row(f"{count} idle mappings: memory", (after - before) * 2**20 / count, "bytes each", details=f"{before:.0f} MB before, {after:.0f} MB after")


def backlog(report, records):
    with Server() as server:
        rate, cpu, most, took = backlog_rate(server, "backlog", records, BatchSize=10_000)
        memory = memory_of(server.process)
    report.row(f"catching up with {records:,} records, BatchSize 10,000 ({most} in the largest batch, {cpu:.1f} us CPU of the server each)", rate, "records/s",
               details=f"{took:.1f} s; {memory:.0f} MB at the end")


# -- MiniStack ---------------------------------------------------------------------------------------------------------------

def ministack(report, listener, seconds):
    try:
        with MiniStack() as place:
            ministack_latency(report, place, listener, seconds)
            ministack_rate(report, place)
    except Exception as error:  # whatever keeps it from running is named, and the rest of the table stays
        report.note("MiniStack", f"{type(error).__name__}: {error}")


def ministack_latency(report, place, listener, seconds):
    try:
        alone, beside = neighbour_waits(place, listener, seconds, limit=90)
    except TimeoutError as error:
        report.note("MiniStack: PutItem's answer to running handler", str(error))
        return
    report.row(f"MiniStack: PutItem's answer to running handler, {WRITES_PER_SECOND} writes/s: p50", alone[0], "ms", details=f"p99 {alone[1]:.1f} ms")
    report.row("MiniStack: delay added by a neighbour whose function takes 8 s: p50", beside[0] - alone[0], "ms", details=f"p99 {beside[1] - alone[1]:.1f} ms")


def ministack_rate(report, place, records=1000):
    stream = make_table(place.client("dynamodb"), "rate", KEYS_ONLY)
    with Listener() as heard:
        make_function(place, "rate", TELLS, {"PORT": str(heard.port)})
        connection = http.client.HTTPConnection("127.0.0.1", place.port)
        for i in range(records):
            put_timed(connection, "rate", str(i))
        started = time.time() * 1000
        make_mapping(place, stream, "rate", "TRIM_HORIZON", BatchSize=100)
        wait_until(lambda: len(heard.started) >= records, f"{records} records (it has {len(heard.started)})", 60)
        report.row("MiniStack: records through a function that tells of each, BatchSize 100", records / (max(heard.started.values()) - started) * 1000, "records/s",
                   details=f"{records} records, {heard.repeated} delivered again")


def parts(arguments):
    """(name, function of the report) for each part that is wanted."""
    scale = 10 if arguments.quick else 1
    seconds = 2 if arguments.quick else 5
    rounds = 1 if arguments.quick else arguments.rounds

    def heard(measure):
        def run(report):
            with Listener() as listener:
                measure(report, listener)
        return run
    every = {"latency": heard(lambda report, listener: latency(report, listener, seconds, rounds)),
             "rate": lambda report: rates(report, rounds, scale),
             "lanes": lambda report: lanes(report, rounds, scale),
             "neighbour": heard(lambda report, listener: neighbour(report, listener, seconds)),
             "idle": lambda report: idle(report, 5 if arguments.quick else 20),
             "backlog": lambda report: backlog(report, 1_000_000 // scale),
             "ministack": heard(lambda report, listener: ministack(report, listener, seconds))}
    return [(name, every[name]) for name in arguments.parts]
