"""End-to-end tests: the real binary, driven by the real clients. Every test file gets a server of its own on a free port."""
import os
import pathlib
import shutil
import sys
import uuid

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "examples/demo"))
for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]  # nothing of this machine's AWS settings may reach a test
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"

from world import Server  # noqa: E402

LONG = os.environ.get("MILLRACE_LONG") == "1"


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
