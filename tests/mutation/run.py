#!/usr/bin/env python3
"""Breaks one decision at a time and asks the tests whether they notice. See README.md.

usage: run.py [--check] [--write] [--seeds N] [NAME ...]
  --check    only looks whether every text of list.py is found exactly once; builds nothing
  --write    puts the table of results into docs/internals/mutations.md; only for a run of all
  --seeds N  of the simulation, per mutation (default 60)
  NAME       mutations whose name contains this; default: all
"""
import json
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from list import MUTATIONS  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRATCH = ROOT / "build" / "mutation"
TREE = SCRATCH / "tree"
RESULTS = SCRATCH / "results.json"
TABLE = ROOT / "docs" / "internals" / "mutations.md"
COPIED = ["src", "tests/simulation", "tests/powercut", "cmake", "CMakeLists.txt", "layers.txt"]
CPU_SECONDS_MAX = 180  # of one program: a mutation may make it run for ever
TARGETS = ["triggers_test", "patterns_test", "simulate"]
SWITCH = """// Which mutation is in force: the number in MILLRACE_MUTANT; written by tests/mutation/run.py.
#pragma once
#include <cstdlib>
namespace millrace {
inline bool mutant(int number) {
  static const int chosen = std::getenv("MILLRACE_MUTANT") == nullptr ? 0 : std::atoi(std::getenv("MILLRACE_MUTANT"));
  return number == chosen;
}
}  // namespace millrace
"""


class Place:
    """Where a mutation goes: its file, and the part of it between the marks."""

    def __init__(self, number, name, path, marked, replacement):
        self.number, self.name, self.path, self.replacement = number, name, path, replacement
        before, opened, rest = marked.partition("«")
        part, closed, after = rest.partition("»")
        if not opened:
            before, part, after = "", marked, ""
        elif not closed:
            raise ValueError(f"{name}: « without »")
        text = (ROOT / path).read_text(encoding="utf-8")
        count = text.count(before + part + after)
        if count != 1:
            raise ValueError(f"{name}: found {count} times in {path} instead of once: {before}{part}{after}")
        self.start = text.index(before + part + after) + len(before)
        self.end = self.start + len(part)
        self.original = part

    def is_statement(self):
        return self.original.rstrip().endswith((";", "}"))


def places():
    names = [name for name, *_ in MUTATIONS]
    problems = [f"{name}: twice in the list" for name in sorted(set(names)) if names.count(name) > 1]
    found = []
    for number, mutation in enumerate(MUTATIONS, 1):
        try:
            found.append(Place(number, *mutation))
        except (ValueError, OSError) as error:
            problems.append(str(error))
    return found, problems


def mutated(text, found):
    """The text with all mutations in it, each behind its number; mutations of the same part are one choice."""
    parts = {}
    for place in found:
        parts.setdefault((place.start, place.end), []).append(place)
    end_before = len(text) + 1
    for (start, end), same in sorted(parts.items(), reverse=True):
        if end > end_before:
            raise ValueError(f"{same[0].name}: overlaps another mutation; mark a smaller part")
        end_before = start
        out = text[start:end]
        for place in same:
            if place.is_statement():
                out = f"{{ if (::millrace::mutant({place.number})) {{ {place.replacement} }} else {{ {out} }} }}"
            else:
                out = f"(::millrace::mutant({place.number}) ? ({place.replacement}) : ({out}))"
        text = text[:start] + out + text[end:]
    return text


def put(path, text):
    if not path.exists() or path.read_bytes() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)


def make_tree(found):
    wanted = set()
    for name in COPIED:
        top = ROOT / name
        for path in [top] if top.is_file() else top.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                relative = path.relative_to(ROOT)
                wanted.add(relative)
                text = path.read_bytes()
                here = [place for place in found if place.path == relative.as_posix()]
                if here:
                    text = ('#include "mutant.h"\n' + mutated(text.decode(), here)).encode()
                put(TREE / relative, text)
    put(TREE / "src" / "mutant.h", SWITCH.encode())
    wanted.add(pathlib.Path("src/mutant.h"))
    for path in list(TREE.rglob("*")):
        if path.is_file() and path.relative_to(TREE) not in wanted:
            path.unlink()


def build():
    out = SCRATCH / "out"
    configure = ["cmake", "-G", "Ninja", "-S", str(TREE), "-B", str(out), "-DCMAKE_BUILD_TYPE=",
                 "-DCMAKE_CXX_FLAGS=-O0 -g1"]  # as the debug preset: the compiler cache has what is not mutated
    for command in (configure, ["nice", "ninja", "-C", str(out), *TARGETS]):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            print(done.stdout[-6000:] + done.stderr[-3000:])
            sys.exit("the scratch copy does not build")
    return out / "bin"


