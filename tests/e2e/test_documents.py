"""What the documentation names is there."""
import re
import urllib.error
import urllib.request

import pytest

from conftest import ROOT


def test_the_tests_named_in_the_documentation_exist():
    sources = "".join(path.read_text() for path in (ROOT / "src").rglob("*_test.cc"))
    tests = {f"{suite}.{name}" for suite, name in re.findall(r"TEST(?:_F|_P)?\((\w+),\s*(\w+)\)", sources)}
    suites = {test.partition(".")[0] for test in tests}
    for document in (ROOT / "docs").rglob("*.md"):
        named = set(re.findall(r"`([A-Z]\w+\.(?:[A-Z]\w+|\*))`", document.read_text()))
        missing = {name for name in named if name.partition(".")[0] in suites and name not in tests and not name.endswith(".*")}
        assert not missing, f"{document.name} names tests that do not exist: {sorted(missing)}"
    assert re.findall(r"`Lane\.\w+`", (ROOT / "docs/event-source-mappings.md").read_text())


def test_the_files_named_in_the_documentation_exist():
    for document in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for name in re.findall(r"`((?:src|tests|docs|examples|tools)/[\w./-]+)`", document.read_text()):
            assert (ROOT / name).exists(), f"{document.name} names {name}"


def test_every_administration_endpoint_is_documented(server):
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{server.endpoint}/_millrace/nonsense", timeout=10)  # noqa: S310
    names = set(re.search(r"there are: ([\w, ]+)", refused.value.read().decode())[1].split(", "))
    documented = set(re.findall(r"`(?:GET|POST|DELETE) (\w+)", (ROOT / "docs/admin-api.md").read_text()))
    assert names <= documented, f"not in docs/admin-api.md: {sorted(names - documented)}"
    assert len(names) > 15
