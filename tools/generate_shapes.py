#!/usr/bin/env python3
"""Writes src/wire/generated/: one table of shapes, one list of errors and one header of typed views per AWS service.

usage: tools/generate_shapes.py [--check]

Reads the service models of botocore (BOTOCORE_VERSION) from a virtual environment under .deps/, which it makes when it
is missing. The output is checked in; --check fails when it differs from what would be written.
"""

import argparse
import gzip
import json
import pathlib
import re
import subprocess
import sys
import venv

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "src/wire/generated"
BOTOCORE_VERSION = "1.43.11"
sys.path.insert(0, str(ROOT / "tools"))
from shape_facts import ENUM_ORDER, ERROR_NAMESPACES, EXTRA_ERRORS, MODEL_OVERRIDES, ONLY_OPERATIONS, QUERY_CODES, SERVICES, SQS_NAMES, SQS_OPEN_ENUMS  # noqa: E402

KINDS = {
    "structure": "kStructure", "list": "kList", "map": "kMap", "string": "kString", "character": "kString",
    "integer": "kInteger", "long": "kLong", "float": "kDouble", "double": "kDouble", "boolean": "kBoolean",
    "timestamp": "kTimestamp", "blob": "kBlob",
}
LOCATIONS = {"uri": "kUri", "querystring": "kQuery", "header": "kHeader", "headers": "kHeaders",
             "statusCode": "kStatusCode"}
TIMESTAMPS = {"unixTimestamp": "kUnix", "iso8601": "kIso8601", "rfc822": "kRfc822"}
PROTOCOLS = {"json": "kJson", "query": "kQuery", "rest-json": "kRestJson", "rest-xml": "kRestXml"}
KEYWORDS = set("delete default operator namespace class struct enum int long double float bool register new private "
               "public protected static template this throw union using virtual void while return if else for do "
               "switch case break continue export import and or not xor auto const".split())


def site_packages():
    """The folder of the pinned botocore, installed on first use."""
    environment = ROOT / ".deps/botocore"
    if not environment.exists():
        venv.create(environment, with_pip=True)
        subprocess.run([environment / "bin/pip", "-q", "install", f"botocore=={BOTOCORE_VERSION}"], check=True)
    site = next(environment.glob("lib/python3*/site-packages"))
    if not (site / f"botocore-{BOTOCORE_VERSION}.dist-info").exists():
        subprocess.run([environment / "bin/pip", "-q", "install", f"botocore=={BOTOCORE_VERSION}"], check=True)
    return site


def load(site, service):
    folder = site / "botocore/data" / service
    version = sorted(path.name for path in folder.iterdir() if path.is_dir())[-1]
    path = folder / version / "service-2.json.gz"
    return json.loads(gzip.decompress(path.read_bytes()))


