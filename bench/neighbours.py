"""./x bench --only latency: how long writes and reads of one table take while the server has other work to do."""
import concurrent.futures
import threading
import time

from common import STREAM, Samples, Server, batch, fill, generate, get, make_table, new_run, put, wait_until

RATE = 400          # of PutItem and of GetItem, each; a fraction of what the machine can do
CONNECTIONS = 8
KEYS = 2000
BOUND_MS = 10       # p99 beside any of these works: what a page of a scan or a chunk of a backfill may hold up ...
BOUND_TIMES = 5     # ... or, on a machine that is busy itself, so many times what it is without


class Front:
    """Puts and gets at a pace on a table of their own."""

    def __init__(self, server):
        self.server = server
        make_table(server.client("dynamodb"), "front", STREAM)
        self.run = fill(server.endpoint, "front", KEYS)

    def measure(self, seconds):
        """(put, get), each with p50, p99 and worst in ms."""
        requests = int(RATE * seconds)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            puts = pool.submit(generate, self.server.endpoint, put("front", new_run()), CONNECTIONS, RATE, requests)
            # The generator's keys go up from 1: the gets of a run are of the items with these numbers, and of none beyond them.
            gets = pool.submit(generate, self.server.endpoint, get("front", self.run), CONNECTIONS, RATE, requests)
            return puts.result(), gets.result()


class Work:
    """One of the other works: prepared, started, and stopped or waited for."""

    def __init__(self, name, items, prepare, run):
        self.name, self.items, self.prepare, self.run = name, items, prepare, run

    def beside(self, server, front, seconds):
        """Measures until the work is done, at least once. Returns the measurements and how long the work took."""
        self.prepare(server, self.items)
        stop = threading.Event()
        measured = []
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            started = time.monotonic()
            done = pool.submit(self.run, server, stop)
            while not measured or not (done.done() or len(measured) == 10):
                measured.append(front.measure(seconds))
                if time.monotonic() - started >= 3 * seconds:
                    stop.set()  # for works without an end of their own
            stop.set()
            done.result()
            return measured, time.monotonic() - started


def filled(server, table, items, request=None, stream=None):
    make_table(server.client("dynamodb"), table, stream)
    generate(server.endpoint, request or batch(table, new_run()), 8, 0, -(-items // 25))


def prepare_expiry(server, items):
    run = new_run()
    target, body = batch("expiring", run, body=300)
    until = int(time.time()) + 3600  # the first work: nothing has moved the server's clock yet
    for one in body["RequestItems"]["expiring"]:
        one["PutRequest"]["Item"]["until"] = {"N": str(until)}
    filled(server, "expiring", items, (target, body))
    server.client("dynamodb").update_time_to_live(TableName="expiring", TimeToLiveSpecification={"AttributeName": "until", "Enabled": True})
    server.settle()


def expire(server, _):
    server.advance("2h")


def create_index(server, _):
    dynamodb = server.client("dynamodb")
    dynamodb.update_table(TableName="indexed", AttributeDefinitions=[{"AttributeName": "n", "AttributeType": "N"}], GlobalSecondaryIndexUpdates=[
        {"Create": {"IndexName": "by-n", "KeySchema": [{"AttributeName": "n", "KeyType": "HASH"}], "Projection": {"ProjectionType": "ALL"}}}])
    wait_until(lambda: all(each["IndexStatus"] == "ACTIVE" for each in dynamodb.describe_table(TableName="indexed")["Table"]["GlobalSecondaryIndexes"]),
               "the index", 300)


def scan(server, stop):
    """Two readers, full pages."""
    def read(segment):
        dynamodb = server.client("dynamodb")
        while not stop.is_set():
            start = {}
            while start is not None and not stop.is_set():
                page = dynamodb.scan(TableName="scanned", Segment=segment, TotalSegments=2, Select="COUNT", **start)
                start = {"ExclusiveStartKey": page["LastEvaluatedKey"]} if "LastEvaluatedKey" in page else None
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(read, segment) for segment in range(2)]:
            done.result()


def load(server, stop):
    while not stop.is_set():
        generate(server.endpoint, batch("loaded", new_run()), 2, 0, 400)


def works(items):
    return [
        Work("a sweep of expired items", items // 2, prepare_expiry, expire),
        Work("the deletion of a table", items, lambda server, count: filled(server, "doomed", count),
             lambda server, _: (server.client("dynamodb").delete_table(TableName="doomed"), server.settle())),
        Work("the backfill of an index", items // 2, lambda server, count: filled(server, "indexed", count), create_index),
        Work("scans of a table", items, lambda server, count: filled(server, "scanned", count), scan),
        Work("the trim of a stream", items, lambda server, count: filled(server, "streamed", count, stream=STREAM),
             lambda server, _: server.advance("25h")),
        Work("a load by batches", 25, lambda server, count: filled(server, "loaded", count), load),
    ]


def latency(report, seconds, items):
    with Server() as server:
        front = Front(server)
        front.measure(seconds)  # to warm up
        for work in works(items):
            samples = Samples()
            def add(when, measured):
                for name, result in zip(("PutItem", "GetItem"), measured):
                    samples.add(f"{when} {name} p50", result.p50)
                    samples.add(f"{when} {name} p99", result.p99)
            for _ in range(2):
                add("alone", front.measure(seconds))
            beside, took = work.beside(server, front, seconds)
            for measured in beside:
                add("beside", measured)
            add("alone", front.measure(seconds))
            for name in ("PutItem", "GetItem"):
                p99, alone = samples.median(f"beside {name} p99"), samples.median(f"alone {name} p99")
                report.row(f"{name} at {RATE}/s beside {work.name} ({work.items:,} items, {took:.1f} s): p99", p99, "ms",
                           f"alone {alone:.2f} ms; p50 {samples.median(f'beside {name} p50'):.2f}, alone {samples.median(f'alone {name} p50'):.2f} ms",
                           f"{p99 / alone:.1f}", f"<= {BOUND_MS} ms or {BOUND_TIMES} x", p99 <= max(BOUND_MS, BOUND_TIMES * alone))
