"""./x bench: what a table does per second beside what the machine does bare, and what starting, idling and stopping cost."""
import contextlib
import pathlib
import re
import socket
import statistics
import time
import urllib.request

import neighbours
from common import (CONNECTIONS, CREDENTIALS, STREAM, BareHttp, Samples, Server, bare_rocksdb, batch, count, cpu_of, fill, generate, get,
                    load, make_table, memory_of, new_run, put, query, update, wait_until)

KEYS = 5000      # that GetItem and UpdateItem choose from
PAGE_ITEMS = 100
MEMORY_BUDGET_MB = 128   # of the database, by default (docs/limits.md)


class Records:
    """Reads a shard with GetRecords, 1,000 at a time, over one connection; as little Python as possible."""

    NEXT = re.compile(rb'"NextShardIterator":"([^"]+)"')

    def __init__(self, server, arn):
        self.arn = arn
        self.streams = server.client("dynamodbstreams")
        self.shard = self.streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
        self.socket = socket.create_connection(("127.0.0.1", server.port))

    def call(self, iterator):
        body = b'{"ShardIterator":"%s","Limit":1000}' % iterator
        self.socket.sendall(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-amz-json-1.0\r\nX-Amz-Target: DynamoDBStreams_20120810."
                            b"GetRecords\r\nAuthorization: " + CREDENTIALS.encode() + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        answer = bytearray()
        need = None
        while need is None or len(answer) < need:
            chunk = self.socket.recv(1 << 20)
            if not chunk:
                raise RuntimeError("GetRecords: the connection was closed")
            answer += chunk
            if need is None and b"\r\n\r\n" in answer:
                head = bytes(answer[:answer.index(b"\r\n\r\n")]).lower()
                need = len(head) + 4 + int(re.search(rb"content-length: *(\d+)", head).group(1))
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"GetRecords: {bytes(answer[:500])}")
        return answer

    def read_all(self):
        """Records of the shard that is open, and how long they took."""
        iterator = self.streams.get_shard_iterator(StreamArn=self.arn, ShardId=self.shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"].encode()
        records = 0
        started = time.monotonic()
        while True:
            answer = self.call(iterator)
            found = answer.count(b'"eventID"')
            records += found
            if not found:
                return records, time.monotonic() - started
            following = self.NEXT.search(answer, max(0, len(answer) - 600))
            if following is None:  # the shard was closed while the load ran
                return records, time.monotonic() - started
            iterator = following.group(1)


class Rounds:
    """Alternating rounds over one server: rates, tails, and the server's CPU time per request."""

    def __init__(self, server, seconds):
        self.server, self.seconds = server, seconds
        self.samples, self.tails, self.cpu = Samples(), {}, Samples()

    def sample(self, name, request, keys=0, least_size=0, server=None):
        server = server or self.server
        before = cpu_of(server.process)
        run = load(server.endpoint, request, self.seconds, keys)
        if run.size < least_size:
            raise RuntimeError(f"{name}: answers of {run.size:.0f} bytes do not hold the items")
        self.samples.add(name, run.rate)
        self.tails.setdefault(name, []).append((run.p50, run.p99))
        used = cpu_of(server.process) - before
        self.cpu.add(name, used / run.requests * 1e6)
        return run, used

    def text(self, name):
        p50, p99 = (statistics.median(values) for values in zip(*self.tails[name]))
        return f"p50 {p50:.2f} ms, p99 {p99:.2f} ms, {self.cpu.median(name):.1f} us CPU"

    def noise(self, *names):
        return "noise " + ", ".join(f"{self.samples.noise(name):.0%}" for name in names)


def put_pages(server, pages=20):
    dynamodb = server.client("dynamodb")
    make_table(dynamodb, "pages", sort=True)
    for page in range(pages):
        items = [{"PutRequest": {"Item": {"id": {"S": f"page-{page + 1:09d}"}, "at": {"S": f"{at:03d}"}, "body": {"S": "x" * 980}}}}
                 for at in range(PAGE_ITEMS)]
        for at in range(0, PAGE_ITEMS, 25):
            dynamodb.batch_write_item(RequestItems={"pages": items[at:at + 25]})


def throughput(report, seconds, rounds):
    with Server() as server, BareHttp() as bare:
        dynamodb = server.client("dynamodb")
        make_table(dynamodb, "bench", STREAM)
        make_table(dynamodb, "plain")
        records_arn = make_table(dynamodb, "records", STREAM)
        put_pages(server)
        existing = fill(server.endpoint, "bench", KEYS)
        generate(server.endpoint, batch("records", new_run(), body=60), 8, 0, 4000)  # 100,000 small records
        reader = Records(server, records_arn)
        series = Rounds(server, seconds)
        for _ in range(rounds):
            series.sample("http", get("bench", existing), KEYS, server=bare)
            series.sample("get", get("bench", existing), KEYS, least_size=1024)
            series.sample("put", put("bench", new_run()))
            series.samples.add("rocksdb", bare_rocksdb(seconds, "stream"))
            series.sample("update", update("bench", existing), KEYS)
            series.sample("plain", put("plain", new_run()))
            series.samples.add("rocksdb-plain", bare_rocksdb(seconds))
            series.sample("counter", count("bench"))
            run, used = series.sample("query", query("pages", "page-%KEY%"), 20, least_size=PAGE_ITEMS * 1024)
            series.samples.add("query MB/s of items per core", run.requests * PAGE_ITEMS * 1024 / 1e6 / used)
            before = cpu_of(server.process)
            records, took = reader.read_all()
            series.samples.add("records/s", records / took)
            series.cpu.add("records", (cpu_of(server.process) - before) / records * 1e6)
        paced = Samples()
        pace = series.samples.median("put") / 2
        for _ in range(rounds):
            result = generate(server.endpoint, put("plain", new_run()), CONNECTIONS, pace, int(pace * seconds))
            paced.add("p50", result.p50)
            paced.add("p99", result.p99)
        loaded = memory_of(server.process)
    report_throughput(report, series, paced, pace)
    report.row("memory after all that", loaded, "MB")


def report_throughput(report, series, paced, pace):
    samples = series.samples

    def ratio_row(figure, name, reference, of, budget):
        ratio = samples.median(name) / samples.median(reference)
        report.row(f"{figure} ({series.text(name)})", samples.median(name), "/s", f"{samples.median(reference):.0f}/s {of} "
                   f"({series.noise(name, reference)})", f"{ratio:.0%}", f">= {budget:.0%}" if budget else "-", ratio >= budget if budget else None)

    ratio_row("GetItem, 1 KiB", "get", "http", f"bare HTTP, {series.cpu.median('http'):.1f} us CPU", 0.6)
    ratio_row("PutItem, 1 KiB, synced, stream on", "put", "rocksdb", "bare RocksDB, item and record", 0.6)
    ratio_row("PutItem, 1 KiB, synced, no stream", "plain", "rocksdb-plain", "bare RocksDB, item", None)
    ratio_row("UpdateItem, condition and SET of two, 1 KiB, stream on (two images in its record, PutItem's has one)", "update", "put", "PutItem", 0.8)
    ratio_row(f"hot counter, {CONNECTIONS} connections, stream on", "counter", "put", "PutItem", 1.0)
    cost = 1 - samples.median("put") / samples.median("plain")
    report.row("cost of the stream", samples.median("put"), "/s with", f"{samples.median('plain'):.0f}/s without ({series.noise('put', 'plain')})",
               f"{cost:.0%}", "<= 15%", cost <= 0.15)
    rate = samples.median("query MB/s of items per core")
    report.row(f"Query, {PAGE_ITEMS} items of 1 KiB ({series.text('query')})", rate, "MB/s of items per core of the server",
               f"noise {samples.noise('query MB/s of items per core'):.0%}", "-", ">= 50", rate >= 50)
    rate = samples.median("records/s")
    report.row(f"GetRecords, batches of 1,000, one reader ({series.cpu.median('records'):.2f} us CPU each)", rate, "records/s",
               f"noise {samples.noise('records/s'):.0%}", "-", ">= 150,000", rate >= 150000)
    p50, p99 = paced.median("p50"), paced.median("p99")
    report.row(f"PutItem at {pace:.0f}/s, half of the most: p99", p99, "ms", f"p50 {p50:.2f} ms (noise {paced.noise('p99'):.0%})", f"{p99 / p50:.1f}",
               "<= 5", p99 <= 5 * p50)


def until_merged(server):
    """Until the database has merged what a load left behind: what follows shall not pay for the load."""
    def quiet():
        with urllib.request.urlopen(server.endpoint + "/metrics") as answer:
            running = re.findall(r"^millrace_storage_running_(?:compactions|flushes) (\S+)", answer.read().decode(), re.MULTILINE)
        if len(running) != 2:
            raise RuntimeError("/metrics does not tell of running merges")
        return not any(map(float, running))
    wait_until(quiet, "the merges after the load", limit=600)


def long_log(report, seconds, rounds, records):
    """PutItem with many stream records behind it, against a server that has none; alternating."""
    with Server() as young, Server() as old:
        for server in (young, old):
            make_table(server.client("dynamodb"), "bench", STREAM)
            make_table(server.client("dynamodb"), "filler", STREAM)
        generate(old.endpoint, batch("filler", new_run(), body=300), 8, 0, -(-records // 25))
        until_merged(old)
        samples = Samples()
        for _ in range(rounds):
            for name, server in (("young", young), ("old", old)):
                before = cpu_of(server.process)
                run = load(server.endpoint, put("bench", new_run()), seconds)
                samples.add(name, run.rate)
                samples.add(f"{name} cpu", (cpu_of(server.process) - before) / run.requests * 1e6)
    change = 1 - samples.median("old") / samples.median("young")
    report.row(f"PutItem after {records:,} stream records ({samples.median('old cpu'):.1f} us CPU, without {samples.median('young cpu'):.1f})",
               samples.median("old"), "/s", f"{samples.median('young'):.0f}/s with none (noise {samples.noise('old'):.0%}, {samples.noise('young'):.0%})",
               f"{change:+.0%}", "<= 5%", change <= 0.05)


def bulk(report, items, verbose):
    """Loads items of 1 KiB through BatchWriteItem; then starts, kills and stops the server that holds them."""
    slices = max(items // 10, 1) if items < 10_000_000 else 1_000_000
    every = max(slices // 25, 1)
    times, memory = [], []
    with Server() as server:
        make_table(server.client("dynamodb"), "bench")

        def on_done(_, seconds):
            times.append(seconds)
            memory.append(memory_of(server.process))
            if verbose:
                print(f"  {len(times) * every * 25:,} items, {every * 25 / (times[-1] - (times[-2] if times[1:] else 0)):.0f}/s, {memory[-1]:.0f} MB", flush=True)

        generate(server.endpoint, batch("bench", new_run()), 8, 0, -(-items // 25), every, on_done)
        rates = [every * 25 / (end - start) for start, end in zip([0, *times], times)]
        change = rates[-1] / rates[0] - 1
        report.row(f"BatchWriteItem, {items:,} items of 1 KiB, 8 connections", items / times[-1], "items/s",
                   f"{rates[0]:.0f}/s the first {every * 25:,}, {rates[-1]:.0f}/s the last, slowest {min(rates):.0f}/s", f"{change:+.0%}", "within 15%", change >= -0.15)
        report.row("memory during that load", max(memory), "MB", f"{memory[0]:.0f} MB after the first part", "-",
                   f"<= {MEMORY_BUDGET_MB} + 64 MB", max(memory) <= MEMORY_BUDGET_MB + 64)
        starts(report, server, items)


def timed(action):
    started = time.monotonic()
    action()
    return (time.monotonic() - started) * 1000


def wal_mb(server):
    return sum(path.stat().st_size for path in pathlib.Path(server.data).rglob("*.log")) / 1e6


def starts(report, server, items, rounds=3):
    samples = Samples()
    for _ in range(rounds):
        samples.add("stop", timed(server.stop))
        samples.add("clean", timed(server.start))
    for _ in range(rounds):
        generate(server.endpoint, batch("bench", new_run()), 8, 0, 1600)  # 40 MB
        server.kill()
        size = wal_mb(server)
        samples.add("wal", size)
        took = timed(server.start)
        samples.add("killed", took)
        samples.add("per MB", max(took - samples.median("clean"), 0) / max(size, 0.1))
    report.row(f"start with {items:,} items after a clean stop", samples.median("clean"), "ms", f"noise {samples.noise('clean'):.0%}", "-", "<= 300 ms of 10^6",
               samples.median("clean") <= 300)
    report.row(f"start after a kill, {samples.median('wal'):.0f} MB of WAL", samples.median("per MB"), "ms per MB beyond a clean start",
               f"{samples.median('killed'):.0f} ms (noise {samples.noise('killed'):.0%})", "-", "<= 10", samples.median("per MB") <= 10)
    report.row("clean stop", samples.median("stop"), "ms", f"noise {samples.noise('stop'):.0%}", "-", "<= 1000 ms", samples.median("stop") <= 1000)


def empty_start(report, rounds=5):
    samples = Samples()
    for _ in range(rounds):
        with contextlib.closing(Server()) as server:
            samples.add("start", timed(server.start))
            server.settle()
            samples.add("memory", memory_of(server.process))
    report.row("start, empty directory", samples.median("start"), "ms", f"noise {samples.noise('start'):.0%}", "-", "<= 50 ms", samples.median("start") <= 50)
    report.row("idle memory", samples.median("memory"), "MB", f"noise {samples.noise('memory'):.0%}", "-", "<= 30 MB", samples.median("memory") <= 30)


def measure(report, arguments):
    parts = arguments.only.split(",") if arguments.only else ["throughput", "latency", "log", "bulk", "start"]
    if "throughput" in parts:
        throughput(report, arguments.seconds, arguments.rounds)
    if "latency" in parts:
        neighbours.latency(report, arguments.seconds, arguments.load or 200_000)
    if "log" in parts:
        long_log(report, arguments.seconds, arguments.rounds, 10_000_000 if arguments.long else 1_000_000)
    if "bulk" in parts:
        bulk(report, arguments.load or (10_000_000 if arguments.long else 1_000_000), arguments.verbose)
    if "start" in parts:
        empty_start(report)
