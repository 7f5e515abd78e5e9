"""S3 and SQS with the AWS SDKs for JavaScript, v3 and v2: the scripts lie in js/."""
import os
import pathlib
import shutil
import subprocess

import pytest

from world import DEPS

SCRIPTS = pathlib.Path(__file__).resolve().parent / "js"


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    """A copy of the scripts beside the installed SDKs, so that `import` finds them."""
    folder = tmp_path_factory.mktemp("js")
    for file in SCRIPTS.iterdir():
        shutil.copy(file, folder)
    (folder / "node_modules").symlink_to(DEPS / "js" / "node_modules")
    return folder


@pytest.mark.parametrize("script", ["s3_v3.mjs", "s3_v2.js", "sqs_v3.mjs", "sqs_v2.js", "sqs_fifo_v3.mjs"])
def test_script(server, node, scripts, unique, script):
    result = subprocess.run([node, str(scripts / script), server.endpoint, unique], capture_output=True, text=True, timeout=120, check=False,
                            env={**os.environ, "AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE": "1"})
    assert result.returncode == 0 and result.stdout == "ok\n", result.stderr + result.stdout
