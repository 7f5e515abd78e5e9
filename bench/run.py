#!/usr/bin/env python3
"""./x bench: figures of millrace beside what the machine does bare, in one run, medians of alternating rounds."""
import argparse
import http.client
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
from world import BINARY, Server, zip_of  # noqa: E402

BIN = BINARY.parent
CONNECTIONS = 32


class Load:
    """wrk runs against one endpoint; every put run writes keys of its own."""

    runs = 0

    @classmethod
    def run(cls, endpoint, mode, table, seconds, run=None, keys=0):
        """One run: (requests per second, p50 ms, p99 ms, requests, bytes per answer)."""
        if run is None:
            cls.runs += 1
            run = f"r{cls.runs:06d}"
        result = subprocess.run(["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(ROOT / "bench/load.lua"), endpoint, "--",
                                 mode, table, run, str(keys)], capture_output=True, text=True, check=True)
        line = next((line for line in result.stdout.splitlines() if line.startswith("RESULT")), None)
        if line is None:
            raise RuntimeError(f"wrk: {result.stdout}{result.stderr}")
        rate, p50, p99, failed, requests, size = map(float, line.split()[1:])
        if failed or not requests:
            raise RuntimeError(f"{failed:.0f} of {requests:.0f} requests of {mode} failed")
        return rate, p50, p99, int(requests), size


def fill(endpoint, least=5000):
    """Writes at least so many items; returns (run, how many keys from 1 on are there for certain)."""
    Load.runs += 1
    run = f"r{Load.runs:06d}"
    seconds = 1
    while True:  # a longer run writes the keys of the shorter one again
        requests = Load.run(endpoint, "put", "bench", seconds, run)[3]
        if requests - CONNECTIONS >= least:
            return run, requests - CONNECTIONS
        seconds *= 2


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


def make_tables(server):
    dynamodb = server.client("dynamodb")
    for name, stream in (("bench", {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}), ("plain", {"StreamEnabled": False})):
        dynamodb.create_table(TableName=name, BillingMode="PAY_PER_REQUEST", AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                              KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}], StreamSpecification=stream)


def memory_of(process):
    lines = pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def start_time():
    """From exec to the line that names the port, empty directory, in ms; and the memory of the idle server in MB."""
    server = Server()
    started = time.monotonic()
    server.start()
    elapsed = (time.monotonic() - started) * 1000
    server.settle()
    memory = memory_of(server.process)
    server.close()
    return elapsed, memory


HANDLER = """
export const handler = async (event) => {
  const started = performance.timeOrigin + performance.now();
  for (const record of event.Records) console.log(`STARTED ${record.dynamodb.Keys.id.S} ${started}`);
};
"""


def put_timed(connection, key):
    """PutItem over a plain connection; when its answer arrived, in ms of the machine's clock."""
    connection.request("POST", "/", json.dumps({"TableName": "latency", "Item": {"id": {"S": key}}}), {
        "Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "DynamoDB_20120810.PutItem",
        "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0"})
    response = connection.getresponse()
    answered = time.time() * 1000
    if response.status != 200:
        raise RuntimeError(f"PutItem: {response.status} {response.read()}")
    response.read()
    return answered


def function_latency(server, writes=500, pause=0.01):
    """A warm Node.js function at about 100 writes/s. Returns two pairs (p50, p99) in ms: from the commit until the invocation is
    handed over, by the server's histogram; and from the arrival of PutItem's answer until the handler runs, by their own clocks."""
    stream = server.client("dynamodb").create_table(
        TableName="latency", BillingMode="PAY_PER_REQUEST", AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"})["TableDescription"]["LatestStreamArn"]
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "index.mjs").write_text(HANDLER)
        server.function("latency", zip_of(folder))
    mapping = server.mapping(stream, "latency", "LATEST", BatchSize=1)
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    put_timed(connection, "warm")
    server.settle()
    answered = {}
    for i in range(writes):
        answered[str(i)] = put_timed(connection, str(i))
        time.sleep(pause)  # the pace of the load
    server.settle()
    started = {}
    for page in server.client("logs").get_paginator("filter_log_events").paginate(logGroupName="/aws/lambda/latency", filterPattern="STARTED"):
        for event in page["events"]:
            words = event["message"].split()
            at = words.index("STARTED")
            started.setdefault(words[at + 1], float(words[at + 2]))
    waits = [started[key] - when for key, when in answered.items()]
    cuts = statistics.quantiles(waits, n=100)
    figures = server.admin(f"mappings/{mapping}")["latency_ms"]
    return (figures["p50"], figures["p99"]), (cuts[49], cuts[98])


