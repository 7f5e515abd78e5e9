"""End-to-end tests: the real binary, driven by the real clients. Every test file gets a server of its own on a free port."""
import os
import pathlib
import shutil
import sys
import tempfile
import uuid

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "examples/demo"))
for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]  # nothing of this machine's AWS settings may reach a test
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"

from races import Reports, is_instrumented  # noqa: E402
from world import BINARY, Server  # noqa: E402

LONG = os.environ.get("MILLRACE_LONG") == "1"


@pytest.fixture(scope="session")
def race_reports():
    """Where servers built with the thread sanitizer write; None when BINARY is not. Reports are kept."""
    if not is_instrumented(BINARY):
        yield None
        return
    with pytest.MonkeyPatch.context() as patch:
        reports = Reports(tempfile.mkdtemp(prefix="millrace-races-"))
        for name, value in reports.environment(os.environ.get("TSAN_OPTIONS", "")).items():
            patch.setenv(name, value)
        yield reports
    if not reports.told:
        reports.folder.rmdir()


def fail_on_races(reports):
    if reports and (text := reports.new()):
        pytest.fail("the thread sanitizer reported:\n" + text, pytrace=False)


@pytest.fixture(scope="module", autouse=True)
def no_races_at_the_end(race_reports):
    """A file's own server stops before this looks."""
    yield
    fail_on_races(race_reports)


@pytest.fixture(autouse=True)
def no_races(race_reports):
    yield
    fail_on_races(race_reports)


@pytest.fixture(scope="module")
def server():
    with Server() as running:
        yield running


@pytest.fixture
def own_server(tmp_path):
    """A server for one test, with a data directory that survives restarts within it."""
    running = Server(data=tmp_path / "data").start()
    yield running
    running.close()


@pytest.fixture
def unique():
    """A name nobody else uses."""
    return f"t{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def node():
    """The Node.js interpreter that tests drive JavaScript SDKs with."""
    found = sorted((ROOT / ".deps").glob("node-*/node_modules/node/bin/node"))
    return str(found[-1]) if found else shutil.which("node")


def pytest_configure(config):
    config.addinivalue_line("markers", "long: takes minutes; runs with ./x test --all only")


def pytest_collection_modifyitems(items):
    for item in items:
        if "long" in item.keywords and not LONG:
            item.add_marker(pytest.mark.skip(reason="long: ./x test --all"))
