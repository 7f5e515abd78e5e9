#!/usr/bin/env python3
"""Proves layers.txt: every include of src/ points where the table allows, and no edge of the table points upwards."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def read_layers(path):
    layers = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = re.match(r"^([1-9]) +([a-z0-9_/]+) *(\*?) *:([^|]*)(?:\|(.*))?$", line.split("#")[0])
        if not match:
            if re.match(r"^[1-9]", line):
                raise SystemExit(f"{path.name}:{number}: cannot read this line; the form is in the file's head")
            continue
        layer, folder, star, uses, libraries = match.groups()
        layers[folder] = (int(layer), bool(star), uses.split(), (libraries or "").split())
    return layers


def folder_of(path, layers):
    parts = path.split("/")
    for length in range(len(parts) - 1, 0, -1):
        folder = "/".join(parts[:length])
        if folder in layers:
            return folder
    return None


def main():
    layers = read_layers(ROOT / "layers.txt")
    problems = []
    for folder, (layer, _, uses, _) in layers.items():
        for other in uses:
            if other not in layers:
                problems.append(f"layers.txt: {folder} uses {other}, which has no line")
            elif layers[other][0] > layer:
                problems.append(f"layers.txt: {folder} (layer {layer}) may not use {other} (layer {layers[other][0]}): edges point down")
    fenced = {"asio": r"<boost/asio|\bco_await\b|\bco_return\b", "rocksdb": r"<rocksdb/", "simdjson": r"<simdjson", "pugixml": r"<pugixml",
              "yaml": r"<yaml-cpp", "spdlog": r"<spdlog", "cli11": r"<CLI/", "zip": r"<zip.h>"}
    for path in sorted((ROOT / "src").rglob("*")):
        if path.suffix not in (".h", ".cc"):
            continue
        name = path.relative_to(ROOT / "src").as_posix()
        folder = folder_of(name, layers)
        if folder is None:
            problems.append(f"src/{name}: its folder has no line in layers.txt")
            continue
        text = path.read_text()
        is_test = re.search(r"_(test|bench|fuzz)\.cc$|_test\.h$", name)
        for line_number, line in enumerate(text.splitlines(), 1):
            match = re.match(r'\s*#include "([^"]+)"', line)
            if not match:
                continue
            included = match.group(1)
            other = folder_of(included, layers)
            where = f"src/{name}:{line_number}"
            if other is None:
                problems.append(f'{where}: "{included}" is in no folder of layers.txt; paths start at src/')
            elif other != folder and "/internal/" in included:
                problems.append(f'{where}: "{included}" is internal to {other}; use its public headers')
            elif other != folder and other not in layers[folder][2] and not (is_test and layers[other][0] <= layers[folder][0] + 0):
                if not is_test:
                    problems.append(f"{where}: {folder} may not include {other}; if it must, say so in layers.txt and why in the commit")
        if not is_test:
            for library, pattern in fenced.items():
                if library == "asio" and folder == "app":
                    continue
                if re.search(pattern, text) and library not in layers[folder][3]:
                    problems.append(f"src/{name}: {library} stays behind the folders that link it in layers.txt")
    for problem in problems:
        print(problem)
    print(f"layers: {len(layers)} folders, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
