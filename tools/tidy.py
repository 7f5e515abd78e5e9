#!/usr/bin/env python3
"""The house rules that a machine can check (STYLE): each problem is printed with its place and what to do instead."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LINES_MAX = 1000

# (pattern, advice, files it does not apply to)
RULES = [
    (r"(system_clock|steady_clock|high_resolution_clock)::now|\bgettimeofday\(|\bclock_gettime\(|std::time\(",
     "ask platform::Clock for the time",
     r"^src/(platform|telemetry|testing|http)/|_test\.cc$|_bench\.cc$|^bench/"),
    (r"std::random_device|\brand\(\)|\bgetrandom\(|mt19937", "ask platform::Random", r"^src/platform/|_test\.cc$|_fuzz\.cc$|^bench/"),
    (r"sleep_for|sleep_until|\busleep\(|\bsleep\(\d", "wait for a condition with a limit, or move the clock",
     r"^src/platform/|^bench/|^src/storage/rocks/fault_loops_test"),  # the last one takes it away from RocksDB
    (r"using namespace std;", "name what you use", r"^$"),
    (r"any_completion_handler", "Boost 1.81's overflowed the stack; use std::function", r"^$"),
]
STRING = re.compile(r'"(?:[^"\\]|\\.)*"')  # what stands in a string is a handler's code, a text, a command
# g++ 12 miscompiles a co_await inside a larger expression: `co_await f(named);`, `auto x = co_await f(named);`,
# `co_return co_await f(named);` are the forms that work.
LONE_CO_AWAIT = re.compile(r"^\s*(?:(?:const\s+)?(?:auto|[\w:<>,\s&*]+?)[\s&]+(?:\[?[\w,\s]+\]?)\s*=\s*|[\w.\->]+\s*=\s*|co_return\s+)?co_await\s[^{}]*;?\s*$")


def check_file(path, name, problems):
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    generated = "/generated/" in name
    if len(lines) > LINES_MAX and not generated:
        problems.append(f"{name}: {len(lines)} lines, look for a seam ({LINES_MAX} at most)")
    if name.endswith(".h"):
        if "#pragma once" not in text:
            problems.append(f"{name}: needs #pragma once")
        if not generated and not text.lstrip().startswith("//"):
            problems.append(f"{name}: a header opens with a paragraph: what it is for, threads, lifetime")
    for number, line in enumerate(lines, 1):
        code = STRING.sub('""', line).split("//")[0]
        for pattern, advice, exempt in RULES:
            if re.search(pattern, code) and not re.search(exempt, name):
                problems.append(f"{name}:{number}: {re.search(pattern, code).group(0)}: {advice}")
        if "co_await" in code and not LONE_CO_AWAIT.match(code):
            problems.append(f"{name}:{number}: a co_await stands alone in its statement (g++ 12)")


OPENS = re.compile(r"^namespace ?([\w:]*) ?\{$")
CLOSES = re.compile(r"^\}  // namespace")
DEFINES = [re.compile(r"^(?!return|using|else|template|namespace)[A-Za-z][\w:<>,&* ]*?[ &*](?P<name>\w+)\((?P<takes>[^)]*)"),
           re.compile(r"^(?:inline )?const(?:expr)? [\w:<>,&* ]*?(?P<name>\w+)(?: =|\{|\[)"),
           re.compile(r"^(?:struct|class|enum class) (?P<name>\w+)")]


def own_names(path):
    """What a file defines in unnamed namespaces: (namespaces, name, types of the parameters on the same line)."""
    names, open_ones = set(), []
    for line in path.read_text(encoding="utf-8").splitlines():
        if opened := OPENS.match(line):
            open_ones.append(opened.group(1))
        elif CLOSES.match(line) and open_ones:
            open_ones.pop()
        elif "" in open_ones:
            for define in DEFINES:
                if found := define.match(line):
                    takes = [re.sub(r"(?<=[ &*])\w+( = .*)?$", "", part.strip()).strip() for part in (found.groupdict().get("takes") or "").split(",")]
                    names.add((tuple(open_ones), found["name"], tuple(takes)))
                    break
    return names


def check_names(problems):
    """Release builds compile several files of a folder as one: what two of them define alike stops them."""
    together = re.search(r"MILLRACE_UNITY_NOT ([^)]*)", (ROOT / "cmake/folders.cmake").read_text()).group(1).split()
    for line in (ROOT / "layers.txt").read_text().splitlines():
        match = re.match(r"^[1-9] +([a-z0-9_/]+)", line)
        if not match or match.group(1) in together:
            continue
        folder, seen = ROOT / "src" / match.group(1), {}
        for path in sorted(path for sub in ("", "internal", "operations") for path in (folder / sub).glob("*.cc")):
            if re.search(r"_(test|bench|fuzz)\.cc$", path.name):
                continue
            for key in own_names(path):
                if key in seen:
                    problems.append(f"{path.relative_to(ROOT)}: {key[1]} is also in the unnamed namespace of {seen[key].name}: name one otherwise")
                seen.setdefault(key, path)


def main():
    problems = []
    check_names(problems)
    for top in ("src", "bench"):
        for path in sorted((ROOT / top).rglob("*")):
            if path.suffix in (".h", ".cc"):
                check_file(path, path.relative_to(ROOT).as_posix(), problems)
    for folder in ("src", "src/api", "bench", "tests", "tools"):
        if not (ROOT / folder / "README.md").exists():
            problems.append(f"{folder}: needs a README.md")
    for line in (ROOT / "layers.txt").read_text().splitlines():
        match = re.match(r"^[1-9] +([a-z0-9_/]+)", line)
        if match:
            folder = ROOT / "src" / match.group(1)
            if folder.is_dir() and not (folder / "README.md").exists():
                problems.append(f"src/{match.group(1)}: needs a README.md of two paragraphs")
    for problem in problems:
        print(problem)
    print(f"house rules: {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
