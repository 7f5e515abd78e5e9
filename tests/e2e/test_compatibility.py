"""docs/compatibility.md has a row for every operation that is served, and for none that is not."""
import pathlib
import re

import pytest

DOCUMENT = pathlib.Path(__file__).resolve().parent.parent.parent / "docs/compatibility.md"
SERVICES = ["dynamodb", "dynamodbstreams", "lambda", "s3", "sqs", "sns", "iam", "sts", "logs", "cloudwatch", "ssm", "cloudformation", "kms", "ecr", "cloudtrail", "xray", "events"]


def documented():
    """Per service the operations that have a row: those in the first column of the tables below its heading."""
    rows, service = {}, None
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        if heading := re.match(r"## .*\(`([a-z0-9]+)`\)", line):
            service = heading.group(1)
            rows[service] = []
        elif line.startswith("## "):
            service = None
        elif service and line.startswith("| `"):
            rows[service] += re.findall(r"`(\w+)`", line.split("|")[1])
    return rows


def test_every_service_has_a_section(server):
    assert sorted(documented()) == sorted(SERVICES) == sorted(server.admin("operations"))


@pytest.mark.parametrize("service", SERVICES)
def test_every_operation_has_one_row(server, service):
    rows = documented()[service]
    assert len(rows) == len(set(rows)), "an operation has two rows"
    assert sorted(rows) == server.admin("operations")[service]


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_served_is_what_clients_know(server, service):
    """A handler under a name that no client sends would never be called."""
    known = server.client(service).meta.service_model.operation_names
    assert set(server.admin("operations")[service]) <= set(known)