def literal(text):
    """`text` as a C++ string literal."""
    out = "".join({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(c, c) for c in text)
    return f'"{out}"'


def boolean(value):
    return "1" if value else "0"


class Service:
    """One service model, with the rows of its tables."""

    def __init__(self, name, model):
        self.name = name
        self.model = model
        self.meta = dict(model["metadata"], **MODEL_OVERRIDES.get(name, {}))
        self.shapes = model["shapes"]
        self.only = ONLY_OPERATIONS.get(name)
        if self.only:
            model["operations"] = {operation: model["operations"][operation] for operation in self.only}
        self.adapt_sqs()
        self.order = self.reachable()
        self.index = {shape: i for i, shape in enumerate(self.order)}

    def adapt_sqs(self):
        """SQS's model lists only JSON; its query protocol names elements differently, and its enums leave out what SQS takes."""
        if self.name != "sqs":
            return
        for name in SQS_OPEN_ENUMS:
            del self.shapes[name]["enum"]
        for shape in self.shapes.values():
            for member in shape.get("members", {}).values():
                names = SQS_NAMES.get(member["shape"])
                if isinstance(names, tuple):
                    member["locationName"] = names[0]
                    target = self.shapes[member["shape"]]
                    target["key"]["locationName"], target["value"]["locationName"] = names[1:]
                elif names:
                    self.shapes[member["shape"]]["member"]["locationName"] = names

    def reachable(self):
        seen, todo = set(), []
        for operation in self.model["operations"].values():
            todo += [operation[side]["shape"] for side in ("input", "output") if side in operation]
            todo += [error["shape"] for error in operation.get("errors", [])]
        if not self.only:
            todo += [name for name, shape in self.shapes.items() if shape.get("exception")]
        while todo:
            name = todo.pop()
            if name in seen:
                continue
            seen.add(name)
            todo += [member["shape"] for _, member in self.parts(self.shapes[name])]
        return sorted(seen)

    @staticmethod
    def parts(shape):
        """(name, reference) of everything a shape is made of."""
        kind = shape["type"]
        if kind == "structure":
            return list(shape.get("members", {}).items())
        if kind == "list":
            return [("", shape["member"])]
        if kind == "map":
            return [("key", shape["key"]), ("value", shape["value"])]
        return []

    def error_code(self, name):
        shape = self.shapes[name]
        if self.name in QUERY_CODES:
            return QUERY_CODES[self.name].get(name, name)
        return shape.get("error", {}).get("code", name)

    def error_status(self, name):
        shape = self.shapes[name]
        return shape.get("error", {}).get("httpStatusCode", 500 if shape.get("fault") else 400)

    def member_row(self, shape, name, member):
        target = self.shapes[member["shape"]]
        timestamp = TIMESTAMPS.get(member.get("timestampFormat", target.get("timestampFormat")), "kDefault")
        wire = member.get("locationName", "")
        wire = "" if wire == name else wire
        flags = (name in shape.get("required", []), member.get("flattened") or target.get("flattened"),
                 member.get("xmlAttribute"), member.get("idempotencyToken"),
                 member.get("streaming") or target.get("streaming"))
        return (f"{{{literal(name)}, {literal(wire)}, {self.index[member['shape']]}, "
                f"Location::{LOCATIONS.get(member.get('location'), 'kBody')}, TimestampFormat::{timestamp}, "
                + ", ".join(boolean(flag) for flag in flags) + "},")

    def tables(self):
        """Rows of the member, enum and shape tables."""
        members, enums, shapes = [], [], []
        for name in self.order:
            shape = self.shapes[name]
            parts = self.parts(shape)
            values = ENUM_ORDER.get(name, shape.get("enum", []))
            assert set(values) >= set(shape.get("enum", [])) or name not in ENUM_ORDER, (name, shape.get("enum"))
            payload = -1
            if "payload" in shape:
                payload = [part for part, _ in parts].index(shape["payload"])
            numbers = [len(members), len(parts), len(enums), len(values), payload]
            flags = ["min" in shape, "max" in shape, shape.get("flattened"), shape.get("exception")]
            timestamp = TIMESTAMPS.get(shape.get("timestampFormat"), "kDefault")
            exception = shape.get("exception")
            code = self.error_code(name) if exception else ""
            shapes.append(
                f"{{{literal(name)}, Kind::{KINDS[shape['type']]}, {', '.join(map(str, numbers))}, "
                f"{', '.join(map(boolean, flags))}, TimestampFormat::{timestamp}, "
                f"{self.error_status(name) if exception else 0}, {int(shape.get('min', 0))}, {int(shape.get('max', 0))}, "
                f"{literal(shape.get('pattern', ''))}, {literal(shape.get('locationName', ''))}, "
                f"{literal('' if code == name else code)}}},")
            members += [self.member_row(shape, part, member) for part, member in parts]
            enums += [literal(value) + "," for value in values]
        return members, enums, shapes

    def operation_rows(self):
        rows = []
        for name, operation in sorted(self.model["operations"].items()):
            http = operation["http"]
            path, _, query = http["requestUri"].partition("?")
            sides = [str(self.index[operation[side]["shape"]]) if side in operation else "kNoShape"
                     for side in ("input", "output")]
            root = operation.get("input", {}).get("locationName", "")
            rows.append(f"{{{literal(name)}, {literal(http['method'])}, {literal(path)}, {literal(query)}, "
                        f"{http.get('responseCode', 200)}, {', '.join(sides)}, {literal(root)}, "
                        f"{boolean(operation.get('deprecated'))}}},")
        return rows

    def model_row(self):
        meta = self.meta
        texts = [self.name, meta["serviceFullName"], meta.get("signingName", meta["endpointPrefix"]),
                 meta["endpointPrefix"], meta["apiVersion"], meta.get("targetPrefix", ""), meta.get("xmlNamespace", ""),
                 ERROR_NAMESPACES.get(self.name, f"com.amazonaws.{self.name}")]
        flags = ["awsQueryCompatible" in meta, meta.get("jsonVersion") == "1.1"]
        return (", ".join(map(literal, texts)) + f", Protocol::{PROTOCOLS[meta['protocol']]}, "
                + ", ".join("true" if flag else "false" for flag in flags))

    def errors(self):
        """(constant, name on the wire, status, kind) of each error."""
        rows = {}
        for name in self.order:
            if self.shapes[name].get("exception"):
                shown = name if self.meta["protocol"] in ("json", "rest-json") else self.error_code(name)
                rows[name] = (shown, self.error_status(name))
        for name, status in EXTRA_ERRORS.get(self.name, {}).items():
            rows.setdefault(name, (name, status))
        return [(f"k{name[0].upper()}{name[1:]}", shown, status, kind_of(shown, status))
                for name, (shown, status) in sorted(rows.items())]


def kind_of(name, status):
    throttled = re.search(r"Throttl|TooManyRequests|ThroughputExceeded|RequestLimitExceeded|SlowDown|RequestThrottled",
                          name) or name == "LimitExceededException"
    if throttled:
        return "kThrottled"
    return "kServer" if status >= 500 else "kClient"


HEAD = f"// Generated by tools/generate_shapes.py from botocore {BOTOCORE_VERSION}. Do not edit.\n"


def header(service):
    lines = [HEAD + "#pragma once\n", '#include "wire/shapes.h"\n', f"namespace millrace::wire::{service.name} {{\n",
             "extern const ServiceModel kModel;\n"]
    for constant, name, status, kind in service.errors():
        lines.append(f"inline constexpr ErrorType {constant}{{{literal(name)}, {status}, ErrorKind::{kind}}};")
    return "\n".join(lines) + f"\n\n}}  // namespace millrace::wire::{service.name}\n"


def source(service):
    members, enums, shapes = service.tables()
    operations = service.operation_rows()
    out = [HEAD + f'#include "wire/generated/{service.name}.h"\n', f"namespace millrace::wire::{service.name} {{",
           "namespace {\n"]

    def table(kind, name, rows):
        out.append(f"constexpr {kind} {name}[] = {{")
        out.extend("    " + row for row in rows)
        out.append("};\n")

    table("Member", "kMembers", members)
    table("std::string_view", "kEnums", enums or ['"",'])
    table("Shape", "kShapes", shapes)
    table("OperationModel", "kOperations", operations)
    out += ["}  // namespace\n",
            f"constexpr ServiceModel kModel{{{service.model_row()},",
            "                              kOperations, kShapes, kMembers, kEnums};\n",
            f"}}  // namespace millrace::wire::{service.name}\n"]
    return "\n".join(out)


class Views:
    """Typed accessors over a validated Document: one class per structure that an input reaches."""

    SCALARS = {"string": "std::string_view", "character": "std::string_view", "integer": "std::int64_t",
               "long": "std::int64_t", "float": "double", "double": "double", "boolean": "bool", "timestamp": "Time",
               "blob": "std::string"}

    def __init__(self, service, xform_name):
        self.service = service
        self.shapes = service.shapes
        self.xform_name = xform_name
        self.structures = self.reachable()

    def reachable(self):
        seen, structures = set(), []
        todo = [operation["input"]["shape"] for operation in self.service.model["operations"].values()
                if "input" in operation]
        while todo:
            name = todo.pop()
            if name in seen:
                continue
            seen.add(name)
            if self.shapes[name]["type"] == "structure":
                structures.append(name)
            todo += [member["shape"] for _, member in self.service.parts(self.shapes[name])]
        return sorted(structures)

    def type_of(self, name):
        shape = self.shapes[name]
        if shape["type"] == "structure":
            return self.class_name(name)
        if shape["type"] == "list":
            return f"ListView<{self.type_of(shape['member']['shape'])}>"
        if shape["type"] == "map":
            return f"MapView<{self.type_of(shape['value']['shape'])}>"
        return self.SCALARS[shape["type"]]

    @staticmethod
    def class_name(name):
        return name[0].upper() + name[1:]

    def method(self, name):
        snake = re.sub(r"\W", "_", self.xform_name(name))
        return snake + "_" if snake in KEYWORDS or snake in ("document", "present") else snake

    def write_class(self, name, later):
        shape = self.shapes[name]
        cls = self.class_name(name)
        lines = [f"class {cls} : public StructView {{", " public:", "  using StructView::StructView;"]
        for member, reference in shape.get("members", {}).items():
            target = self.shapes[reference["shape"]]
            kind, method = self.type_of(reference["shape"]), self.method(member)
            if target["type"] in ("list", "map"):
                result, call = kind, f"{kind}(member({literal(member)}))"
            elif member in shape.get("required", []):
                result, call = kind, f"required<{kind}>({literal(member)})"
            else:
                result, call = f"std::optional<{kind}>", f"optional<{kind}>({literal(member)})"
            if target["type"] == "structure":
                lines.append(f"  {result} {method}() const;")
                later.append(f"inline {result} {cls}::{method}() const {{ return {call}; }}")
            else:
                lines.append(f"  {result} {method}() const {{ return {call}; }}")
        return lines + ["};"]

    def text(self):
        space = self.service.name
        out = [HEAD + "// Typed views of the inputs' structures over a validated Document, see wire/view.h.",
               "#pragma once\n", '#include "wire/view.h"\n', f"namespace millrace::wire::{space} {{\n"]
        out += [f"class {self.class_name(name)};" for name in self.structures]
        out.append("")
        later = []
        for name in self.structures:
            out += self.write_class(name, later)
        out += ["", *later]
        return "\n".join(out) + f"\n\n}}  // namespace millrace::wire::{space}\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="fail when the checked-in files differ")
    arguments = parser.parse_args()
    site = site_packages()
    sys.path.insert(0, str(site))
    from botocore import xform_name  # from the pinned package

    OUT.mkdir(parents=True, exist_ok=True)
    stale = []
    for name in SERVICES:
        service = Service(name, load(site, name))
        files = {f"{name}.h": header(service), f"{name}.cc": source(service),
                 f"{name}_views.h": Views(service, xform_name).text()}
        for file, text in files.items():
            path = OUT / file
            if path.exists() and path.read_text() == text:
                continue
            stale.append(file)
            if not arguments.check:
                path.write_text(text)
    print("changed:" if stale else "up to date", *stale)
    return 1 if arguments.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