def measure(seconds, rounds):
    rows = []
    samples = {name: [] for name in ("http", "get", "rocksdb", "put", "plain", "rocksdb-plain")}
    tails = {}
    with Server() as server, BareHttp() as bare:
        make_tables(server)
        run, keys = fill(server.endpoint)

        def sample(name, *arguments, **options):
            rate, p50, p99, _, size = Load.run(*arguments, **options)
            samples[name].append(rate)
            tails.setdefault(name, []).append((p50, p99))
            return size

        for _ in range(rounds):
            sample("http", bare.endpoint, "get", "bench", seconds, run, keys)
            if sample("get", server.endpoint, "get", "bench", seconds, run, keys) < 1024:
                raise RuntimeError("GetItem answered without the item")
            sample("put", server.endpoint, "put", "bench", seconds)
            samples["rocksdb"].append(bare_rocksdb(seconds, "stream"))
            sample("plain", server.endpoint, "put", "plain", seconds)
            samples["rocksdb-plain"].append(bare_rocksdb(seconds))
        loaded = memory_of(server.process)
        handed, ran = function_latency(server)
    median = {name: statistics.median(values) for name, values in samples.items()}
    noise = {name: (max(values) - min(values)) / median[name] for name, values in samples.items()}
    starts = [start_time() for _ in range(5)]

    def row(figure, value, unit, reference, ratio, budget, good):
        rows.append({"figure": figure, "value": round(value, 2), "unit": unit, "reference": reference, "ratio": ratio, "budget": budget,
                     "verdict": "-" if good is None else "met" if good else "missed"})

    def ratio_row(figure, name, reference, budget):
        ratio = median[name] / median[reference]
        tail = [statistics.median(values) for values in zip(*tails[name])]
        row(f"{figure} (p50 {tail[0]:.2f} ms, p99 {tail[1]:.2f} ms)", median[name], "/s",
            f"{median[reference]:.0f}/s bare {reference} (noise {noise[name]:.0%}, {noise[reference]:.0%})", f"{ratio:.0%}",
            f">= {budget:.0%}" if budget else "-", ratio >= budget if budget else None)

    ratio_row("GetItem, 1 KiB", "get", "http", 0.6)
    ratio_row("PutItem, 1 KiB, synced, stream on", "put", "rocksdb", 0.6)
    ratio_row("PutItem, 1 KiB, synced, no stream", "plain", "rocksdb-plain", None)
    cost = 1 - median["put"] / median["plain"]
    row("PutItem with the stream against without", median["plain"], "/s without", f"noise {noise['plain']:.0%}", f"{cost:.0%} cost", "<= 15%", cost <= 0.15)
    for name, budget, given, running in (("p50", 1, handed[0], ran[0]), ("p99", 5, handed[1], ran[1])):
        row(f"commit to warm function handed over, {name}", given, "ms", "-", "-", f"<= {budget} ms", given <= budget)
        row(f"PutItem's answer to running handler, {name}", running, "ms", "-", "-", f"<= {budget} ms", running <= budget)
    start = statistics.median(value for value, _ in starts)
    memory = statistics.median(value for _, value in starts)
    row("start, empty directory", start, "ms", "-", "-", "<= 50 ms", start <= 50)
    row("idle memory", memory, "MB", "-", "-", "<= 30 MB", memory <= 30)
    row("memory after the load", loaded, "MB", f"{sum(map(len, samples.values()))} runs", "-", "-", None)
    return rows


def main():
    parser = argparse.ArgumentParser(prog="./x bench")
    parser.add_argument("--seconds", type=int, default=4, help="of each load run (default 4)")
    parser.add_argument("--rounds", type=int, default=3, help="alternating rounds (default 3)")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = measure(arguments.seconds, arguments.rounds)
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}, load generator included"
    if arguments.json:
        print(json.dumps({"machine": machine, "rows": rows}, indent=2))
        return
    print(machine)
    columns = ("figure", "value", "unit", "reference", "ratio", "budget", "verdict")
    widths = [max(len(str(row[column])) for row in [*rows, {c: c for c in columns}]) for column in columns]
    for row in [{column: column for column in columns}, *rows]:
        print("  ".join(str(row[column]).ljust(width) for column, width in zip(columns, widths)).rstrip())


if __name__ == "__main__":
    main()
