"""./x bench: a load of many items, reads of any of them, and what starting, idling and stopping cost."""
import contextlib
import pathlib
import time

from common import (BareRocks, Samples, Server, bare_rocksdb, batch, batch_get, generate, get, load, make_table, memory_of, new_run, trivial_start_ms,
                    until_merged)
from table import Budget

MEMORY_BUDGET_MB = 128   # of the database, by default (docs/limits.md)
BATCH_GET = 25
WAL_MB = 40


def bulk(report, items, seconds, rounds, verbose):
    """Loads items of 1 KiB through BatchWriteItem; reads them; starts, kills and stops the server that holds them."""
    with Server() as server, BareRocks() as bare:
        make_table(server.client("dynamodb"), "bench")
        run = new_run()
        rates, memory, took = load_items(server, run, items, verbose)
        bare_rate = bare.run("bulk", items)[0]
        report.row(f"BatchWriteItem, {items:,} items of 1 KiB, 8 connections", items / took, "items/s", f"{bare_rate:,.0f} items/s bare RocksDB, the same batches", items / took / bare_rate,
                   details="one run")
        report.row(f"rate of the last {items // len(rates):,} of these items", rates[-1], "items/s", f"{rates[0]:,.0f} items/s, the first {items // len(rates):,}", rates[-1] / rates[0],
                   Budget(at_least=0.85, of_ratio=True, text=">= 85%"), f"slowest tenth part {min(rates):,.0f} items/s; one run")
        report.row("memory during that load", max(memory), "MB", budget=Budget(at_most=MEMORY_BUDGET_MB + 64, text=f"<= {MEMORY_BUDGET_MB} + 64 MB"),
                   details=f"{memory[0]:.0f} MB after the first part")
        reads(report, server, bare, run, items, seconds, rounds)
        starts(report, server, items, rounds)


def load_items(server, run, items, verbose, parts=10):
    """Items per second and memory of each tenth, and how long all took."""
    every = max(items // parts // 25, 1)
    times, memory = [0.0], []

    def on_done(_, seconds):
        times.append(seconds)
        memory.append(memory_of(server.process))
        if verbose:
            print(f"  {len(memory) * every * 25:,} items, {every * 25 / (times[-1] - times[-2]):.0f}/s, {memory[-1]:.0f} MB", flush=True)

    started = time.monotonic()
    generate(server.endpoint, batch("bench", run), 8, 0, -(-items // 25), every, on_done)
    took = time.monotonic() - started
    return [every * 25 / (end - start) for start, end in zip(times, times[1:])], memory, took


def reads(report, server, bare, run, items, seconds, rounds):
    """Of any of the items: millrace's caches hold a small part of them, the operating system's as much as there is memory."""
    until_merged(server)
    samples = Samples()
    waits = Samples()
    for _ in range(rounds):
        for name, request, each in (("get", get("bench", run), 1), ("batch", batch_get("bench", run, BATCH_GET), BATCH_GET)):
            result = load(server.endpoint, request, seconds, items)
            if result.size < 1000 * each:
                raise RuntimeError(f"answers of {result.size:.0f} bytes do not hold {each} items")
            samples.add(name, result.rate * each)
            waits.add(f"{name} p50", result.p50)
            waits.add(f"{name} p99", result.p99)
        samples.add("bare", bare.run("gets", seconds, items)[0])
    for name, figure in (("get", "GetItem"), ("batch", f"BatchGetItem of {BATCH_GET}")):
        report.row(f"{figure}, 1 KiB, any of {items:,} items", samples.values[name], "items/s", f"{samples.median('bare'):,.0f}/s bare RocksDB, gets of one thread",
                   samples.ratios(name, "bare"), details=f"p50 {waits.median(f'{name} p50'):.2f} ms, p99 {waits.median(f'{name} p99'):.2f} ms")


def timed(action):
    started = time.monotonic()
    action()
    return (time.monotonic() - started) * 1000


def wal_mb(server):
    return sum(path.stat().st_size for path in pathlib.Path(server.data).rglob("*.log")) / 1e6


def trivial(samples):
    return f"{samples.median('trivial'):.1f} ms to start and end a program that does nothing"


def starts(report, server, items, rounds):
    samples = Samples()
    for _ in range(rounds):
        samples.add("stop", timed(server.stop))
        samples.add("clean", timed(server.start))
        samples.add("trivial", trivial_start_ms())
    for _ in range(rounds):
        generate(server.endpoint, batch("bench", new_run()), 8, 0, WAL_MB * 40)
        server.kill()
        size = wal_mb(server)
        samples.add("wal", size)
        took = timed(server.start)
        samples.add("killed", took)
        samples.add("per MB", max(took - samples.median("clean"), 0) / max(size, 0.1))
        samples.add("bare per MB", bare_rocksdb("replay", WAL_MB)[0])
    report.row(f"start with {items:,} items after a clean stop", samples.values["clean"], "ms", trivial(samples), samples.ratios("clean", "trivial"),
               Budget(at_most=300, text="<= 300 ms of 10^6"), percent=False)
    report.row(f"start after a kill, {samples.median('wal'):.0f} MB of WAL", samples.values["per MB"], "ms per MB beyond a clean start",
               f"{samples.median('bare per MB'):.1f} ms per MB, bare RocksDB with {WAL_MB} MB",
               samples.ratios("per MB", "bare per MB") if all(samples.values["bare per MB"]) else None, Budget(at_most=10), percent=False,
               details=f"{samples.median('killed'):.0f} ms in all")
    report.row("clean stop", samples.values["stop"], "ms", budget=Budget(at_most=1000, text="<= 1000 ms"))


def empty_start(report, rounds=5):
    samples = Samples()
    for _ in range(rounds):
        samples.add("trivial", trivial_start_ms())
        with contextlib.closing(Server()) as server:
            samples.add("start", timed(server.start))
            server.settle()
            samples.add("memory", memory_of(server.process))
    report.row("start, empty directory", samples.values["start"], "ms", trivial(samples), samples.ratios("start", "trivial"), Budget(at_most=50, text="<= 50 ms"), percent=False)
    report.row("idle memory", samples.values["memory"], "MB", budget=Budget(at_most=30, text="<= 30 MB"))
