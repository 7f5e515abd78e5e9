#!/usr/bin/env python3
"""Proves docs/event-source-mappings.md: every member of CreateEventSourceMapping and UpdateEventSourceMapping has a row, and every test
that a row names exists. A row that stands for a real option names at least one test of tests/e2e, which runs the real binary."""
import ast
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCUMENT = "docs/event-source-mappings.md"
REQUESTS = ("CreateEventSourceMappingRequest", "UpdateEventSourceMappingRequest")


def members(text):
    """The members of the requests, from the generated views."""
    found = set()
    for request in REQUESTS:
        body = re.search(rf"^class {request} : .*?^}};", text, re.M | re.S)
        if not body:
            raise SystemExit(f"the generated views hold no {request}: how they are read has to be changed")
        lines = body.group(0) + "\n".join(re.findall(rf"^inline .* {request}::.*$", text, re.M))
        found |= set(re.findall(r'>?\("(\w+)"\)', lines))
    return found


def e2e_tests():
    found = {}
    for path in sorted((ROOT / "tests/e2e").glob("test_*.py")):
        names = {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}
        found[path.name] = names
    return found


def unit_tests():
    found = set()
    for path in (ROOT / "src").rglob("*_test.cc"):
        for suite, name in re.findall(r"^(?:TEST|TEST_F|TEST_P)\((\w+),\s*(\w+)\)", path.read_text(), re.M):
            found.add(f"{suite}.{name}")
    return found


def rows(text):
    """(line number, first cell, cell of tests) of the table of options."""
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("| option |"):
            inside = True
        elif not line.startswith("|"):
            inside = False
        elif inside and not line.startswith("|---"):
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            if len(cells) < 4:
                raise SystemExit(f"{DOCUMENT}:{number}: a row has four cells: option, what AWS does, tests, differences")
            yield number, cells[0], cells[2]


def main():
    problems, covered = [], set()
    end_to_end, units = e2e_tests(), unit_tests()
    for number, option, tests in rows((ROOT / DOCUMENT).read_text()):
        names = re.findall(r"`([^`]+)`", tests)
        covered |= set(re.findall(r"\w+", option))
        real = 0
        for name in names:
            if "::" in name:
                file, _, test = name.partition("::")
                if test not in end_to_end.get(file, ()):
                    problems.append(f"{DOCUMENT}:{number}: {option}: there is no test {name} in tests/e2e")
                real += 1
            elif name.endswith(".*"):
                if not any(unit.startswith(name[:-1]) for unit in units):
                    problems.append(f"{DOCUMENT}:{number}: {option}: there is no unit test {name}")
            elif name not in units:
                problems.append(f"{DOCUMENT}:{number}: {option}: there is no unit test {name}")
        if real == 0:
            problems.append(f"{DOCUMENT}:{number}: {option}: no test shows it on the real binary")
    needed = members((ROOT / "src/wire/generated/lambda_views.h").read_text())
    for member in sorted(needed - covered):
        problems.append(f"{DOCUMENT}: {member} of CreateEventSourceMapping or UpdateEventSourceMapping has no row")
    for problem in problems:
        print(problem)
    print(f"proofs: {len(needed)} members, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
