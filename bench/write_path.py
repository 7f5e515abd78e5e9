"""./x bench: what a table does per second beside what the machine does bare; its tails; what a long log costs."""
import collections
import re
import socket
import statistics
import time

import bulk
import neighbours
from common import (CONNECTIONS, CREDENTIALS, STREAM, BareHttp, Samples, Server, bare_rocksdb, batch, count, cpu_by_thread, cut, fill, foreground,
                    generate, get, load, make_table, memory_of, new_run, put, query, shares, until_merged, update)
from table import Budget

KEYS = 5000      # that GetItem and UpdateItem choose from
PAGE_ITEMS = 100
PAGES = 20
PAGES_AROUND = {"just below 128 KiB": 110, "just above 128 KiB": 140}  # items of a page: read on the I/O thread, and on the pool
RECORD_BYTES = 300  # of those that GetRecords reads, as they are stored; for the reference
TAIL_SECONDS = 10   # at least: a window has flushes and merges of its own
TAIL_SECONDS_BARE = {"HTTP": 3, "RocksDB": 6}  # the latter for some flushes
LOG_ITEMS = 1000    # that are written again and again to make the log long


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
        self.samples, self.tails, self.cpu, self.merges = Samples(), {}, Samples(), Samples()

    def sample(self, name, request, keys=0, least_size=0, server=None):
        """Returns the run and the CPU time of the server's threads that answer."""
        server = server or self.server
        before = cpu_by_thread(server.process)
        run = load(server.endpoint, request, self.seconds, keys)
        if run.size < least_size:
            raise RuntimeError(f"{name}: answers of {run.size:.0f} bytes do not hold the items")
        used = cpu_by_thread(server.process)
        used.subtract(before)
        self.samples.add(name, run.rate)
        self.tails.setdefault(name, []).append((run.p50, run.p99))
        self.cpu.add(name, foreground(used) / run.requests * 1e6)
        self.merges.add(name, (sum(used.values()) - foreground(used)) / run.requests * 1e6)
        return run, foreground(used)

    def text(self, name):
        p50, p99 = (statistics.median(values) for values in zip(*self.tails[name]))
        merges = self.merges.median(name)
        return (f"p50 {p50:.2f} ms, p99 {p99:.2f} ms, {self.cpu.median(name):.1f} us CPU of the server each"
                + (f" and {merges:.1f} us of merges" if merges >= 0.1 else ""))

    def reference(self, name, of):
        noise = self.samples.noise(name)
        return f"{self.samples.median(name):,.0f}/s {of}" + ("" if noise is None else f" (noise {noise:.0%})")

    def row(self, report, figure, name, reference, of, budget=None):
        report.row(figure, self.samples.values[name], "/s", self.reference(reference, of), self.samples.ratios(name, reference), budget, self.text(name))


def put_pages(server, items=PAGE_ITEMS, pages=PAGES):
    """Partitions of so many items of 1 KiB. Returns what they are named, up to the number."""
    dynamodb = server.client("dynamodb")
    name = f"page{items}"
    for page in range(pages):
        writes = [{"PutRequest": {"Item": {"id": {"S": f"{name}-{page + 1:09d}"}, "at": {"S": f"{at:03d}"}, "body": {"S": cut(page * items + at, 980)}}}}
                  for at in range(items)]
        for at in range(0, items, 25):
            dynamodb.batch_write_item(RequestItems={"pages": writes[at:at + 25]})
    return name


def sample_query(series, name, pages, items):
    run, used = series.sample(name, query("pages", f"{pages}-%KEY%"), PAGES, least_size=items * 1024)
    series.samples.add(f"{name} MB/s", run.requests * items * 1024 / 1e6 / used)


def sample_records(series, server, reader):
    """Passes over all records until a second is over."""
    before = cpu_by_thread(server.process)
    records = took = 0
    while took < 1:
        more, seconds = reader.read_all()
        records, took = records + more, took + seconds
    used = cpu_by_thread(server.process)
    used.subtract(before)
    series.samples.add("records", records / took)
    series.cpu.add("records", foreground(used) / records * 1e6)


