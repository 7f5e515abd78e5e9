#!/usr/bin/env python3
"""The options of ./x bench, checked before anything is installed or built. No imports but Python's own."""
import argparse
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
PARTS = {"write": ["throughput", "tail", "latency", "log", "bulk", "start"],
         "triggers": ["latency", "rate", "lanes", "neighbour", "idle", "backlog", "ministack"], "peers": []}

TEXT = """Figures of millrace beside what the machine does bare, in one run: medians of alternating rounds.

  ./x bench [--long] [--load N] [--only PARTS]    the write path, reads, tails, start, memory: about 6 minutes; --long about 30
  ./x bench --peers                               other servers beside it, the same signed requests: about 4 minutes
  ./x bench triggers [--quick]                    from the commit to the function: about 10 minutes

parts of the write path: throughput (GetItem, PutItem, UpdateItem, Query, GetRecords, a hot counter), tail (p99 at half of the
most), latency (beside other work), log (after many stream records), bulk (a load of items; reads, start and stop with them),
start (of an empty directory); of triggers: """ + ", ".join(PARTS["triggers"]) + """.

exit status: 0 no budget was missed; 1 something could not be measured (its row says failed, the others stand); 2 an option is
refused; 3 a budget was missed, by more than the noise of its rounds."""


def whole(least):
    def parse(text):
        if not re.fullmatch(r"[0-9]+", text) or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {least}")
        return int(text)
    return parse


def name(text):
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", text):
        raise argparse.ArgumentTypeError(f"{text!r}: letters, digits, '.', '_' and '-'")
    return text


def parser():
    out = argparse.ArgumentParser(prog="./x bench", description=TEXT, formatter_class=argparse.RawDescriptionHelpFormatter)
    out.add_argument("what", nargs="?", choices=["write", "triggers"], default="write")
    out.add_argument("--seconds", type=whole(1), metavar="N", help="of each load run (default 2; of the tails at least 10)")
    out.add_argument("--rounds", type=whole(1), default=3, metavar="N", help="alternating rounds (default 3)")
    out.add_argument("--peers", action="store_true", help="the same load on other servers, fetched from npm")
    out.add_argument("--load", type=whole(1000), metavar="N",
                     help="items of the bulk load (default 10^6; 10^7 with --long), and of the tables beside which latency is measured (default 200,000)")
    out.add_argument("--long", action="store_true", help="10^7 stream records and items: needs 40 GB of disk")
    out.add_argument("--quick", action="store_true", help="triggers: a smaller backlog and shorter runs")
    out.add_argument("--only", metavar="PARTS", help="parts, by comma")
    out.add_argument("--verbose", action="store_true", help="the bulk load's rate and memory as it goes")
    out.add_argument("--json", action="store_true", help="for programs")
    out.add_argument("--save", metavar="NAME", type=name, help="keep the result as bench/results/NAME.json and .txt (NAME-peers, NAME-triggers, NAME-PARTS); "
                     "only of a commit: refused while files are changed")
    return out


def parse(arguments=None, changes=None):
    """The options, or an exit with status 2 that says what is wrong. `changes()`: files that differ from the commit."""
    options = parser()
    out = options.parse_args(arguments)
    out.kind = "peers" if out.peers else out.what
    if out.peers and out.what != "write":
        options.error("--peers is for the write path")
    not_for = {"write": ["quick"], "peers": ["quick", "load", "long", "only", "verbose"], "triggers": ["load", "long", "verbose", "seconds"]}
    for each in not_for[out.kind]:
        if getattr(out, each):
            options.error(f"--{each} does not apply to {'--peers' if out.peers else 'triggers' if out.what == 'triggers' else 'the write path'}")
    out.parts = PARTS[out.kind]
    if out.only is not None:
        wanted = out.only.split(",")
        unknown = [each for each in wanted if each not in out.parts]
        if unknown:
            options.error(f"--only: no part {', '.join(map(repr, unknown))}; there are {', '.join(out.parts)}")
        out.parts = [each for each in out.parts if each in wanted]
    out.seconds = out.seconds or 2
    if out.save:
        changed = (changes or changed_files)()
        if changed:
            options.error(f"--save keeps figures of a commit, but these files are changed: {', '.join(changed[:5])}{' ...' if changed[5:] else ''}")
    return out


def changed_files():
    """Files of the tree that are not as in the commit; earlier results may stand there. An empty list without git."""
    result = subprocess.run(["git", "-C", str(ROOT), "status", "--porcelain", "--", ".", ":!bench/results"], capture_output=True, text=True, check=False)
    return [line[3:] for line in result.stdout.splitlines()]


def commit():
    """What is measured: the commit, and whether files differ from it."""
    result = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return (result.stdout.strip() or "unknown") + ("+changes" if changed_files() else "")


if __name__ == "__main__":
    parse()
