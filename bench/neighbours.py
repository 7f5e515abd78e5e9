"""./x bench --only latency: how long writes and reads of one table take while the server has other work to do."""
import concurrent.futures
import threading
import time

from common import STREAM, Samples, Server, batch, body, fill, generate, get, make_table, new_run, put, wait_until
from table import Budget

RATE = 400          # of PutItem and of GetItem, each; a fraction of what the machine can do
CONNECTIONS = 8
KEYS = 2000
BOUND_MS = 10       # p99 beside any of these works: what a page of a scan or a chunk of a backfill may hold up ...
BOUND_TIMES = 5     # ... or, on a machine that is busy itself, so many times what it is without
WINDOWS = 3         # at least, alone and beside works that do not end before
DOOMED_TABLES = 12  # one deletion is over in milliseconds: so many, spread over these windows
MESSAGES_PER_SECOND = 500


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
    """One of the other works: prepared, started, and stopped or waited for. `run(server, stop, seconds)` does it; what it returns, if
    anything, is how many seconds of its time it was at work."""

    def __init__(self, name, prepare, run):
        self.name, self.prepare, self.run = name, prepare, run

    def timed(self, server, stop, seconds):
        started = time.monotonic()
        busy = self.run(server, stop, seconds)
        return time.monotonic() - started if busy is None else busy

    def beside(self, server, front, seconds):
        """Measures until the work is done, at least once. Returns the measurements, how long they took, and how long the work was at work."""
        self.prepare(server)
        stop = threading.Event()
        measured = []
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            started = time.monotonic()
            done = pool.submit(self.timed, server, stop, seconds)
            while not measured or not (done.done() or len(measured) == 10):
                measured.append(front.measure(seconds))
                if len(measured) == WINDOWS:
                    stop.set()  # for works without an end of their own
            watched = time.monotonic() - started
            stop.set()
            return measured, watched, done.result()


