"""The AWS SDKs for JavaScript against the server: each script in js/ does what its name says and asserts as it goes."""
import os
import pathlib
import subprocess

import pytest

from world import DEPS, REGION

SCRIPTS = pathlib.Path(__file__).resolve().parent / "js"


def run(node, server, script, *arguments):
    """Runs js/<script>; its output. Fails with what it wrote to its standard error."""
    if not node:
        pytest.fail("no Node.js: ./x setup installs one")
    environment = {**os.environ, "AWS_ENDPOINT_URL": server.endpoint, "AWS_REGION": REGION, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
                   "NODE_MODULES": str(DEPS / "js/node_modules"), "AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE": "1"}
    result = subprocess.run([node, str(SCRIPTS / script), *arguments], capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert result.returncode == 0, result.stderr[-4000:]
    return result.stdout


def test_dynamodb(node, server, unique):
    assert run(node, server, "dynamodb.mjs", unique).strip() == "ok"