def read_rounds(server, bare, seconds, rounds):
    dynamodb = server.client("dynamodb")
    records_arn = make_table(dynamodb, "records", STREAM)
    make_table(dynamodb, "pages", sort=True)
    pages = {"query": (put_pages(server), PAGE_ITEMS), **{name: (put_pages(server, items), items) for name, items in PAGES_AROUND.items()}}
    existing = fill(server.endpoint, "bench", KEYS)
    generate(server.endpoint, batch("records", new_run(), size=60), 8, 0, 4000)  # 100,000 small records
    reader = Records(server, records_arn)
    until_merged(server)
    series = Rounds(server, seconds)
    for _ in range(rounds):
        series.sample("http", get("bench", existing), KEYS, server=bare)
        series.sample("get", get("bench", existing), KEYS, least_size=1024)
        for name, (partition, items) in pages.items():
            sample_query(series, name, partition, items)
        sample_records(series, server, reader)
        series.samples.add("bare pages", bare_rocksdb("scan", 1, PAGE_ITEMS, 1024)[0])
        series.samples.add("bare records", bare_rocksdb("scan", 1, 1000, RECORD_BYTES)[1])
    return series, existing


def report_reads(report, series):
    samples = series.samples
    series.row(report, f"GetItem, 1 KiB, of {KEYS:,} items", "get", "http", f"bare HTTP, {series.cpu.median('http'):.1f} us CPU",
               Budget(at_least=0.6, of_ratio=True, text=">= 60%"))
    for name, what in (("query", f"{PAGE_ITEMS} items of 1 KiB"), *((name, f"{items} items of 1 KiB, {name}") for name, items in PAGES_AROUND.items())):
        report.row(f"Query, {what}", samples.values[f"{name} MB/s"], "MB/s of items per core of the server",
                   f"{samples.median('bare pages'):,.0f} MB/s of bare RocksDB's CPU, an iterator over {PAGE_ITEMS} values", samples.ratios(f"{name} MB/s", "bare pages"),
                   Budget(at_least=50), f"{samples.median(name):,.0f}/s, {series.text(name)}")
    report.row("GetRecords, batches of 1,000, one reader", samples.values["records"], "records/s", series.reference("bare records", "bare RocksDB, one iterator"),
               samples.ratios("records", "bare records"), Budget(at_least=150_000), f"{series.cpu.median('records'):.2f} us CPU of the server each")


def write_rounds(server, existing, seconds, rounds):
    series = Rounds(server, seconds)
    for _ in range(rounds):
        series.sample("put", put("bench", new_run()))
        series.samples.add("rocksdb", bare_rocksdb("puts", seconds, "stream")[0])
        series.sample("update", update("bench", existing), KEYS)
        series.sample("plain", put("plain", new_run()))
        series.samples.add("rocksdb-plain", bare_rocksdb("puts", seconds)[0])
        series.sample("counter", count("bench"))
    return series


def report_writes(report, series):
    samples = series.samples
    series.row(report, "PutItem, 1 KiB, synced, stream on", "put", "rocksdb", "bare RocksDB, item and record, synced", Budget(at_least=0.6, of_ratio=True, text=">= 60%"))
    series.row(report, "PutItem, 1 KiB, synced, no stream", "plain", "rocksdb-plain", "bare RocksDB, item, synced")
    series.row(report, "UpdateItem, condition and SET of two, 1 KiB, stream on", "update", "put", "PutItem, one image in its record instead of two",
               Budget(at_least=0.8, of_ratio=True, text=">= 80%"))
    series.row(report, f"hot counter, {CONNECTIONS} connections, stream on", "counter", "put", "PutItem", Budget(at_least=1.0, of_ratio=True, text=">= 100%"))
    report.row("cost of the stream", samples.values["put"], "/s with", series.reference("plain", "without"), [1 - each for each in samples.ratios("put", "plain")],
               Budget(at_most=0.15, of_ratio=True, text="<= 15%"))


def throughput(report, seconds, rounds):
    with Server() as server, BareHttp() as bare:
        dynamodb = server.client("dynamodb")
        make_table(dynamodb, "bench", STREAM)
        make_table(dynamodb, "plain")
        series, existing = read_rounds(server, bare, seconds, rounds)
        report_reads(report, series)
        report_writes(report, write_rounds(server, existing, seconds, rounds))
        report.row("memory after all that", memory_of(server.process), "MB")