def filled(server, table, items, request=None, stream=None):
    make_table(server.client("dynamodb"), table, stream)
    generate(server.endpoint, request or batch(table, new_run()), 8, 0, -(-items // 25))


def prepare_expiry(server, items):
    run = new_run()
    target, request = batch("expiring", run, size=300)
    until = int(time.time()) + 3600  # the first work: nothing has moved the server's clock yet
    for one in request["RequestItems"]["expiring"]:
        one["PutRequest"]["Item"]["until"] = {"N": str(until)}
    filled(server, "expiring", items, (target, request))
    server.client("dynamodb").update_time_to_live(TableName="expiring", TimeToLiveSpecification={"AttributeName": "until", "Enabled": True})
    server.settle()


def expire(server, *_):
    server.advance("2h")


def trim(server, *_):
    server.advance("25h")


def prepare_doomed(server, items):
    for i in range(DOOMED_TABLES):
        filled(server, f"doomed{i}", items // DOOMED_TABLES)


def delete_tables(server, _, seconds):
    dynamodb = server.client("dynamodb")
    busy, began = 0.0, time.monotonic()
    for i in range(DOOMED_TABLES):
        time.sleep(max(0.0, began + i * WINDOWS * seconds / DOOMED_TABLES - time.monotonic()))  # the pace of the work
        started = time.monotonic()
        dynamodb.delete_table(TableName=f"doomed{i}")
        server.settle()
        busy += time.monotonic() - started
    return busy


def create_index(server, *_):
    dynamodb = server.client("dynamodb")
    dynamodb.update_table(TableName="indexed", AttributeDefinitions=[{"AttributeName": "n", "AttributeType": "N"}], GlobalSecondaryIndexUpdates=[
        {"Create": {"IndexName": "by-n", "KeySchema": [{"AttributeName": "n", "KeyType": "HASH"}], "Projection": {"ProjectionType": "ALL"}}}])
    wait_until(lambda: all(each["IndexStatus"] == "ACTIVE" for each in dynamodb.describe_table(TableName="indexed")["Table"]["GlobalSecondaryIndexes"]),
               "the index", 300)


def scan(server, stop, _):
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


def load(server, stop, _):
    while not stop.is_set():
        generate(server.endpoint, batch("loaded", new_run()), 2, 0, 400)


def prepare_queue(server):
    server.client("sqs").create_queue(QueueName="busy")


def busy_queue(server, stop, _):
    """Messages of 1 KiB at a pace, by tens; one reader receives and deletes them."""
    sqs = server.client("sqs")
    url = sqs.get_queue_url(QueueName="busy")["QueueUrl"]
    sends = "AmazonSQS.SendMessageBatch", {"QueueUrl": url, "Entries": [{"Id": str(i), "MessageBody": body(1000)} for i in range(10)]}

    def send():
        while not stop.is_set():
            generate(server.endpoint, sends, 2, MESSAGES_PER_SECOND / 10, MESSAGES_PER_SECOND // 10)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send)
        received = 0
        while not sending.done():
            messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
            received += len(messages)
            if messages:
                sqs.delete_message_batch(QueueUrl=url, Entries=[{"Id": str(i), "ReceiptHandle": each["ReceiptHandle"]} for i, each in enumerate(messages)])
        sending.result()
    if not received:
        raise RuntimeError("no message came through the queue")


def works(items):
    return [
        Work(f"a sweep of {items // 2:,} expired items", lambda server: prepare_expiry(server, items // 2), expire),
        Work(f"the deletion of {DOOMED_TABLES} tables of {items // DOOMED_TABLES:,} items", lambda server: prepare_doomed(server, items), delete_tables),
        Work(f"the backfill of an index over {items // 2:,} items", lambda server: filled(server, "indexed", items // 2), create_index),
        Work(f"scans of {items:,} items", lambda server: filled(server, "scanned", items), scan),
        Work(f"the trim of a stream of {items:,} records", lambda server: filled(server, "streamed", items, stream=STREAM), trim),
        Work("a load by batches", lambda server: filled(server, "loaded", 25), load),
        Work(f"a queue of {MESSAGES_PER_SECOND} messages/s, sent and received", prepare_queue, busy_queue),
    ]


def add(samples, when, measured):
    for name, result in zip(("PutItem", "GetItem"), measured):
        samples.add(f"{when} {name} p50", result.p50)
        samples.add(f"{when} {name} p99", result.p99)
        samples.add(f"{when} {name} worst", result.worst)


def at_work(watched, busy):
    """How much of the time of the measurements the other work was going on. What is shorter than a hundredth, a p99 cannot show: the worst does."""
    return f"at work for {busy:.2f} s of {watched:.1f} s" + (", too short for a p99: see the worst" if busy < watched / 100 else "")


def latency(report, seconds, items):
    with Server() as server:
        front = Front(server)
        front.measure(seconds)  # to warm up
        for work in works(items):
            samples = Samples()
            for _ in range(WINDOWS - 1):
                add(samples, "alone", front.measure(seconds))
            beside, watched, busy = work.beside(server, front, seconds)
            for measured in beside:
                add(samples, "beside", measured)
            add(samples, "alone", front.measure(seconds))
            for name in ("PutItem", "GetItem"):
                alone, p99 = samples.median(f"alone {name} p99"), samples.values[f"beside {name} p99"]
                report.row(f"{name} at {RATE}/s beside {work.name}: p99", p99, "ms",
                           f"{alone:.2f} ms alone, p50 {samples.median(f'alone {name} p50'):.2f}, worst {max(samples.values[f'alone {name} worst']):.1f}",
                           [each / alone for each in p99], Budget(at_most=max(BOUND_MS, BOUND_TIMES * alone), text=f"<= {BOUND_MS} ms or {BOUND_TIMES} x"),
                           f"p50 {samples.median(f'beside {name} p50'):.2f} ms, worst {max(samples.values[f'beside {name} worst']):.1f} ms; {at_work(watched, busy)}", percent=False)
