#!/usr/bin/env python3
"""Kills a server under load, again and again, and proves after each restart that nothing acknowledged is lost and nothing is half there.

    ./x crash --cycles 20 --seed 1

A directory lives for a few kills, then a new one begins. A failing cycle prints its seed and keeps its directory."""
import argparse
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

from check import check_all
from load import World, start, wait
from prepare import Recorder, set_up
from wire import Connection, Gone, Refused

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
KILLS = 8  # of one directory
TELL_EVERY = 60  # seconds


class Server:
    """A server process on a directory."""

    def __init__(self, binary, data, shards):
        self.binary, self.data, self.process, self.port = binary, pathlib.Path(data), None, 0
        self.config = self.data.parent / "config.yaml"
        self.config.write_text(f'{{"streams": {{"shards": {shards}}}}}')

    def launch(self):
        with open(self.data.parent / "log", "ab") as log:
            self.process = subprocess.Popen([self.binary, "serve", "--port", "0", "--data", str(self.data), "--config", str(self.config)],
                                            stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True)

    def start(self):
        self.launch()
        line = self.process.stdout.readline()
        found = re.search(r"http://[^\s,]+:(\d+)", line)
        if not found:
            self.process.wait(20)
            raise RuntimeError("the server does not start: " + (self.data.parent / "log").read_text(errors="replace")[-800:])
        self.port = int(found.group(1))
        return Connection(self.port)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()


class Episode:
    """One directory with its ledger."""

    def __init__(self, binary, seed, recorder):
        self.dice = random.Random(seed)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="millrace-crash-"))
        self.server = Server(binary, self.folder / "data", self.dice.choice((1, 2, 4)))
        self.world = recorder.world = World(seed)
        self.arns, self.urls = set_up(self.server.start(), recorder, self.dice.choice((1, 1, 3)))

    def urls_now(self):
        """Queue URLs name the port, which changes with every start."""
        return {name: re.sub(r":\d+/", f":{self.server.port}/", url) for name, url in self.urls.items()}

    def cycle(self, seed):
        """Load, kill, restart, check. The problems found."""
        dice, stop = random.Random(seed), threading.Event()
        workers = start(self.world, self.server.port, seed, self.urls_now(), stop)
        self.wait_for(dice.choice((dice.randrange(10), dice.randrange(500), dice.randrange(500))))
        time.sleep(dice.uniform(0, 0.01))
        self.server.kill()
        stop.set()
        problems = wait(workers)
        while dice.random() < 0.25:  # killed again while it recovers
            self.server.launch()
            time.sleep(dice.uniform(0, 0.3))
            self.server.kill()
        connection = self.server.start()
        try:
            return problems + check_all(connection, self.world, self.arns, self.urls_now())
        except (Gone, Refused) as problem:
            return problems + [f"a check was not answered: {problem}"]

    def wait_for(self, count):
        """Until that many more writes are acknowledged: the same on a slow machine, but no longer than 5 s."""
        goal, end = self.world.written + count, time.monotonic() + 5
        while self.world.written < goal and time.monotonic() < end:
            time.sleep(0.001)

    def check_directory(self):
        """What `millrace check` finds in the directory as a kill has left it: every item, index entry, record and object against each other."""
        if self.server.process.poll() is None:
            self.server.kill()
        done = subprocess.run([self.server.binary, "check", str(self.server.data)], capture_output=True, text=True, timeout=120, check=False)
        return [] if done.returncode == 0 else [f"millrace check: exit {done.returncode}: {(done.stdout + done.stderr)[-1500:]}"]

    def close(self, keep):
        if self.server.process.poll() is None:
            self.server.kill()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)


def arguments():
    parser = argparse.ArgumentParser(prog="./x crash", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--seed", type=int, default=None, help="of the first cycle (default: the time)")
    parser.add_argument("--binary", default=os.environ.get("MILLRACE_BINARY", str(ROOT / "build/release/bin/millrace")))
    parser.add_argument("--kills", type=int, default=KILLS, help="of one directory, before the next begins")
    parser.add_argument("--keep-going", action="store_true", help="go on after a failing cycle, with a new directory")
    parser.add_argument("--check", action="store_true", help="also run `millrace check` on each directory at its end")
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args()


def main():
    options = arguments()
    seed = options.seed if options.seed is not None else int(time.time())
    print(f"crash: {options.cycles} cycles from seed {seed}, {options.binary}", flush=True)
    recorder, episode, begun, failed, written, started = Recorder(), None, 0, 0, 0, time.monotonic()
    told = started
    for cycle in range(options.cycles):
        if episode is None:
            begun, episode = seed + cycle, Episode(options.binary, seed + cycle, recorder)
        before = episode.world.written
        try:
            problems = episode.cycle(seed + cycle)
        except RuntimeError as problem:
            problems = [str(problem)]
        last = seed + cycle - begun + 1 >= options.kills or cycle + 1 == options.cycles
        if last and options.check and not problems:
            problems = episode.check_directory()
        written += episode.world.written - before
        if options.verbose:
            print(f"cycle {cycle}: seed {seed + cycle}, {episode.world.written - before} writes acknowledged, "
                  f"{time.monotonic() - started:.1f} s", flush=True)
        elif time.monotonic() - told > TELL_EVERY:
            told = time.monotonic()
            print(f"{cycle + 1} of {options.cycles} kills, {written} acknowledged writes, {failed} cycles failed", flush=True)
        if problems:
            failed += 1
            print(f"cycle {cycle} FAILED. The directory began with --seed {begun} --cycles {seed + cycle - begun + 1}; it is kept: {episode.folder}")
            for problem in problems[:20]:
                print(f"  {problem[:600]}")
            sys.stdout.flush()
            if not options.keep_going:
                episode.close(keep=True)
                return 1
        if problems or last:
            episode.close(keep=bool(problems))
            episode = None
    print(f"crash: {options.cycles} kills, {written} acknowledged writes, {failed} cycles failed, {time.monotonic() - started:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
