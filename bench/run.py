#!/usr/bin/env python3
"""./x bench: chooses what is measured, prints the table, keeps it. `options.py` tells the options, `table.py` the verdicts."""
import importlib
import os
import pathlib
import sys
import time

import options
import table


def built_elsewhere():
    return [name for name in ("MILLRACE_BINARY", "MILLRACE_BENCH_BIN") if os.environ.get(name)]


def main():
    arguments = options.parse(changes=lambda: options.changed_files() or [f"the binary is that of {name}" for name in built_elsewhere()])
    commit = options.commit() + "".join(f", binary of {name}" for name in built_elsewhere())
    import common
    started = time.monotonic()
    load_before = os.getloadavg()[0]
    report = table.Report({"commit": commit, "machine": common.machine(), "bodies": common.BODIES_SAID})
    module = importlib.import_module({"write": "write_path", "peers": "peers", "triggers": "triggers"}[arguments.kind])
    run_parts(report, module.parts(arguments))
    report.about["run"] = (f"{' '.join(sys.argv[1:]) or 'no options'}; {time.monotonic() - started:.0f} s; load average {load_before:.1f} before, "
                          f"{os.getloadavg()[0]:.1f} at the end (the load generators' own included)")
    if arguments.save:
        save(report, arguments)
    print(report.json() if arguments.json else report.text())
    return report.status()


def run_parts(report, parts):
    """Each of (name, function of the report); one that fails is a row, and the others run."""
    for name, measure in parts:
        try:
            measure(report)
        except Exception as error:  # whatever it is: what was measured before it is not lost
            report.failed(name, f"{type(error).__name__}: {error}")
        except KeyboardInterrupt:
            report.failed(name, "interrupted")
            return


def save(report, arguments, folder=pathlib.Path(__file__).resolve().parent / "results"):
    folder.mkdir(exist_ok=True)
    name = "-".join([arguments.save, *([] if arguments.kind == "write" else [arguments.kind]), *(arguments.parts if arguments.only else [])])
    (folder / f"{name}.json").write_text(report.json() + "\n")
    (folder / f"{name}.txt").write_text(report.text() + "\n")


if __name__ == "__main__":
    sys.exit(main())