def limit():
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS_MAX, CPU_SECONDS_MAX))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(10)


def run(command, number):
    """None when the program is content, else what it found wrong, in a few words."""
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", preexec_fn=limit,
                          env={**os.environ, "MILLRACE_MUTANT": str(number)})
    if done.returncode == 0:
        return None
    test = re.search(r"\[  FAILED  \] (\S+?\.\S+)", done.stdout)
    if test:
        return test.group(1).rstrip(",")
    started = re.findall(r"\[ RUN      \] (\S+)", done.stdout)
    seed = re.search(r"FAILED seed (\d+)", done.stdout)
    if seed:
        reason = done.stdout[seed.end():].split("\n  ")[-1].split("\n")[0]
        reason = re.sub(r"record \d+ \(.*?\)|\d{6,}", "...", reason)
        return f"seed {seed.group(1)}: {reason[:90]}"
    how = "runs for ever" if done.returncode in (-24, -9) else "stops" if done.returncode < 0 else "fails"
    return f"{started[-1]} {how}" if started else f"{how}: {(done.stdout + done.stderr).strip()[-80:]}"


def ask(binaries, place, seeds):
    unit = "patterns_test" if place.path.startswith("src/patterns/") else "triggers_test"
    by_tests = run([str(binaries / unit), "--gtest_fail_fast", "--gtest_brief=0"], place.number)
    by_simulation = run([str(binaries / "simulate"), "--seeds", str(seeds), "--fail-fast"], place.number)
    return by_tests, by_simulation


def table(results, seeds):
    lines = ["# Mutations", "",
             "Each decision of the trigger engine, broken once on purpose, and what noticed it: the first unit test that "
             f"failed, and the first of {seeds} seeds of the simulation. A dash: not noticed by that one; some rules "
             "cannot be seen from outside (how much is read ahead), others need a larger world than 60 seeds make.",
             "", "Made by `./x mutate --write`; the list is `tests/mutation/list.py`.", "",
             "| mutation | file | unit tests | simulation |", "|---|---|---|---|"]
    for each in results:
        cells = [each["name"], each["path"].removeprefix("src/"), each["tests"] or "-", each["simulation"] or "-"]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    noticed = sum(1 for each in results if each["tests"] or each["simulation"])
    alone = sum(1 for each in results if each["simulation"])
    lines += ["", f"{noticed} of {len(results)} were noticed, {alone} of them by the simulation.", ""]
    return "\n".join(lines)


def main(arguments):
    if "--help" in arguments or "-h" in arguments:
        return print(__doc__.strip())
    seeds = 60
    if "--seeds" in arguments:
        at = arguments.index("--seeds")
        seeds = int(arguments[at + 1])
        del arguments[at:at + 2]
    flags = [each for each in arguments if each.startswith("--")]
    wanted = [each for each in arguments if not each.startswith("--")]
    if unknown := [flag for flag in flags if flag not in ("--check", "--write")]:
        sys.exit(f"unknown option {unknown[0]}\n\n{__doc__.strip()}")
    found, problems = places()
    for problem in problems:
        print(problem)
    if problems:
        sys.exit("tests/mutation/list.py no longer fits the code: bring it up to date")
    if "--check" in flags:
        for path in sorted({place.path for place in found}):  # overlaps
            mutated((ROOT / path).read_text(encoding="utf-8"), [place for place in found if place.path == path])
        return print(f"{len(found)} mutations fit")
    chosen = [place for place in found if not wanted or any(name in place.name for name in wanted)]
    make_tree(found)
    binaries = build()
    if any(healthy := ask(binaries, Place(0, *MUTATIONS[0]), seeds)):
        sys.exit(f"the tests fail without any mutation: {healthy}")
    results, started = [], time.monotonic()
    for place in chosen:
        by_tests, by_simulation = ask(binaries, place, seeds)
        results.append({"name": place.name, "path": place.path, "tests": by_tests, "simulation": by_simulation})
        noticed = by_tests or by_simulation
        print(f"{'noticed' if noticed else 'SURVIVED'}  {place.name}: {by_tests or '-'} / {by_simulation or '-'}", flush=True)
        put(RESULTS, json.dumps(results, indent=1).encode())
    survivors = [each["name"] for each in results if not each["tests"] and not each["simulation"]]
    print(f"{len(results) - len(survivors)} of {len(results)} noticed, {time.monotonic() - started:.0f} s")
    if "--write" in flags and not wanted:
        put(TABLE, table(results, seeds).encode())
    if survivors:
        sys.exit("nobody noticed: " + "; ".join(survivors))


if __name__ == "__main__":
    main(sys.argv[1:])