def tail(report, seconds, rounds):
    """Waits at half of what the same table takes at most, once the merges of finding that out are over."""
    window = max(seconds, TAIL_SECONDS)
    paced = Samples()
    with Server() as server, BareHttp() as bare:
        make_table(server.client("dynamodb"), "bench", STREAM)
        pace = statistics.median(load(server.endpoint, put("bench", new_run()), seconds).rate for _ in range(rounds)) / 2
        until_merged(server)
        used, watched = collections.Counter(), 0.0
        for _ in range(rounds):
            before, started = cpu_by_thread(server.process), time.monotonic()
            result = generate(server.endpoint, put("bench", new_run()), CONNECTIONS, pace, int(pace * window))
            watched += time.monotonic() - started
            used.update(cpu_by_thread(server.process))
            used.subtract(before)
            http = generate(bare.endpoint, put("bench", new_run()), CONNECTIONS, pace, int(pace * TAIL_SECONDS_BARE["HTTP"]))
            rocksdb = bare_rocksdb("paced", TAIL_SECONDS_BARE["RocksDB"], pace, "stream")
            for name, value in (("p50", result.p50), ("p99", result.p99), ("worst", result.worst), ("rate", result.rate), ("HTTP p50", http.p50),
                                ("HTTP p99", http.p99), ("RocksDB p50", rocksdb[0]), ("RocksDB p99", rocksdb[1])):
                paced.add(name, value)
    report_tail(report, paced, pace, f"{rounds} x {window} s, worst {max(paced.values['worst']):.1f} ms, {paced.median('rate'):,.0f}/s kept; "
                f"of a core: {shares({}, used, watched)}")


def report_tail(report, paced, pace, details):
    bare_text = ", ".join(f"bare {name} p50 {paced.median(f'{name} p50'):.2f} p99 {paced.median(f'{name} p99'):.2f} ms" for name in TAIL_SECONDS_BARE)
    report.row(f"PutItem at {pace:,.0f}/s, half of the most, stream on: p99", paced.values["p99"], "ms", f"its p50 of {paced.median('p50'):.2f} ms; at the same pace {bare_text}",
               paced.ratios("p99", "p50"), Budget(at_most=5, of_ratio=True, text="<= 5 x p50"), details, percent=False)


def long_log(report, seconds, rounds, records):
    """PutItem with many stream records behind it, against a server with the same items and few records; alternating."""
    with Server() as young, Server() as old:
        samples = Samples()
        servers = (("young", young, LOG_ITEMS), ("old", old, records))
        for _, server, writes in servers:
            make_table(server.client("dynamodb"), "bench", STREAM)
            generate(server.endpoint, batch("bench", "same", size=300), 8, 0, -(-writes // 25), keys=LOG_ITEMS)
        for _ in range(rounds):
            for name, server, _ in servers:
                until_merged(server)
                before = cpu_by_thread(server.process)
                run = load(server.endpoint, put("bench", new_run()), seconds)
                used = cpu_by_thread(server.process)
                used.subtract(before)
                samples.add(name, run.rate)
                samples.add(f"{name} cpu", foreground(used) / run.requests * 1e6)
                samples.add(f"{name} merges", (sum(used.values()) - foreground(used)) / run.requests * 1e6)
    budget = Budget(at_most=0.05, of_ratio=True, text="<= 5%")
    report.row(f"PutItem after {records:,} stream records", samples.values["old"], "/s", f"{samples.median('young'):,.0f}/s with {LOG_ITEMS:,} records and the same items",
               [1 - each for each in samples.ratios("old", "young")], budget, f"merges {samples.median('old merges'):.1f} us CPU each, without {samples.median('young merges'):.1f}")
    report.row(f"CPU of PutItem after {records:,} stream records, merges apart", samples.values["old cpu"], "us", f"{samples.median('young cpu'):.1f} us without",
               [each - 1 for each in samples.ratios("old cpu", "young cpu")], budget)


def parts(arguments):
    """(name, function of the report) for each part that is wanted."""
    seconds, rounds = arguments.seconds, arguments.rounds
    items = arguments.load or (10_000_000 if arguments.long else 1_000_000)
    every = {"throughput": lambda report: throughput(report, seconds, rounds),
             "tail": lambda report: tail(report, seconds, rounds),
             "latency": lambda report: neighbours.latency(report, seconds / 2, arguments.load or 200_000),
             "log": lambda report: long_log(report, seconds, rounds, 10_000_000 if arguments.long else 1_000_000),
             "bulk": lambda report: bulk.bulk(report, items, seconds, rounds, arguments.verbose),
             "start": bulk.empty_start}
    return [(name, every[name]) for name in arguments.parts]
